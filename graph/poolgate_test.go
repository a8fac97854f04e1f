package graph

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// The gate by what was pooled is a part of the pool's gradient, if it alone reads it.
func TestGatedPools(t *testing.T) {
	workers := NewWorkers(2)
	defer workers.Close()
	for _, c := range []struct {
		name  string
		s     Sliding
		build func(n *trained, x, back, slope *Value) []*Value
		want  []string
	}{
		{"joined", square(2, 2, 0), func(n *trained, x, back, slope *Value) []*Value {
			return []*Value{n.apply(Gate{}, back, x, slope)}
		}, []string{"MaxPoolGradient+Gate"}},
		{"joined, and read by others", square(2, 2, 0), func(n *trained, x, back, slope *Value) []*Value {
			g := n.apply(Gate{}, back, x, slope)
			return []*Value{n.apply(Reduce{By: ReduceAdd, Axes: []int{0, 2, 3}}, g), n.apply(Transpose{Perm: []int{1, 0, 2, 3}}, g)}
		}, []string{"MaxPoolGradient+Gate", "ReduceSum", "Transpose"}},
		{"read twice", square(2, 2, 0), func(n *trained, x, back, slope *Value) []*Value {
			return []*Value{n.apply(Gate{}, back, x, slope), n.apply(Transpose{Perm: []int{1, 0, 2, 3}}, back)}
		}, []string{"MaxPoolGradient", "Gate", "Transpose"}},
		{"an output", square(2, 2, 0), func(n *trained, x, back, slope *Value) []*Value {
			return []*Value{n.apply(Gate{}, back, x, slope), back}
		}, []string{"MaxPoolGradient", "Gate"}},
		{"gated by another", square(2, 2, 0), func(n *trained, x, back, slope *Value) []*Value {
			return []*Value{n.apply(Gate{}, back, n.apply(Floor{}, x), slope)}
		}, []string{"Floor", "MaxPoolGradient", "Gate"}},
		{"what gates", square(2, 2, 0), func(n *trained, x, back, slope *Value) []*Value {
			return []*Value{n.apply(Gate{}, x, back, slope)}
		}, []string{"MaxPoolGradient", "Gate"}},
		{"overlapping", square(3, 2, 1), func(n *trained, x, back, slope *Value) []*Value {
			return []*Value{n.apply(Gate{}, back, x, slope)}
		}, []string{"MaxPoolGradient", "Gate"}},
		{"a slope for each column", square(2, 2, 0), func(n *trained, x, back, slope *Value) []*Value {
			slopes := NewTensor(Float32, x.typ.Shape[3])
			fill(Data[float32](slopes), 3)
			return []*Value{n.apply(Gate{}, back, x, n.b.Constant("slopes", slopes))}
		}, []string{"MaxPoolGradient", "Gate"}},
	} {
		for _, size := range [][2]int{{8, 6}, {9, 11}, {70, 131}} {
			t.Run(fmt.Sprint(c.name, size), func(t *testing.T) {
				n := &trained{T: t, rng: rand.New(rand.NewPCG(9, 10)), b: NewBuilder("gate")}
				input := func(shape ...int) *Value {
					return n.input(func() float32 { return float32(n.rng.IntN(7)-3) / 2 }, shape...)
				}
				x := input(2, 3, size[0], size[1])
				pooled := n.apply(MaxPool{Sliding: c.s}, x)
				back := n.apply(MaxPoolGradient{c.s}, x, input(pooled.typ.Shape...))
				results := c.build(n, x, back, input())
				want, _ := oneByOne(t, results, n.inputs, n.tensors)
				for _, w := range []*Workers{nil, workers} {
					s, err := NewSession(n.inputs, results, w)
					if err != nil {
						t.Fatal(err)
					}
					var names []string
					for _, st := range s.Steps() {
						names = append(names, st.Fused)
					}
					if slices.Sort(names); !slices.Equal(names, slices.Sorted(slices.Values(c.want))) {
						t.Errorf("steps %v, want %v", names, c.want)
					}
					got, err := s.Run(context.Background(), n.tensors)
					if err != nil {
						t.Fatal(err)
					}
					for i := range got {
						if !Equal(got[i], want[i]) {
							t.Errorf("result %d differs", i)
						}
					}
				}
			})
		}
	}
}
