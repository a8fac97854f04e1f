package graph

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConvShapes(t *testing.T) {
	x := Type{Float32, []int{2, 4, 9, 10}}
	for _, c := range []struct {
		op      Operator
		weights []int
		want    []int
	}{
		{Conv{[]int{1, 1}, []int{1, 1}, []int{1, 1, 1, 1}, 1}, []int{8, 4, 3, 3}, []int{2, 8, 9, 10}},
		{Conv{[]int{2, 3}, []int{2, 1}, []int{0, 1, 0, 2}, 2}, []int{6, 2, 3, 2}, []int{2, 6, 3, 4}},
		{Conv{[]int{1, 1}, []int{1, 1}, []int{-1, 0, -2, 0}, 4}, []int{4, 1, 1, 1}, []int{2, 4, 6, 10}},
		{ConvTranspose{[]int{2, 2}, []int{1, 1}, []int{0, 0, 0, 0}, []int{0, 1}, 1}, []int{4, 3, 2, 2}, []int{2, 3, 18, 21}},
		{ConvTranspose{[]int{4, 1}, []int{1, 2}, []int{2, 0, 2, 0}, []int{0, 0}, 2}, []int{4, 3, 8, 3}, []int{2, 6, 36, 14}},
	} {
		got, err := c.op.Infer([]Type{x, {Float32, c.weights}})
		if err != nil {
			t.Errorf("%#v: %v", c.op, err)
		} else if diff := cmp.Diff(c.want, got[0].Shape); diff != "" {
			t.Errorf("%#v: %s", c.op, diff)
		}
	}
}

