package graph

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gansr/gansr/internal/kernel"
)

// trained grows a random graph as training has them: images of several sizes, convolutions by weights that are constants or given, operators
// on single elements with operands of all shapes that broadcast, sums, and gradients of them.
type trained struct {
	*testing.T
	rng     *rand.Rand
	b       *Builder
	images  []*Value
	small   []*Value // sums and means, of any shape
	whole   []*Value // sums
	inputs  []*Value
	tensors []*Tensor
}

func (n *trained) apply(op Operator, in ...*Value) *Value {
	n.Helper()
	v, err := n.b.Apply1(op, in...)
	if err != nil {
		n.Fatal(err)
	}
	return v
}

func (n *trained) oneOf(choices ...int) int { return choices[n.rng.IntN(len(choices))] }

// value is whole numbers of small magnitude, given to a run or constant.
func (n *trained) value(shape ...int) *Value {
	element := func() float32 { return float32(n.rng.IntN(3) - 1) }
	if n.rng.IntN(2) != 0 {
		return n.input(element, shape...)
	}
	x := NewTensor(Float32, shape...)
	for i := range Data[float32](x) {
		Data[float32](x)[i] = element()
	}
	return n.b.Constant("c", x)
}

// input is a value given to a run, of such elements.
func (n *trained) input(element func() float32, shape ...int) *Value {
	n.Helper()
	x := NewTensor(Float32, shape...)
	for i := range Data[float32](x) {
		Data[float32](x)[i] = element()
	}
	v, err := n.b.Input(fmt.Sprint("in", len(n.inputs)), x.Type())
	if err != nil {
		n.Fatal(err)
	}
	n.inputs, n.tensors = append(n.inputs, v), append(n.tensors, x)
	return v
}

// image returns one of the images, more often a late one.
func (n *trained) image() *Value {
	return n.images[len(n.images)-1-min(n.rng.IntN(len(n.images)), n.rng.IntN(5))]
}

// like returns an operand that broadcasts to x.
func (n *trained) like(x *Value) *Value {
	s := x.typ.Shape
	switch n.rng.IntN(4) {
	case 0:
		var fit []*Value
		for _, v := range n.whole {
			if to, err := BroadcastShape(s, v.typ.Shape); err == nil && slices.Equal(to, s) {
				fit = append(fit, v)
			}
		}
		if len(fit) > 0 {
			return fit[n.rng.IntN(len(fit))]
		}
	case 1:
		var fit []*Value
		for _, v := range n.images {
			if slices.Equal(v.typ.Shape, s) {
				fit = append(fit, v)
			}
		}
		return fit[n.rng.IntN(len(fit))]
	case 2:
		axes := [][]int{{0, 2, 3}, {0, 1, 2, 3}, {2, 3}, {0}, {1}, {3}}[n.rng.IntN(6)]
		y := n.apply(Reduce{By: []Reduction{ReduceAdd, ReduceMean, ReduceMax}[n.rng.IntN(3)], Axes: axes}, x)
		if n.rng.IntN(2) == 0 {
			y = n.clip(y)
		}
		return n.apply(Floor{}, y)
	}
	shapes := [][]int{{}, {1}, {1, s[1], 1, 1}, {s[1], 1, 1}, {1, s[1], 1, 1}, {s[1], 1, 1}, {s[0], s[1], 1, 1}, {s[0], 1, 1, 1}, {s[3]}, {s[2], 1}, {1, 1, s[2], s[3]}, {1, s[1], s[2], s[3]}, s}
	return n.value(shapes[n.rng.IntN(len(shapes))]...)
}

func (n *trained) clip(x *Value) *Value {
	return n.apply(Min{}, n.apply(Max{}, x, n.b.Constant("lo", Scalar(float32(-7)))), n.b.Constant("hi", Scalar(float32(7))))
}

