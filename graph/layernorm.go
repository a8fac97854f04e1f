package graph

import (
	"fmt"
	"slices"

	"github.com/gansr/gansr/internal/kernel"
)

// LayerNorm is (x - mean) / sqrt(variance + Epsilon) * scale + bias, with mean and variance over the axes of x from Axis on, whose
// shape scale and bias have; they may be left out (Ba et al., arXiv:1607.06450). Further results are the mean and 1/sqrt(variance +
// Epsilon), of type Stash, with size 1 along those axes.
//
// With RMS the mean is taken as 0 and not returned: x / sqrt(mean of squares + Epsilon) (Zhang and Sennrich, arXiv:1910.07467).
type LayerNorm struct {
	Axis    int // not negative
	Epsilon float64
	RMS     bool
	Stash   DType
}

func (LayerNorm) Name() string { return "LayerNorm" }

func (l LayerNorm) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("LayerNorm", in, 1, 3); err != nil {
		return nil, err
	}
	x := in[0]
	if !x.DType.IsFloat() || l.Axis < 0 || l.Axis >= x.Rank() {
		return nil, fmt.Errorf("LayerNorm of %v from axis %d is not defined", x, l.Axis)
	}
	for _, t := range in[1:] {
		if want := (Type{x.DType, x.Shape[l.Axis:]}); !t.Equal(want) {
			return nil, fmt.Errorf("LayerNorm of %v from axis %d: scale and bias should be %v, not %v", x, l.Axis, want, t)
		}
	}
	if l.RMS {
		return []Type{x}, nil
	}
	if !l.Stash.IsFloat() {
		return nil, fmt.Errorf("LayerNorm with mean and deviation of %v is not defined", l.Stash)
	}
	stats := Type{l.Stash, slices.Clone(x.Shape)}
	for k := range stats.Shape[l.Axis:] {
		stats.Shape[l.Axis+k] = 1
	}
	return []Type{x, stats, stats}, nil
}

func (l LayerNorm) Eval(x *Exec, out, in []*Tensor) error {
	switch out[0].dtype {
	case Float32:
		layerNorm(x, l, out, in, moments32, standardize32, kernel.Mul, kernel.Add)
	case Float64:
		layerNorm(x, l, out, in, moments64, standardize64, mul[float64], add[float64])
	}
	return nil
}

func (LayerNorm) inPlace() []int { return []int{0} }

func layerNorm[T float](x *Exec, l LayerNorm, out, in []*Tensor, moments func([]T) (mean, square float64),
	standardize func(dst, a []T, mean, scale, bias float64), mul, add func(dst, a, b []T)) {
	rows, _ := Numel(in[0].shape[:l.Axis])
	n, _ := Numel(in[0].shape[l.Axis:])
	dst, a := Data[T](out[0]), Data[T](in[0])
	means, factors := make([]float64, rows), make([]float64, rows)
	x.parallel(rows, max(1, grain/max(n, 1)), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			row := dst[r*n : (r+1)*n]
			mean, square := moments(a[r*n : (r+1)*n])
			if l.RMS {
				mean = 0
			}
			factor := inverseRoot(square-mean*mean, l.Epsilon)
			standardize(row, a[r*n:(r+1)*n], mean, factor, 0)
			if len(in) > 1 {
				mul(row, row, Data[T](in[1]))
			}
			if len(in) > 2 {
				add(row, row, Data[T](in[2]))
			}
			means[r], factors[r] = mean, factor
		}
	})
	if !l.RMS {
		fromFloat(out[1], means)
		fromFloat(out[2], factors)
	}
}

func (l LayerNorm) gradient(d *derivation) []*Value {
	x, g := d.in[0], d.grad(0)
	var axes []int
	for k := l.Axis; k < x.typ.Rank(); k++ {
		axes = append(axes, k)
	}
	mean := func(v *Value) *Value { return d.apply(Reduce{By: ReduceMean, Axes: axes}, v) }
	var s standardized
	if l.RMS {
		s = standardized{x, d.inverseRoot(mean(d.mul(x, x)), l.Epsilon), axes}
	} else {
		s = d.standardize(x, axes, l.Epsilon)
	}
	y := s.value(d.composer)
	gs := make([]*Value, len(d.in))
	if d.wants[0] {
		scaled := g
		if len(d.in) > 1 {
			scaled = d.mul(g, d.in[1])
		}
		if l.RMS {
			gs[0] = d.mul(s.inverse, d.sub(scaled, d.mul(y, mean(d.mul(scaled, y)))))
		} else {
			gs[0] = d.add(s.gradient(d.composer, scaled), l.statistics(d, s))
		}
	}
	if len(d.in) > 1 && d.wants[1] {
		gs[1] = d.sumTo(d.mul(g, y), x.typ.Shape, d.in[1].typ.Shape)
	}
	if len(d.in) > 2 && d.wants[2] {
		gs[2] = d.sumTo(g, x.typ.Shape, d.in[2].typ.Shape)
	}
	return gs
}

// statistics returns the part of x's gradient that comes from the mean and 1/deviation.
func (l LayerNorm) statistics(d *derivation, s standardized) *Value {
	dt := d.in[0].typ.DType
	n := 1.0
	for _, k := range s.axes {
		n *= float64(d.in[0].typ.Shape[k])
	}
	g := d.num(0)
	if d.grads[1] != nil {
		g = d.add(g, d.scale(d.cast(d.grads[1], dt), 1/n))
	}
	if d.grads[2] != nil { // the derivative of 1/deviation is -inverse^3 * (x - mean)/n
		cube := d.mul(s.inverse, d.mul(s.inverse, s.inverse))
		g = d.sub(g, d.mul(d.scale(d.mul(d.cast(d.grads[2], dt), cube), 1/n), s.centered))
	}
	return g
}
