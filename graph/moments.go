package graph

import (
	"fmt"
	"slices"
)

// Moments is the mean over axes and the variance, the mean of squared distances from it: two results with one element along the axes.
type Moments struct {
	Axes []int // not negative, no two equal
}

func (Moments) Name() string { return "Moments" }

func (m Moments) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("Moments", in, 1, 1); err != nil {
		return nil, err
	}
	if !in[0].DType.IsFloat() {
		return nil, fmt.Errorf("Moments of %v is not defined", in[0])
	}
	mean, err := (Reduce{By: ReduceMean, Axes: m.Axes}).Infer(in)
	if err != nil {
		return nil, err
	}
	return []Type{mean[0], {mean[0].DType, slices.Clone(mean[0].Shape)}}, nil
}

func (m Moments) Eval(x *Exec, out, in []*Tensor) error {
	switch in[0].dtype {
	case Float32:
		momentsOf(x, m, out, in[0], moments32)
	case Float64:
		momentsOf(x, m, out, in[0], moments64)
	}
	return nil
}

// momentsOf sums up in float64. moments returns the mean and the mean of squares of elements that follow each other.
func momentsOf[T float](x *Exec, m Moments, out []*Tensor, in *Tensor, moments func([]T) (mean, square float64)) {
	p := planReduction(in.shape, m.Axes)
	rows, _ := Numel(p.kept.dims)
	pieces, _ := Numel(p.joined.dims)
	src, means, variances := Data[T](in), Data[T](out[0]), Data[T](out[1])
	n := float64(p.elements)
	set := func(at int, sum, square float64) {
		mean := sum / n
		means[at], variances[at] = T(mean), T(max(square/n-mean*mean, 0)) // NaN for no elements
	}
	x.parallel(rows, max(1, grain/max(1, p.elements*p.cols)), func(lo, hi int) {
		sums, squares := make([]float64, p.cols), make([]float64, p.cols)
		for r := lo; r < hi; r++ {
			clear(sums)
			clear(squares)
			at := p.kept.offset(r)
			for k := range pieces {
				piece := src[at+p.joined.offset(k):]
				if p.cols == 1 {
					mean, square := moments(piece[:p.run])
					sums[0] += mean * float64(p.run)
					squares[0] += square * float64(p.run)
					continue
				}
				for j, v := range piece[:p.cols] {
					sums[j] += float64(v)
					squares[j] += float64(v) * float64(v)
				}
			}
			for j := range sums {
				set(r*p.cols+j, sums[j], squares[j])
			}
		}
	})
}

func (m Moments) gradient(d *derivation) []*Value {
	x, mean := d.in[0], d.outs[0]
	n := float64(max(1, x.typ.Len()/max(1, mean.typ.Len())))
	var g *Value
	if d.grads[1] != nil {
		g = d.mul(d.scale(d.grads[1], 2/n), d.sub(x, mean))
	}
	if d.grads[0] != nil {
		of := d.scale(d.grads[0], 1/n)
		if g != nil {
			of = d.add(g, of)
		}
		g = of
	}
	return []*Value{g}
}
