package graph

import (
	"fmt"
	"slices"
)

// ResizeTransposed is the transpose of a Resize of tensors of the given Shape, as a linear map: each element of the operand, which has
// the size that Resize makes, goes back to the elements that it was taken from, with their weights.
type ResizeTransposed struct {
	Of    Resize
	Shape []int
}

func (ResizeTransposed) Name() string { return "ResizeTransposed" }

func (r ResizeTransposed) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("ResizeTransposed", in, 1, 1); err != nil {
		return nil, err
	}
	t := Type{in[0].DType, slices.Clone(r.Shape)}
	resized, err := r.Of.Infer([]Type{t})
	if err != nil {
		return nil, err
	}
	if !t.DType.IsFloat() || !resized[0].Equal(in[0]) {
		return nil, fmt.Errorf("ResizeTransposed of %v to %v: it should be %v", in[0], r.Shape, resized[0])
	}
	return []Type{t}, nil
}

func (r ResizeTransposed) Eval(x *Exec, out, in []*Tensor) error {
	if in[0].Len() == 0 {
		copyTensor(out[0], NewTensor(out[0].dtype, out[0].shape...))
		return nil
	}
	axes := make([]*sampling, len(r.Shape))
	for k, n := range r.Shape {
		if a := r.Of.axis(x, len(r.Shape), k, n); a != nil {
			axes[k] = a.transposed()
		}
	}
	passes := planPasses(axes, in[0].shape)
	switch {
	case len(passes) == 0:
		copyTensor(out[0], in[0])
	case out[0].dtype == Float32:
		mixAll32(x, passes, Data[float32](out[0]), Data[float32](in[0]))
	case out[0].dtype == Float64:
		mixAll64(x, passes, Data[float64](out[0]), Data[float64](in[0]))
	}
	return nil
}

func (r ResizeTransposed) gradient(d *derivation) []*Value {
	of := r.Of
	of.Extrapolation = 0
	return []*Value{d.apply(of, d.grad(0))}
}

// transposed returns where the positions of the operand's gradient come from: those of the result's that they were taken for, which
// follow each other because sampling goes along the axis.
func (a *sampling) transposed() *sampling {
	lo, hi := slices.Repeat([]int{a.out}, a.in), make([]int, a.in) // the range for each position
	each := func(f func(o, i int, w float64)) {
		for o, first := range a.first {
			for k := range a.taps {
				w := 1.0
				if a.weights != nil {
					w = a.weights[o*a.taps+k]
				}
				if w != 0 && (a.outside == nil || !a.outside[o]) {
					f(o, first+k, w)
				}
			}
		}
	}
	each(func(o, i int, _ float64) { lo[i], hi[i] = min(lo[i], o), max(hi[i], o+1) })
	t := &sampling{index: a.index, in: a.out, out: a.in, first: make([]int, a.in), taps: 1}
	for i := range lo {
		t.taps = max(t.taps, hi[i]-lo[i])
	}
	for i := range lo {
		t.first[i] = max(0, min(lo[i], a.out-t.taps))
	}
	t.weights = make([]float64, a.in*t.taps)
	each(func(o, i int, w float64) { t.weights[i*t.taps+o-t.first[i]] += w })
	return t
}