func TestConvErrors(t *testing.T) {
	x, w := Type{Float32, []int{1, 4, 8, 8}}, Type{Float32, []int{6, 4, 3, 3}}
	good := Conv{[]int{1, 1}, []int{1, 1}, []int{0, 0, 0, 0}, 1}
	up := ConvTranspose{[]int{1, 1}, []int{1, 1}, []int{0, 0, 0, 0}, []int{0, 0}, 1}
	for _, c := range []struct {
		want string
		op   Operator
		in   []Type
	}{
		{"takes 2 to 3 operands, not 1", good, []Type{x}},
		{"one to three spatial axes", good, []Type{{Float32, []int{1, 4}}, {Float32, []int{6, 4}}}},
		{"Conv of int32 is not defined", good, []Type{{Int32, x.Shape}, {Int32, w.Shape}}},
		{"Conv of float32 with float64: the types differ", good, []Type{x, {Float64, w.Shape}}},
		{"do not fit 3 groups", Conv{[]int{1, 1}, []int{1, 1}, []int{0, 0, 0, 0}, 3}, []Type{x, w}},
		{"do not fit 0 groups", Conv{[]int{1, 1}, []int{1, 1}, []int{0, 0, 0, 0}, 0}, []Type{x, w}},
		{"bias float32[4] should be [6]", good, []Type{x, w, {Float32, []int{4}}}},
		{"should be from 1", Conv{[]int{0, 1}, []int{1, 1}, []int{0, 0, 0, 0}, 1}, []Type{x, w}},
		{"should be from 1", Conv{[]int{1, 1}, []int{1, math.MaxInt}, []int{0, 0, 0, 0}, 1}, []Type{x, w}},
		{"is too large", Conv{[]int{1, 1}, []int{1, 1}, []int{0, math.MaxInt, 0, 0}, 1}, []Type{x, w}},
		{"reaches over 15 positions does not fit", Conv{[]int{1, 1}, []int{1, 7}, []int{0, 0, 0, 0}, 1}, []Type{x, w}},
		{"do not fit its 2 spatial axes", Conv{[]int{1}, []int{1, 1}, []int{0, 0, 0, 0}, 1}, []Type{x, w}},
		{"do not fit 1 groups", up, []Type{x, w}},
		{"leave nothing of axis 3", ConvTranspose{[]int{1, 1}, []int{1, 1}, []int{0, 5, 0, 6}, []int{0, 0}, 1}, []Type{x, {Float32, []int{4, 6, 3, 3}}}},
		{"output pads [0 -1] should be from 0", ConvTranspose{[]int{1, 1}, []int{1, 1}, []int{0, 0, 0, 0}, []int{0, -1}, 1}, []Type{x, {Float32, []int{4, 6, 3, 3}}}},
	} {
		if got := inferError(c.op, c.in...); !strings.Contains(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

// runChain runs a chain of operators, whose operands but the first are constants, and returns the result and the
// session's steps.
func runChain(t *testing.T, x *Tensor, ops []Operator, constants ...[]*Tensor) (*Tensor, []Step) {
	t.Helper()
	b := NewBuilder("test")
	in, err := b.Input("x", x.Type())
	if err != nil {
		t.Fatal(err)
	}
	v := in
	for i, op := range ops {
		args := []*Value{v}
		for _, c := range constants[i] {
			args = append(args, b.Constant("c", c))
		}
		if v, err = b.Apply1(op, args...); err != nil {
			t.Fatal(err)
		}
	}
	s, err := NewSession([]*Value{in}, []*Value{v}, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Run(context.Background(), []*Tensor{x})
	if err != nil {
		t.Fatal(err)
	}
	return out[0], s.Steps()
}

// as returns x with elements of another type.
func as(x *Tensor, dt DType) *Tensor {
	y := NewTensor(dt, x.shape...)
	convert(y, x)
	return y
}

// A convolution that is prepared in a session, with what follows fused into it, computes what the reference does in
// float64, in every type.
func TestConvPreparedAndFused(t *testing.T) {
	x := waves(t, 2, 4, 7, 6)
	w, bias := waves(t, 6, 2, 3, 3), waves(t, 6)
	up := waves(t, 4, 3, 3, 3)
	variance := waves(t, 6)
	for i, v := range Data[float32](variance) {
		Data[float32](variance)[i] = v*v + 0.5
	}
	stats := []*Tensor{waves(t, 6), bias, bias, variance}
	for _, c := range []struct {
		op    Operator
		w     *Tensor
		steps int // three where the fast kernels do not apply
	}{
		{Conv{[]int{2, 1}, []int{1, 2}, []int{1, 2, 0, 1}, 2}, w, 1},
		{Conv{[]int{1, 1}, []int{1, 1}, []int{-1, 0, 1, -2}, 2}, w, 3},
		{ConvTranspose{[]int{2, 3}, []int{1, 1}, []int{1, 0, -1, 2}, []int{0, 1}, 2}, up, 1},
		{ConvTranspose{[]int{2, 2}, []int{2, 1}, []int{-1, 0, 0, 0}, []int{0, 0}, 2}, up, 3},
	} {
		run := func(dt DType) (*Tensor, []Step) {
			var norm []*Tensor
			for _, s := range stats {
				norm = append(norm, as(s, dt))
			}
			y, steps := runChain(t, as(x, dt), []Operator{c.op, BatchNorm{1e-5}, Relu{}}, []*Tensor{as(c.w, dt), as(bias, dt)}, norm, nil)
			return as(y, Float64), steps
		}
		want, _ := run(Float64)
		for dt, tolerance := range map[DType]float64{Float32: 1e-5, Float16: 1e-2, BFloat16: 1e-1} {
			got, steps := run(dt)
			if len(steps) != c.steps {
				t.Errorf("%#v in %v: steps %v", c.op, dt, steps)
			}
			for i, v := range Data[float64](want) {
				if d := math.Abs(Data[float64](got)[i] - v); !(d <= tolerance*(1+math.Abs(v))) {
					t.Fatalf("%#v in %v: element %d is %v, want %v", c.op, dt, i, Data[float64](got)[i], v)
				}
			}
		}
	}
}
