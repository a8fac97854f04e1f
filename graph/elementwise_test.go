package graph

import (
	"context"
	"math"
	"slices"
	"strings"
	"testing"
)

var (
	floatTypes  = []DType{Float32, Float64, Float16, BFloat16}
	signedTypes = []DType{Int8, Int16, Int32, Int64}
	intTypes    = append(slices.Clone(signedTypes), Uint8, Uint16, Uint32, Uint64)
	allTypes    = append(slices.Clone(floatTypes), intTypes...)
)

// floats returns a one-dimensional tensor of the given type.
func floats(t *testing.T, dt DType, v ...float64) *Tensor {
	t.Helper()
	return tensorOf(t, v, len(v)).Converted(dt)
}

func sameFloats(a, b []float64) bool {
	return slices.EqualFunc(a, b, func(x, y float64) bool { return x == y || x != x && y != y })
}

// wantValues checks a numeric or bool result (bools count as 0 and 1).
func wantValues(t *testing.T, got *Tensor, want ...float64) {
	t.Helper()
	if g := Data[float64](got.Converted(Float64)); !sameFloats(g, want) {
		t.Errorf("got %v, want %v", g, want)
	}
}

func TestElementwiseOfAllTypes(t *testing.T) {
	type row struct {
		op    Operator
		types []DType
		in    [][]float64
		want  []float64
	}
	one := func(v ...float64) [][]float64 { return [][]float64{v} }
	two := func(a, b []float64) [][]float64 { return [][]float64{a, b} }
	seven, three := []float64{7, 6, 0, 5}, []float64{3, 3, 2, 5}
	for _, r := range []row{
		{Add{}, allTypes, two(seven, three), []float64{10, 9, 2, 10}},
		{Sub{}, allTypes, two(seven, []float64{3, 6, 0, 4}), []float64{4, 0, 0, 1}},
		{Mul{}, allTypes, two(seven, three), []float64{21, 18, 0, 25}},
		{Div{}, floatTypes, two([]float64{7, -1, 0}, []float64{2, 0, 0}), []float64{3.5, math.Inf(-1), math.NaN()}},
		{Div{}, intTypes, two(seven, []float64{3, 3, 2, 0}), []float64{2, 2, 0, 0}},
		{Div{}, signedTypes, two([]float64{-7, 7, -128}, []float64{2, -2, 2}), []float64{-3, -3, -64}},
		{Mod{}, intTypes, two(seven, []float64{3, 4, 2, 0}), []float64{1, 2, 0, 0}},
		{Mod{}, append(slices.Clone(signedTypes), floatTypes...), two([]float64{7, -7, 7, -7}, []float64{3, 3, -3, -3}), []float64{1, 2, -2, -1}},
		{Mod{Truncated: true}, append(slices.Clone(signedTypes), floatTypes...), two([]float64{7, -7, 7, -7}, []float64{3, 3, -3, -3}), []float64{1, -1, 1, -1}},
		{Mod{Truncated: true}, intTypes, two(seven, []float64{3, 4, 2, 0}), []float64{1, 2, 0, 0}},
		{Pow{}, allTypes, two([]float64{3, 2, 0, 1}, []float64{4, 6, 0, 3}), []float64{81, 64, 1, 1}},
		{Pow{}, signedTypes, two([]float64{-1, -1, 1, 2, 0, 127, -3}, []float64{-3, -2, -1, -1, -1, -1, 3}), []float64{-1, 1, 1, 0, 0, 0, -27}},
		{Max{}, allTypes, two(seven, three), []float64{7, 6, 2, 5}},
		{Min{}, allTypes, two(seven, three), []float64{3, 3, 0, 5}},
		{Max{}, floatTypes, two([]float64{math.NaN(), 1}, []float64{1, math.NaN()}), []float64{math.NaN(), math.NaN()}},
		{Min{}, floatTypes, two([]float64{math.NaN(), 1}, []float64{1, math.NaN()}), []float64{math.NaN(), math.NaN()}},
		{Abs{}, allTypes, one(0, 3, 100), []float64{0, 3, 100}},
		{Abs{}, append(slices.Clone(signedTypes), floatTypes...), one(-5, 5), []float64{5, 5}},
		{Neg{}, append(slices.Clone(signedTypes), floatTypes...), one(-5, 5, 0), []float64{5, -5, 0}},
		{Sign{}, allTypes, one(0, 9), []float64{0, 1}},
		{Sign{}, append(slices.Clone(signedTypes), floatTypes...), one(-5, 5, 0), []float64{-1, 1, 0}},
		{Sign{}, floatTypes, one(math.NaN(), math.Inf(-1)), []float64{math.NaN(), -1}},
		{Sign{}, []DType{Float32}, one(0x1p-149, -0x1p-149, 0x1p127, -0x1p127), []float64{1, -1, 1, -1}},
		{Round{}, floatTypes, one(0.5, 1.5, 2.5, -0.5, -1.5, 0.75), []float64{0, 2, 2, 0, -2, 1}},
		{PRelu{}, append(slices.Clone(signedTypes), floatTypes...), two([]float64{-2, 3, -4}, []float64{3, 3, 2}), []float64{-6, 3, -8}},
		{PRelu{}, floatTypes, two([]float64{math.NaN(), -2}, []float64{0.5}), []float64{math.NaN(), -1}},
		{Relu{}, append(slices.Clone(signedTypes), floatTypes...), one(-2, 0, 3), []float64{0, 0, 3}},
		{Elu{Alpha: 2}, floatTypes, one(0, 3, math.Inf(-1)), []float64{0, 3, -2}},
		{Clip{}, allTypes, [][]float64{{0, 3, 9, 4}, {2}, {5}}, []float64{2, 3, 5, 4}},
		{Clip{}, allTypes, [][]float64{{0, 3, 9, 4}, {5}, {2}}, []float64{2, 2, 2, 2}},
		{Compare{IsEqual}, append(slices.Clone(allTypes), Bool), two([]float64{0, 1, 1}, []float64{0, 1, 0}), []float64{1, 1, 0}},
		{Compare{IsLess}, allTypes, two([]float64{1, 2, 3}, []float64{2}), []float64{1, 0, 0}},
		{Compare{IsLessOrEqual}, allTypes, two([]float64{1, 2, 3}, []float64{2}), []float64{1, 1, 0}},
		{Compare{IsLessOrEqual}, floatTypes, two([]float64{math.NaN(), -1, 1}, []float64{math.NaN(), math.Inf(-1), math.Inf(1)}), []float64{0, 0, 1}},
		{And{}, []DType{Bool}, two([]float64{0, 0, 1, 1}, []float64{0, 1, 0, 1}), []float64{0, 0, 0, 1}},
		{Or{}, []DType{Bool}, two([]float64{0, 0, 1, 1}, []float64{0, 1, 0, 1}), []float64{0, 1, 1, 1}},
		{Not{}, []DType{Bool}, one(0, 1), []float64{1, 0}},
		{CumSum{}, allTypes, one(1, 2, 3), []float64{1, 3, 6}},
		{CumSum{Exclusive: true, Reverse: true}, allTypes, one(1, 2, 3), []float64{5, 3, 0}},
	} {
		for _, dt := range r.types {
			t.Run(r.op.Name()+"/"+dt.String(), func(t *testing.T) {
				in := make([]*Tensor, len(r.in))
				for i, v := range r.in {
					in[i] = floats(t, dt, v...)
				}
				wantValues(t, apply(t, r.op, in...)[0], r.want...)
			})
		}
	}
}

