package graph

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

// recorded is a case that testdata/gradients.py has written.
type recorded struct {
	Name, Op  string
	Attrs     json.RawMessage
	In        []array
	Constants []array // further operands
	First     int     // if not 0, only that many results count
	Seeds     []array
	Out       []array
	Grads     []array
	Second    []array // none if they are not checked
}

type array struct {
	Shape []int
	Data  []float64
}

func (a array) tensor() *Tensor { return &Tensor{Float64, a.Shape, a.Data} }

// build makes the results of a case.
func (c recorded) build(b *Builder, in []*Value) ([]*Value, error) {
	op, err := decodeOperator(c.Op, c.Attrs)
	if err != nil {
		return nil, err
	}
	if op != nil {
		return b.Apply(op, in...)
	}
	switch c.Op {
	case "BatchNormTraining":
		var s BatchStatistics
		if err := json.Unmarshal(c.Attrs, &s); err != nil {
			return nil, err
		}
		y, mean, variance, err := b.BatchNormTraining(s, in[0], in[1], in[2], in[3], in[4])
		return []*Value{y, mean, variance}, err
	case "SpectralNorm":
		var a struct {
			Steps   int
			Epsilon float64
		}
		if err := json.Unmarshal(c.Attrs, &a); err != nil {
			return nil, err
		}
		w, u, v, err := b.SpectralNorm(in[0], in[1], in[2], a.Steps, a.Epsilon)
		return []*Value{w, u, v}, err
	case "GradientPenalty":
		return gradientPenalty(b, in[0], in[1:])
	}
	return nil, fmt.Errorf("operator %q is unknown", c.Op)
}

func decodeOperator(name string, attrs json.RawMessage) (Operator, error) {
	decode := func(op any) error { return json.Unmarshal(attrs, op) }
	switch name {
	case "Conv":
		return decoded[Conv](decode)
	case "ConvTranspose":
		return decoded[ConvTranspose](decode)
	case "BatchNorm":
		return decoded[BatchNorm](decode)
	case "GroupNorm":
		return decoded[GroupNorm](decode)
	case "LayerNorm":
		return decoded[LayerNorm](decode)
	case "Resize":
		return decoded[Resize](decode)
	case "AveragePool":
		return decoded[AveragePool](decode)
	case "MaxPool":
		return decoded[MaxPool](decode)
	case "Reduce":
		return decoded[Reduce](decode)
	case "Softmax":
		return decoded[Softmax](decode)
	case "PRelu":
		return decoded[PRelu](decode)
	case "Gelu":
		return decoded[Gelu](decode)
	case "Softplus":
		return decoded[Softplus](decode)
	case "Elu":
		return decoded[Elu](decode)
	case "Pow":
		return decoded[Pow](decode)
	case "Pad":
		return decoded[Pad](decode)
	case "DepthToSpace":
		return decoded[DepthToSpace](decode)
	case "GridSample":
		return decoded[GridSample](decode)
	case "MatMul":
		return decoded[MatMul](decode)
	}
	return nil, nil
}

func decoded[T Operator](decode func(any) error) (Operator, error) {
	var op T
	err := decode(&op)
	return op, err
}

// critic is the course's critic: convolutions of stride 2 with bias and LeakyRelu, average pooling over all pixels, a matrix product
// without bias. params are weights and biases by layer, then the matrix.
func (c composer) critic(x *Value, params []*Value) *Value {
	slope := c.scalar(x.typ.DType, 0.01)
	for len(params) > 1 {
		k := params[0].typ.Shape[2]
		x = c.apply(Conv{Strides: []int{2, 2}, Dilations: []int{1, 1}, Pads: slices.Repeat([]int{k / 2}, 4), Groups: 1}, x, params[0], params[1])
		x = c.apply(PRelu{}, x, slope)
		params = params[2:]
	}
	size := x.typ.Shape[2:]
	x = c.apply(AveragePool{Sliding: Sliding{size, size, []int{1, 1}, make([]int, 4), false}}, x)
	return c.apply(MatMul{TransB: true}, c.reshape(x, x.typ.Shape[0], x.typ.Shape[1]), params[0])
}

// gradientPenalty returns 30 times the mean of (norm - 1)^2, for the norm of the gradient of a sample's score with respect to its pixels.
func gradientPenalty(b *Builder, x *Value, params []*Value) ([]*Value, error) {
	var penalty *Value
	err := b.compose(func(c composer) error {
		gs, err := b.Gradients([]*Value{c.critic(x, params)}, nil, []*Value{x})
		if err != nil {
			return err
		}
		norm := c.apply(Reduce{ReduceL2, []int{1, 2, 3}}, gs[0])
		off := c.sub(norm, c.scalar(x.typ.DType, 1))
		penalty = c.reshape(c.scale(c.apply(Reduce{ReduceMean, []int{0, 1, 2, 3}}, c.mul(off, off)), 30))
		return nil
	})
	return []*Value{penalty}, err
}

