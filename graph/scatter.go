package graph

import "fmt"

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

// gradient returns the gradients of data, indices and updates of an operator that scatters as scatter does; gather takes what updates go to.
func (r Reduction) gradient(d *derivation, scatter func(g, updates *Value) *Value, gather Operator) []*Value {
	if r != ReduceNone && r != ReduceAdd {
		d.fail(&NoGradientError{[]string{d.label()}})
	}
	gs := make([]*Value, 3)
	g := d.grad(0)
	if d.wants[0] {
		gs[0] = g
		if r == ReduceNone {
			gs[0] = scatter(g, d.expand(d.num(0), d.in[2].typ.Shape))
		}
	}
	if d.wants[2] {
		gs[2] = d.apply(gather, g, d.in[1])
	}
	return gs
}
