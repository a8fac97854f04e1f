package graph

import (
	"fmt"
	"slices"
)

// ScatterND is the first operand with parts of it combined with those of the third; each row along the last axis of the second
// holds the position of a part on the first axes.
type ScatterND struct{ Reduction Reduction }

func (ScatterND) Name() string { return "ScatterND" }

func (s ScatterND) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("ScatterND", in, 3, 3); err != nil {
		return nil, err
	}
	if err := wantIndices("ScatterND", in[1]); err != nil {
		return nil, err
	}
	data, idx := in[0].Shape, in[1].Shape
	last := len(idx) - 1
	if last < 0 || idx[last] > len(data) || in[2].DType != in[0].DType || !slices.Equal(in[2].Shape, slices.Concat(idx[:last], data[idx[last]:])) {
		return nil, fmt.Errorf("ScatterND into %v with indices %v: updates %v do not fit", in[0], in[1], in[2])
	}
	return []Type{{in[0].DType, slices.Clone(data)}}, s.Reduction.check("ScatterND", in[0].DType)
}

func (s ScatterND) Eval(_ *Exec, out, in []*Tensor) error {
	at, err := partOffsets(in[0].shape, in[1], 0)
	if err != nil {
		return err
	}
	depth := in[1].shape[len(in[1].shape)-1]
	n, _ := Numel(in[0].shape[depth:])
	copyTensor(out[0], in[0])
	s.Reduction.scatter(out[0], in[2], at, n)
	return nil
}

// gradient: as that of ScatterElements.
func (s ScatterND) gradient(d *derivation) []*Value {
	return s.Reduction.gradient(d, func(g, updates *Value) *Value { return d.apply(s, g, d.in[1], updates) }, GatherND{})
}
