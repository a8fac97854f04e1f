package graph

import (
	"fmt"
	"slices"
)

// positions returns the elements of an index tensor (int32 or int64) as ints that are within n; negative ones count
// from the end.
func positions(t *Tensor, n int) ([]int, error) {
	out := make([]int, t.Len())
	var err error
	switch d := t.data.(type) {
	case []int32:
		err = setPositions(out, d, n)
	case []int64:
		err = setPositions(out, d, n)
	}
	return out, err
}

func setPositions[T int32 | int64](out []int, d []T, n int) error {
	for i, v := range d {
		p, err := position(int(v), n)
		if err != nil {
			return err
		}
		out[i] = p
	}
	return nil
}

func position(i, n int) (int, error) {
	if i < -n || i >= n {
		return 0, fmt.Errorf("index %d is outside of an axis of %d", i, n)
	}
	if i < 0 {
		i += n
	}
	return i, nil
}

func wantIndices(op string, t Type) error {
	if t.DType != Int32 && t.DType != Int64 {
		return fmt.Errorf("%s with indices %v: they should be int32 or int64", op, t)
	}
	return nil
}

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

// runs are runs of n elements: for each of outer parts that are stride elements apart, those that begin at its elements at.
type runs struct {
	outer, stride int
	at            []int
	n             int
}

// takeRuns copies runs of src to dst, one after the other.
func takeRuns(x *Exec, dst, src *Tensor, r runs) {
	if dst.Len() > 0 {
		moveData(mover4{copyRuns[uint8](x, r), copyRuns[uint16](x, r), copyRuns[uint32](x, r), copyRuns[uint64](x, r)}, dst, src)
	}
}

func copyRuns[T any](x *Exec, r runs) func(dst, src []T) {
	return func(dst, src []T) {
		x.parallel(r.outer*len(r.at), max(1, grain/r.n), func(lo, hi int) {
			for lo < hi {
				part, first := lo/len(r.at), lo%len(r.at)
				at := r.at[first:min(len(r.at), first+hi-lo)]
				d, s := dst[lo*r.n:], src[part*r.stride:]
				if r.n == 1 {
					for i, o := range at {
						d[i] = s[o]
					}
				} else {
					for i, o := range at {
						copy(d[i*r.n:][:r.n], s[o:])
					}
				}
				lo += len(at)
			}
		})
	}
}

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

// wantElementIndices checks indices that name elements along an axis.
func wantElementIndices(op string, data, indices Type, axis int) error {
	if err := wantIndices(op, indices); err != nil {
		return err
	}
	if axis < 0 || axis >= data.Rank() {
		return fmt.Errorf("%s of %v: there is no axis %d", op, data, axis)
	}
	if indices.Rank() != data.Rank() {
		return fmt.Errorf("%s of %v with indices %v: both should have as many axes", op, data, indices)
	}
	for k, d := range indices.Shape {
		if k != axis && d > data.Shape[k] {
			return fmt.Errorf("%s of %v with indices %v: axis %d of the indices is too long", op, data, indices, k)
		}
	}
	return nil
}

func (g GatherElements) Eval(x *Exec, out, in []*Tensor) error {
	at, err := elementOffsets(in[0].shape, in[1], g.Axis)
	if err != nil {
		return err
	}
	takeRuns(x, out[0], in[0], runs{1, 0, at, 1})
	return nil
}

// elementOffsets returns, for each element of indices, the offset of the element of a tensor of the given shape that it names along axis.
func elementOffsets(shape []int, indices *Tensor, axis int) ([]int, error) {
	at, err := positions(indices, shape[axis])
	if err != nil {
		return nil, err
	}
	strides := rowMajor(shape)
	place := make([]int, len(shape)) // of the element in indices
	for i, p := range at {
		o := p * strides[axis]
		for k, v := range place {
			if k != axis {
				o += v * strides[k]
			}
		}
		at[i] = o
		for k := len(place) - 1; k >= 0; k-- {
			if place[k]++; place[k] < indices.shape[k] {
				break
			}
			place[k] = 0
		}
	}
	return at, nil
}

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

// partOffsets returns, for each row along the last axis of indices, the offset of the part of a tensor of the given shape that it
// names on the axes after the first batch ones.
func partOffsets(shape []int, indices *Tensor, batch int) ([]int, error) {
	last := len(indices.shape) - 1
	depth := indices.shape[last]
	count, _ := Numel(indices.shape[:last])
	perBatch, _ := Numel(indices.shape[batch:last])
	strides := rowMajor(shape)
	size, _ := Numel(shape[batch:])
	rows := make([]int, count)
	for i := range rows {
		if batch > 0 {
			rows[i] = i / perBatch * size
		}
	}
	var err error
	switch d := indices.data.(type) {
	case []int32:
		err = addParts(rows, d, depth, shape[batch:], strides[batch:])
	case []int64:
		err = addParts(rows, d, depth, shape[batch:], strides[batch:])
	}
	return rows, err
}

func addParts[T int32 | int64](rows []int, d []T, depth int, shape, strides []int) error {
	for i := range rows {
		for k, v := range d[i*depth:][:depth] {
			p, err := position(int(v), shape[k])
			if err != nil {
				return err
			}
			rows[i] += p * strides[k]
		}
	}
	return nil
}
