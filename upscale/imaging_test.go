package upscale

import (
	"image"
	"math"
	"testing"

	"github.com/disintegration/imaging"
)

// Bicubic interpolation agrees with the imaging package's Catmull-Rom filter, the same kernel in 8 bits.
func TestResampleAgreesWithImaging(t *testing.T) {
	const w, h = 45, 36
	img := image.NewGray(image.Rect(0, 0, w, h))
	src := newPlane(img.Rect)
	for i := range img.Pix {
		img.Pix[i] = byte(80 + (i*i/7+i*13)%91)
		src.pix[i] = float32(img.Pix[i])
	}
	for _, c := range []struct{ num, den int }{{2, 1}, {3, 1}, {4, 1}, {1, 3}, {2, 3}} {
		dst := newPlane(image.Rect(0, 0, w*c.num/c.den, h*c.num/c.den))
		resample(dst, src, c.num, c.den, img.Rect)
		want := imaging.Resize(img, dst.rect.Dx(), dst.rect.Dy(), imaging.CatmullRom)
		for i, v := range dst.pix {
			got := min(max(math.Floor(float64(v)+0.5), 0), 255)
			if d := got - float64(want.Pix[4*i]); d < -2 || d > 2 { // imaging rounds between the axes
				t.Fatalf("%d/%d: pixel %d is %v, imaging has %d", c.num, c.den, i, v, want.Pix[4*i])
			}
		}
	}
}
