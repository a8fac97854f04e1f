package graph

import (
	"fmt"
	"slices"
)

// Embed is the transpose of Slice: zeros of the given shape, with the operand at the positions that the slice would take.
type Embed struct {
	Slice
	Shape []int
}

func (Embed) Name() string { return "Embed" }

func (e Embed) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("Embed", in, 1, 1); err != nil {
		return nil, err
	}
	t := Type{in[0].DType, slices.Clone(e.Shape)}
	part, err := e.Slice.Infer([]Type{t})
	if err != nil {
		return nil, err
	}
	if !slices.Equal(part[0].Shape, in[0].Shape) {
		return nil, fmt.Errorf("Embed of %v in %v: it should have the shape %v", in[0], e.Shape, e.Sizes)
	}
	return []Type{t}, nil
}

func (e Embed) Eval(x *Exec, out, in []*Tensor) error {
	if out[0].Len() > 0 {
		moveData(mover4{embed[uint8](x, e), embed[uint16](x, e), embed[uint32](x, e), embed[uint64](x, e)}, out[0], in[0])
	}
	return nil
}

// embed returns a function that writes the result, a row along the last axis at a time.
func embed[T any](x *Exec, e Embed) func(dst, src []T) {
	// A 0-d tensor is a row of one.
	shape, starts, sizes, steps := append([]int{1}, e.Shape...), append([]int{0}, e.Starts...), append([]int{1}, e.Sizes...), append([]int{1}, e.Steps...)
	last := len(shape) - 1
	rows, _ := Numel(shape[:last])
	width, size := shape[last], sizes[last]
	strides := rowMajor(sizes)
	return func(dst, src []T) {
		x.parallel(rows, max(1, grain/width), func(lo, hi int) {
		row:
			for r := lo; r < hi; r++ {
				d := dst[r*width:][:width]
				clear(d)
				from := 0
				for k, i := last-1, r; k >= 0; k-- {
					at, step := i%shape[k]-starts[k], steps[k]
					i /= shape[k]
					if sizes[k] == 0 || at != 0 && (step == 0 || at%step != 0 || at/step < 0 || at/step >= sizes[k]) {
						continue row
					}
					if at != 0 {
						from += at / step * strides[k]
					}
				}
				if steps[last] == 1 {
					copy(d[starts[last]:], src[from:][:size])
					continue
				}
				for j, v := range src[from:][:size] {
					d[starts[last]+j*steps[last]] = v
				}
			}
		})
	}
}

func (e Embed) gradient(d *derivation) []*Value { return []*Value{d.apply(e.Slice, d.grad(0))} }
