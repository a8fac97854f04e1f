package graph

import (
	"fmt"
	"slices"
)

// number lists the element types that arithmetic is done in. The 16-bit floating-point types are computed in float32.
type number interface {
	float32 | float64 | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64
}

type float interface{ float32 | float64 }

type integer interface {
	int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64
}

// loops holds one function for each element type that an operator supports: func(dst, a []T) for a unary operator,
// func(dst, a, b []T) for a binary one.
type loops [Bool + 1]any

func (l *loops) supports(dt DType) bool {
	if dt.IsHalf() {
		dt = Float32
	}
	return int(dt) < len(l) && l[dt] != nil
}

// BroadcastShape returns the shape that numpy's broadcasting rules give.
func BroadcastShape(shapes ...[]int) ([]int, error) {
	rank := 0
	for _, s := range shapes {
		rank = max(rank, len(s))
	}
	out := slices.Repeat([]int{1}, rank)
	for _, s := range shapes {
		for i, d := range s {
			o := &out[rank-len(s)+i]
			switch {
			case d == *o || d == 1:
			case *o == 1:
				*o = d
			default:
				return nil, fmt.Errorf("shapes %v cannot be broadcast together", shapes)
			}
		}
	}
	return out, nil
}

func inferUnary(name string, l *loops, in []Type) ([]Type, error) {
	if err := wantOperands(name, in, 1, 1); err != nil {
		return nil, err
	}
	if !l.supports(in[0].DType) {
		return nil, fmt.Errorf("%s of %v is not defined", name, in[0].DType)
	}
	return []Type{in[0]}, nil
}

func inferBinary(name string, l *loops, in []Type) ([]Type, error) {
	if err := wantOperands(name, in, 2, 2); err != nil {
		return nil, err
	}
	if in[0].DType != in[1].DType || !l.supports(in[0].DType) {
		return nil, fmt.Errorf("%s of %v and %v is not defined", name, in[0].DType, in[1].DType)
	}
	shape, err := BroadcastShape(in[0].Shape, in[1].Shape)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return []Type{{in[0].DType, shape}}, nil
}

// each returns the loop that applies f to every element.
func each[T float](f func(float64) float64) func(dst, a []T) {
	return func(dst, a []T) {
		for i, v := range a {
			dst[i] = T(f(float64(v)))
		}
	}
}

// floatLoops are those of a function of floating-point numbers that has no faster loop.
func floatLoops(f func(float64) float64) loops {
	return loops{Float32: each[float32](f), Float64: each[float64](f)}
}

// chunk is the number of elements that elementwise loops work on at a time: they stay in the first-level cache.
const chunk = 2048

// grain is the least work, in elements, that is worth another thread.
const grain = 1 << 15

func evalUnary(x *Exec, l *loops, out, in *Tensor) error {
	switch f := l[in.dtype].(type) {
	case func(dst, a []float32):
		unary(x, f, out, in)
	case func(dst, a []float64):
		unary(x, f, out, in)
	case func(dst, a []int8):
		unary(x, f, out, in)
	case func(dst, a []int16):
		unary(x, f, out, in)
	case func(dst, a []int32):
		unary(x, f, out, in)
	case func(dst, a []int64):
		unary(x, f, out, in)
	case func(dst, a []uint8):
		unary(x, f, out, in)
	case func(dst, a []uint16):
		unary(x, f, out, in)
	case func(dst, a []uint32):
		unary(x, f, out, in)
	case func(dst, a []uint64):
		unary(x, f, out, in)
	case func(dst, a []bool):
		unary(x, f, out, in)
	default:
		return fmt.Errorf("no loop for %v", in.dtype)
	}
	return nil
}

func unary[T Element](x *Exec, f func(dst, a []T), out, in *Tensor) {
	d, a := Data[T](out), Data[T](in)
	x.parallel(len(d), grain, func(lo, hi int) { f(d[lo:hi], a[lo:hi]) })
}

