package graph

import "fmt"

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
