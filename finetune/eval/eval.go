// Package eval measures how near a generator, or bicubic interpolation, comes to photos whose reduced versions it enlarges.
package eval

import (
	"context"
	"errors"
	"fmt"
	"image"
	"log/slog"

	"github.com/gansr/gansr/finetune/data"
	"github.com/gansr/gansr/internal/interp"
	"github.com/gansr/gansr/internal/quality"
	"github.com/gansr/gansr/upscale"
)

// Figures tell how near a picture is to its photo. As in the field, as many pixels as the scale are left out at each edge. Luminance is BT.601's in
// studio range. A figure of a set is the mean of its pictures'.
type Figures struct {
	Name    string  `json:"name"`
	PSNRY   float64 `json:"psnr_y"`         // dB, luminance; as RGB's at most 100, which stands for equal pictures
	SSIM    float64 `json:"ssim_y"`         // luminance, 0 to 1
	PSNRRGB float64 `json:"psnr_rgb"`       // dB
	LPIPS   float64 `json:"lpips,omitzero"` // 0 for equal pictures; 0 also if it was not measured
}

// add adds up the figures of pictures, and scale divides them.
func (f *Figures) add(g Figures) {
	f.PSNRY, f.SSIM, f.PSNRRGB, f.LPIPS = f.PSNRY+g.PSNRY, f.SSIM+g.SSIM, f.PSNRRGB+g.PSNRRGB, f.LPIPS+g.LPIPS
}

func (f *Figures) scale(by float64) {
	f.PSNRY, f.SSIM, f.PSNRRGB, f.LPIPS = f.PSNRY*by, f.SSIM*by, f.PSNRRGB*by, f.LPIPS*by
}

// Options say what is measured.
type Options struct {
	HR    string // folder of photos
	LR    string // folder of their reduced versions, which may be HR; "": made as MATLAB's imresize makes them
	Scale int
	LPIPS *LPIPS       // nil: not measured
	Log   *slog.Logger // warnings; nil: slog.Default()
}

// Enlarge makes a picture larger.
type Enlarge func(ctx context.Context, img image.Image) (image.Image, error)

// Generator returns a network with all that upscaling does around it, and its scale.
func Generator(g upscale.Generator, o upscale.Options) (Enlarge, int, error) {
	u, err := upscale.New(g, o)
	if err != nil {
		return nil, 0, err
	}
	return u.Image, u.Scale(), nil
}

// Bicubic returns MATLAB's bicubic interpolation, rounded to 8 bits.
func Bicubic(scale int) Enlarge {
	return func(_ context.Context, img image.Image) (image.Image, error) {
		p := picture(img)
		h, w := p.H*scale, p.W*scale
		across := interp.Imresize.Line(0, w, 1/float64(scale), 0, p.W)
		down := interp.Imresize.Line(0, h, 1/float64(scale), 0, p.H)
		out := image.NewNRGBA(image.Rect(0, 0, w, h))
		rows := make([]float64, p.H*w)
		for c := range 3 {
			for i := range rows {
				t := across[i%w]
				rows[i] = 0
				for k, v := range t.Weights {
					rows[i] += float64(v) * p.Pix[(c*p.H+i/w)*p.W+t.Lo+k]
				}
			}
			for i := range h * w {
				t, v := down[i/w], 0.5
				for k, weight := range t.Weights {
					v += float64(weight) * rows[(t.Lo+k)*w+i%w]
				}
				out.Pix[4*i+c], out.Pix[4*i+3] = uint8(min(max(v, 0), 255)), 255
			}
		}
		return out, nil
	}
}

// picture returns the 8-bit colours of an image.
func picture(img image.Image) quality.Picture {
	b := img.Bounds()
	p := quality.Picture{Planes: 3, H: b.Dy(), W: b.Dx()}
	n := p.H * p.W
	p.Pix = make([]float64, 3*n)
	for y := range p.H {
		for x := range p.W {
			r, g, bl, _ := img.At(b.Min.X+x, b.Min.Y+y).RGBA()
			for c, v := range [3]uint32{r, g, bl} {
				p.Pix[c*n+y*p.W+x] = float64(v >> 8)
			}
		}
	}
	return p
}

