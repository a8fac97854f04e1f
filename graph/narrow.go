package graph

import (
	"math"
	"sort"
	"sync"
)

// Narrow is an element of one of the types of less than 16 bits that are stored, moved and converted, and not computed with: its
// bits, in the low end of a byte.
type Narrow uint8

// format describes a narrow type.
type format struct {
	bits      int
	signed    bool // the highest bit is the sign; of integers, by two's complement
	exponent  int  // bits of the exponent; 0 for integers
	bias      int
	top       Narrow // the code of the largest finite number
	nan, inf  Narrow // codes; none if 0
	minusZero bool   // zero has a sign
}

// formats are those of ONNX: float8 as in Micikevicius et al. (arXiv:2209.05433) and Noune et al. (arXiv:2206.02915), the others of the
// OCP Microscaling Formats specification.
var formats = map[DType]format{
	Float8E4M3FN:   {8, true, 4, 7, 0x7e, 0x7f, 0, true},
	Float8E4M3FNUZ: {8, true, 4, 8, 0x7f, 0x80, 0, false},
	Float8E5M2:     {8, true, 5, 15, 0x7b, 0x7f, 0x7c, true},
	Float8E5M2FNUZ: {8, true, 5, 16, 0x7f, 0x80, 0, false},
	Float8E8M0:     {8, false, 8, 127, 0xfe, 0xff, 0, false},
	Float6E2M3:     {6, true, 2, 1, 0x1f, 0, 0, true},
	Float6E3M2:     {6, true, 3, 3, 0x1f, 0, 0, true},
	Float4E2M1:     {4, true, 2, 1, 0x7, 0, 0, true},
	Uint4:          {bits: 4, top: 15},
	Int4:           {bits: 4, signed: true, top: 7},
	Uint2:          {bits: 2, top: 3},
	Int2:           {bits: 2, signed: true, top: 1},
}

// magnitude returns the number with a code that has no sign, as if all codes were finite numbers.
func (f format) magnitude(code Narrow) float64 {
	if f.exponent == 0 {
		return float64(code)
	}
	mantissa := f.bits - f.exponent
	if f.signed {
		mantissa--
	}
	e, m := int(code)>>mantissa, int(code)&(1<<mantissa-1)
	if e == 0 && mantissa > 0 {
		return math.Ldexp(float64(m), 1-f.bias-mantissa)
	}
	return math.Ldexp(float64(m+1<<mantissa), e-f.bias-mantissa)
}

// value returns the number with a code.
func (f format) value(code Narrow) float32 {
	code &= 1<<f.bits - 1
	sign := Narrow(1) << (f.bits - 1)
	switch {
	case f.nan != 0 && (code == f.nan || f.minusZero && code&^sign == f.nan || f.inf != 0 && code&^sign > f.inf):
		return float32(math.NaN())
	case f.inf != 0 && code&^sign == f.inf && code&sign != 0:
		return float32(math.Inf(-1))
	case f.inf != 0 && code == f.inf:
		return float32(math.Inf(1))
	case f.signed && code&sign != 0 && f.exponent == 0:
		return float32(code) - float32(int(sign)*2)
	case f.signed && code&sign != 0:
		return float32(math.Copysign(f.magnitude(code&^sign), -1))
	}
	return float32(f.magnitude(code))
}

var narrowValues = sync.OnceValue(func() map[DType][]float32 {
	m := map[DType][]float32{}
	for dt, f := range formats {
		m[dt] = make([]float32, 256)
		for code := range m[dt] {
			m[dt][code] = f.value(Narrow(code))
		}
	}
	return m
})

// narrowRounding says how a number becomes one of a narrow type.
type narrowRounding struct {
	wrap bool   // what is out of range becomes an infinity or NaN instead of the largest number
	mode string // of Float8E8M0: "up", "down" or "nearest"
}

// encoder returns a function to the codes of a type: the nearest number, of two equally near ones that with an even code.
func encoder(dt DType, r narrowRounding) func(v float64) Narrow {
	f := formats[dt]
	if f.exponent == 0 {
		return func(v float64) Narrow { // the fraction and high bits are dropped
			if math.IsNaN(v) {
				return 0
			}
			return Narrow(int64(max(-1<<62, min(v, 1<<62)))) & (1<<f.bits - 1)
		}
	}
	magnitudes := make([]float64, int(f.top)+2) // one more, for what lies above the largest
	for i := range magnitudes {
		magnitudes[i] = f.magnitude(Narrow(i))
	}
	sign := Narrow(1) << (f.bits - 1)
	return func(v float64) Narrow {
		var negative Narrow
		if math.Signbit(v) && f.signed {
			negative = sign
		}
		a := math.Abs(v)
		if math.IsNaN(v) {
			if f.nan == 0 { // the type has none
				return negative
			}
			if f.minusZero {
				return f.nan | negative
			}
			return f.nan
		}
		i := sort.SearchFloat64s(magnitudes, a)
		switch {
		case i == len(magnitudes): // above all
			i = len(magnitudes) - 1
		case magnitudes[i] == a || i == 0:
		case r.mode == "down" && dt == Float8E8M0:
			i--
		case r.mode == "up" && dt == Float8E8M0:
		default:
			below, above := a-magnitudes[i-1], magnitudes[i]-a
			if below < above || below == above && (i-1)%2 == 0 && dt != Float8E8M0 {
				i--
			}
		}
		code := Narrow(i)
		if code > f.top {
			switch {
			case !r.wrap || f.nan == 0:
				code = f.top
			case f.inf != 0:
				code = f.inf
			case f.minusZero:
				code = f.nan
			default:
				return f.nan
			}
		}
		if code == 0 && !f.minusZero {
			return 0
		}
		return code | negative
	}
}

// fromNarrow converts elements of a narrow type.
func fromNarrow(dst, src *Tensor, r narrowRounding) {
	s := src.data.([]Narrow)
	if dst.dtype == src.dtype {
		copy(dst.data.([]Narrow), s)
		return
	}
	values := narrowValues()[src.dtype]
	w := make([]float32, len(s))
	for i, v := range s {
		w[i] = values[v]
	}
	if d, ok := dst.data.([]Narrow); ok {
		toNarrow(dst.dtype, d, w, r)
		return
	}
	fromFloat(dst, w)
}

func toNarrow[S number](to DType, d []Narrow, s []S, r narrowRounding) {
	code := encoder(to, r)
	for i, v := range s {
		d[i] = code(float64(v))
	}
}
