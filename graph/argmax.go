package graph

import (
	"fmt"
	"slices"
)

// ArgMax is the int64 index of the largest element along an axis, which remains with one element. Of equal
// elements the first counts.
type ArgMax struct {
	Axis int  // not negative
	Min  bool // the smallest element instead
	Last bool // of equal elements the last counts
}

func (m ArgMax) Name() string {
	if m.Min {
		return "ArgMin"
	}
	return "ArgMax"
}

func (m ArgMax) Infer(in []Type) ([]Type, error) {
	if err := wantOperands(m.Name(), in, 1, 1); err != nil {
		return nil, err
	}
	if m.Axis < 0 || m.Axis >= in[0].Rank() || in[0].DType == Bool || in[0].Shape[m.Axis] == 0 {
		return nil, fmt.Errorf("%s of %v along axis %d is not defined", m.Name(), in[0], m.Axis)
	}
	shape := slices.Clone(in[0].Shape)
	shape[m.Axis] = 1
	return []Type{{Int64, shape}}, nil
}

func (m ArgMax) Eval(_ *Exec, out, in []*Tensor) error {
	switch a := in[0].data.(type) {
	case []float32:
		argMax(m, out[0], a, in[0].shape)
	case []float64:
		argMax(m, out[0], a, in[0].shape)
	case []int8:
		argMax(m, out[0], a, in[0].shape)
	case []int16:
		argMax(m, out[0], a, in[0].shape)
	case []int32:
		argMax(m, out[0], a, in[0].shape)
	case []int64:
		argMax(m, out[0], a, in[0].shape)
	case []uint8:
		argMax(m, out[0], a, in[0].shape)
	case []uint16:
		argMax(m, out[0], a, in[0].shape)
	case []uint32:
		argMax(m, out[0], a, in[0].shape)
	case []uint64:
		argMax(m, out[0], a, in[0].shape)
	}
	return nil
}

func argMax[T number](m ArgMax, out *Tensor, a []T, shape []int) {
	_, n, inner := split(shape, m.Axis)
	for i, d := 0, Data[int64](out); i < len(d); i++ {
		at := i/inner*n*inner + i%inner
		best := 0
		for k := 1; k < n; k++ {
			v, b := a[at+k*inner], a[at+best*inner]
			if m.Min {
				v, b = b, v
			}
			if v > b || m.Last && v == b {
				best = k
			}
		}
		d[i] = int64(best)
	}
}
