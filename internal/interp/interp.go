// Package interp computes which source samples, with which weights, make the samples of a resized line. Pictures are
// resized by applying it along each axis. Pixels do not live here.
package interp

import "math"

// Method says how a line is resized.
type Method struct {
	Filter    func(x float64) float64 // even, zero where |x| ≥ Support; x in samples of the coarser line if Antialias, else of the source
	Support   float64
	Antialias bool // widen the filter by the ratio when the line becomes shorter
	Mirror    bool // reflect the line at its ends (half-sample symmetric); otherwise the weights inside are raised to sum to 1
}

var (
	// Bicubic is Keys' kernel (1981) with a = -0.5, as Pillow's BICUBIC and PyTorch's bicubic with antialias=True have it.
	Bicubic = Method{Filter: cubic, Support: 2, Antialias: true}
	// Imresize is MATLAB's imresize with its default method "bicubic": it differs from Bicubic near borders alone.
	Imresize = Method{Filter: cubic, Support: 2, Antialias: true, Mirror: true}
	// Bilinear is Pillow's BILINEAR and PyTorch's and torchvision's bilinear with antialias=True.
	Bilinear = Method{Filter: triangle, Support: 1, Antialias: true}
	// SharpBicubic and SharpBilinear do not widen their filters: a line that becomes shorter is aliased.
	SharpBicubic  = Method{Filter: cubic, Support: 2}
	SharpBilinear = Method{Filter: triangle, Support: 1}
)

// Taps are the weights of source samples Lo, Lo+1, ... in a sample of the resized line.
type Taps struct {
	Lo      int
	Weights []float32
}

// Line returns the taps of the resized line's samples d0 to d1-1. ratio is the length of the source over that of the
// result; the source has the samples lo to hi-1, lo < hi, and both lines have their origin at 0.
func (m Method) Line(d0, d1 int, ratio float64, lo, hi int) []Taps {
	stretch := 1.0
	if m.Antialias {
		stretch = max(ratio, 1)
	}
	line := make([]Taps, 0, d1-d0)
	for d := d0; d < d1; d++ {
		centre := (float64(d) + 0.5) * ratio
		first := int(math.Floor(centre - m.Support*stretch + 0.5))
		last := int(math.Floor(centre + m.Support*stretch + 0.5))
		if !m.Mirror {
			first, last = max(lo, min(first, hi-1)), min(hi, max(last, lo+1))
		}
		weights := make([]float64, last-first)
		var sum float64
		for i := range weights {
			weights[i] = m.Filter((float64(first+i) + 0.5 - centre) / stretch)
			sum += weights[i]
		}
		if sum == 0 { // past the ends of a part: the nearest sample
			weights[0], sum = 1, 1
		}
		line = append(line, fold(first, weights, sum, lo, hi))
	}
	return line
}

// fold reflects the samples outside [lo, hi) into it and divides by sum.
func fold(first int, weights []float64, sum float64, lo, hi int) Taps {
	from, to := max(first, lo), min(first+len(weights), hi)
	if from == first && to == first+len(weights) {
		t := Taps{first, make([]float32, len(weights))}
		for i, w := range weights {
			t.Weights[i] = float32(w / sum)
		}
		return t
	}
	inside := map[int]float64{}
	from, to = hi, lo
	for i, w := range weights {
		at := reflect(first+i-lo, hi-lo) + lo
		inside[at] += w / sum
		from, to = min(from, at), max(to, at+1)
	}
	t := Taps{from, make([]float32, to-from)}
	for at, w := range inside {
		t.Weights[at-from] = float32(w)
	}
	return t
}

// reflect returns which of n samples stands at position i of the line that repeats them forwards and backwards.
func reflect(i, n int) int {
	i %= 2 * n
	if i < 0 {
		i += 2 * n
	}
	return min(i, 2*n-1-i)
}

// Area returns the taps that average the source over the stretch that each sample of the result covers, as OpenCV's
// INTER_AREA does when it makes pictures smaller and PyTorch's "area" where the ratio is whole. Parameters are those of
// Method.Line; the source starts at 0.
func Area(d0, d1 int, ratio float64, n int) []Taps {
	line := make([]Taps, 0, d1-d0)
	for d := d0; d < d1; d++ {
		start, end := float64(d)*ratio, min(float64(d+1)*ratio, float64(n))
		first := min(int(start), n-1)
		last := max(first+1, min(n, int(math.Ceil(end-1e-9))))
		t := Taps{first, make([]float32, last-first)}
		var sum float64
		weights := make([]float64, last-first)
		for i := range weights {
			x := float64(first + i)
			weights[i] = max(0, min(x+1, end)-max(x, start))
			sum += weights[i]
		}
		for i, w := range weights {
			t.Weights[i] = float32(w / sum)
		}
		line = append(line, t)
	}
	return line
}

func triangle(x float64) float64 { return max(0, 1-math.Abs(x)) }

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
