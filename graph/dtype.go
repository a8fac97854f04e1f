package graph

import (
	"fmt"
	"math"
)

// DType is the element type of a Tensor.
type DType uint8

// The element types. Float16 and BFloat16 are stored as their bits and computed in float32. Those after Bool are narrow: they are
// stored, moved and converted, one element a byte, and have no arithmetic.
const (
	Invalid DType = iota
	Float32
	Float64
	Float16
	BFloat16
	Int8
	Int16
	Int32
	Int64
	Uint8
	Uint16
	Uint32
	Uint64
	Bool
	Float8E4M3FN
	Float8E4M3FNUZ
	Float8E5M2
	Float8E5M2FNUZ
	Float8E8M0
	Float6E2M3
	Float6E3M2
	Float4E2M1
	Uint4
	Int4
	Uint2
	Int2
)

var dtypes = [...]struct {
	name string
	size int
}{
	Invalid: {"invalid", 0}, Float32: {"float32", 4}, Float64: {"float64", 8}, Float16: {"float16", 2}, BFloat16: {"bfloat16", 2},
	Int8: {"int8", 1}, Int16: {"int16", 2}, Int32: {"int32", 4}, Int64: {"int64", 8},
	Uint8: {"uint8", 1}, Uint16: {"uint16", 2}, Uint32: {"uint32", 4}, Uint64: {"uint64", 8}, Bool: {"bool", 1},
	Float8E4M3FN: {"float8e4m3fn", 1}, Float8E4M3FNUZ: {"float8e4m3fnuz", 1}, Float8E5M2: {"float8e5m2", 1}, Float8E5M2FNUZ: {"float8e5m2fnuz", 1},
	Float8E8M0: {"float8e8m0", 1}, Float6E2M3: {"float6e2m3", 1}, Float6E3M2: {"float6e3m2", 1}, Float4E2M1: {"float4e2m1", 1},
	Uint4: {"uint4", 1}, Int4: {"int4", 1}, Uint2: {"uint2", 1}, Int2: {"int2", 1},
}

// String returns the type's name, such as "float32".
func (d DType) String() string {
	if int(d) < len(dtypes) {
		return dtypes[d].name
	}
	return fmt.Sprintf("dtype(%d)", uint8(d))
}

// Size returns the bytes that one element takes.
func (d DType) Size() int {
	if int(d) < len(dtypes) {
		return dtypes[d].size
	}
	return 0
}

// IsFloat reports whether d is one of the four floating-point types.
func (d DType) IsFloat() bool { return d >= Float32 && d <= BFloat16 }

// IsHalf reports whether d is Float16 or BFloat16.
func (d DType) IsHalf() bool { return d == Float16 || d == BFloat16 }

// IsInt reports whether d is a signed or unsigned integer type.
func (d DType) IsInt() bool { return d >= Int8 && d <= Uint64 }

// IsNarrow reports whether d is one of the types whose elements are [Narrow]: they are stored and converted, not computed with.
func (d DType) IsNarrow() bool { return d >= Float8E4M3FN && d <= Int2 }

// Half is an IEEE 754 binary16 number, as its bits.
type Half uint16

// Brain is a bfloat16 number, as its bits.
type Brain uint16

// HalfFrom rounds f to the nearest binary16 number, ties to even.
func HalfFrom(f float32) Half {
	b := math.Float32bits(f)
	sign := uint16(b>>16) & 0x8000
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000:
		return Half(sign | 0x7e00)
	case b >= 0x477ff000: // rounds to 65536 or more
		return Half(sign | 0x7c00)
	case b < 0x38800000: // subnormal: let the FPU align and round the mantissa
		s := math.Float32frombits(b) + 0.5
		return Half(sign | uint16(math.Float32bits(s)-math.Float32bits(0.5)))
	}
	b += 0xc8000fff + (b>>13)&1
	return Half(sign | uint16(b>>13))
}

// Float32 returns the number exactly.
func (h Half) Float32() float32 {
	sign := uint32(h&0x8000) << 16
	e, m := uint32(h>>10)&31, uint32(h)&1023
	switch e {
	case 0:
		f := float32(m) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | m<<13)
	}
	return math.Float32frombits(sign | (e+112)<<23 | m<<13)
}

// BrainFrom rounds f to the nearest bfloat16 number, ties to even.
func BrainFrom(f float32) Brain {
	b := math.Float32bits(f)
	if b&0x7fffffff > 0x7f800000 {
		return Brain(b>>16 | 0x40)
	}
	return Brain((b + 0x7fff + (b>>16)&1) >> 16)
}

// Float32 returns the number exactly.
func (b Brain) Float32() float32 { return math.Float32frombits(uint32(b) << 16) }
