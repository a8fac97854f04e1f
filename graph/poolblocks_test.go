package graph

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/gansr/gansr/internal/kernel"
)

// windows are of all kinds over images of at least 5x5: side by side, overlapping, with gaps, with pads, some of them negative, and reaching over the end.
func windows() []Sliding {
	ceil := square(3, 2, 0)
	ceil.Ceil = true
	return []Sliding{
		square(2, 2, 0), square(2, 2, 1), square(3, 2, 1), square(3, 1, 1), square(2, 1, 0), square(2, 3, 0), ceil,
		{[]int{2, 3}, []int{3, 2}, []int{2, 1}, []int{1, 0, 1, 2}, true},
		{[]int{3, 2}, []int{1, 3}, []int{1, 2}, []int{-1, -1, 0, 1}, false},
		{[]int{1, 2}, []int{1, 2}, []int{1, 1}, []int{0, 0, 0, 0}, false},
	}
}

// kept is a window that keeps still on a third axis.
func kept(s Sliding) Sliding {
	p := s.Pads
	return Sliding{append(slices.Clone(s.Kernel), 1), append(slices.Clone(s.Strides), 1), append(slices.Clone(s.Dilations), 1), []int{p[0], p[1], 0, p[2], p[3], 0}, s.Ceil}
}

// identical compares float32s, NaN with NaN.
func identical(a, b *Tensor) bool {
	return a.Type().Equal(b.Type()) && slices.EqualFunc(Data[float32](a), Data[float32](b), func(v, w float32) bool { return v == w || v != v && w != w })
}

// evalOver evaluates an operator into memory that holds something else.
func evalOver(t *testing.T, op Operator, workers *Workers, in ...*Tensor) *Tensor {
	t.Helper()
	types := make([]Type, len(in))
	for i, x := range in {
		types[i] = x.Type()
	}
	out, err := op.Infer(types)
	if err != nil {
		t.Fatal(err)
	}
	y := NewTensor(Float32, out[0].Shape...)
	fill(Data[float32](y), float32(math.NaN()))
	if err := op.Eval(&Exec{Context: context.Background(), Pool: workers}, []*Tensor{y}, in); err != nil {
		t.Fatal(err)
	}
	return y
}

// A pool over pixels that are several elements gives what it gives for planes of each of them.
func TestPoolsOfPixels(t *testing.T) {
	workers := NewWorkers(2)
	defer workers.Close()
	r := rand.New(rand.NewPCG(3, 4))
	some := []float32{0, float32(math.Copysign(0, -1)), 1, -1, -2, 1e-40, float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1))}
	random := func(t *Tensor) *Tensor {
		for i := range Data[float32](t) {
			Data[float32](t)[i] = float32(r.NormFloat64())
			if r.IntN(3) > 0 {
				Data[float32](t)[i] = some[r.IntN(len(some))]
			}
		}
		return t
	}
	const n, c = 2, 3
	for _, unit := range []int{1, 2, 3, kernel.Lanes()} {
		planes := func(x *Tensor) *Tensor {
			p := apply(t, Transpose{Perm: []int{0, 1, 4, 2, 3}}, x)[0]
			return apply(t, Reshape{Shape: []int{n, c * unit, x.shape[2], x.shape[3]}}, p)[0]
		}
		for _, size := range [][2]int{{5, 7}, {8, 6}, {66, 70}} {
			for _, s := range windows() {
				k := kept(s)
				x := random(NewTensor(Float32, n, c, size[0], size[1], unit))
				pooled := apply(t, MaxPool{Sliding: k}, x)[0]
				g := random(NewTensor(Float32, pooled.shape...))
				for i, v := range Data[float32](g) {
					if v != v || math.IsInf(float64(v), 0) { // whose sums depend on their order
						Data[float32](g)[i] = 1
					}
				}
				for _, p := range [][2]Operator{
					{MaxPool{Sliding: k}, MaxPool{Sliding: s}}, {MaxPoolGradient{k}, MaxPoolGradient{s}},
					{AveragePool{k, true}, AveragePool{s, true}}, {AveragePool{k, false}, AveragePool{s, false}}, {LpPool{k, 2}, LpPool{s, 2}},
				} {
					in, flat := []*Tensor{x}, []*Tensor{planes(x)}
					if _, ok := p[0].(MaxPoolGradient); ok {
						in, flat = append(in, g), append(flat, planes(g))
					}
					want := evalOver(t, p[1], nil, flat...)
					for _, w := range []*Workers{nil, workers} {
						if got := evalOver(t, p[0], w, in...); !identical(planes(got), want) {
							t.Fatalf("%#v of %v differs", p[0], x.Type())
						}
					}
				}
			}
		}
	}
}

