package graph

import (
	"fmt"
	"math"
	"slices"
)

// GridSample samples x (N x C x spatial, up to three spatial axes) at the positions in grid (N x result's spatial x
// axes), as ONNX's GridSample (opset 20) defines it. A position lists the last axis first; -1 and 1 are the outer edges of the first and last elements, or with
// AlignCorners their centres.
type GridSample struct {
	Mode         string // "nearest", "linear" or "cubic"
	Padding      string // what lies outside: "zeros", "border" or "reflection"
	AlignCorners bool
	Pixels       bool // positions are in pixels, the middle of the first one at 0
}

// cubicA is the parameter of cubic weights (Keys) that ONNX fixes for GridSample.
const cubicA = -0.75

func (GridSample) Name() string { return "GridSample" }

func (g GridSample) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("GridSample", in, 2, 2); err != nil {
		return nil, err
	}
	x, grid := in[0], in[1]
	n := x.Rank() - 2
	if n < 1 || n > 3 || grid.Rank() != n+2 || grid.Shape[0] != x.Shape[0] || grid.Shape[n+1] != n || !grid.DType.IsFloat() {
		return nil, fmt.Errorf("GridSample of %v with positions %v: they should be N x C x spatial, up to three axes, and floating-point N x spatial x axes", x, grid)
	}
	if !slices.Contains([]string{"nearest", "linear", "cubic"}, g.Mode) || !slices.Contains([]string{"zeros", "border", "reflection"}, g.Padding) {
		return nil, fmt.Errorf("GridSample with mode %q and padding %q: they should be nearest, linear or cubic, and zeros, border or reflection", g.Mode, g.Padding)
	}
	return []Type{{x.DType, slices.Concat(x.Shape[:2], grid.Shape[1:n+1])}}, nil
}

func (g GridSample) Eval(x *Exec, out, in []*Tensor) error {
	dst, src := out[0], in[0]
	if src.dtype == Float32 {
		sampleGrid(x, g, dst.shape, Data[float32](dst), src.shape, Data[float32](src), in[1])
		return nil
	}
	s, d := NewTensor(Float64, src.shape...), NewTensor(Float64, dst.shape...)
	convert(s, src)
	sampleGrid(x, g, d.shape, Data[float64](d), s.shape, Data[float64](s), in[1])
	convert(dst, d)
	return nil
}

func sampleGrid[T float](x *Exec, g GridSample, outShape []int, dst []T, shape []int, src []T, grid *Tensor) {
	size := shape[2:]
	n, channels := len(size), shape[1]
	area, _ := Numel(size)
	outArea, _ := Numel(outShape[2:])
	at := func(i, axis int) float64 { // the position of point i along an axis
		if f, ok := grid.data.([]float32); ok {
			if g.Pixels {
				return float64(f[i*n+n-1-axis])
			}
			return float64(unnormalize(f[i*n+n-1-axis], size[axis], g.AlignCorners))
		}
		if g.Pixels {
			return Data[float64](grid)[i*n+n-1-axis]
		}
		return unnormalize(Data[float64](grid)[i*n+n-1-axis], size[axis], g.AlignCorners)
	}
	x.parallel(shape[0]*outArea, max(1, grain/8/max(channels, 1)), func(lo, hi int) {
		offsets, weights := make([]int, 0, 64), make([]T, 0, 64)
		for i := lo; i < hi; i++ {
			offsets, weights = append(offsets[:0], 0), append(weights[:0], 1)
			for axis, d := range size {
				// Each tap so far meets each of this axis.
				taps, w, k := g.taps(at(i, axis), d)
				m := len(offsets)
				for t := range k {
					for j := 0; j < m && taps[t] >= 0; j++ {
						offsets, weights = append(offsets, offsets[j]*d+taps[t]), append(weights, weights[j]*T(w[t]))
					}
				}
				offsets, weights = slices.Delete(offsets, 0, m), slices.Delete(weights, 0, m)
			}
			sample, o := i/outArea*channels, i%outArea
			for c := range channels {
				var sum T
				plane := src[(sample+c)*area:]
				for t, off := range offsets {
					sum += weights[t] * plane[off]
				}
				dst[(sample+c)*outArea+o] = sum
			}
		}
	})
}

