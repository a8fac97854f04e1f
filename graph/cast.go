package graph

import (
	"fmt"
	"math"
)

// Cast converts elements to another type: floating-point numbers to integers by dropping the fraction (out of range is
// undefined in ONNX; here it saturates, and NaN becomes 0), integers to narrower integers by dropping high bits, numbers to bool as "not zero", to
// 16-bit and narrow floating-point types by rounding to nearest, ties to even. What is too large for a narrow floating-point type becomes its largest
// number.
type Cast struct {
	mover
	To DType
	// Wrap makes what is too large for a narrow floating-point type an infinity, or NaN where the type has none.
	Wrap bool
	// Scale is how numbers between two powers of 2 become Float8E8M0: "" or "nearest", "up" or "down".
	Scale string
}

func (Cast) Name() string { return "Cast" }

func (c Cast) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("Cast", in, 1, 1); err != nil {
		return nil, err
	}
	if c.To == Invalid || int(c.To) >= len(dtypes) {
		return nil, fmt.Errorf("Cast to %v is not defined", c.To)
	}
	return []Type{{c.To, in[0].Shape}}, nil
}

func (c Cast) Eval(_ *Exec, out, in []*Tensor) error {
	r := narrowRounding{c.Wrap, c.Scale}
	switch {
	case in[0].dtype.IsNarrow():
		fromNarrow(out[0], in[0], r)
	case out[0].dtype.IsNarrow():
		wide := in[0].Converted(Float64)
		toNarrow(out[0].dtype, out[0].data.([]Narrow), Data[float64](wide), r)
	default:
		convert(out[0], in[0])
	}
	return nil
}

// convert writes src's elements to dst in dst's type.
func convert(dst, src *Tensor) {
	switch s := src.data.(type) {
	case []Narrow:
		fromNarrow(dst, src, narrowRounding{})
	case []float32:
		fromFloat(dst, s)
	case []float64:
		fromFloat(dst, s)
	case []Half:
		w := make([]float32, len(s))
		for i, v := range s {
			w[i] = v.Float32()
		}
		if d, ok := dst.data.([]Half); ok {
			copy(d, s)
			return
		}
		fromFloat(dst, w)
	case []Brain:
		w := make([]float32, len(s))
		for i, v := range s {
			w[i] = v.Float32()
		}
		if d, ok := dst.data.([]Brain); ok {
			copy(d, s)
			return
		}
		fromFloat(dst, w)
	case []int8:
		fromInt(dst, s)
	case []int16:
		fromInt(dst, s)
	case []int32:
		fromInt(dst, s)
	case []int64:
		fromInt(dst, s)
	case []uint8:
		fromInt(dst, s)
	case []uint16:
		fromInt(dst, s)
	case []uint32:
		fromInt(dst, s)
	case []uint64:
		fromInt(dst, s)
	case []bool:
		b := make([]uint8, len(s))
		for i, v := range s {
			if v {
				b[i] = 1
			}
		}
		fromInt(dst, b)
	}
}

func fromFloat[S float](dst *Tensor, s []S) {
	switch d := dst.data.(type) {
	case []float32:
		number2number(d, s)
	case []float64:
		number2number(d, s)
	case []Half:
		for i, v := range s {
			d[i] = HalfFrom(float32(v))
		}
	case []Brain:
		for i, v := range s {
			d[i] = BrainFrom(float32(v))
		}
	case []int8:
		saturate(d, s, math.MinInt8, math.MaxInt8)
	case []int16:
		saturate(d, s, math.MinInt16, math.MaxInt16)
	case []int32:
		saturate(d, s, math.MinInt32, math.MaxInt32)
	case []int64:
		saturate(d, s, math.MinInt64, math.MaxInt64)
	case []uint8:
		saturate(d, s, 0, math.MaxUint8)
	case []uint16:
		saturate(d, s, 0, math.MaxUint16)
	case []uint32:
		saturate(d, s, 0, math.MaxUint32)
	case []uint64:
		saturate(d, s, 0, math.MaxUint64)
	case []bool:
		for i, v := range s {
			d[i] = v != 0
		}
	case []Narrow:
		toNarrow(dst.dtype, d, s, narrowRounding{})
	}
}

// saturate converts to an integer type whose extremes are lo and hi.
func saturate[D number, S float](d []D, s []S, lo, hi D) {
	flo, fhi := float64(lo), float64(hi)
	for i, v := range s {
		switch f := float64(v); {
		case f <= flo:
			d[i] = lo
		case f >= fhi:
			d[i] = hi
		case f != f:
			d[i] = 0
		default:
			d[i] = D(f)
		}
	}
}

func number2number[D, S number](d []D, s []S) {
	for i, v := range s {
		d[i] = D(v)
	}
}

func fromInt[S number](dst *Tensor, s []S) {
	switch d := dst.data.(type) {
	case []float32:
		number2number(d, s)
	case []float64:
		number2number(d, s)
	case []Half:
		for i, v := range s {
			d[i] = HalfFrom(float32(v))
		}
	case []Brain:
		for i, v := range s {
			d[i] = BrainFrom(float32(v))
		}
	case []int8:
		number2number(d, s)
	case []int16:
		number2number(d, s)
	case []int32:
		number2number(d, s)
	case []int64:
		number2number(d, s)
	case []uint8:
		number2number(d, s)
	case []uint16:
		number2number(d, s)
	case []uint32:
		number2number(d, s)
	case []uint64:
		number2number(d, s)
	case []bool:
		for i, v := range s {
			d[i] = v != 0
		}
	case []Narrow:
		toNarrow(dst.dtype, d, s, narrowRounding{})
	}
}

// Converted returns t with its elements converted as Cast does.
func (t *Tensor) Converted(to DType) *Tensor {
	c := NewTensor(to, t.shape...)
	convert(c, t)
	return c
}

// gradient: between floating-point types a cast is the identity, but for rounding.
func (Cast) gradient(d *derivation) []*Value {
	return []*Value{d.apply(Cast{To: d.in[0].typ.DType}, d.thin(0))}
}
