package upscale

import (
	"image"
	"math"
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

// resample fills dst with src at num/den of its size, in bicubic interpolation (Keys 1981, a = -0.5) that widens its kernel
// when it makes pictures smaller. The rectangles are parts of the small and large picture, whose sizes relate by num/den. Where
// the kernel reaches past whole, the source picture's bounds, its remaining weights are raised to sum to 1. src must hold what
// the kernel reaches inside whole.
func resample(dst, src plane, num, den int, whole image.Rectangle) {
	across := kernels(dst.rect.Min.X, dst.rect.Max.X, num, den, whole.Min.X, whole.Max.X)
	down := kernels(dst.rect.Min.Y, dst.rect.Max.Y, num, den, whole.Min.Y, whole.Max.Y)
	first, last := down[0].lo, down[len(down)-1].lo+len(down[len(down)-1].weights)
	mid := newPlane(image.Rect(dst.rect.Min.X, first, dst.rect.Max.X, last))
	for y := first; y < last; y++ {
		in, out := src.row(y, src.rect.Min.X, src.rect.Max.X), mid.row(y, mid.rect.Min.X, mid.rect.Max.X)
		for x, k := range across {
			var sum float32
			for i, v := range in[k.lo-src.rect.Min.X:][:len(k.weights)] {
				sum += v * k.weights[i]
			}
			out[x] = sum
		}
	}
	for i, k := range down {
		out := dst.row(dst.rect.Min.Y+i, dst.rect.Min.X, dst.rect.Max.X)
		clear(out)
		for j, w := range k.weights {
			for x, v := range mid.row(k.lo+j, mid.rect.Min.X, mid.rect.Max.X) {
				out[x] += v * w
			}
		}
	}
}

// kernel holds the weights of source samples lo, lo+1, ...
type kernel struct {
	lo      int
	weights []float32
}

// kernels returns the kernel of each sample from d0 to d1-1 over source samples from lo to hi-1.
func kernels(d0, d1, num, den, lo, hi int) []kernel {
	ratio := float64(den) / float64(num)
	stretch := max(ratio, 1)
	ks := make([]kernel, 0, d1-d0)
	for d := d0; d < d1; d++ {
		centre := (float64(d) + 0.5) * ratio
		first := max(lo, int(math.Floor(centre-2*stretch+0.5)))
		last := min(hi, int(math.Floor(centre+2*stretch+0.5)))
		k := kernel{first, make([]float32, last-first)}
		var sum float64
		for i := range k.weights {
			sum += cubic((float64(first+i) + 0.5 - centre) / stretch)
		}
		for i := range k.weights {
			k.weights[i] = float32(cubic((float64(first+i)+0.5-centre)/stretch) / sum)
		}
		ks = append(ks, k)
	}
	return ks
}

func cubic(x float64) float64 {
	const a = -0.5
	x = math.Abs(x)
	switch {
	case x < 1:
		return ((a+2)*x-(a+3))*x*x + 1
	case x < 2:
		return ((a*x-5*a)*x+8*a)*x - 4*a
	}
	return 0
}
