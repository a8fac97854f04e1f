package graph

import (
	"fmt"
	"slices"
)

// Expand repeats a tensor along its axes of one position, and along new ones in front, until it has the given shape.
type Expand struct {
	mover
	Shape []int
}

func (Expand) Name() string { return "Expand" }

func (e Expand) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("Expand", in, 1, 1); err != nil {
		return nil, err
	}
	shape, err := BroadcastShape(in[0].Shape, e.Shape)
	if _, ok := Numel(e.Shape); err != nil || !ok || !slices.Equal(shape, e.Shape) {
		return nil, fmt.Errorf("Expand of %v to %v is not possible", in[0], e.Shape)
	}
	return []Type{{in[0].DType, shape}}, nil
}

func (e Expand) Eval(x *Exec, out, in []*Tensor) error {
	w := walk{dims: e.Shape, strides: make([]int, len(e.Shape))}
	skip := len(e.Shape) - len(in[0].shape)
	for k, d := range rowMajor(in[0].shape) {
		if in[0].shape[k] > 1 {
			w.strides[skip+k] = d
		}
	}
	w.move(x, out[0], in[0])
	return nil
}

func (Expand) gradient(d *derivation) []*Value {
	return d.operands(func() *Value { return d.thin(0) })
}
