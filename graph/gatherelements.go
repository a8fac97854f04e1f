package graph

import "slices"

// GatherElements takes, for each element of the second operand, the element of the first that has the same position but for Axis, where
// the second operand says it.
type GatherElements struct {
	mover
	Axis int // not negative
}

func (GatherElements) Name() string { return "GatherElements" }

func (g GatherElements) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("GatherElements", in, 2, 2); err != nil {
		return nil, err
	}
	if err := wantElementIndices("GatherElements", in[0], in[1], g.Axis); err != nil {
		return nil, err
	}
	return []Type{{in[0].DType, slices.Clone(in[1].Shape)}}, nil
}

func (g GatherElements) Eval(x *Exec, out, in []*Tensor) error {
	at, err := elementOffsets(in[0].shape, in[1], g.Axis)
	if err != nil {
		return err
	}
	takeRuns(x, out[0], in[0], runs{1, 0, at, 1})
	return nil
}

func (g GatherElements) gradient(d *derivation) []*Value {
	return []*Value{d.apply(ScatterElementsSum{Axis: g.Axis, Shape: d.in[0].typ.Shape}, d.grad(0), d.in[1]), nil}
}