// planes returns h x w pixels from 0 to 1 with values of 8 bits.
func planes(pix []float32, h, w int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range h * w {
		for c := range 3 {
			img.Pix[4*i+c] = uint8(min(max(255*pix[c*h*w+i]+0.5, 0), 255))
		}
		img.Pix[4*i+3] = 255
	}
	return img
}

// shaved returns the colours of an image without so many pixels at each edge.
func shaved(img image.Image, border int) (quality.Picture, error) {
	part, ok := img.(interface {
		SubImage(r image.Rectangle) image.Image
	})
	inner := img.Bounds().Inset(border)
	if !ok || inner.Empty() {
		return picture(img).Shaved(border)
	}
	return picture(part.SubImage(inner)), nil
}

// Run measures every photo, by name, and returns the mean. each is called after each photo. Photos that cannot be used are left out with a
// warning; data.ErrNoPhotos says that none could.
func Run(ctx context.Context, enlarge Enlarge, o Options, each func(Figures) error) (Figures, error) {
	opt := data.Options{Scale: o.Scale, Patch: 1, Batch: 1, Held: 1, Log: o.Log}
	if opt.HR, opt.LR = o.HR, o.LR; o.LR == "" {
		opt.Photos, opt.HR = o.HR, ""
	}
	set, err := data.Open(ctx, opt)
	if err != nil {
		return Figures{}, err
	}
	mean, err := Held(ctx, enlarge, set, o.Scale, o.LPIPS, each)
	if errors.Is(err, data.ErrNoPhotos) {
		err = fmt.Errorf("%w in %s", err, o.HR)
	}
	return mean, err
}

// MeasureBytes is what measuring takes for a pixel of a photo, beside enlarging it and LPIPS: the pairs of a set, both pictures, and their luminance.
const MeasureBytes = 13 + 8 + 48 + 16

// LPIPSBytes is what LPIPS takes for a pixel of the largest photo that was measured, and keeps.
const LPIPSBytes = 100

// Held measures the photos of a set that are held out, by name, as Run does. The set's photos are scale times as large as what is enlarged. lpips may be nil.
func Held(ctx context.Context, enlarge Enlarge, set *data.Set, scale int, lpips *LPIPS, each func(Figures) error) (Figures, error) {
	mean, n := Figures{Name: "mean"}, 0
	for s, err := range set.Validation(ctx, 0) {
		if err != nil {
			return mean, err
		}
		f, err := measure(ctx, enlarge, s, scale, lpips)
		if err != nil {
			return mean, fmt.Errorf("eval: %s: %w", s.Name, err)
		}
		n++
		mean.add(f)
		if err := each(f); err != nil {
			return mean, err
		}
	}
	if n == 0 {
		return mean, fmt.Errorf("eval: %w", data.ErrNoPhotos)
	}
	mean.scale(1 / float64(n))
	return mean, nil
}

func measure(ctx context.Context, enlarge Enlarge, s data.Sample, scale int, lpips *LPIPS) (Figures, error) {
	f := Figures{Name: s.Name}
	img, err := enlarge(ctx, planes(s.LR, s.H, s.W))
	if err != nil {
		return f, err
	}
	a, err := shaved(img, scale)
	if err != nil {
		return f, err
	}
	b, err := shaved(planes(s.HR, s.H*scale, s.W*scale), scale)
	if err != nil {
		return f, err
	}
	var failed [4]error
	f.PSNRRGB, failed[0] = quality.PSNR(a, b)
	ya, yb := a.Luminance(), b.Luminance()
	f.PSNRY, failed[1] = quality.PSNR(ya, yb)
	f.SSIM, failed[2] = quality.SSIM(ya, yb)
	if lpips != nil {
		f.LPIPS, failed[3] = lpips.distance(ctx, a, b)
	}
	f.PSNRRGB, f.PSNRY = min(f.PSNRRGB, 100), min(f.PSNRY, 100) // JSON has no infinity
	return f, errors.Join(failed[:]...)
}
