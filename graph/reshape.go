package graph

import (
	"fmt"
	"slices"
)

// Reshape is the same elements under another shape. It moves no memory.
type Reshape struct {
	mover
	Shape []int
}

func (Reshape) Name() string { return "Reshape" }
func (Reshape) view()        {}

func (r Reshape) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("Reshape", in, 1, 1); err != nil {
		return nil, err
	}
	n, ok := Numel(r.Shape)
	if !ok || n != in[0].Len() {
		return nil, fmt.Errorf("Reshape of %v to %v does not keep the number of elements", in[0], r.Shape)
	}
	return []Type{{in[0].DType, slices.Clone(r.Shape)}}, nil
}

func (Reshape) Eval(_ *Exec, out, in []*Tensor) error {
	copyTensor(out[0], in[0])
	return nil
}

func (Reshape) gradient(d *derivation) []*Value {
	shape := d.in[0].typ.Shape
	if g := d.thin(0); g.typ.Len() == 1 {
		return []*Value{d.reshape(g, slices.Repeat([]int{1}, len(shape))...)}
	}
	return []*Value{d.reshape(d.grad(0), shape...)}
}