func evalBinary(x *Exec, l *loops, out, a, b *Tensor) error {
	switch f := l[a.dtype].(type) {
	case func(dst, a, b []float32):
		binary(x, f, out, a, b)
	case func(dst, a, b []float64):
		binary(x, f, out, a, b)
	case func(dst, a, b []int8):
		binary(x, f, out, a, b)
	case func(dst, a, b []int16):
		binary(x, f, out, a, b)
	case func(dst, a, b []int32):
		binary(x, f, out, a, b)
	case func(dst, a, b []int64):
		binary(x, f, out, a, b)
	case func(dst, a, b []uint8):
		binary(x, f, out, a, b)
	case func(dst, a, b []uint16):
		binary(x, f, out, a, b)
	case func(dst, a, b []uint32):
		binary(x, f, out, a, b)
	case func(dst, a, b []uint64):
		binary(x, f, out, a, b)
	case func(dst, a, b []bool):
		binary(x, f, out, a, b)
	default:
		return fmt.Errorf("no loop for %v", a.dtype)
	}
	return nil
}

func binary[T Element](x *Exec, f func(dst, a, b []T), out, a, b *Tensor) {
	broadcast(x, f, Data[T](out), Data[T](a), Data[T](b), out.shape, a.shape, b.shape)
}

// broadcast runs f over dst with a and b repeated along the axes where they have one element. f sees equally long,
// contiguous slices.
func broadcast[D, A, B any](x *Exec, f func(dst []D, a []A, b []B), dst []D, a []A, b []B, shape, shapeA, shapeB []int) {
	if len(dst) == 0 {
		return
	}
	dims, sa, sb := broadcastStrides(shape, shapeA, shapeB)
	inner := len(dims) - 1
	n := dims[inner]
	rows := len(dst) / n
	parts := (n + chunk - 1) / chunk
	x.parallel(rows*parts, max(1, grain/min(n, chunk)), func(lo, hi int) {
		ra, rb := repeater[A]{at: -1}, repeater[B]{at: -1}
		for i := lo; i < hi; i++ {
			row, from := i/parts, i%parts*chunk
			to := min(from+chunk, n)
			oa, ob := 0, 0
			for r, k := row, inner-1; k >= 0; k-- {
				oa += r % dims[k] * sa[k]
				ob += r % dims[k] * sb[k]
				r /= dims[k]
			}
			va, vb := a[oa:], b[ob:]
			if sa[inner] == 0 {
				va = ra.repeated(a, oa, to-from)
			} else {
				va = va[from:to]
			}
			if sb[inner] == 0 {
				vb = rb.repeated(b, ob, to-from)
			} else {
				vb = vb[from:to]
			}
			f(dst[row*n+from:row*n+to], va, vb)
		}
	})
}

// repeater holds an element many times.
type repeater[T any] struct {
	at  int // which element of its slice
	buf []T
}

// repeated returns a[at] n times.
func (r *repeater[T]) repeated(a []T, at, n int) []T {
	if len(r.buf) < n || r.at != at {
		if len(r.buf) < n {
			r.buf = make([]T, n)
		}
		fill(r.buf, a[at])
		r.at = at
	}
	return r.buf[:n]
}

// broadcastStrides returns the result's dimensions with those joined that both operands walk through in step, and the
// operands' strides in elements, 0 where an operand repeats.
func broadcastStrides(shape, shapeA, shapeB []int) (dims, sa, sb []int) {
	dims, sa, sb = []int{1}, []int{0}, []int{0}
	na, nb := 1, 1
	at := func(s []int, k int) int {
		if k -= len(shape) - len(s); k >= 0 {
			return s[k]
		}
		return 1
	}
	// From the last axis to the first; dims[0] is the axis being joined.
	for k := len(shape) - 1; k >= 0; k-- {
		d, da, db := shape[k], at(shapeA, k), at(shapeB, k)
		if d == 1 {
			continue
		}
		ka, kb := 0, 0
		if da > 1 {
			ka = na
		}
		if db > 1 {
			kb = nb
		}
		switch {
		case dims[0] == 1:
			dims[0], sa[0], sb[0] = d, ka, kb
		case ka == sa[0]*dims[0] && kb == sb[0]*dims[0]:
			dims[0] *= d
		default:
			dims, sa, sb = slices.Insert(dims, 0, d), slices.Insert(sa, 0, ka), slices.Insert(sb, 0, kb)
		}
		na, nb = na*da, nb*db
	}
	return dims, sa, sb
}
