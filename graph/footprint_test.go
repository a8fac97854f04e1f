package graph

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
)

// net builds the networks of the tests below.
type net struct {
	t   testing.TB
	b   *Builder
	rng *rand.Rand
}

func newNet(t testing.TB) *net { return &net{t, NewBuilder("net"), rand.New(rand.NewPCG(1, 1))} }

func (n *net) apply(op Operator, in ...*Value) *Value {
	n.t.Helper()
	v, err := n.b.Apply1(op, in...)
	if err != nil {
		n.t.Fatal(err)
	}
	return v
}

func (n *net) weights(shape ...int) *Value {
	w := NewTensor(Float32, shape...)
	for i := range Data[float32](w) {
		Data[float32](w)[i] = n.rng.Float32() + 0.1
	}
	return n.b.Constant("w", w)
}

func (n *net) conv(x *Value, channels, k, stride int) *Value {
	p := k / 2
	return n.apply(Conv{Strides: []int{stride, stride}, Dilations: []int{1, 1}, Pads: []int{p, p, p, p}, Groups: 1}, x, n.weights(channels, x.typ.Shape[1], k, k))
}

// measured returns how far a change of one pixel is seen, before and after its place, in input pixels.
func measured(t testing.TB, x, y *Value, scale float64) (before, after [2]int) {
	t.Helper()
	s, err := NewSession([]*Value{x}, []*Value{y}, nil)
	if err != nil {
		t.Fatal(err)
	}
	run := func(py, px int) []float32 {
		in := NewTensor(Float32, x.typ.Shape...)
		for i := range Data[float32](in) {
			Data[float32](in)[i] = 1
		}
		h, w := x.typ.Shape[2], x.typ.Shape[3]
		if py >= 0 {
			for c := range x.typ.Shape[1] {
				Data[float32](in)[(c*h+py)*w+px] = 50
			}
		}
		out, err := s.Run(context.Background(), []*Tensor{in})
		if err != nil {
			t.Fatal(err)
		}
		return Data[float32](out[0])
	}
	h, w := x.typ.Shape[2], x.typ.Shape[3]
	oh, ow := y.typ.Shape[2], y.typ.Shape[3]
	base := run(-1, -1)
	for _, d := range [][2]int{{0, 0}, {1, 2}, {2, 1}, {3, 3}} { // several phases
		py, px := h/2+d[0], w/2+d[1]
		for i, v := range run(py, px) {
			if v == base[i] {
				continue
			}
			oy, ox := float64(i/ow%oh)/scale, float64(i%ow)/scale
			for a, diff := range [2]float64{float64(py) - oy, float64(px) - ox} {
				// The output position lies diff input pixels before the changed one.
				after[a] = max(after[a], int(diff+0.999))
				before[a] = max(before[a], int(-diff+0.999))
			}
		}
	}
	return before, after
}