// unnormalize computes in the grid's own type, because rounding decides which element is the nearest.
func unnormalize[T float](v T, size int, alignCorners bool) T {
	if alignCorners {
		return (v + 1) / 2 * T(size-1)
	}
	return (T((v+1)*T(size)) - 1) / 2 // the conversion keeps compilers from rounding once for both operations
}

// taps returns the k elements of an axis that a position takes, -1 for none, and their weights.
func (g GridSample) taps(p float64, size int) (at [4]int, w [4]float64, k int) {
	const far = 1 << 24
	if !(p > -far) { // NaN too
		p = -far
	}
	p = min(p, far)
	lo, hi := -0.5, float64(size)-0.5
	if g.AlignCorners {
		lo, hi = 0, float64(size)-1
	}
	if g.Mode == "nearest" {
		p = math.RoundToEven(p)
	}
	if p < lo || p > hi {
		switch g.Padding {
		case "border":
			if g.Mode != "cubic" { // as PyTorch and ONNX Runtime: there only the elements taken are clamped
				p = min(max(p, 0), float64(size-1))
			}
		case "reflection":
			p = mirror(p, lo, hi)
		}
	}
	first := math.Floor(p)
	switch t := p - first; g.Mode {
	case "nearest":
		k, w[0] = 1, 1
		first = math.Trunc(p)
	case "linear":
		k, w[0], w[1] = 2, 1-t, t
	default:
		k = 4
		for i := range w {
			w[i] = keys(t-float64(i-1), cubicA)
		}
		first--
	}
	for i := range k {
		q := first + float64(i)
		switch g.Padding {
		case "border":
			q = min(max(q, 0), float64(size-1))
		case "reflection":
			q = math.Trunc(mirror(q, lo, hi))
		}
		if at[i] = int(q); at[i] >= size {
			at[i] = -1
		}
		at[i] = max(at[i], -1)
	}
	return at, w, k
}

// mirror reflects p at lo and hi until it lies between them.
func mirror(p, lo, hi float64) float64 {
	if hi <= lo {
		return lo
	}
	if p >= lo && p <= hi {
		return p
	}
	p = math.Mod(math.Abs(p-lo), 2*(hi-lo))
	return lo + min(p, 2*(hi-lo)-p)
}

// gradient: the operator is made of Gathers of the elements around each position.
func (g GridSample) gradient(d *derivation) []*Value {
	return d.through(func(in []*Value) *Value {
		x, grid := in[0], in[1]
		shape, out := x.typ.Shape, d.outs[0].typ.Shape
		samples, channels := shape[0], shape[1]
		n := len(shape) - 2
		points := grid.typ.Len() / n // of all samples
		positions := d.reshape(grid, points, n)

		first := make([]int64, points) // of each point's sample, in elements of a channel
		area, _ := Numel(shape[2:])
		for i := range first {
			first[i] = int64(i * samples / max(1, points) * area)
		}
		// Each tap so far, as offsets and weights of all points, meets each tap of the next axis.
		type tap struct{ offset, weight *Value }
		taps := []tap{{d.b.Constant("first", &Tensor{Int64, []int{points, 1}, first}), d.num(1)}}
		for axis, size := range shape[2:] {
			at := g.position(d.composer, d.slice(positions, 1, n-1-axis, 1), size)
			var next []tap
			for _, own := range g.around(d.composer, at, size, rowMajor(shape[2:])[axis], x.typ.DType) {
				for _, t := range taps {
					next = append(next, tap{d.add(t.offset, own[0]), d.mul(t.weight, own[1])})
				}
			}
			taps = next
		}
		perm := []int{0, 2, 1}
		pixels := d.reshape(d.apply(Transpose{Perm: perm}, d.reshape(x, samples, channels, area)), samples*area, channels)
		var y *Value
		for _, t := range taps {
			v := d.mul(d.apply(Gather{}, pixels, d.reshape(t.offset, points)), t.weight)
			if y != nil {
				v = d.add(y, v)
			}
			y = v
		}
		return d.reshape(d.apply(Transpose{Perm: perm}, d.reshape(y, samples, points/max(1, samples), channels)), out...)
	})
}