// Results, gradients and gradients of these agree with PyTorch's, in float64 and in float32.
func TestGradientsAgainstPyTorch(t *testing.T) {
	file, err := os.ReadFile("testdata/gradients.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Cases []recorded }
	if err := json.Unmarshal(file, &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Cases) != 47 {
		t.Errorf("there are %d cases", len(all.Cases))
	}
	for _, c := range all.Cases {
		t.Run(c.Name, func(t *testing.T) {
			c.check(t, Float64, 1e-7)
			c.check(t, Float32, 3e-4)
		})
	}
}

func (c recorded) check(t *testing.T, dt DType, tolerance float64) {
	t.Helper()
	b := NewBuilder("test")
	var in, seeds []*Value
	var x []*Tensor
	for i, a := range slices.Concat(c.In, c.Seeds) {
		v, err := b.Input("x", Type{dt, a.Shape})
		if err != nil {
			t.Fatal(err)
		}
		x = append(x, a.tensor().Converted(dt))
		if i < len(c.In) {
			in = append(in, v)
		} else {
			seeds = append(seeds, v)
		}
	}
	targets := in
	for _, a := range c.Constants {
		in = append(in, b.Constant("c", a.tensor().Converted(dt)))
	}
	outs, err := c.build(b, in)
	if err != nil {
		t.Fatal(err)
	}
	if c.First > 0 {
		outs = outs[:c.First]
	}
	grads, err := b.Gradients(outs, seeds, targets)
	if err != nil {
		t.Fatal(err)
	}
	values := slices.Concat(outs, grads)
	want := slices.Concat(c.Out, c.Grads, c.Second)
	if len(c.Second) > 0 { // half the sum of squares has the gradients as its own gradient
		second, err := b.Gradients(grads, grads, targets)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, second...)
	}
	s, err := NewSession(slices.Concat(targets, seeds), values, nil)
	if err != nil {
		t.Fatal(err)
	}
	got := gradientGraph{session: s}.run(t, x)
	for i, w := range want {
		compareTensors(t, fmt.Sprintf("%v value %d", dt, i), got[i].Converted(Float64), w.tensor(), tolerance)
	}
}

// The number of threads changes no bit of a gradient.
func TestGradientsAreDeterministic(t *testing.T) {
	b := NewBuilder("test")
	var in []*Value
	var x []*Tensor
	input := func(shape ...int) *Value {
		v, err := b.Input("x", Type{Float32, shape})
		if err != nil {
			t.Fatal(err)
		}
		in = append(in, v)
		x = append(x, around(shape...).values(rand.New(rand.NewPCG(uint64(len(x)), 1))).Converted(Float32))
		return v
	}
	var grads []*Value
	err := b.compose(func(c composer) error {
		h := c.apply(Conv{[]int{1, 1}, []int{1, 1}, []int{1, 1, 1, 1}, 1}, input(2, 3, 96, 96), input(16, 3, 3, 3), input(16))
		h, _, _, err := b.BatchNormTraining(BatchStatistics{1e-5, 0.9, true}, h, input(16), input(16), input(16), input(16))
		if err != nil {
			return err
		}
		h = c.apply(PRelu{}, h, input(16, 1, 1))
		pool := Sliding{[]int{2, 2}, []int{2, 2}, []int{1, 1}, make([]int, 4), false}
		h = c.add(c.apply(MaxPool{Sliding: pool}, h), c.apply(AveragePool{Sliding: pool}, h))
		h = c.apply(Pad{Mode: PadReflect, Begin: []int{0, 0, 1, 1}, End: []int{0, 0, 1, 1}}, h)
		h = c.apply(GroupNorm{4, 1e-5}, h, input(16), input(16))
		h = c.apply(Resize{Sizes: []int{2, 16, 80, 110}, Scales: []float64{1, 1, 1.6, 2.2}, Mode: "cubic", Coordinates: "half_pixel", CubicA: -0.75}, h)
		h = c.apply(Gelu{}, c.apply(Conv{[]int{2, 2}, []int{1, 1}, []int{2, 2, 2, 2}, 2}, h, input(32, 8, 5, 5)))
		h = c.apply(Softmax{Axis: 1}, c.apply(MatMul{}, c.reshape(h, 64, 40*55), input(40*55, 30)))
		first, err := b.Gradients([]*Value{c.mul(h, h)}, nil, in)
		if err != nil {
			return err
		}
		var squares *Value
		for _, g := range first {
			s := c.mean(c.mul(g, g))
			if squares != nil {
				s = c.add(squares, s)
			}
			squares = s
		}
		second, err := b.Gradients([]*Value{squares}, nil, in)
		grads = slices.Concat(first, second)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	workers := NewWorkers(3)
	defer workers.Close()
	var results [2][]*Tensor
	for i, w := range []*Workers{nil, workers} {
		s, err := NewSession(in, grads, w)
		if err != nil {
			t.Fatal(err)
		}
		results[i] = gradientGraph{session: s}.run(t, x)
	}
	for i, g := range results[0] {
		if !Equal(g, results[1][i]) {
			t.Errorf("gradient %d differs", i)
		}
	}
}
