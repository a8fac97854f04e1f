package graph

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func square(kernel, stride, pad int) Sliding {
	return Sliding{Kernel: []int{kernel, kernel}, Strides: []int{stride, stride}, Dilations: []int{1, 1}, Pads: []int{pad, pad, pad, pad}}
}

// Windows that reach over the end count only if they begin before it.
func TestSlidingOut(t *testing.T) {
	for _, c := range []struct {
		n, kernel, stride, dilation, begin, end int
		floor, ceil                             int
	}{
		{7, 3, 2, 1, 0, 0, 3, 3}, {8, 3, 2, 1, 0, 0, 3, 4}, {5, 1, 3, 1, 0, 0, 2, 2}, {4, 3, 3, 1, 1, 1, 2, 2}, {2, 1, 3, 1, 0, 1, 1, 1},
		{9, 3, 2, 3, 0, 0, 2, 2}, {10, 3, 2, 3, 0, 0, 2, 3}, {6, 3, 1, 1, -2, 0, 2, 2},
	} {
		s := Sliding{[]int{c.kernel}, []int{c.stride}, []int{c.dilation}, []int{c.begin, c.end}, false}
		for _, s.Ceil = range []bool{false, true} {
			want := c.floor
			if s.Ceil {
				want = c.ceil
			}
			got, err := s.out("Pool", Type{Float32, []int{1, 1, c.n}})
			if err != nil || got[0] != want {
				t.Errorf("%+v of %d: got %v, %v, want %d", s, c.n, got, err, want)
			}
		}
	}
}

// The pools agree with the plain definition, at every position, for windows of all kinds.
func TestPoolsByDefinition(t *testing.T) {
	x := as(waves(t, 1, 2, 7, 8), Float64)
	in := Data[float64](x)
	in[20] = math.NaN()
	workers := NewWorkers(2)
	defer workers.Close()
	for _, s := range []Sliding{
		square(3, 1, 1), square(2, 2, 0), square(3, 2, 2),
		{[]int{2, 3}, []int{3, 2}, []int{2, 1}, []int{1, 0, 2, 4}, true},
		{[]int{3, 2}, []int{1, 3}, []int{1, 2}, []int{-1, -1, 0, 2}, false},
	} {
		type sums struct{ max, sum, count, padded float64 }
		out, err := s.out("Pool", x.Type())
		if err != nil {
			t.Fatal(err)
		}
		var want []sums
		for i := range 2 * out[0] * out[1] {
			c, oy, ox := i/(out[0]*out[1]), i/out[1]%out[0], i%out[1]
			w := sums{max: math.Inf(-1)}
			for ky := range s.Kernel[0] {
				for kx := range s.Kernel[1] {
					y, x := oy*s.Strides[0]+ky*s.Dilations[0]-s.Pads[0], ox*s.Strides[1]+kx*s.Dilations[1]-s.Pads[1]
					if y < 7+s.Pads[2] && x < 8+s.Pads[3] {
						w.padded++
					}
					if y < 0 || y >= 7 || x < 0 || x >= 8 {
						continue
					}
					v := in[c*56+y*8+x]
					w.max, w.sum, w.count = max(w.max, v), w.sum+v, w.count+1
				}
			}
			want = append(want, w)
		}
		for _, op := range []Operator{MaxPool{Sliding: s}, MaxPool{s, true, false}, AveragePool{s, false}, AveragePool{s, true}} {
			for _, dt := range []DType{Float64, Float32} {
				a := as(x, dt)
				got, err := session(t, op, workers, a).Run(context.Background(), []*Tensor{a})
				if err != nil {
					t.Fatal(err)
				}
				for i, v := range Data[float64](as(got[0], Float64)) {
					w := want[i].max
					if a, ok := op.(AveragePool); ok {
						w = want[i].sum / max(1, want[i].count)
						if a.CountPads {
							w = want[i].sum / max(1, want[i].padded)
						}
					}
					if v != w && !(math.Abs(v-w) < 1e-6) && !(v != v && w != w) {
						t.Fatalf("%#v of %v: element %d is %v, want %v", op, dt, i, v, w)
					}
				}
				if len(got) == 2 {
					for i, at := range Data[int64](got[1]) {
						if w := want[i].max; at < 0 != math.IsInf(w, -1) || at >= 0 && in[at] != w && w == w {
							t.Fatalf("%#v: index %d is %d", op, i, at)
						}
					}
				}
			}
		}
	}
}

