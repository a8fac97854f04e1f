package graph

import "fmt"

// Transpose reorders axes: axis k of the result is axis Perm[k] of the operand.
type Transpose struct {
	mover
	Perm []int
}

func (Transpose) Name() string { return "Transpose" }

func (t Transpose) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("Transpose", in, 1, 1); err != nil {
		return nil, err
	}
	n := in[0].Rank()
	seen := make([]bool, n)
	shape := make([]int, len(t.Perm))
	for k, p := range t.Perm {
		if len(t.Perm) != n || p < 0 || p >= n || seen[p] {
			return nil, fmt.Errorf("Transpose of %v: %v is not an order of its %d axes", in[0], t.Perm, n)
		}
		seen[p] = true
		shape[k] = in[0].Shape[p]
	}
	if len(t.Perm) != n {
		return nil, fmt.Errorf("Transpose of %v: %v is not an order of its %d axes", in[0], t.Perm, n)
	}
	return []Type{{in[0].DType, shape}}, nil
}

func (t Transpose) Eval(x *Exec, out, in []*Tensor) error {
	from := rowMajor(in[0].shape)
	w := walk{dims: out[0].shape, strides: make([]int, len(t.Perm))}
	for k, p := range t.Perm {
		w.strides[k] = from[p]
	}
	w.move(x, out[0], in[0])
	return nil
}

func (t Transpose) gradient(d *derivation) []*Value {
	back := make([]int, len(t.Perm))
	for k, p := range t.Perm {
		back[p] = k
	}
	return []*Value{d.apply(Transpose{Perm: back}, d.thin(0))}
}
