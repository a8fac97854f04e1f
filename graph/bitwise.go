package graph

import (
	"fmt"
	"reflect"
	"unsafe"
)

// BitOp is an operation on the bits of two integers.
type BitOp uint8

// The operations. A shift by a negative number, or by all bits and more, leaves nothing but, to the right, the sign.
const (
	BitAnd BitOp = iota
	BitOr
	BitXor
	ShiftLeft
	ShiftRight
)

// Bitwise combines the bits of integers, with numpy's broadcasting.
type Bitwise struct {
	stationary
	Op BitOp
}

func (b Bitwise) Name() string {
	return [...]string{"BitwiseAnd", "BitwiseOr", "BitwiseXor", "ShiftLeft", "ShiftRight"}[b.Op]
}

func (b Bitwise) loops() *loops {
	return &loops{Int8: bitwise[int8](b.Op), Int16: bitwise[int16](b.Op), Int32: bitwise[int32](b.Op), Int64: bitwise[int64](b.Op),
		Uint8: bitwise[uint8](b.Op), Uint16: bitwise[uint16](b.Op), Uint32: bitwise[uint32](b.Op), Uint64: bitwise[uint64](b.Op)}
}

func bitwise[T integer](op BitOp) func(dst, a, b []T) {
	var zero T
	width := uint64(unsafe.Sizeof(zero)) * 8
	f := map[BitOp]func(a, b T) T{
		BitAnd: func(a, b T) T { return a & b }, BitOr: func(a, b T) T { return a | b }, BitXor: func(a, b T) T { return a ^ b },
		// Shifts by too many bits do in Go what they should; a negative number becomes one that is too large.
		ShiftLeft:  func(a, b T) T { return a << min(uint64(b), width) },
		ShiftRight: func(a, b T) T { return a >> min(uint64(b), width) },
	}[op]
	return func(dst, a, b []T) {
		for i, v := range a {
			dst[i] = f(v, b[i])
		}
	}
}

func (b Bitwise) Infer(in []Type) ([]Type, error) { return inferBinary(b.Name(), b.loops(), in) }
func (b Bitwise) Eval(x *Exec, out, in []*Tensor) error {
	return evalBinary(x, b.loops(), out[0], in[0], in[1])
}

// BitCast is the same bits as another type of the same width. Bools are bytes of 0 and 1.
type BitCast struct {
	mover
	stationary
	To DType
}

func (BitCast) Name() string { return "BitCast" }

func (c BitCast) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("BitCast", in, 1, 1); err != nil {
		return nil, err
	}
	if c.To.Size() != in[0].DType.Size() || c.To.Size() == 0 || c.To.IsNarrow() || in[0].DType.IsNarrow() {
		return nil, fmt.Errorf("BitCast of %v to %v is not defined: both should have as many bits", in[0], c.To)
	}
	return []Type{{c.To, in[0].Shape}}, nil
}

func (c BitCast) Eval(_ *Exec, out, in []*Tensor) error {
	if c.To == Bool {
		convert(out[0], in[0].asBytes())
		return nil
	}
	copy(out[0].asBytes().data.([]uint8), in[0].asBytes().data.([]uint8))
	return nil
}

// asBytes returns a tensor over the memory of t's elements.
func (t *Tensor) asBytes() *Tensor {
	n := t.Len() * t.dtype.Size()
	b := &Tensor{Uint8, []int{n}, []uint8{}}
	if n > 0 {
		b.data = unsafe.Slice((*uint8)(reflect.ValueOf(t.data).UnsafePointer()), n)
	}
	return b
}
