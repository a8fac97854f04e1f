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

// sweepCase builds chains of operators on single elements over x and y, images between two convolutions or as they are, and returns what is
// to be computed.
type sweepCase struct {
	name  string
	build func(b *Builder, x, y, channel, scalar *Value, apply func(op Operator, in ...*Value) *Value) []*Value
	want  string // of a step's operators
}

func sweepCases() []sweepCase {
	sum := Reduce{By: ReduceAdd, Axes: []int{0, 2, 3}}
	mean := Reduce{By: ReduceMean, Axes: []int{0, 1, 2, 3}}
	return []sweepCase{
		{"normalisation", func(_ *Builder, x, y, c, s *Value, apply func(op Operator, in ...*Value) *Value) []*Value {
			centred := apply(Sub{}, x, c)
			return []*Value{apply(sum, apply(Mul{}, y, centred)), apply(Gate{}, apply(Add{}, apply(Mul{}, y, c), apply(Mul{}, centred, s)), x, s)}
		}, "Mul+ReduceSum"},
		{"slopes", func(_ *Builder, x, y, c, s *Value, apply func(op Operator, in ...*Value) *Value) []*Value {
			g := apply(Gate{}, y, x, c)
			return []*Value{g, apply(sum, g), apply(sum, apply(Mul{}, y, apply(Min{}, x, s))), apply(PRelu{}, g, c)}
		}, "Min+Mul+ReduceSum"},
		{"distance", func(_ *Builder, x, y, c, s *Value, apply func(op Operator, in ...*Value) *Value) []*Value {
			d := apply(Sub{}, x, y)
			return []*Value{apply(mean, apply(Abs{}, d)), apply(Mul{}, s, apply(Sign{}, d)), apply(Max{}, c, apply(Neg{}, d))}
		}, "Sub+Abs+ReduceMean"},
		{"deviation", func(_ *Builder, x, y, c, s *Value, apply func(op Operator, in ...*Value) *Value) []*Value {
			a := apply(Abs{}, apply(Mul{}, x, y))
			d := apply(Sub{}, a, apply(Reduce{By: ReduceMean, Axes: []int{0, 2, 3}}, a))
			return []*Value{d, apply(sum, apply(Mul{}, d, d)), apply(Sub{}, d, apply(mean, d))}
		}, "Mul+ReduceSum"},
	}
}

// TestSweeps compares sweeps with the same operators one by one, over plain and over blocked images, by one worker and by several.
func TestSweeps(t *testing.T) {
	workers := NewWorkers(3)
	defer workers.Close()
	for _, c := range sweepCases() {
		for _, shape := range [][]int{{2, kernel.Lanes(), 12, 11}, {1, 2 * kernel.Lanes(), 9, 130}, {2, 2*kernel.Lanes() + 3, 10, 8}, {2, 5, 3, 4}} {
			for _, convolved := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%v/%v", c.name, shape, convolved), func(t *testing.T) { testSweep(t, c, shape, convolved, workers) })
			}
		}
	}
}

