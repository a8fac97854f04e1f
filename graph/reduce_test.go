package graph

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

// reduceNaively walks over all elements one by one.
func reduceNaively(by Reduction, shape, axes []int, a []float64) []float64 {
	rest := slices.Clone(shape)
	for _, k := range axes {
		rest[k] = 1
	}
	n, _ := Numel(rest)
	out, count := make([]float64, n), make([]float64, n)
	for i := range out {
		out[i] = map[Reduction]float64{ReduceMul: 1, ReduceMax: math.Inf(-1), ReduceMin: math.Inf(1)}[by]
	}
	for i, v := range a {
		at, stride := 0, 1
		for k, r := len(shape)-1, i; k >= 0; k-- {
			if rest[k] > 1 {
				at += r % shape[k] * stride
			}
			stride *= rest[k]
			r /= shape[k]
		}
		count[at]++
		switch by {
		case ReduceAdd, ReduceMean:
			out[at] += v
		case ReduceL2:
			out[at] = math.Hypot(out[at], v)
		case ReduceMul:
			out[at] *= v
		case ReduceMax:
			out[at] = max(out[at], v)
		case ReduceMin:
			out[at] = min(out[at], v)
		}
	}
	if by == ReduceMean {
		for i := range out {
			out[i] /= count[i]
		}
	}
	return out
}

func TestReduce(t *testing.T) {
	shapes := map[string][]int{"small": {2, 3, 1, 2, 3}, "rows": {3, 5000}, "blocks": {2, 3, 700, 5}, "empty": {2, 0, 3}, "scalar": {}}
	for name, shape := range shapes {
		n, _ := Numel(shape)
		a := make([]float64, n)
		for i := range a {
			a[i] = float64((i*7919)%15-7) / 8
			if a[i] == 0 {
				a[i] = 1
			}
		}
		for mask := range 1 << len(shape) {
			var axes []int
			for k := range shape {
				if mask>>k&1 != 0 {
					axes = append(axes, k)
				}
			}
			for by := range reduceNames {
				if by == ReduceMul && n > 100 {
					continue // underflows
				}
				want := reduceNaively(by, shape, axes, a)
				for _, dt := range []DType{Float32, Float64} {
					got := apply(t, Reduce{by, axes}, tensorOf(t, a, shape...).Converted(dt))[0]
					g := Data[float64](got.Converted(Float64))
					if len(g) != len(want) {
						t.Fatalf("%s %s over %v: %v", name, by, axes, got.Type())
					}
					for i := range g {
						if math.Abs(g[i]-want[i]) > 1e-5*(1+math.Abs(want[i])) || math.IsNaN(g[i]) != math.IsNaN(want[i]) {
							t.Fatalf("%s %s of %v over %v: element %d is %v, want %v", name, by, dt, axes, i, g[i], want[i])
						}
					}
				}
			}
		}
	}
}

func TestReduceOfAllTypes(t *testing.T) {
	for by, want := range map[Reduction]float64{ReduceAdd: 12, ReduceMean: 4, ReduceMul: 60, ReduceMax: 5, ReduceMin: 3} {
		for _, dt := range allTypes {
			wantValues(t, apply(t, Reduce{by, []int{0}}, floats(t, dt, 4, 3, 5))[0], want)
		}
	}
	wantValues(t, apply(t, Reduce{ReduceMean, []int{0}}, floats(t, Int32, -4, -3))[0], -3)
	empty := NewTensor(Int8, 0)
	for by, want := range map[Reduction]float64{ReduceAdd: 0, ReduceMean: 0, ReduceMul: 1, ReduceMax: -128, ReduceMin: 127} {
		wantValues(t, apply(t, Reduce{by, []int{0}}, empty)[0], want)
	}
	wantValues(t, apply(t, Reduce{ReduceMax, []int{0}}, floats(t, Float32, 1, math.NaN(), 2))[0], math.NaN())
	// A float32 sum that is kept in float32 would stop growing at 2^24.
	many := NewTensor(Float32, 1<<14, 2)
	for i := range Data[float32](many) {
		Data[float32](many)[i] = 4097
	}
	wantValues(t, apply(t, Reduce{ReduceAdd, []int{0}}, many)[0], 4097<<14, 4097<<14)
}

func TestArgMax(t *testing.T) {
	for _, dt := range allTypes {
		x := floats(t, dt, 2, 5, 1, 5, 1)
		for want, op := range map[float64]ArgMax{1: {}, 3: {Last: true}, 2: {Min: true}, 4: {Min: true, Last: true}} {
			got := apply(t, op, x)[0]
			if got.DType() != Int64 {
				t.Errorf("%v: indices are %v", op, got.DType())
			}
			wantValues(t, got, want)
		}
	}
	wantValues(t, apply(t, ArgMax{Axis: 1}, tensorOf(t, []float32{1, 9, 3, 4, 5, 6, 7, 2}, 2, 2, 2))[0], 1, 0, 1, 0)
}

func TestSoftmax(t *testing.T) {
	for _, shape := range [][]int{{4}, {3, 300}, {2, 5, 3}, {2, 3, 600}, {2, 0}, {1, 1}} {
		n, _ := Numel(shape)
		a := make([]float64, n)
		for i := range a {
			a[i] = float64((i*7919)%23) - 111
		}
		for axis := range shape {
			for _, log := range []bool{false, true} {
				for _, dt := range []DType{Float32, Float64} {
					t.Run(fmt.Sprint(shape, axis, log, dt), func(t *testing.T) {
						got := Data[float64](apply(t, Softmax{axis, log}, tensorOf(t, a, shape...).Converted(dt))[0].Converted(Float64))
						_, m, inner := split(shape, axis)
						for i := range got {
							sum := 0.0
							for k := range m {
								sum += math.Exp(a[i/(m*inner)*m*inner+k*inner+i%inner])
							}
							want := a[i] - math.Log(sum)
							if !log {
								want = math.Exp(want)
							}
							if math.Abs(got[i]-want) > 1e-6*(1+math.Abs(want)) {
								t.Fatalf("element %d is %v, want %v", i, got[i], want)
							}
						}
					})
				}
			}
		}
	}
	// No overflow where exp(x) does, and certainty where all others are impossible.
	wantValues(t, apply(t, Softmax{}, floats(t, Float32, 1000, math.Inf(-1), 1000))[0], 0.5, 0, 0.5)
}

func BenchmarkReduce(b *testing.B) {
	x, out := NewTensor(Float32, 1, 64, 256, 256), NewTensor(Float32, 1, 1, 256, 256)
	for _, axes := range [][]int{{1}, {2, 3}} {
		op := Reduce{ReduceMean, axes}
		types, err := op.Infer([]Type{x.Type()})
		if err != nil {
			b.Fatal(err)
		}
		out = NewTensor(Float32, types[0].Shape...)
		b.Run(fmt.Sprint(axes), func(b *testing.B) {
			b.SetBytes(int64(4 * x.Len()))
			for b.Loop() {
				if err := op.Eval(&Exec{}, []*Tensor{out}, []*Tensor{x}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSoftmax(b *testing.B) {
	x := NewTensor(Float32, 64, 64, 64)
	out := NewTensor(Float32, 64, 64, 64)
	for axis := 1; axis < 3; axis++ {
		b.Run(fmt.Sprint(axis), func(b *testing.B) {
			b.SetBytes(int64(4 * x.Len()))
			for b.Loop() {
				if err := (Softmax{Axis: axis}).Eval(&Exec{}, []*Tensor{out}, []*Tensor{x}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
