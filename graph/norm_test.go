package graph

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
)

// The mean is far from 0, where sums of squares in float32 would lose the variance.
func TestNormsFarFromZero(t *testing.T) {
	x := waves(t, 2, 6, 5, 7)
	for i := range Data[float32](x) {
		Data[float32](x)[i] += 3000
	}
	scale, bias := waves(t, 6), waves(t, 6)
	row := waves(t, 5, 7)
	for _, c := range []struct {
		op Operator
		in []*Tensor
	}{
		{GroupNorm{6, 1e-5}, []*Tensor{x, scale, bias}},
		{GroupNorm{2, 1e-5}, []*Tensor{x, scale, bias}},
		{LayerNorm{Axis: 2, Epsilon: 1e-5, Stash: Float32}, []*Tensor{x, row, row}},
		{LayerNorm{Axis: 3, Epsilon: 1e-5, RMS: true}, []*Tensor{x}},
	} {
		exact := make([]*Tensor, len(c.in))
		for i, a := range c.in {
			exact[i] = as(a, Float64)
		}
		got, want := apply(t, c.op, c.in...), apply(t, c.op, exact...)
		for i, v := range Data[float64](want[0]) {
			if d := math.Abs(float64(Data[float32](got[0])[i]) - v); !(d <= 2e-6*(1+math.Abs(v))) {
				t.Fatalf("%#v: element %d is %v, want %v", c.op, i, Data[float32](got[0])[i], v)
			}
		}
	}
}

func TestLayerNormResults(t *testing.T) {
	x := tensorOf(t, []float32{1, 3, 10, 10}, 2, 2)
	got := apply(t, LayerNorm{Axis: 1, Epsilon: 1e-4, Stash: BFloat16}, x)
	if mean := as(got[1], Float32); !Equal(mean, tensorOf(t, []float32{2, 10}, 2, 1)) || got[1].dtype != BFloat16 {
		t.Errorf("mean %v", mean.data)
	}
	if factor := as(got[2], Float32); !Equal(factor, tensorOf(t, []float32{1, 100}, 2, 1)) {
		t.Errorf("1/deviation %v", factor.data)
	}
	if y := apply(t, LayerNorm{Axis: 1, Epsilon: 1, RMS: true}, tensorOf(t, []float64{1, -1}, 1, 2)); len(y) != 1 || math.Abs(Data[float64](y[0])[0]-math.Sqrt(0.5)) > 1e-15 {
		t.Errorf("rms %v", y[0].data)
	}
}

// Normalisations may write over their operand.
func TestNormsInPlace(t *testing.T) {
	x := waves(t, 1, 4, 3, 3)
	v := waves(t, 4)
	ops := []Operator{Relu{}, GroupNorm{2, 1e-3}, BatchNorm{1e-3}, LayerNorm{Axis: 1, Epsilon: 1e-3, RMS: true}}
	constants := [][]*Tensor{nil, {v, v}, {v, v, v, tensorOf(t, []float32{1, 2, 3, 4}, 4)}, nil}
	got, _ := runChain(t, x, ops, constants...)
	want := x
	for i, op := range ops {
		want = apply(t, op, append([]*Tensor{want}, constants[i]...)...)[0]
	}
	if !Equal(got, want) {
		t.Error("a chain differs from its steps")
	}
}

func TestNormErrors(t *testing.T) {
	x := Type{Float32, []int{1, 4, 8}}
	four, three := Type{Float32, []int{4}}, Type{Float32, []int{3}}
	for _, c := range []struct {
		want string
		op   Operator
		in   []Type
	}{
		{"takes 5 to 5 operands, not 1", BatchNorm{}, []Type{x}},
		{"should be floating-point [4], not float32[3]", BatchNorm{}, []Type{x, four, three, four, four}},
		{"3 groups should divide the 4 channels", GroupNorm{Groups: 3}, []Type{x, four, four}},
		{"0 groups should divide the 4 channels", GroupNorm{}, []Type{x, four, four}},
		{"should be float32[4], not float32[3]", GroupNorm{Groups: 2}, []Type{x, three, four}},
		{"from axis 3 is not defined", LayerNorm{Axis: 3}, []Type{x}},
		{"scale and bias should be float32[8], not float32[4]", LayerNorm{Axis: 2, Stash: Float32}, []Type{x, four}},
		{"mean and deviation of int8 is not defined", LayerNorm{Stash: Int8}, []Type{x}},
		{"LRN of float32[1 4 8] over 0 channels", LRN{}, []Type{x}},
	} {
		if got := inferError(c.op, c.in...); !strings.Contains(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestNormsOfNothing(t *testing.T) {
	for _, shape := range [][]int{{0, 2, 3}, {2, 2, 0}} {
		x, v := NewTensor(Float32, shape...), NewTensor(Float32, 2)
		for _, got := range [][]*Tensor{
			apply(t, GroupNorm{Groups: 1}, x, v, v), apply(t, BatchNorm{}, x, v, v, v, v), apply(t, LRN{Size: 3}, x),
			apply(t, LayerNorm{Axis: 2, RMS: true}, x),
		} {
			if !slices.Equal(got[0].shape, shape) {
				t.Errorf("shape %v, want %v", got[0].shape, shape)
			}
		}
	}
}

// An even size takes one channel more behind than before, as ONNX says.
func TestLRNEvenSize(t *testing.T) {
	x := tensorOf(t, []float64{1, 2, 3}, 1, 3)
	got := Data[float64](apply(t, LRN{Size: 2, Alpha: 2, Beta: 1, Bias: 0}, x)[0])
	for i, want := range []float64{1. / 5, 2. / 13, 3. / 9} {
		if math.Abs(got[i]-want) > 1e-15 {
			t.Errorf("channel %d: got %v, want %v", i, got[i], want)
		}
	}
}

func BenchmarkLayerNorm(b *testing.B) {
	x, v := waves(b, 4096, 180), waves(b, 180)
	s := session(b, LayerNorm{Axis: 1, Epsilon: 1e-5, Stash: Float32}, nil, x, v, v)
	for b.Loop() {
		if _, err := s.Run(context.Background(), []*Tensor{x, v, v}); err != nil {
			b.Fatal(err)
		}
	}
}
