package upscale

import (
	"image"

	"github.com/gansr/gansr/internal/interp"
)

// plane is one channel of a part of a picture, rows from top to bottom. rect gives the part in the picture's coordinates.
type plane struct {
	pix  []float32
	rect image.Rectangle
}

func newPlane(r image.Rectangle) plane { return plane{make([]float32, r.Dx()*r.Dy()), r} }

// row returns the samples (x0, y) to (x1-1, y).
func (p plane) row(y, x0, x1 int) []float32 {
	at := (y - p.rect.Min.Y) * p.rect.Dx()
	return p.pix[at+x0-p.rect.Min.X : at+x1-p.rect.Min.X]
}

func scaled(r image.Rectangle, s int) image.Rectangle {
	return image.Rectangle{r.Min.Mul(s), r.Max.Mul(s)}
}

// resample fills dst with src at num/den of its size, in bicubic interpolation (interp.Bicubic) that widens its kernel
// when it makes pictures smaller. The rectangles are parts of the small and large picture, whose sizes relate by num/den. Where
// the kernel reaches past whole, the source picture's bounds, its remaining weights are raised to sum to 1. src must hold what
// the kernel reaches inside whole.
func resample(dst, src plane, num, den int, whole image.Rectangle) {
	ratio := float64(den) / float64(num)
	across := interp.Bicubic.Line(dst.rect.Min.X, dst.rect.Max.X, ratio, whole.Min.X, whole.Max.X)
	down := interp.Bicubic.Line(dst.rect.Min.Y, dst.rect.Max.Y, ratio, whole.Min.Y, whole.Max.Y)
	first, last := down[0].Lo, down[len(down)-1].Lo+len(down[len(down)-1].Weights)
	mid := newPlane(image.Rect(dst.rect.Min.X, first, dst.rect.Max.X, last))
	for y := first; y < last; y++ {
		in, out := src.row(y, src.rect.Min.X, src.rect.Max.X), mid.row(y, mid.rect.Min.X, mid.rect.Max.X)
		for x, k := range across {
			var sum float32
			for i, v := range in[k.Lo-src.rect.Min.X:][:len(k.Weights)] {
				sum += v * k.Weights[i]
			}
			out[x] = sum
		}
	}
	for i, k := range down {
		out := dst.row(dst.rect.Min.Y+i, dst.rect.Min.X, dst.rect.Max.X)
		clear(out)
		for j, w := range k.Weights {
			for x, v := range mid.row(k.Lo+j, mid.rect.Min.X, mid.rect.Max.X) {
				out[x] += v * w
			}
		}
	}
}
