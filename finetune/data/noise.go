package data

import (
	"bytes"
	"fmt"
	"image"
	"image/jpeg"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/gansr/gansr/upscale/photo"
)

// gaussianNoise adds normal noise of the given standard deviation, in units of 1/255; the same to all colours if grey.
func (p planes) gaussianNoise(rng *rand.Rand, sigma float64, grey bool) {
	p.addNoise(grey, func(float32) float32 { return float32(rng.NormFloat64() * sigma / 255) })
}

// poissonNoise adds shot noise: a value of v/255 gets scale/255 times the deviation of a Poisson variable from its mean v, so
// the variance is scale² v / 255². If grey, v is the luminance and all colours get the same.
func (p planes) poissonNoise(rng *rand.Rand, scale float64, grey bool) {
	p.addNoise(grey, func(v float32) float32 {
		mean := float64(level(v))
		if mean == 0 {
			return 0
		}
		return float32(scale / 255 * (distuv.Poisson{Lambda: mean, Src: rng}.Rand() - mean))
	})
}

// addNoise adds noise(v) to every value v, or noise of the luminance to all colours of a pixel, and clamps.
func (p planes) addNoise(grey bool, noise func(v float32) float32) {
	if !grey {
		for i, v := range p.pix {
			p.pix[i] += noise(v)
		}
	} else {
		r, g, b := p.plane(0), p.plane(1), p.plane(2)
		for i := range r {
			n := noise(0.299*r[i] + 0.587*g[i] + 0.114*b[i]) // BT.601
			r[i], g[i], b[i] = r[i]+n, g[i]+n, b[i]+n
		}
	}
	p.clamp()
}

// compressed returns what JPEG of the given quality (1 to 100, as libjpeg counts it) leaves of the picture, with chroma at half
// the resolution.
func (p planes) compressed(quality int) (planes, error) {
	img := image.NewNRGBA(image.Rect(0, 0, p.w, p.h))
	for c := range 3 {
		for i, v := range p.plane(c) {
			img.Pix[4*i+c] = level(v)
		}
	}
	for i := 3; i < len(img.Pix); i += 4 {
		img.Pix[i] = 0xff
	}
	var file bytes.Buffer
	if err := jpeg.Encode(&file, img, &jpeg.Options{Quality: quality}); err != nil {
		return planes{}, fmt.Errorf("data: compress a patch: %w", err)
	}
	shown, err := photo.Decode(bytes.NewReader(file.Bytes()), int64(file.Len()), photo.Limits{})
	if err != nil {
		return planes{}, fmt.Errorf("data: read a compressed patch: %w", err)
	}
	return newPicture(shown).crop(shown.Bounds()), nil
}
