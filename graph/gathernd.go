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

// gradient: what a part got is added where it came from. Parts of a batch are those of one tensor whose first axes are joined.
func (g GatherND) gradient(d *derivation) []*Value {
	shape, at := d.in[0].typ.Shape, d.in[1]
	if g.BatchDims > 0 { // the position in the batch becomes a part of the index
		n, _ := Numel(shape[:g.BatchDims])
		depth := at.typ.Shape[at.typ.Rank()-1]
		rows := at.typ.Len() / max(1, n*depth)
		batch := make([]int64, n)
		for i := range batch {
			batch[i] = int64(i)
		}
		first := d.expand(d.b.Constant("batch", &Tensor{Int64, []int{n, 1, 1}, batch}), []int{n, rows, 1})
		at = d.apply(Concat{Axis: 2}, first, d.apply(Cast{To: Int64}, d.reshape(at, n, rows, depth)))
		shape = slices.Concat([]int{n}, shape[g.BatchDims:])
	}
	depth := at.typ.Shape[at.typ.Rank()-1]
	updates := d.reshape(d.grad(0), slices.Concat(at.typ.Shape[:at.typ.Rank()-1], shape[depth:])...)
	x := d.apply(ScatterND{ReduceAdd}, d.expand(d.reshape(d.num(0), slices.Repeat([]int{1}, len(shape))...), shape), at, updates)
	return []*Value{d.reshape(x, d.in[0].typ.Shape...), nil}
}