func testSweep(t *testing.T, c sweepCase, shape []int, convolved bool, workers *Workers) {
	r := rand.New(rand.NewPCG(1, 2))
	b := NewBuilder("sweep")
	var inputs []*Value
	var tensors []*Tensor
	input := func(shape ...int) *Value {
		v, err := b.Input(fmt.Sprint("in", len(inputs)), Type{Float32, shape})
		if err != nil {
			t.Fatal(err)
		}
		x := NewTensor(Float32, shape...)
		for i := range Data[float32](x) {
			Data[float32](x)[i] = r.Float32()*2 - 1
		}
		inputs, tensors = append(inputs, v), append(tensors, x)
		return v
	}
	apply := func(op Operator, in ...*Value) *Value {
		vs, err := b.Apply(op, in...)
		if err != nil {
			t.Fatal(err)
		}
		return vs[0]
	}
	conv := Conv{Strides: []int{1, 1}, Dilations: []int{1, 1}, Pads: []int{1, 1, 1, 1}, Groups: 1}
	image := func() *Value {
		x := input(shape...)
		if convolved {
			x = apply(conv, x, input(shape[1], shape[1], 3, 3))
		}
		return x
	}
	results := c.build(b, image(), image(), input(1, shape[1], 1, 1), input(), apply)
	if convolved {
		for i, v := range results {
			if slices.Equal(v.Type().Shape, shape) {
				results[i] = apply(conv, v, input(4, shape[1], 3, 3))
			}
		}
	}
	one, _ := oneByOne(t, results, inputs, tensors)
	var first []*Tensor
	for _, w := range []*Workers{nil, workers} {
		s, err := NewSession(inputs, results, w)
		if err != nil {
			t.Fatal(err)
		}
		if long := shape[2]*shape[3] >= sweepRow/16; long && !slices.ContainsFunc(s.Steps(), func(s Step) bool { return strings.Contains(s.Fused, c.want) }) {
			t.Errorf("no step does %s: %v", c.want, s.Steps())
		}
		got, err := s.Run(context.Background(), tensors)
		if err != nil {
			t.Fatal(err)
		}
		for i := range got {
			if first != nil && !slices.Equal(Data[float32](got[i]), Data[float32](first[i])) {
				t.Errorf("result %d depends on the number of workers", i)
			}
			for k, v := range Data[float32](got[i]) {
				if want := Data[float32](one[i])[k]; math.Abs(float64(v-want)) > 1e-3*(1+math.Abs(float64(want))) {
					t.Fatalf("result %d: element %d is %v, want %v", i, k, v, want)
				}
			}
		}
		first = got
	}
}