// position returns where a grid's values lie along an axis of size. But in cubic mode, where only the elements taken are, it is within the axis unless
// the padding is zeros.
func (g GridSample) position(c composer, v *Value, size int) *Value {
	num := func(f float64) *Value { return c.scalar(v.typ.DType, f) }
	p := v
	switch {
	case g.Pixels:
	case g.AlignCorners:
		p = c.scale(c.add(v, num(1)), float64(size-1)/2)
	default:
		p = c.scale(c.sub(c.scale(c.add(v, num(1)), float64(size)), num(1)), 0.5)
	}
	if g.Mode == "cubic" || g.Padding == "zeros" {
		return p
	}
	return g.inside(c, p, size)
}

// inside brings positions along an axis of size within it, as the padding says.
func (g GridSample) inside(c composer, p *Value, size int) *Value {
	num := func(f float64) *Value { return c.scalar(p.typ.DType, f) }
	lo, hi := -0.5, float64(size)-0.5
	if g.AlignCorners {
		lo, hi = 0, float64(size-1)
	}
	if g.Padding == "reflection" && hi > lo {
		period := 2 * (hi - lo)
		away := c.apply(Abs{}, c.sub(p, num(lo)))
		away = c.sub(away, c.scale(c.apply(Floor{}, c.scale(away, 1/period)), period))
		p = c.add(c.apply(Min{}, away, c.sub(num(period), away)), num(lo))
	}
	return c.apply(Clip{}, p, num(0), num(float64(size-1)))
}

// around returns offset and weight of the elements that positions p along an axis of size take, stride elements apart.
func (g GridSample) around(c composer, p *Value, size, stride int, dt DType) [][2]*Value {
	num := func(f float64) *Value { return c.scalar(p.typ.DType, f) }
	low := c.apply(Floor{}, p)
	part := c.sub(p, low)
	var elements, weights []*Value
	switch g.Mode {
	case "nearest":
		elements, weights = []*Value{c.apply(Round{}, p)}, []*Value{num(1)}
	case "linear":
		elements, weights = []*Value{low, c.add(low, num(1))}, []*Value{c.sub(num(1), part), part}
	default:
		for i := -1; i <= 2; i++ {
			elements = append(elements, c.add(low, num(float64(i))))
			away := c.sub(part, num(float64(i)))
			if i > 0 {
				away = c.neg(away)
			}
			weights = append(weights, c.keys(away, i < 0 || i > 1, cubicA))
		}
	}
	var taps [][2]*Value
	for i, e := range elements {
		within, weight := c.apply(Clip{}, e, num(0), num(float64(size-1))), weights[i]
		switch {
		case g.Padding == "zeros":
			weight = c.keep(c.apply(Compare{Is: IsEqual}, e, within), weight)
		case g.Mode == "cubic":
			within = g.inside(c, e, size)
		}
		offset := c.mul(c.apply(Cast{To: Int64}, within), c.scalar(Int64, float64(stride)))
		taps = append(taps, [2]*Value{offset, c.cast(weight, dt)})
	}
	return taps
}

// keys is the cubic weight of elements at distances t, from 1 to 2 if they are far, and less if not.
func (c composer) keys(t *Value, far bool, a float64) *Value {
	coefficients := []float64{a + 2, -(a + 3), 0, 1}
	if far {
		coefficients = []float64{a, -5 * a, 8 * a, -4 * a}
	}
	w := c.scalar(t.typ.DType, coefficients[0])
	for _, v := range coefficients[1:] {
		w = c.add(c.mul(w, t), c.scalar(t.typ.DType, v))
	}
	return w
}
