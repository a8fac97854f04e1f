package graph

import (
	"fmt"
	"slices"
)

// Gather takes positions of an axis: the second operand, of any shape, says which, and its shape takes the place of the axis.
type Gather struct {
	mover
	Axis int // not negative
}

func (Gather) Name() string { return "Gather" }

func (g Gather) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("Gather", in, 2, 2); err != nil {
		return nil, err
	}
	if g.Axis < 0 || g.Axis >= in[0].Rank() {
		return nil, fmt.Errorf("Gather of %v: there is no axis %d", in[0], g.Axis)
	}
	if err := wantIndices("Gather", in[1]); err != nil {
		return nil, err
	}
	return []Type{{in[0].DType, slices.Concat(in[0].Shape[:g.Axis], in[1].Shape, in[0].Shape[g.Axis+1:])}}, nil
}

func (g Gather) Eval(x *Exec, out, in []*Tensor) error {
	n := in[0].shape[g.Axis]
	at, err := positions(in[1], n)
	if err != nil {
		return err
	}
	outer, _ := Numel(in[0].shape[:g.Axis])
	inner, _ := Numel(in[0].shape[g.Axis+1:])
	for i := range at {
		at[i] *= inner
	}
	takeRuns(x, out[0], in[0], runs{outer, n * inner, at, inner})
	return nil
}

func (g Gather) gradient(d *derivation) []*Value {
	return []*Value{d.apply(ScatterSum{Axis: g.Axis, Size: d.in[0].typ.Shape[g.Axis]}, d.grad(0), d.in[1]), nil}
}
