package graph

import (
	"fmt"
	"slices"
)

// ScatterSum is the transpose of Gather: an axis of Size positions in place of those of the second operand, which says to which
// position each part of the first is added. Positions that none is added to are zero.
type ScatterSum struct {
	Axis, Size int // not negative
}

func (ScatterSum) Name() string { return "ScatterSum" }

func (s ScatterSum) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("ScatterSum", in, 2, 2); err != nil {
		return nil, err
	}
	if err := wantIndices("ScatterSum", in[1]); err != nil {
		return nil, err
	}
	x, to := in[0], s.Axis+in[1].Rank()
	if s.Axis < 0 || s.Size < 0 || !x.DType.IsFloat() || to > x.Rank() || !slices.Equal(x.Shape[s.Axis:to], in[1].Shape) {
		return nil, fmt.Errorf("ScatterSum of %v by %v to %d positions of axis %d is not possible", x, in[1], s.Size, s.Axis)
	}
	return []Type{{x.DType, slices.Concat(x.Shape[:s.Axis], []int{s.Size}, x.Shape[to:])}}, nil
}

func (s ScatterSum) Eval(x *Exec, out, in []*Tensor) error {
	at, err := positions(in[1], s.Size)
	if err != nil {
		return err
	}
	outer, _, inner := split(out[0].shape, s.Axis)
	for i := range at {
		at[i] *= inner
	}
	switch out[0].dtype {
	case Float32:
		addRuns(x, Data[float32](out[0]), Data[float32](in[0]), at, outer, s.Size*inner, inner)
	case Float64:
		addRuns(x, Data[float64](out[0]), Data[float64](in[0]), at, outer, s.Size*inner, inner)
	}
	return nil
}

// addRuns adds runs of n elements of src, one after the other, to outer parts of dst that are size elements long: in each, to the runs
// that begin at at.
func addRuns[T float](x *Exec, dst, src []T, at []int, outer, size, n int) {
	x.parallel(outer, max(1, grain/max(1, size)), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			d := dst[i*size:][:size]
			clear(d)
			combineRuns(ReduceAdd, d, src[i*len(at)*n:], at, n)
		}
	})
}

func (s ScatterSum) gradient(d *derivation) []*Value {
	return []*Value{d.apply(Gather{Axis: s.Axis}, d.grad(0), d.in[1]), nil}
}

// ScatterElementsSum is the transpose of GatherElements: zeros of the given shape, and each element of the first operand added at its own
// position but for Axis, where the second operand says it.
type ScatterElementsSum struct {
	Axis  int // not negative
	Shape []int
}

func (ScatterElementsSum) Name() string { return "ScatterElementsSum" }

func (s ScatterElementsSum) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("ScatterElementsSum", in, 2, 2); err != nil {
		return nil, err
	}
	t := Type{in[0].DType, slices.Clone(s.Shape)}
	if err := wantElementIndices("ScatterElementsSum", t, in[1], s.Axis); err != nil {
		return nil, err
	}
	if !t.DType.IsFloat() || !slices.Equal(in[0].Shape, in[1].Shape) {
		return nil, fmt.Errorf("ScatterElementsSum of %v by %v is not possible", in[0], in[1])
	}
	return []Type{t}, nil
}

func (s ScatterElementsSum) Eval(_ *Exec, out, in []*Tensor) error {
	at, err := elementOffsets(s.Shape, in[1], s.Axis)
	if err != nil {
		return err
	}
	switch out[0].dtype {
	case Float32:
		addRuns(&Exec{}, Data[float32](out[0]), Data[float32](in[0]), at, 1, out[0].Len(), 1)
	case Float64:
		addRuns(&Exec{}, Data[float64](out[0]), Data[float64](in[0]), at, 1, out[0].Len(), 1)
	}
	return nil
}

func (s ScatterElementsSum) gradient(d *derivation) []*Value {
	return []*Value{d.apply(GatherElements{Axis: s.Axis}, d.grad(0), d.in[1]), nil}
}
