package graph

import (
	"fmt"
	"slices"
)

// PadMode says what the positions around a tensor hold.
type PadMode string

// The modes, which are those of numpy and ONNX.
const (
	PadConstant PadMode = "constant" // the second operand, or zero
	PadEdge     PadMode = "edge"     // the nearest position
	PadReflect  PadMode = "reflect"  // mirrored at the first and last position, without repeating them
	PadWrap     PadMode = "wrap"     // from the other end
)

// Pad adds Begin[k] positions before and End[k] after those of axis k. The optional second operand is one element, the value for
// PadConstant.
type Pad struct {
	mover
	Mode       PadMode
	Begin, End []int // not negative: what removes positions is Slice
}

func (Pad) Name() string { return "Pad" }

func (p Pad) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("Pad", in, 1, 2); err != nil {
		return nil, err
	}
	n := in[0].Rank()
	if len(p.Begin) != n || len(p.End) != n {
		return nil, fmt.Errorf("Pad of %v: begins %v and ends %v should have %d values", in[0], p.Begin, p.End, n)
	}
	if len(in) == 2 && (p.Mode != PadConstant || in[1].DType != in[0].DType || in[1].Len() != 1) {
		return nil, fmt.Errorf("Pad of %v: the value %v should be one %v, for mode constant", in[0], in[1], in[0].DType)
	}
	switch p.Mode {
	case PadConstant, PadEdge, PadReflect, PadWrap:
	default:
		return nil, fmt.Errorf("Pad: mode %q is unknown; it should be constant, edge, reflect or wrap", p.Mode)
	}
	shape := slices.Clone(in[0].Shape)
	for k, d := range shape {
		b, e := p.Begin[k], p.End[k]
		if b < 0 || e < 0 || b > maxElements || e > maxElements {
			return nil, fmt.Errorf("Pad of %v: axis %d cannot have %d positions before and %d after it", in[0], k, b, e)
		}
		if d == 0 && b+e > 0 && p.Mode != PadConstant {
			return nil, fmt.Errorf("Pad of %v: axis %d has no position to fill others from in mode %s", in[0], k, p.Mode)
		}
		shape[k] = b + d + e
	}
	return []Type{{in[0].DType, shape}}, nil
}

// source returns the position of an axis of n that position i stands for, which may lie outside; -1 if none.
func (m PadMode) source(i, n int) int {
	switch {
	case i >= 0 && i < n:
		return i
	case m == PadConstant:
		return -1
	case m == PadEdge:
		return min(max(i, 0), n-1)
	case m == PadWrap:
		return ((i % n) + n) % n
	case n == 1:
		return 0
	}
	period := 2 * (n - 1)
	i = ((i % period) + period) % period
	return min(i, period-i)
}

func (p Pad) Eval(x *Exec, out, in []*Tensor) error {
	if p.Mode == PadConstant {
		value := NewTensor(in[0].dtype, 1)
		if len(in) == 2 {
			value = in[1]
		}
		moveData(mover4{repeatFirst[uint8], repeatFirst[uint16], repeatFirst[uint32], repeatFirst[uint64]}, out[0], value)
	}
	if in[0].Len() == 0 || out[0].Len() == 0 {
		return nil
	}
	// Axes behind the last that is padded move as one.
	last := len(p.Begin) - 1
	for last > 0 && p.Begin[last] == 0 && p.End[last] == 0 {
		last--
	}
	if last < 0 {
		copyTensor(out[0], in[0])
		return nil
	}
	l := padding{shape: out[0].shape[:last+1], strides: rowMajor(in[0].shape)[:last+1], first: p.Begin[last], center: in[0].shape[last]}
	for k, d := range l.shape {
		at := make([]int, d)
		for i := range at {
			at[i] = p.Mode.source(i-p.Begin[k], in[0].shape[k])
		}
		l.source = append(l.source, at)
	}
	moveData(mover4{padRows[uint8](x, l), padRows[uint16](x, l), padRows[uint32](x, l), padRows[uint64](x, l)}, out[0], in[0])
	return nil
}

func repeatFirst[T any](dst, src []T) {
	for i := range dst {
		dst[i] = src[0]
	}
}

// padding describes rows along the last padded axis.
type padding struct {
	shape   []int   // of the result, up to that axis
	strides []int   // of the operand
	source  [][]int // for each axis and position of the result the position of the operand, or -1
	first   int     // the position in a row where the operand's begin
	center  int     // how many those are
}

// padRows returns a function that writes the positions that have a source.
func padRows[T any](x *Exec, l padding) func(dst, src []T) {
	last := len(l.shape) - 1
	inner := l.strides[last]
	width := l.shape[last] * inner
	rows, _ := Numel(l.shape[:last])
	return func(dst, src []T) {
		x.parallel(rows, max(1, grain/width), func(lo, hi int) {
		row:
			for r := lo; r < hi; r++ {
				from := 0
				for k, i := last-1, r; k >= 0; k-- {
					at := l.source[k][i%l.shape[k]]
					if at < 0 {
						continue row
					}
					from += at * l.strides[k]
					i /= l.shape[k]
				}
				d, s := dst[r*width:][:width], src[from:]
				place := func(i int) {
					if at := l.source[last][i]; at >= 0 {
						copy(d[i*inner:][:inner], s[at*inner:])
					}
				}
				for i := range l.first {
					place(i)
				}
				copy(d[l.first*inner:], s[:l.center*inner])
				for i := l.first + l.center; i < l.shape[last]; i++ {
					place(i)
				}
			}
		})
	}
}

// gradient: an axis that repeats positions of the operand is a Gather of them.
func (p Pad) gradient(d *derivation) []*Value {
	g := d.grad(0)
	if p.Mode == PadConstant {
		inside := d.apply(Slice{Starts: p.Begin, Sizes: d.in[0].typ.Shape, Steps: slices.Repeat([]int{1}, len(p.Begin))}, g)
		if len(d.in) == 1 || !d.wants[1] {
			return []*Value{inside, nil}[:len(d.in)]
		}
		all := make([]int, len(p.Begin))
		for k := range all {
			all[k] = k
		}
		return []*Value{inside, d.reshape(d.sub(d.sum(g, all...), d.sum(inside, all...)), d.in[1].typ.Shape...)}
	}
	for k, n := range d.in[0].typ.Shape {
		if p.Begin[k]+p.End[k] == 0 {
			continue
		}
		from := make([]int, p.Begin[k]+n+p.End[k])
		for i := range from {
			from[i] = p.Mode.source(i-p.Begin[k], n)
		}
		g = d.apply(ScatterSum{Axis: k, Size: n}, g, d.b.Constant("positions", Ints(from...)))
	}
	return []*Value{g}
}
