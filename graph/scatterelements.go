package graph

import (
	"fmt"
	"slices"
)

// ScatterElements is the first operand with elements of it combined with those of the third, whose position they have but for Axis,
// where the second operand says it.
type ScatterElements struct {
	Axis      int // not negative
	Reduction Reduction
}

func (ScatterElements) Name() string { return "ScatterElements" }

func (s ScatterElements) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("ScatterElements", in, 3, 3); err != nil {
		return nil, err
	}
	if err := wantElementIndices("ScatterElements", in[0], in[1], s.Axis); err != nil {
		return nil, err
	}
	if in[2].DType != in[0].DType || !slices.Equal(in[1].Shape, in[2].Shape) {
		return nil, fmt.Errorf("ScatterElements into %v with indices %v: updates %v do not fit", in[0], in[1], in[2])
	}
	return []Type{{in[0].DType, slices.Clone(in[0].Shape)}}, s.Reduction.check("ScatterElements", in[0].DType)
}

func (s ScatterElements) Eval(_ *Exec, out, in []*Tensor) error {
	at, err := elementOffsets(in[0].shape, in[1], s.Axis)
	if err != nil {
		return err
	}
	copyTensor(out[0], in[0])
	s.Reduction.scatter(out[0], in[2], at, 1)
	return nil
}

// gradient: there is none of reductions but none and add. Of several updates of one element each is taken to be the one that stays.
func (s ScatterElements) gradient(d *derivation) []*Value {
	return s.Reduction.gradient(d, func(g, updates *Value) *Value { return d.apply(s, g, d.in[1], updates) },
		GatherElements{Axis: s.Axis})
}
