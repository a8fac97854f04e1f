package graph

import (
	"fmt"
	"slices"
)

// GatherND takes parts of the first operand: each row along the last axis of the second operand holds the position of a part on
// the axes after the first BatchDims, which both operands share.
type GatherND struct {
	mover
	BatchDims int
}

func (GatherND) Name() string { return "GatherND" }

func (g GatherND) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("GatherND", in, 2, 2); err != nil {
		return nil, err
	}
	if err := wantIndices("GatherND", in[1]); err != nil {
		return nil, err
	}
	data, idx, b := in[0].Shape, in[1].Shape, g.BatchDims
	if b < 0 || b > len(data) || b >= len(idx) || !slices.Equal(data[:b], idx[:b]) || idx[len(idx)-1] > len(data)-b {
		return nil, fmt.Errorf("GatherND of %v with indices %v: they do not fit with %d batch axes", in[0], in[1], b)
	}
	last := len(idx) - 1
	return []Type{{in[0].DType, slices.Concat(idx[:last], data[b+idx[last]:])}}, nil
}

func (g GatherND) Eval(x *Exec, out, in []*Tensor) error {
	rows, err := partOffsets(in[0].shape, in[1], g.BatchDims)
	if err != nil {
		return err
	}
	idx := in[1].shape
	inner, _ := Numel(in[0].shape[g.BatchDims+idx[len(idx)-1]:])
	takeRuns(x, out[0], in[0], runs{1, 0, rows, inner})
	return nil
}