func (n *trained) grow() {
	x := n.image()
	s := x.typ.Shape
	add := func(v *Value) { n.images = append(n.images, v) }
	ones := []int{1, 1}
	switch k := n.rng.IntN(30); k {
	case 0, 1, 2, 3:
		k, stride, oc := n.oneOf(1, 3, 3, 5), n.oneOf(1, 1, 1, 2), n.oneOf(s[1], s[1], s[1], 1, 3, 16, 19)
		in := []*Value{x, n.value(oc, s[1], k, k)}
		if n.rng.IntN(2) == 0 {
			in = append(in, n.value(oc))
		}
		y := n.apply(Conv{Strides: []int{stride, stride}, Dilations: ones, Pads: []int{k / 2, k / 2, k / 2, k / 2}, Groups: 1}, in...)
		if n.rng.IntN(2) == 0 {
			add(y)
		}
		add(n.clip(y))
	case 4:
		oc := n.oneOf(s[1], 1, 5, 16)
		if s[2]*s[3] > 400 {
			return
		}
		y := n.apply(ConvTranspose{Strides: []int{2, 2}, Dilations: ones, Pads: []int{1, 1, 1, 1}, OutputPads: []int{0, 0}, Groups: 1}, x, n.value(s[1], oc, 4, 4))
		add(n.clip(y))
	case 5: // of each channel
		add(n.clip(n.apply(Conv{Strides: ones, Dilations: ones, Pads: []int{1, 1, 1, 1}, Groups: s[1]}, x, n.value(s[1], 1, 3, 3))))
	case 6, 7, 8:
		add(n.apply([]Operator{Abs{}, Neg{}, Sign{}, Relu{}}[n.rng.IntN(4)], x))
	case 9, 10:
		slopes := [][]int{{}, {s[1], 1, 1}, {1, s[1], 1, 1}, {s[3]}, s}
		slope := n.value(slopes[n.rng.IntN(len(slopes))]...)
		if n.rng.IntN(2) == 0 {
			add(n.apply(PRelu{}, x, slope))
		} else if y := n.like(x); slices.Equal(y.typ.Shape, s) {
			add(n.apply(Gate{}, x, y, slope))
		}
	case 11:
		ch := n.oneOf(1, s[1], (s[1]+1)/2, min(16, s[1]))
		first := n.rng.IntN(s[1] - ch + 1)
		add(n.apply(Slice{Starts: []int{0, first, 0, 0}, Sizes: []int{s[0], ch, s[2], s[3]}, Steps: []int{1, 1, 1, 1}}, x))
	case 12:
		in := []*Value{x}
		for _, v := range n.images {
			if c := v.typ.Shape; c[0] == s[0] && c[2] == s[2] && c[3] == s[3] && n.rng.IntN(3) == 0 && len(in) < 3 && c[1]+s[1] < 64 {
				in = append(in, v)
			}
		}
		add(n.apply(Concat{Axis: 1}, in...))
	case 13:
		if s[2] < 2 || s[3] < 2 {
			return
		}
		w := Sliding{Kernel: []int{2, 2}, Strides: []int{2, 2}, Dilations: ones, Pads: []int{0, 0, 0, 0}}
		add(n.apply([]Operator{AveragePool{Sliding: w}, MaxPool{Sliding: w}}[n.rng.IntN(2)], x))
	case 14:
		add(n.apply(Reshape{Shape: s}, n.apply(Reshape{Shape: []int{x.typ.Len()}}, x)))
	case 15, 16:
		axes := [][]int{{0, 2, 3}, {0, 1, 2, 3}, {2, 3}, {0, 2, 3}, {1}}[n.rng.IntN(5)]
		n.whole = append(n.whole, n.apply(Reduce{By: ReduceAdd, Axes: axes}, x))
		n.small = append(n.small, n.whole[len(n.whole)-1])
		if n.rng.IntN(2) == 0 {
			n.small = append(n.small, n.apply(Reduce{By: ReduceMean, Axes: axes}, x))
		}
	default:
		y := n.like(x)
		in := []*Value{x, y}
		n.rng.Shuffle(2, func(i, k int) { in[i], in[k] = in[k], in[i] })
		z := n.apply([]Operator{Add{}, Sub{}, Sub{}, Mul{}, Max{}, Min{}}[n.rng.IntN(6)], in...)
		if n.rng.IntN(3) == 0 {
			z = n.clip(z)
		}
		add(z)
	}
}