// TestSweepsOfSlices: channels that are sliced out for sweeps alone are read where they are.
func TestSweepsOfSlices(t *testing.T) {
	workers := NewWorkers(3)
	defer workers.Close()
	lanes := kernel.Lanes()
	conv := Conv{Strides: []int{1, 1}, Dilations: []int{1, 1}, Pads: []int{1, 1, 1, 1}, Groups: 1}
	sum := Reduce{By: ReduceAdd, Axes: []int{0, 2, 3}}
	part := func(n *trained, x *Value, from, to int) *Value {
		s := slices.Clone(x.typ.Shape)
		s[1] = to - from
		return n.apply(Slice{Starts: []int{0, from, 0, 0}, Sizes: s, Steps: []int{1, 1, 1, 1}}, x)
	}
	for _, c := range []struct {
		name   string
		build  func(n *trained, x, y *Value) []*Value
		copies int // slices that remain
	}{
		{"of two, and sums", func(n *trained, x, y *Value) []*Value {
			a, b := part(n, x, lanes, 2*lanes), part(n, y, 2*lanes, 3*lanes)
			z := n.apply(Add{}, n.apply(Abs{}, a), n.apply(Mul{}, a, b))
			return []*Value{z, n.apply(sum, z), n.apply(sum, n.apply(Mul{}, b, z))}
		}, 0},
		{"two of one", func(n *trained, x, y *Value) []*Value {
			return []*Value{n.apply(Sub{}, n.apply(Abs{}, part(n, x, 0, 2*lanes)), part(n, x, lanes, 3*lanes)), n.apply(Abs{}, y)}
		}, 0},
		{"used elsewhere too", func(n *trained, x, y *Value) []*Value {
			a := part(n, x, 0, lanes)
			return []*Value{n.apply(Abs{}, n.apply(Add{}, a, part(n, y, 0, lanes))), n.apply(Floor{}, a)}
		}, 1},
		{"an output", func(n *trained, x, y *Value) []*Value {
			a := part(n, x, lanes, 2*lanes)
			return []*Value{n.apply(Abs{}, n.apply(Add{}, a, part(n, y, 0, lanes))), a}
		}, 1},
		{"of rows", func(n *trained, x, _ *Value) []*Value {
			s := x.typ.Shape
			above := n.apply(Slice{Starts: []int{0, 0, 1, 0}, Sizes: []int{s[0], s[1], s[2] - 1, s[3]}, Steps: []int{1, 1, 1, 1}}, x)
			return []*Value{n.apply(Abs{}, n.apply(Neg{}, above))}
		}, 1},
	} {
		for _, convolved := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/%v", c.name, convolved), func(t *testing.T) {
				n := &trained{T: t, rng: rand.New(rand.NewPCG(1, 2)), b: NewBuilder("slices")}
				input := func(shape ...int) *Value { return n.input(func() float32 { return n.rng.Float32()*2 - 1 }, shape...) }
				image := func() *Value {
					x := input(2, 3*lanes, 12, 11)
					if convolved {
						x = n.apply(conv, x, input(3*lanes, 3*lanes, 3, 3))
					}
					return x
				}
				results := c.build(n, image(), image())
				if convolved {
					for i, v := range results {
						if v.typ.Shape[0] == 2 {
							results[i] = n.apply(conv, v, input(4, v.typ.Shape[1], 3, 3))
						}
					}
				}
				want, _ := oneByOne(t, results, n.inputs, n.tensors)
				for _, w := range []*Workers{nil, workers} {
					s, err := NewSession(n.inputs, results, w)
					if err != nil {
						t.Fatal(err)
					}
					copies := 0
					for _, st := range s.Steps() {
						if strings.Contains(st.Fused, "Slice") {
							copies++
						}
					}
					if copies != c.copies {
						t.Errorf("%d slices remain, want %d: %v", copies, c.copies, s.Steps())
					}
					got, err := s.Run(context.Background(), n.tensors)
					if err != nil {
						t.Fatal(err)
					}
					for i, x := range got {
						for k, v := range Data[float32](x) {
							if want := Data[float32](want[i])[k]; math.Abs(float64(v-want)) > 1e-3*(1+math.Abs(float64(want))) {
								t.Fatalf("result %d: element %d is %v, want %v", i, k, v, want)
							}
						}
					}
				}
			})
		}
	}
}

// oneByOne computes values by evaluating each operator alone, and returns the largest magnitude of all float32 values on the way.
func oneByOne(t *testing.T, results, inputs []*Value, tensors []*Tensor) (list []*Tensor, largest float64) {
	known := map[*Value]*Tensor{}
	for i, v := range inputs {
		known[v] = tensors[i]
	}
	var get func(v *Value) *Tensor
	get = func(v *Value) *Tensor {
		if v.known != nil {
			return v.known
		}
		if x, ok := known[v]; ok {
			return x
		}
		var in, out []*Tensor
		for _, o := range v.from.in {
			in = append(in, get(o))
		}
		for _, o := range v.from.outs {
			out = append(out, NewTensor(o.typ.DType, o.typ.Shape...))
			known[o] = out[len(out)-1]
		}
		if err := evaluate(&Exec{Context: context.Background()}, v.from.op, out, in); err != nil {
			t.Fatal(err)
		}
		for _, o := range out {
			if o.dtype == Float32 {
				for _, v := range Data[float32](o) {
					largest = max(largest, math.Abs(float64(v)))
				}
			}
		}
		return known[v]
	}
	for _, v := range results {
		list = append(list, get(v))
	}
	return list, largest
}

