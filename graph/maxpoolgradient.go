package graph

import (
	"fmt"
	"math"
	"slices"
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
				for y := range height {
					quarter(d[2*y*width:], src[2*y*width:], g[y*half:][:half], width)
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

// eachPlane calls f for each plane of dst, N x C x spatial, when it is all zeros.
func eachPlane[T float](x *Exec, dst []T, shape []int, f func(d []T, plane int)) {
	area, _ := Numel(shape[2:])
	x.parallel(shape[0]*shape[1], max(1, grain/max(1, area)), func(lo, hi int) {
		for plane := lo; plane < hi; plane++ {
			d := dst[plane*area:][:area]
			clear(d)
			f(d, plane)
		}
	})
}

func maxPoolGradient[T float](x *Exec, s Sliding, out *Tensor, in []*Tensor, lowest T) {
	size, outSize := in[0].shape[2:], in[1].shape[2:]
	outArea, _ := Numel(outSize)
	src, g, steps := Data[T](in[0]), Data[T](in[1]), rowMajor(size)
	eachPlane(x, Data[T](out), in[0].shape, func(d []T, plane int) {
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

// quarter adds each element of g to the one of two by two of d where src has the largest. Rows are width elements long. Which it is cannot be
// predicted, so there is no branch on it: floating-point numbers are compared as integers in the same order, above the place of each.
func quarter(d, src, g []float32, width int) {
	order := func(v float32) int64 {
		if v != v {
			return math.MaxInt32 << 2
		}
		i := int32(math.Float32bits(v + 0)) // -0 becomes 0
		return int64(i^int32(uint32(i>>31)>>1)) << 2
	}
	a, b := src[:2*len(g)], src[width:][:2*len(g)]
	for i, v := range g {
		most := max(order(a[2*i])|3, order(a[2*i+1])|2, order(b[2*i])|1, order(b[2*i+1]))
		at := int(^most & 3)
		d[2*i+at&1+at>>1*width] += v
	}
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
