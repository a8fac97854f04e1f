package graph

import (
	"context"
	"testing"
)

// apply runs op in a session on inputs and returns the results.
func apply(t *testing.T, op Operator, in ...*Tensor) []*Tensor {
	t.Helper()
	b := NewBuilder("test")
	vs := make([]*Value, len(in))
	for i, x := range in {
		v, err := b.Input("x", x.Type())
		if err != nil {
			t.Fatal(err)
		}
		vs[i] = v
	}
	outs, err := b.Apply(op, vs...)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSession(vs, outs, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.Run(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// inferError returns the text of the error that op.Infer gives for these operands, "" if there is none.
func inferError(op Operator, in ...Type) string {
	if _, err := op.Infer(in); err != nil {
		return err.Error()
	}
	return ""
}

// tensorOf returns a tensor over data.
func tensorOf[T Element](t *testing.T, data []T, shape ...int) *Tensor {
	t.Helper()
	x, err := FromSlice(data, shape...)
	if err != nil {
		t.Fatal(err)
	}
	return x
}
