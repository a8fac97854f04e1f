package graph

import (
	"fmt"
	"slices"
)

// Reduction says how an update is combined with the element it goes to.
type Reduction string

// The reductions. With ReduceNone the last of several updates of one element stays.
const (
	ReduceNone Reduction = "none"
	ReduceAdd  Reduction = "add"
	ReduceMul  Reduction = "mul"
	ReduceMax  Reduction = "max"
	ReduceMin  Reduction = "min"
)

func (r Reduction) check(op string, dt DType) error {
	switch r {
	case ReduceNone:
		return nil
	case ReduceAdd, ReduceMul, ReduceMax, ReduceMin:
		if dt == Bool {
			return fmt.Errorf("%s of %v with reduction %s is not defined", op, dt, r)
		}
		return nil
	}
	return fmt.Errorf("%s: reduction %q is unknown; it should be none, add, mul, max or min", op, r)
}

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

// scatter combines each run of n elements of updates with that of dst which begins at the element at.
func (r Reduction) scatter(dst, updates *Tensor, at []int, n int) {
	if r == ReduceNone {
		moveData(mover4{putRuns[uint8](at, n), putRuns[uint16](at, n), putRuns[uint32](at, n), putRuns[uint64](at, n)}, dst, updates)
		return
	}
	switch d := dst.data.(type) {
	case []float32:
		combineRuns(r, d, Data[float32](updates), at, n)
	case []float64:
		combineRuns(r, d, Data[float64](updates), at, n)
	case []int8:
		combineRuns(r, d, Data[int8](updates), at, n)
	case []int16:
		combineRuns(r, d, Data[int16](updates), at, n)
	case []int32:
		combineRuns(r, d, Data[int32](updates), at, n)
	case []int64:
		combineRuns(r, d, Data[int64](updates), at, n)
	case []uint8:
		combineRuns(r, d, Data[uint8](updates), at, n)
	case []uint16:
		combineRuns(r, d, Data[uint16](updates), at, n)
	case []uint32:
		combineRuns(r, d, Data[uint32](updates), at, n)
	case []uint64:
		combineRuns(r, d, Data[uint64](updates), at, n)
	}
}

func putRuns[T any](at []int, n int) func(dst, src []T) {
	return func(dst, src []T) {
		for i, o := range at {
			copy(dst[o:][:n], src[i*n:])
		}
	}
}

func combineRuns[T number](r Reduction, dst, src []T, at []int, n int) {
	for i, o := range at {
		d := dst[o:][:n]
		for k, v := range src[i*n:][:n] {
			switch r {
			case ReduceAdd:
				d[k] += v
			case ReduceMul:
				d[k] *= v
			case ReduceMax:
				d[k] = max(d[k], v)
			case ReduceMin:
				d[k] = min(d[k], v)
			}
		}
	}
}
