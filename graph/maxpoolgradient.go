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
		src, g := Data[float32](in[0]), Data[float32](in[1])
		if m.quarters(in[0].shape, in[1].shape) {
			height, width, half := in[1].shape[2], in[0].shape[3], in[1].shape[3]
			eachPlane(x, Data[float32](out[0]), in[0].shape, func(d []float32, plane int) {
				src, g := src[plane*len(d):][:len(d)], g[plane*height*half:][:height*half]
				if width > 2*half || len(d) > 2*height*width { // there are elements under no window
					clear(d)
				}
				for y := range height {
					upper, lower := 2*y*width, (2*y+1)*width
					kernel.PoolGradient(d[upper:], d[lower:], src[upper:], src[lower:], g[y*half:][:half])
				}
			})
			return nil
		}
		maxPoolGradient(x, m.Sliding, out[0], in, float32(math.Inf(-1)))
	case Float64:
		maxPoolGradient(x, m.Sliding, out[0], in, math.Inf(-1))
	}
	return nil
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

// quarters reports whether windows are 2x2, side by side, and all within x.
func (s Sliding) quarters(x, out []int) bool {
	two := func(v []int) bool { return len(v) == 2 && v[0] == 2 && v[1] == 2 }
	return two(s.Kernel) && two(s.Strides) && slices.Max(s.Dilations) == 1 && slices.Min(s.Pads) == 0 && slices.Max(s.Pads) == 0 &&
		2*out[2] <= x[2] && 2*out[3] <= x[3]
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