// TestInfiniteOperand: what fills the last block of channels is not to become NaN, which a convolution would spread.
func TestInfiniteOperand(t *testing.T) {
	t.Setenv("GANSR_CONV", "winograd2")
	channels := kernel.Lanes() + 3
	for name, build := range map[string]func(n *trained, c, again, infinite, one *Value) *Value{
		"used twice, and so no part of a convolution": func(n *trained, c, _, infinite, one *Value) *Value {
			return n.apply(Add{}, n.apply(Min{}, n.apply(Mul{}, c, infinite), one), c)
		},
		"scaled within a convolution": func(n *trained, c, again, infinite, one *Value) *Value {
			return n.apply(Clip{}, n.apply(Mul{}, n.apply(Tanh{}, again), infinite), n.b.Constant("low", Scalar(float32(-1))), one)
		},
		"gated within a convolution": func(n *trained, c, again, infinite, _ *Value) *Value { return n.apply(Gate{}, again, c, infinite) },
	} {
		t.Run(name, func(t *testing.T) {
			n := &trained{T: t, b: NewBuilder("infinite")}
			conv := func(x *Value) *Value {
				w := NewTensor(Float32, channels, channels, 3, 3)
				fill(Data[float32](w), 0.5)
				return n.apply(Conv{Strides: []int{1, 1}, Dilations: []int{1, 1}, Pads: []int{1, 1, 1, 1}, Groups: 1}, x, n.b.Constant("weights", w))
			}
			x, err := n.b.Input("x", Type{Float32, []int{1, channels, 8, 8}})
			if err != nil {
				t.Fatal(err)
			}
			c := conv(x)
			y := conv(build(n, c, conv(c), n.b.Constant("infinite", Scalar(float32(math.Inf(1)))), n.b.Constant("one", Scalar(float32(1)))))
			s, err := NewSession([]*Value{x}, []*Value{y}, nil)
			if err != nil {
				t.Fatal(err)
			}
			in := NewTensor(Float32, x.Type().Shape...)
			fill(Data[float32](in), 1)
			out, err := s.Run(context.Background(), []*Tensor{in})
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range Data[float32](out[0]) {
				if !(v > 0) {
					t.Fatalf("element %d is %v", i, v)
				}
			}
		})
	}
}

// A constant in the place of an image is no block, even if it has one element as what is repeated has.
func TestConstantImageOffBlocks(t *testing.T) {
	t.Setenv("GANSR_CONV", "winograd2")
	for _, build := range []func(n *trained, image, constant *Value) *Value{
		func(n *trained, image, constant *Value) *Value {
			return n.apply(Gate{}, constant, image, n.b.Constant("slope", Scalar(float32(0.5))))
		},
		func(n *trained, image, constant *Value) *Value {
			return n.apply(Gate{}, image, constant, n.b.Constant("slope", Scalar(float32(0.5))))
		},
		func(n *trained, image, constant *Value) *Value { return n.apply(PRelu{}, constant, image) },
	} {
		n := &trained{T: t, rng: rand.New(rand.NewPCG(3, 4)), b: NewBuilder("one")}
		input := func(shape ...int) *Value {
			x := NewTensor(Float32, shape...)
			fill(Data[float32](x), -2)
			v, err := n.b.Input(fmt.Sprint("in", len(n.inputs)), x.Type())
			if err != nil {
				t.Fatal(err)
			}
			n.inputs, n.tensors = append(n.inputs, v), append(n.tensors, x)
			return v
		}
		constant := NewTensor(Float32, 1, 1, 1, 1)
		fill(Data[float32](constant), -3)
		conv := func(x *Value) *Value {
			return n.apply(Conv{Strides: []int{1, 1}, Dilations: []int{1, 1}, Pads: []int{1, 1, 1, 1}, Groups: 1}, x, input(1, 1, 3, 3))
		}
		results := []*Value{conv(build(n, conv(input(1, 1, 1, 1)), n.b.Constant("c", constant)))}
		want, _ := oneByOne(t, results, n.inputs, n.tensors)
		s, err := NewSession(n.inputs, results, nil)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Run(context.Background(), n.tensors)
		if err != nil {
			t.Fatal(err)
		}
		if !Equal(got[0], want[0]) {
			t.Errorf("%v by %v, want %v", got[0], s.Steps(), want[0])
		}
	}
}