func TestReach(t *testing.T) {
	t.Setenv("GANSR_CONV", "direct") // the tiles of transforms spread rounding errors
	for name, c := range map[string]struct {
		build func(n *net, x *Value) *Value
		scale float64
		slack int // input pixels by which the analysis may be on the safe side
		align int
	}{
		"conv chain": {func(n *net, x *Value) *Value { return n.conv(n.apply(Relu{}, n.conv(x, 4, 5, 1)), 3, 3, 1) }, 1, 0, 1},
		"residual":   {func(n *net, x *Value) *Value { return n.apply(Add{}, n.conv(x, 2, 7, 1), x) }, 1, 0, 1},
		"pixel shuffle": {func(n *net, x *Value) *Value {
			return n.apply(DepthToSpace{Block: 4, ChannelsFirst: true}, n.conv(x, 16, 3, 1))
		}, 4, 1, 1},
		"pixel shuffle by reshape": {func(n *net, x *Value) *Value {
			y := n.conv(x, 18, 3, 1)
			s := y.typ.Shape
			y = n.apply(Reshape{Shape: []int{1, 2, 3, 3, s[2], s[3]}}, y)
			y = n.apply(Transpose{Perm: []int{0, 1, 4, 2, 5, 3}}, y)
			y = n.apply(Reshape{Shape: []int{1, 2, 3 * s[2], 3 * s[3]}}, y)
			return n.conv(y, 1, 3, 1)
		}, 3, 1, 1},
		"unshuffle and back": {func(n *net, x *Value) *Value {
			y := n.conv(n.apply(SpaceToDepth{Block: 2}, x), 8, 3, 1)
			return n.apply(DepthToSpace{Block: 2, ChannelsFirst: true}, y)
		}, 1, 2, 2},
		"strided": {func(n *net, x *Value) *Value {
			y := n.conv(n.conv(x, 4, 3, 2), 16, 3, 1)
			return n.apply(DepthToSpace{Block: 2, ChannelsFirst: true}, y)
		}, 1, 2, 2},
		"resized": {func(n *net, x *Value) *Value {
			y := n.conv(x, 2, 3, 1)
			s := y.typ.Shape
			y = n.apply(Resize{Sizes: []int{1, 2, 2 * s[2], 2 * s[3]}, Scales: []float64{1, 1, 2, 2}, Mode: "linear", Coordinates: "half_pixel"}, y)
			return n.conv(y, 2, 3, 1)
		}, 2, 1, 1},
		"transposed": {func(n *net, x *Value) *Value {
			y := n.apply(ConvTranspose{Strides: []int{2, 2}, Dilations: []int{1, 1}, Pads: []int{1, 1, 1, 1}, OutputPads: []int{0, 0}, Groups: 1}, x, n.weights(2, 3, 4, 4))
			return n.conv(y, 2, 3, 1)
		}, 2, 1, 1},
		"pooled": {func(n *net, x *Value) *Value {
			y := n.apply(MaxPool{Sliding: Sliding{Kernel: []int{2, 2}, Strides: []int{2, 2}, Dilations: []int{1, 1}, Pads: []int{0, 0, 0, 0}}}, n.conv(x, 4, 3, 1))
			return n.apply(DepthToSpace{Block: 2, ChannelsFirst: true}, n.conv(y, 16, 3, 1))
		}, 1, 2, 2},
		"window attention": {func(n *net, x *Value) *Value {
			const win = 4
			s := x.typ.Shape
			y := n.apply(Reshape{Shape: []int{s[1], s[2] / win, win, s[3] / win, win}}, x)
			y = n.apply(Transpose{Perm: []int{1, 3, 2, 4, 0}}, y)
			y = n.apply(Reshape{Shape: []int{s[2] / win * (s[3] / win), win * win, s[1]}}, y)
			k := n.apply(Transpose{Perm: []int{0, 2, 1}}, y)
			y = n.apply(MatMul{}, n.apply(MatMul{}, y, k), y)
			y = n.apply(Reshape{Shape: []int{s[2] / win, s[3] / win, win, win, s[1]}}, y)
			y = n.apply(Transpose{Perm: []int{4, 0, 2, 1, 3}}, y)
			return n.apply(Reshape{Shape: s}, y)
		}, 1, 8, 4},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNet(t)
			x, err := n.b.Input("x", Type{Float32, []int{1, 2, 40, 48}})
			if err != nil {
				t.Fatal(err)
			}
			y := c.build(n, x)
			r, err := ReachOf(x, y, 2, 3)
			if err != nil || r.Whole != "" {
				t.Fatalf("%+v, %v", r, err)
			}
			if r.Scale != [2]float64{c.scale, c.scale} || r.Align != c.align {
				t.Errorf("scale %v, align %d; want %v, %d", r.Scale, r.Align, c.scale, c.align)
			}
			before, after := measured(t, x, y, c.scale)
			for a := range 2 {
				if r.Before[a] < before[a] || r.Before[a] > before[a]+c.slack || r.After[a] < after[a] || r.After[a] > after[a]+c.slack {
					t.Errorf("axis %d: computed %d before and %d after, measured %d and %d", a, r.Before[a], r.After[a], before[a], after[a])
				}
			}
		})
	}
}

func TestReachOfTheWholeImage(t *testing.T) {
	n := newNet(t)
	x, _ := n.b.Input("x", Type{Float32, []int{1, 2, 16, 16}})
	flat := n.apply(Reshape{Shape: []int{1, 512}}, x)
	y := n.apply(Reshape{Shape: []int{1, 2, 16, 16}}, n.apply(MatMul{}, flat, n.weights(512, 512)))
	r, err := ReachOf(x, y, 2, 3)
	if err != nil || !strings.Contains(r.Whole, "MatMul works over the whole image") {
		t.Errorf("%+v, %v", r, err)
	}
	if _, err := ReachOf(x, n.apply(Relu{}, n.weights(1, 2, 16, 16)), 2, 3); err == nil {
		t.Error("an output that does not depend on the input: no error")
	}
}