func TestIntegersWrap(t *testing.T) {
	a, b := tensorOf(t, []int8{127, -128}, 2), tensorOf(t, []int8{1, -1}, 2)
	wantValues(t, apply(t, Add{}, a, b)[0], -128, 127)
	wantValues(t, apply(t, Div{}, a, b)[0], 127, -128)
	wantValues(t, apply(t, Mod{}, a, b)[0], 0, 0)
	wantValues(t, apply(t, Neg{}, a)[0], -127, -128)
	wantValues(t, apply(t, Abs{}, a)[0], 127, -128)
}

// TestWhere compares with a plain loop for all kinds of broadcasting.
func TestWhere(t *testing.T) {
	shapes := [][]int{{2, 3}, {1, 3}, {2, 1}, {3}, {1}, {}}
	index := func(s []int, i, j int) int {
		at, stride := 0, 1
		for k, p := range []int{j, i} { // from the last axis
			if ax := len(s) - 1 - k; ax >= 0 {
				if s[ax] > 1 {
					at += p * stride
				}
				stride *= s[ax]
			}
		}
		return at
	}
	count := func(s []int, from int) []int16 {
		n, _ := Numel(s)
		d := make([]int16, n)
		for i := range d {
			d[i] = int16(from + i)
		}
		return d
	}
	for _, sc := range shapes {
		for _, sa := range shapes {
			for _, sb := range shapes {
				n, _ := Numel(sc)
				cond := []bool{true, false, false, true, false, true}[:n]
				a, b := count(sa, 100), count(sb, 200)
				got := apply(t, Where{}, tensorOf(t, cond, sc...), tensorOf(t, a, sa...), tensorOf(t, b, sb...))[0]
				shape, _ := BroadcastShape(sc, sa, sb)
				if !slices.Equal(got.Shape(), shape) {
					t.Fatalf("Where of %v, %v, %v: shape %v, want %v", sc, sa, sb, got.Shape(), shape)
				}
				for at, g := range Data[int16](got) {
					w := 1 // the result's own last axis
					if len(shape) > 0 {
						w = shape[len(shape)-1]
					}
					want := b[index(sb, at/w, at%w)]
					if cond[index(sc, at/w, at%w)] {
						want = a[index(sa, at/w, at%w)]
					}
					if g != want {
						t.Errorf("Where of %v, %v, %v: element %d is %d, want %d", sc, sa, sb, at, g, want)
					}
				}
			}
		}
	}
}

