package graph

import (
	"fmt"
	"slices"
)

// Concat joins tensors along an axis.
type Concat struct {
	mover
	Axis int // not negative
}

func (Concat) Name() string { return "Concat" }

func (c Concat) Infer(in []Type) ([]Type, error) {
	if len(in) == 0 || c.Axis < 0 || c.Axis >= in[0].Rank() {
		return nil, fmt.Errorf("Concat of %v along axis %d is not possible", in, c.Axis)
	}
	shape := slices.Clone(in[0].Shape)
	for _, t := range in[1:] {
		want := slices.Clone(in[0].Shape)
		if t.Rank() == len(want) {
			want[c.Axis] = t.Shape[c.Axis]
		}
		if t.DType != in[0].DType || !slices.Equal(t.Shape, want) {
			return nil, fmt.Errorf("Concat of %v and %v along axis %d: types and the other axes should agree", in[0], t, c.Axis)
		}
		shape[c.Axis] += t.Shape[c.Axis]
	}
	return []Type{{in[0].DType, shape}}, nil
}

func (c Concat) Eval(x *Exec, out, in []*Tensor) error {
	rows, _ := Numel(out[0].shape[:c.Axis])
	inner, _ := Numel(out[0].shape[c.Axis+1:])
	width := out[0].shape[c.Axis] * inner
	at := 0
	for _, t := range in {
		n := t.shape[c.Axis] * inner
		if t.Len() > 0 && !isPart(t, out[0], at) {
			p := panels{rows: rows, cols: n, toRow: width, row: n, col: 1}
			moveData(mover4{concat[uint8](x, p, at), concat[uint16](x, p, at), concat[uint32](x, p, at), concat[uint64](x, p, at)}, out[0], t)
		}
		at += n
	}
	return nil
}

// concat returns a function that copies the source into columns of the result, from column at on.
func concat[T any](x *Exec, p panels, at int) func(dst, src []T) {
	move := movePanels[T](x, p)
	return func(dst, src []T) { move(dst[at:], src) }
}

func (c Concat) gradient(d *derivation) []*Value {
	gs := make([]*Value, len(d.in))
	at := 0
	for i, v := range d.in {
		if d.wants[i] {
			gs[i] = d.slice(d.grad(0), c.Axis, at, v.typ.Shape[c.Axis])
		}
		at += v.typ.Shape[c.Axis]
	}
	return gs
}