// Between convolutions pools and their gradients work on blocked images, with the same results.
func TestPoolsBetweenConvolutions(t *testing.T) {
	t.Setenv("GANSR_CONV", "winograd2") // whose coefficients are halves: results are exact
	workers := NewWorkers(3)
	defer workers.Close()
	lanes := kernel.Lanes()
	for _, channels := range []int{lanes, lanes + 3, 2 * lanes} {
		for _, size := range [][2]int{{8, 8}, {9, 11}, {12, 7}} {
			for _, s := range windows() {
				for _, average := range []bool{false, true} {
					name := fmt.Sprintf("%d/%v/%v", channels, size, s)
					var op Operator = MaxPool{Sliding: s}
					if average {
						name, op = name+"/average", AveragePool{Sliding: s}
					}
					t.Run(name, func(t *testing.T) { testPoolBetween(t, op, s, []int{2, channels, size[0], size[1]}, workers) })
				}
			}
		}
	}
}

func testPoolBetween(t *testing.T, op Operator, s Sliding, shape []int, workers *Workers) {
	n := &trained{T: t, rng: rand.New(rand.NewPCG(5, 6)), b: NewBuilder("pools")}
	channels := shape[1]
	conv := func(x *Value) *Value {
		w := NewTensor(Float32, channels, channels, 3, 3)
		for i := range Data[float32](w) {
			Data[float32](w)[i] = float32(n.rng.IntN(3) - 1)
		}
		return n.apply(Conv{Strides: []int{1, 1}, Dilations: []int{1, 1}, Pads: []int{1, 1, 1, 1}, Groups: 1}, x, n.b.Constant("w", w))
	}
	input := func(shape ...int) *Value {
		return n.input(func() float32 { return float32(n.rng.IntN(3) - 1) }, shape...)
	}
	of := n.apply(Relu{}, conv(input(shape...)))
	pooled := n.apply(op, of)
	results := []*Value{conv(pooled)}
	_, exact := op.(MaxPool)
	if exact {
		back := n.apply(MaxPoolGradient{s}, of, conv(input(pooled.typ.Shape...)))
		results = append(results, conv(n.apply(Gate{}, back, of, n.b.Constant("slope", Scalar(float32(-0.5))))))
	}
	want, largest := oneByOne(t, results, n.inputs, n.tensors)
	if largest >= 1<<20 {
		t.Fatalf("numbers up to %v are not exact", largest)
	}
	for _, w := range []*Workers{nil, workers} {
		session, err := NewSession(n.inputs, results, w)
		if err != nil {
			t.Fatal(err)
		}
		for _, st := range session.Steps() {
			if strings.Contains(st.Fused, "Pool") && len(st.Out.Shape) != 5 {
				t.Errorf("%s of %v is not of blocks", st.Fused, st.Out)
			}
		}
		got, err := session.Run(context.Background(), n.tensors)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			if exact && !Equal(got[i], want[i]) || !near(got[i], want[i]) {
				t.Errorf("result %d differs", i)
			}
		}
	}
}

// Where a window is over nothing the largest is infinite, which is not to get into channels that fill a block.
func TestEmptyWindowsAreOffBlocks(t *testing.T) {
	n := &trained{T: t, rng: rand.New(rand.NewPCG(7, 8)), b: NewBuilder("empty")}
	s := square(1, 1, 0)
	s.Pads = []int{1, 0, 0, 0}
	of := Type{Float32, []int{1, kernel.Lanes() + 3, 8, 8}}
	x, err := n.b.Input("x", of)
	if err != nil {
		t.Fatal(err)
	}
	v := n.apply(MaxPool{Sliding: s}, x)
	l := &layouts{s: &Session{slots: []slot{{typ: of}, {typ: v.typ}}}}
	if op, _ := l.onBlocks(step{op: v.from.op, in: []int{0}, out: []int{1}}, v.typ); op != nil {
		t.Errorf("%#v is computed in blocks", op)
	}
}
