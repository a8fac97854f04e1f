package graph

import (
	"fmt"
	"math"
	"slices"

	"github.com/gansr/gansr/internal/kernel"
)

// MaxPoolGradient is the gradient of MaxPool: zeros of the type of the pool's operand x, and each element of g, which has the type of the pool's
// result, added where the largest element under its window is, the first of several. Operands: x and g.
type MaxPoolGradient struct{ Sliding }

func (MaxPoolGradient) Name() string { return "MaxPoolGradient" }

func (m MaxPoolGradient) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("MaxPoolGradient", in, 2, 2); err != nil {
		return nil, err
	}
	t, err := inferPool("MaxPoolGradient", m.Sliding, in[:1])
	if err != nil {
		return nil, err
	}
	if !in[1].Equal(t) {
		return nil, fmt.Errorf("MaxPoolGradient of %v: the gradient should be %v, not %v", in[0], t, in[1])
	}
	return in[:1], nil
}

func (m MaxPoolGradient) Eval(x *Exec, out, in []*Tensor) error {
	switch out[0].dtype {
	case Float32:
		if m.quarters(in[0].shape, in[1].shape) {
			m.byQuarters(x, out[0], in[0], in[1], func(int, int) {})
			return nil
		}
		maxPoolGradient(x, m.Sliding, out[0], in, float32(math.Inf(-1)))
	case Float64:
		maxPoolGradient(x, m.Sliding, out[0], in, math.Inf(-1))
	}
	return nil
}

// byQuarters is for quarters, of single elements or of blocks. It calls then for the elements of the result that it has computed.
func (MaxPoolGradient) byQuarters(x *Exec, out, in, g *Tensor, then func(from, end int)) {
	gradient := kernel.PoolGradient
	if len(in.shape) == 5 {
		gradient = kernel.PoolBlocksGradient
	}
	width, half := rowLen(in.shape), rowLen(g.shape)
	d, src, from := Data[float32](out), Data[float32](in), Data[float32](g)
	eachQuarters(x, in.shape, g.shape, func(row, upper, end int) {
		lower := upper + width
		gradient(d[upper:], d[lower:], src[upper:], src[lower:], from[row:][:half])
		clear(d[upper+2*half : lower]) // elements under no window
		clear(d[lower+2*half : end])
		then(upper, end)
	})
}

// eachPlane calls f for each plane of dst, N x C x spatial.
func eachPlane[T float](x *Exec, dst []T, shape []int, f func(d []T, plane int)) {
	area, _ := Numel(shape[2:])
	x.parallel(shape[0]*shape[1], max(1, grain/max(1, area)), func(lo, hi int) {
		for plane := lo; plane < hi; plane++ {
			f(dst[plane*area:][:area], plane)
		}
	})
}

func maxPoolGradient[T float](x *Exec, s Sliding, out *Tensor, in []*Tensor, lowest T) {
	size, outSize := in[0].shape[2:], in[1].shape[2:]
	outArea, _ := Numel(outSize)
	src, g, steps := Data[T](in[0]), Data[T](in[1]), rowMajor(size)
	eachPlane(x, Data[T](out), in[0].shape, func(d []T, plane int) {
		clear(d)
		at := make([]int, len(size))
		for o, v := range g[plane*outArea:][:outArea] {
			unravel(at, o, outSize)
			if _, where := largestUnder(s, src[plane*len(d):][:len(d)], at, size, steps, lowest); where >= 0 {
				d[where] += v
			}
		}
	})
}

// quarters reports whether windows are 2x2, side by side, and all within x, of single elements or of blocks of channels.
func (s Sliding) quarters(x, out []int) bool {
	if n := len(s.Kernel); n != 2 && !(n == 3 && s.still(2) && x[4] == kernel.Lanes()) {
		return false
	}
	two := func(v []int) bool { return v[0] == 2 && v[1] == 2 }
	return two(s.Kernel) && two(s.Strides) && slices.Max(s.Dilations) == 1 && slices.Min(s.Pads) == 0 && slices.Max(s.Pads) == 0 &&
		2*out[2] <= x[2] && 2*out[3] <= x[3]
}

// rowLen is the number of elements of a row of an image, which may be blocked.
func rowLen(shape []int) int {
	n, _ := Numel(shape[3:])
	return n
}

// eachQuarters calls f for each row of a pool by quarters: with the index of its first element, that of the first element of x under it, and where
// the rows of x end that are its own: two, and after the last row all that are left of the plane.
func eachQuarters(x *Exec, shape, out []int, f func(row, from, end int)) {
	width, half, rows := rowLen(shape), rowLen(out), out[2]
	area := shape[2] * width
	x.parallel(out[0]*out[1]*rows, max(1, grain/max(1, 2*width)), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			plane, y := r/rows, r%rows
			from := plane*area + 2*y*width
			end := from + 2*width
			if y == rows-1 {
				end = (plane + 1) * area
			}
			f(r*half, from, end)
		}
	})
}

// gradient: the operator is linear in g, and takes from each window of what comes back the element where x has the largest.
func (m MaxPoolGradient) gradient(d *derivation) []*Value {
	x, g := d.in[0], d.in[1]
	at := d.reshape(d.applyAll(MaxPool{Sliding: m.Sliding, Indices: true}, x)[1], g.typ.Len())
	picked := d.apply(GatherElements{}, d.reshape(d.grad(0), x.typ.Len()), at)
	if m.empty(x.typ.Shape[2:], g.typ.Shape[2:]) { // index -1 has taken the last element
		picked = d.apply(Where{}, d.less(at, d.scalar(Int64, 0)), d.num(0), picked)
	}
	return []*Value{nil, d.reshape(picked, g.typ.Shape...)}
}

// empty reports whether the window covers no element somewhere.
func (s Sliding) empty(size, out []int) bool {
	for i := range size {
		for o := range out[i] {
			if lo, hi := s.span(i, o, size[i]); lo >= hi {
				return true
			}
		}
	}
	return false
}