// differentiate adds gradients of the sum of the last image, and in some cases gradients of these.
func (n *trained) differentiate() (grads []*Value) {
	loss := n.apply(Reduce{By: ReduceAdd, Axes: []int{0, 1, 2, 3}}, n.images[len(n.images)-1])
	targets := n.inputs
	for range 1 + n.rng.IntN(2) {
		gs, err := n.b.Gradients([]*Value{loss}, nil, targets)
		if err != nil {
			n.Fatal(err)
		}
		grads = append(grads, gs...)
		g := gs[0] // that of the first image
		axes := make([]int, g.typ.Rank())
		for i := range axes {
			axes[i] = i
		}
		loss = n.apply(Reduce{By: ReduceMean, Axes: axes}, n.apply(Mul{}, g, g))
	}
	return grads
}

func testTrained(t *testing.T, seed uint64, workers *Workers) {
	n := &trained{T: t, rng: rand.New(rand.NewPCG(seed, 7)), b: NewBuilder("trained")}
	lanes := kernel.Lanes()
	channels := n.oneOf(1, 3, lanes, lanes, lanes, 2*lanes, lanes+3, lanes-1)
	h, w := n.oneOf(1, 2, 5, 8, 12), n.oneOf(1, 3, 8, 11, 16)
	if n.rng.IntN(12) == 0 {
		h, w = 40, 70
	}
	for len(n.inputs) == 0 {
		n.value(n.oneOf(1, 1, 2, 3), channels, h, w)
	}
	n.images = []*Value{n.inputs[0]}
	for range 3 + n.rng.IntN(25) {
		n.grow()
	}
	results := []*Value{n.images[len(n.images)-1]}
	for range n.rng.IntN(4) {
		results = append(results, n.images[n.rng.IntN(len(n.images))])
	}
	results = append(results, n.small...)
	if n.rng.IntN(2) == 0 {
		results = append(results, n.differentiate()...)
	}
	want, largest := oneByOne(t, results, n.inputs, n.tensors)
	if largest > 1<<18 || math.IsNaN(largest) {
		return
	}
	memory := NewMemory()
	var first, shared []*Tensor
	var need int64
	for i, c := range []struct {
		workers *Workers
		options func() []SessionOption
	}{
		{nil, func() []SessionOption { return nil }},
		{workers, func() []SessionOption { return nil }},
		{nil, func() []SessionOption { return []SessionOption{ShareMemory(memory)} }},
		{workers, func() []SessionOption { return []SessionOption{ShareMemory(memory)} }},
		{workers, func() []SessionOption { return []SessionOption{MaxMemory(max(1, need*9/10))} }},
	} {
		s, err := NewSession(n.inputs, results, c.workers, c.options()...)
		if tooMuch := (*MemoryError)(nil); i == 4 && errors.As(err, &tooMuch) {
			continue
		}
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		need = s.WeightBytes() + s.ArenaBytes() + s.WorkspaceBytes()
		for range 2 {
			got, err := s.Run(context.Background(), n.tensors)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			for k, g := range got {
				if !near(g, want[k]) {
					t.Errorf("seed %d, session %d: result %d %v differs\n%v", seed, i, k, g.Type(), s.Steps())
					return
				}
				base := first
				if i == 3 {
					base = shared
				}
				if base != nil && i < 4 && !Equal(g, base[k]) {
					t.Errorf("seed %d, session %d: result %d %v has other bits\n%v", seed, i, k, g.Type(), s.Steps())
					return
				}
			}
			if i == 0 {
				first = got
			}
			if i == 2 {
				shared = got
			}
		}
	}
}

func near(a, b *Tensor) bool {
	x, y := Data[float32](a), Data[float32](b)
	most := 1.0
	for _, v := range y {
		most = max(most, math.Abs(float64(v)))
	}
	for i, v := range x {
		if !(math.Abs(float64(v-y[i])) <= 1e-4*most) {
			return false
		}
	}
	return true
}

// Whatever becomes of a graph of training, a session computes what its operators compute one by one, with the same bits by any number of workers.
func TestTrainedGraphs(t *testing.T) {
	workers := NewWorkers(3)
	defer workers.Close()
	for seed := range uint64(120) {
		t.Setenv("GANSR_CONV", []string{"winograd2", "direct"}[seed%2]) // whose coefficients are halves, or none
		testTrained(t, seed, workers)
	}
}
