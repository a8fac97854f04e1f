package graph

import (
	"math"
	"testing"
)

// The extremes of each type, as the specifications of the formats state them.
func TestNarrowExtremes(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		dt                       DType
		largest, smallest, least float64 // the least is that of the greatest magnitude below zero
		overflow                 float64 // what infinity becomes when it wraps
	}{
		{Float8E4M3FN, 448, 0x1p-9, -448, nan},
		{Float8E4M3FNUZ, 240, 0x1p-10, -240, nan},
		{Float8E5M2, 57344, 0x1p-16, -57344, inf},
		{Float8E5M2FNUZ, 57344, 0x1p-17, -57344, nan},
		{Float8E8M0, 0x1p127, 0x1p-127, 0x1p127, nan},
		{Float6E2M3, 7.5, 0.125, -7.5, 7.5},
		{Float6E3M2, 28, 0.0625, -28, 28},
		{Float4E2M1, 6, 0.5, -6, 6},
	} {
		in, err := FromSlice([]float64{1e300, c.smallest, -1e300, c.smallest * 1.25}, 4)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Floats(in.Converted(c.dt))
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []float64{c.largest, c.smallest, c.least, c.smallest} {
			if got[i] != want {
				t.Errorf("%v: %v became %v, want %v", c.dt, Data[float64](in)[i], got[i], want)
			}
		}
		out := NewTensor(c.dt, 1)
		if err := (Cast{To: c.dt, Wrap: true}).Eval(nil, []*Tensor{out}, []*Tensor{Scalar(inf)}); err != nil {
			t.Fatal(err)
		}
		if got, _ := Floats(out); got[0] != c.overflow && !(math.IsNaN(got[0]) && math.IsNaN(c.overflow)) {
			t.Errorf("%v: infinity became %v, want %v", c.dt, got[0], c.overflow)
		}
	}
}

// Every code stands for a number that becomes that code again, and the numbers of codes without sign ascend.
func TestNarrowCodes(t *testing.T) {
	for dt, f := range formats {
		codes := make([]Narrow, 1<<f.bits)
		for i := range codes {
			codes[i] = Narrow(i)
		}
		in, err := FromNarrow(dt, codes, len(codes))
		if err != nil {
			t.Fatal(err)
		}
		wide := in.Converted(Float32)
		v := Data[float32](wide)
		for i, code := range wide.Converted(dt).Data().([]Narrow) {
			if v[i] == v[i] && !math.IsInf(float64(v[i]), 0) && code != codes[i] {
				t.Errorf("%v: code %#x is %v, which became %#x", dt, i, v[i], code)
			}
			if i > 0 && i <= int(f.top) && v[i] <= v[i-1] {
				t.Errorf("%v: code %#x is %v, and the one before %v", dt, i, v[i], v[i-1])
			}
		}
	}
}

// Half way between two numbers the even code is taken; integers drop the fraction and high bits.
func TestNarrowRounding(t *testing.T) {
	for _, c := range []struct {
		cast Cast
		in   float64
		want float64
	}{
		{Cast{To: Float8E4M3FN}, 1.0625, 1}, {Cast{To: Float8E4M3FN}, 1.1875, 1.25}, {Cast{To: Float4E2M1}, -2.5, -2},
		{Cast{To: Float8E8M0, Scale: "up"}, 3, 4}, {Cast{To: Float8E8M0, Scale: "down"}, 3, 2}, {Cast{To: Float8E8M0}, 2.5, 2},
		{Cast{To: Int4}, -3.9, -3}, {Cast{To: Int4}, 9, -7}, {Cast{To: Uint2}, 6, 2}, {Cast{To: Int2}, -2, -2},
	} {
		b := NewBuilder("narrow")
		v, err := b.Apply1(c.cast, b.Constant("x", Scalar(c.in)))
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := Floats(v.Known()); got[0] != c.want {
			t.Errorf("%+v of %v is %v, want %v", c.cast, c.in, got[0], c.want)
		}
	}
}