func TestPoolsOfIntegersAndNothing(t *testing.T) {
	got := apply(t, MaxPool{Sliding: square(2, 2, 1)}, tensorOf(t, []int8{-5, -3, -128, 127}, 1, 1, 2, 2))[0]
	if diff := cmp.Diff([]int8{-5, -3, -128, 127}, got.data); diff != "" {
		t.Error(diff)
	}
	if got := apply(t, LpPool{square(2, 1, 0), 1}, tensorOf(t, []float64{1, -2, 3, -4}, 1, 1, 2, 2))[0]; Data[float64](got)[0] != 10 {
		t.Errorf("LpPool: got %v", got.data)
	}
	if got := apply(t, AveragePool{square(2, 1, 0), false}, NewTensor(Float32, 0, 3, 4, 4))[0]; got.Len() != 0 {
		t.Errorf("empty: got %v", got.Type())
	}
}

func TestPoolErrors(t *testing.T) {
	x := Type{Float32, []int{1, 1, 4, 4}}
	for _, c := range []struct {
		want string
		op   Operator
		x    Type
	}{
		{"AveragePool of int8 is not defined", AveragePool{Sliding: square(2, 1, 0)}, Type{Int8, x.Shape}},
		{"MaxPool of int32 is not defined", MaxPool{Sliding: square(2, 1, 0)}, Type{Int32, x.Shape}},
		{"should be N x C x spatial", MaxPool{Sliding: square(2, 1, 0)}, Type{Float32, []int{1, 4}}},
		{"do not fit its 1 spatial axes", MaxPool{Sliding: square(2, 1, 0)}, Type{Float32, []int{1, 4, 4}}},
		{"reaches over 5 positions does not fit", MaxPool{Sliding: square(5, 1, 0)}, x},
		{"should be from 1", MaxPool{Sliding: square(0, 1, 0)}, x},
		{"should be from 1", LpPool{square(1, 0, 0), 2}, x},
		{"LpPool of order 0", LpPool{square(1, 1, 0), 0}, x},
	} {
		if got := inferError(c.op, c.x); !strings.Contains(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func BenchmarkPool(b *testing.B) {
	x := waves(b, 1, 64, 256, 256)
	for _, op := range []Operator{MaxPool{Sliding: square(2, 2, 0)}, MaxPool{Sliding: square(3, 1, 1)}, AveragePool{Sliding: square(2, 2, 0)}, MaxPool{Sliding: square(2, 2, 0), Indices: true}} {
		b.Run(fmt.Sprintf("%+v", op), func(b *testing.B) {
			s := session(b, op, nil, x)
			for b.Loop() {
				if _, err := s.Run(context.Background(), []*Tensor{x}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Pools by quarters have a gradient of their own: it goes to the same elements as that of the general form, of equal ones, zeros of both signs, and NaN too.
func TestMaxPoolGradientByQuarters(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	some := []float32{0, float32(math.Copysign(0, -1)), 1, -1, -2, 1e-40, -1e-40, float32(math.NaN()), -float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))}
	for _, size := range [][2]int{{6, 8}, {7, 9}, {2, 2}, {64, 66}} {
		m := MaxPoolGradient{square(2, 2, 0)}
		x, g := NewTensor(Float32, 2, 3, size[0], size[1]), NewTensor(Float32, 2, 3, size[0]/2, size[1]/2)
		for i := range Data[float32](x) {
			Data[float32](x)[i] = some[r.IntN(len(some))]
		}
		for i := range Data[float32](g) {
			Data[float32](g)[i] = r.Float32() + 1
		}
		if !m.quarters(x.shape, g.shape) {
			t.Fatalf("%v is not pooled by quarters", x.Type())
		}
		got, want := apply(t, m, x, g)[0], apply(t, m, as(x, Float64), as(g, Float64))[0]
		if !Equal(got, as(want, Float32)) {
			t.Errorf("of %v: got %v, want %v", x.data, got.data, want.data)
		}
	}
	if s := square(2, 2, 0); s.quarters([]int{1, 1, 5, 4}, []int{1, 1, 3, 2}) || square(2, 1, 0).quarters([]int{1, 1, 5, 4}, []int{1, 1, 4, 3}) {
		t.Error("windows that overlap or reach over the end are no quarters")
	}
}
