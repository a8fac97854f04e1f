package graph

import (
	"fmt"
	"slices"
)

// Slice takes Sizes[k] positions along axis k: the first is Starts[k], and each is Steps[k] after the one before. Steps may be
// negative.
type Slice struct {
	mover
	Starts, Sizes, Steps []int // a value for each axis
}

func (Slice) Name() string { return "Slice" }

func (s Slice) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("Slice", in, 1, 1); err != nil {
		return nil, err
	}
	n := in[0].Rank()
	if len(s.Starts) != n || len(s.Sizes) != n || len(s.Steps) != n {
		return nil, fmt.Errorf("Slice of %v: starts %v, sizes %v and steps %v should have %d values", in[0], s.Starts, s.Sizes, s.Steps, n)
	}
	for k, d := range in[0].Shape {
		first, size, step := s.Starts[k], s.Sizes[k], s.Steps[k]
		if size == 0 {
			continue
		}
		room := d - 1 - first
		if step < 0 {
			room = first
		}
		if size < 0 || first < 0 || first >= d || size > 1 && (step == 0 || size-1 > max(room/step, -(room/step))) {
			return nil, fmt.Errorf("Slice of %v: %d positions from %d in steps of %d are not within axis %d", in[0], size, first, step, k)
		}
	}
	return []Type{{in[0].DType, slices.Clone(s.Sizes)}}, nil
}

func (s Slice) Eval(x *Exec, out, in []*Tensor) error {
	if w := s.walk(in[0].shape); !isPart(out[0], in[0], w.at) {
		w.move(x, out[0], in[0])
	}
	return nil
}

// walk reads the positions of a tensor of the given shape.
func (s Slice) walk(shape []int) walk {
	w := walk{dims: s.Sizes, strides: rowMajor(shape)}
	for k, d := range w.strides {
		w.at += s.Starts[k] * d
		w.strides[k] = d * s.Steps[k]
	}
	return w
}

// slice takes size positions of an axis, from start on.
func (c composer) slice(x *Value, axis, start, size int) *Value {
	s := Slice{Starts: make([]int, x.typ.Rank()), Sizes: slices.Clone(x.typ.Shape), Steps: slices.Repeat([]int{1}, x.typ.Rank())}
	s.Starts[axis], s.Sizes[axis] = start, size
	return c.apply(s, x)
}

func (s Slice) gradient(d *derivation) []*Value {
	return []*Value{d.apply(Embed{Slice: s, Shape: d.in[0].typ.Shape}, d.grad(0))}
}