// TestEpilogues runs operators behind a convolution, where they are fused into it, and alone.
func TestEpilogues(t *testing.T) {
	const channels = 3
	perChannel := []float32{0.5, -2, 3}
	b := NewBuilder("test")
	x, err := b.Input("x", Type{Float32, []int{1, 2, 5, 5}})
	if err != nil {
		t.Fatal(err)
	}
	w := make([]float32, channels*2*9)
	for i := range w {
		w[i] = float32(i%7) - 3
	}
	conv, err := b.Apply1(Conv{Strides: []int{1, 1}, Dilations: []int{1, 1}, Pads: []int{1, 1, 1, 1}, Groups: 1}, x, b.Constant("w", tensorOf(t, w, channels, 2, 3, 3)))
	if err != nil {
		t.Fatal(err)
	}
	each := b.Constant("each", tensorOf(t, perChannel, channels, 1, 1))
	lo, hi := b.Constant("lo", Scalar(float32(-1))), b.Constant("hi", Scalar(float32(2)))
	for _, c := range []struct {
		op    Operator
		in    []*Value
		fused bool
	}{
		{Relu{}, []*Value{conv}, true},
		{PRelu{}, []*Value{conv, each}, true},
		{PRelu{}, []*Value{each, conv}, false},
		{Clip{}, []*Value{conv, lo, hi}, true},
		{Sigmoid{}, []*Value{conv}, true},
		{Tanh{}, []*Value{conv}, true},
		{Sub{}, []*Value{conv, each}, true},
		{Sub{}, []*Value{each, conv}, true},
		{Div{}, []*Value{conv, each}, true},
		{Div{}, []*Value{each, conv}, false},
	} {
		out, err := b.Apply1(c.op, c.in...)
		if err != nil {
			if !c.fused {
				continue
			}
			t.Fatal(err)
		}
		image := make([]float32, 50)
		for i := range image {
			image[i] = float32(i%11)/8 - 0.5
		}
		run := func(outs ...*Value) ([]*Tensor, []Step) {
			s, err := NewSession([]*Value{x}, outs, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := s.Run(context.Background(), []*Tensor{tensorOf(t, image, 1, 2, 5, 5)})
			if err != nil {
				t.Fatal(err)
			}
			return res, s.Steps()
		}
		fused, steps := run(out)
		alone, _ := run(out, conv) // the convolution is an output, so nothing is fused into it
		if (len(steps) == 1) != c.fused {
			t.Errorf("%s: steps %v", c.op.Name(), steps)
		}
		f, a := Data[float32](fused[0]), Data[float32](alone[0])
		for i := range f {
			if math.Abs(float64(f[i]-a[i])) > 1e-5*(1+math.Abs(float64(a[i]))) {
				t.Errorf("%s: element %d is %v fused and %v alone", c.op.Name(), i, f[i], a[i])
			}
		}
	}
}

func TestElementwiseErrors(t *testing.T) {
	f := func(shape ...int) Type { return Type{Float32, shape} }
	for _, c := range []struct {
		op   Operator
		in   []Type
		want string
	}{
		{Sub{}, []Type{f(2), f(3)}, "Sub: shapes [[2] [3]] cannot be broadcast together"},
		{Sub{}, []Type{f(2), {Int32, []int{2}}}, "Sub of float32 and int32 is not defined"},
		{Sqrt{}, []Type{{Int32, nil}}, "Sqrt of int32 is not defined"},
		{Compare{IsLess}, []Type{{Bool, nil}, {Bool, nil}}, "Less of bool and bool is not defined"},
		{Compare{7}, []Type{f(), f()}, "relation 7 is unknown"},
		{Clip{}, []Type{f(3), f(2), f()}, "a limit should be one float32, not float32[2]"},
		{PRelu{}, []Type{f(3), f(2, 3)}, "the slope float32[2 3] cannot be broadcast to it"},
		{Where{}, []Type{f(), f(), f()}, "a bool and two of one type are needed"},
		{Softmax{Axis: 2}, []Type{f(2, 3)}, "Softmax of float32[2 3] along axis 2 is not defined"},
		{Reduce{ReduceAdd, []int{1, 1}}, []Type{f(2, 3)}, "ReduceSum of float32[2 3] over axes [1 1]: they should be different and less than 2"},
		{Reduce{"median", nil}, []Type{f(2)}, `reduction "median" is not defined`},
		{ArgMax{Axis: 1}, []Type{f(2, 0)}, "ArgMax of float32[2 0] along axis 1 is not defined"},
		{CumSum{Axis: -1}, []Type{f(2)}, "CumSum of float32[2] along axis -1 is not defined"},
	} {
		if got := inferError(c.op, c.in...); !strings.Contains(got, c.want) {
			t.Errorf("error %q, want %q", got, c.want)
		}
	}
}

// TestElementwiseInParallel compares big tensors on several threads with the calling goroutine alone, bit for bit.
func TestElementwiseInParallel(t *testing.T) {
	w := NewWorkers(3)
	defer w.Close()
	ramp := func(shape ...int) *Tensor {
		x := NewTensor(Float32, shape...)
		for i := range Data[float32](x) {
			Data[float32](x)[i] = float32(i*7919%1001)/100 - 5
		}
		return x
	}
	x, cond := ramp(2, 7, 90, 91), ramp(90, 91).Converted(Bool)
	for _, c := range []struct {
		op Operator
		in []*Tensor
	}{
		{Sub{}, []*Tensor{x, ramp(7, 1, 1)}},
		{Compare{IsLess}, []*Tensor{x, ramp(91)}},
		{PRelu{}, []*Tensor{x, ramp(7, 1, 1)}},
		{PRelu{}, []*Tensor{ramp(3, 70000), ramp(3, 1)}},
		{Where{}, []*Tensor{cond, x, ramp(1)}},
		{Reduce{ReduceMean, []int{1}}, []*Tensor{x}},
		{Reduce{ReduceMean, []int{2, 3}}, []*Tensor{x}},
		{Reduce{ReduceMax, []int{0, 2}}, []*Tensor{x}},
		{Softmax{Axis: 1}, []*Tensor{x}},
		{Softmax{Axis: 3, Log: true}, []*Tensor{x}},
	} {
		alone := apply(t, c.op, c.in...)[0]
		split := NewTensor(alone.dtype, alone.shape...)
		if err := c.op.Eval(&Exec{Pool: w}, []*Tensor{split}, c.in); err != nil {
			t.Fatal(err)
		}
		if !Equal(alone, split) {
			t.Errorf("%#v differs on several threads", c.op)
		}
	}
}
