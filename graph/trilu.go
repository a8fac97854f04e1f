package graph

import (
	"fmt"
	"slices"
)

// Trilu keeps the lower triangle of the matrices in the last two axes, or with Upper the upper one, and sets the rest to zero.
// The triangle includes the diagonal that lies K columns to the right of the main one.
type Trilu struct {
	mover
	K     int
	Upper bool
}

func (Trilu) Name() string { return "Trilu" }

func (t Trilu) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("Trilu", in, 1, 1); err != nil {
		return nil, err
	}
	if in[0].Rank() < 2 {
		return nil, fmt.Errorf("Trilu of %v: it should have two or more axes", in[0])
	}
	return []Type{{in[0].DType, slices.Clone(in[0].Shape)}}, nil
}

func (t Trilu) Eval(_ *Exec, out, in []*Tensor) error {
	n := len(out[0].shape)
	rows, cols := out[0].shape[n-2], out[0].shape[n-1]
	moveData(mover4{triangle[uint8](t, rows, cols), triangle[uint16](t, rows, cols), triangle[uint32](t, rows, cols), triangle[uint64](t, rows, cols)}, out[0], in[0])
	return nil
}

func triangle[T any](t Trilu, rows, cols int) func(dst, src []T) {
	k := min(max(t.K, -rows), cols)
	return func(dst, src []T) {
		for r := 0; len(dst) > 0; r, dst, src = r+1, dst[cols:], src[cols:] {
			diagonal := r%rows + k // its column
			lo, hi := 0, diagonal+1
			if t.Upper {
				lo, hi = diagonal, cols
			}
			lo, hi = min(max(lo, 0), cols), min(max(hi, 0), cols)
			clear(dst[:lo])
			copy(dst[lo:max(lo, hi)], src[lo:])
			clear(dst[max(lo, hi):cols])
		}
	}
}

func (t Trilu) gradient(d *derivation) []*Value { return []*Value{d.apply(t, d.grad(0))} }
