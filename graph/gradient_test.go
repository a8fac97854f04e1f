package graph

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// operand describes an operand of an operator whose gradient is checked.
type operand struct {
	shape []int
	lo    float64 // elements are different, evenly spread between lo and hi, and not 0
	hi    float64
	fixed *Tensor // if not nil, a constant instead
}

func around(shape ...int) operand      { return operand{shape: shape, lo: -1, hi: 1} }
func positive(shape ...int) operand    { return operand{shape: shape, lo: 0.4, hi: 1.7} }
func fixed(t *Tensor) operand          { return operand{fixed: t} }
func fixedFloats(v ...float64) operand { return fixed(&Tensor{Float64, []int{len(v)}, v}) }
func indices(shape []int, v ...int) operand {
	return fixed(&Tensor{Int64, shape, Data[int64](Ints(v...))})
}
func number64(v float64) operand       { return fixed(Scalar(v)) }
func operands(in ...operand) []operand { return in }
func (o operand) values(r *rand.Rand) *Tensor {
	t := NewTensor(Float64, o.shape...)
	d := Data[float64](t)
	for i, k := range r.Perm(len(d)) {
		d[i] = o.lo + (o.hi-o.lo)*(float64(k)+0.37)/float64(len(d))
	}
	return t
}

// gradientCase is a function of operands, built of operators.
type gradientCase struct {
	name  string
	in    []operand
	build func(b *Builder, in []*Value) ([]*Value, error)
}

func of(op Operator, in ...operand) gradientCase {
	return gradientCase{fmt.Sprintf("%s%+v", op.Name(), op), in, func(b *Builder, in []*Value) ([]*Value, error) { return b.Apply(op, in...) }}
}

// check compares first and second derivatives with central differences in float64, and float32 with float64. The second is that of
// a random combination of the first ones, with respect to the operands and to the gradients that come in.
func (c gradientCase) check(t *testing.T) {
	r := rand.New(rand.NewPCG(7, uint64(len(c.name))))
	var x []*Tensor
	for _, o := range c.in {
		if o.fixed == nil {
			x = append(x, o.values(r))
		}
	}
	exact := c.graph(t, Float64)
	for _, typ := range exact.outs {
		x = append(x, around(typ.Shape...).values(r))
	}
	got := exact.run(t, x)
	last := len(exact.values)
	for i := range exact.targets {
		compareDerivative(t, "first", got[2+i], exact, x, i, 0)
	}
	for i := range x {
		compareDerivative(t, "second", got[2+exact.targets+i], exact, x, i, 1)
	}
	narrow := c.graph(t, Float32)
	x32 := make([]*Tensor, len(x))
	for i, v := range x {
		x32[i] = v.Converted(narrow.inputs[i].typ.DType)
	}
	for i, v := range narrow.run(t, x32)[:last] {
		compareTensors(t, fmt.Sprintf("result %d in float32", i), v.Converted(Float64), got[i], 2e-4)
	}
}

// gradientGraph computes: the combination of the results that seeds make, a combination of its gradients, the gradients of
// the first with respect to the operands, and those of the second with respect to operands and seeds.
type gradientGraph struct {
	session *Session
	values  []*Value
	outs    []Type
	inputs  []*Value
	targets int
}

func (c gradientCase) graph(t *testing.T, dt DType) gradientGraph {
	t.Helper()
	r := rand.New(rand.NewPCG(8, 1))
	b := NewBuilder("test")
	var in, inputs []*Value
	input := func(typ Type) *Value {
		v, err := b.Input("x", typ)
		if err != nil {
			t.Fatal(err)
		}
		inputs = append(inputs, v)
		return v
	}
	for _, o := range c.in {
		if o.fixed == nil {
			in = append(in, input(Type{dt, o.shape}))
			continue
		}
		f := o.fixed
		if f.dtype == Float64 {
			f = f.Converted(dt)
		}
		in = append(in, b.Constant("c", f))
	}
	must := func(vs []*Value, err error) []*Value {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return vs
	}
	g := gradientGraph{targets: len(inputs)}
	outs := must(c.build(b, in))
	outs = slices.DeleteFunc(outs, func(v *Value) bool { return !v.typ.DType.IsFloat() })
	seeds := make([]*Value, len(outs))
	for i, o := range outs {
		seeds[i] = input(o.typ)
		g.outs = append(g.outs, o.typ)
	}
	dot := func(a, w []*Value) *Value {
		var sum *Value
		if err := b.compose(func(c composer) error {
			for i := range a {
				axes := make([]int, a[i].typ.Rank())
				for k := range axes {
					axes[k] = k
				}
				s := c.cast(c.reshape(c.sum(c.mul(a[i], w[i]), axes...)), dt)
				if sum == nil {
					sum = s
				} else {
					sum = c.add(sum, s)
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return sum
	}
	grads := must(b.Gradients(outs, seeds, inputs[:g.targets]))
	weights := make([]*Value, len(grads))
	for i, v := range grads {
		weights[i] = b.Constant("w", around(v.typ.Shape...).values(r).Converted(dt))
	}
	combined := dot(grads, weights)
	g.values = slices.Concat([]*Value{dot(outs, seeds), combined}, grads, must(b.Gradients([]*Value{combined}, nil, inputs)))
	g.inputs = inputs
	s, err := NewSession(inputs, g.values, nil)
	if err != nil {
		t.Fatal(err)
	}
	g.session = s
	return g
}

func (g gradientGraph) run(t *testing.T, x []*Tensor) []*Tensor {
	t.Helper()
	out, err := g.session.Run(context.Background(), x)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// compareDerivative compares got with the central differences of a scalar of g with respect to x[i].
func compareDerivative(t *testing.T, what string, got *Tensor, g gradientGraph, x []*Tensor, i, scalar int) {
	t.Helper()
	const h = 1e-5
	want := NewTensor(Float64, x[i].shape...)
	d := Data[float64](x[i])
	for k, v := range d {
		at := func(w float64) float64 {
			d[k] = w
			return Data[float64](g.run(t, x)[scalar])[0]
		}
		Data[float64](want)[k] = (at(v+h) - at(v-h)) / (2 * h)
		d[k] = v
	}
	compareTensors(t, fmt.Sprintf("%s derivative with respect to operand %d", what, i), got, want, 1e-6)
}

// compareTensors compares within a tolerance that is relative to the largest magnitude, and at least to 1.
func compareTensors(t *testing.T, what string, got, want *Tensor, tolerance float64) {
	t.Helper()
	g, w := Data[float64](got), Data[float64](want)
	if !slices.Equal(got.shape, want.shape) {
		t.Fatalf("%s: shape %v, want %v", what, got.shape, want.shape)
	}
	largest := 1.0
	for _, v := range w {
		largest = max(largest, math.Abs(v))
	}
	for k := range w {
		if !(math.Abs(g[k]-w[k]) <= tolerance*largest) {
			t.Fatalf("%s: element %d is %v, want %v", what, k, g[k], w[k])
		}
	}
}

func TestGradients(t *testing.T) {
	for _, cases := range [][]gradientCase{elementwiseCases(), moveCases(), sumCases(), convCases(), normCases(), poolCases(), resizeCases()} {
		for _, c := range cases {
			t.Run(strings.ReplaceAll(c.name, "/", "_"), c.check)
		}
	}
}

func TestGradientErrors(t *testing.T) {
	b := NewBuilder("test")
	x, _ := b.Input("x", Type{Float32, []int{1, 4, 3, 3}})
	i, _ := b.Input("i", Type{Int64, []int{2}})
	other, _ := b.Input("other", Type{Float32, []int{2}})
	c := b.Constant("c", NewTensor(Float32, 2))
	apply := func(op Operator, in ...*Value) *Value {
		t.Helper()
		v, err := b.Apply1(op, in...)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	b.At(`node "first" (Det)`)
	first := apply(Det{}, x)
	b.At(`node "second" (Det)`)
	both := apply(Det{}, apply(Reshape{Shape: []int{2, 2}}, apply(Relu{}, first)))
	b.At("")
	prod := apply(ScatterElements{Axis: 0, Reduction: ReduceMul}, other, i, apply(Neg{}, other))
	for want, f := range map[string]func() error{
		`there is no gradient of node "first" (Det), node "second" (Det)`:             func() error { return second(b.Gradients([]*Value{both}, nil, []*Value{x})) },
		"there is no gradient of ScatterElements of [float32[2] int64[2] float32[2]]": func() error { return second(b.Gradients([]*Value{prod}, nil, []*Value{other})) },
		`with respect to the constant "c"`:                                            func() error { return second(b.Gradients([]*Value{x}, nil, []*Value{c})) },
		`with respect to "i" of int64[2]`:                                             func() error { return second(b.Gradients([]*Value{x}, nil, []*Value{i})) },
		"of output 0 of int64[2]":                                                     func() error { return second(b.Gradients([]*Value{i}, nil, []*Value{x})) },
		"1 outputs with 2 seeds":                                                      func() error { return second(b.Gradients([]*Value{x}, []*Value{x, x}, []*Value{x})) },
		"output 0 is float32[2], its seed float32[1 4 3 3]":                           func() error { return second(b.Gradients([]*Value{other}, []*Value{x}, []*Value{x})) },
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	var lacking *NoGradientError
	if err := second(b.Gradients([]*Value{both}, nil, []*Value{x})); !errors.As(err, &lacking) || len(lacking.Nodes) != 2 {
		t.Errorf("got %v, want a NoGradientError with two nodes", err)
	}
	// Nothing is missing where a gradient does not come along.
	gs, err := b.Gradients([]*Value{apply(Add{}, other, other), apply(Detach{}, both)}, nil, []*Value{x, other})
	if err != nil {
		t.Fatal(err)
	}
	if g := gs[0].Known(); g == nil || slices.ContainsFunc(Data[float32](g), func(v float32) bool { return v != 0 }) || !slices.Equal(g.shape, x.typ.Shape) {
		t.Errorf("gradient of what no output depends on: %v", gs[0].typ)
	}
	if g := gs[1].Known(); g == nil || !Equal(g, tensorOf(t, []float32{2, 2}, 2)) {
		t.Error("gradient of x + x is not 2")
	}
	if err := second(b.Gradients([]*Value{apply(Add{}, first, first)}, nil, []*Value{first})); err != nil {
		t.Errorf("gradient with respect to a result of Det: %v", err)
	}
}

// A window that covers no element has no gradient to pass on.
func TestMaxPoolGradientOfNothing(t *testing.T) {
	b := NewBuilder("test")
	x, _ := b.Input("x", Type{Float32, []int{1, 1, 5}})
	y, err := b.Apply1(MaxPool{Sliding: Sliding{[]int{2}, []int{3}, []int{1}, []int{3, 0}, false}}, x)
	if err != nil {
		t.Fatal(err)
	}
	gs, err := b.Gradients([]*Value{y}, nil, []*Value{x})
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSession([]*Value{x}, gs, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Run(context.Background(), []*Tensor{tensorOf(t, []float32{1, 2, 5, 3, 4}, 1, 1, 5)})
	if err != nil || !Equal(out[0], tensorOf(t, []float32{0, 1, 0, 0, 1}, 1, 1, 5)) {
		t.Errorf("got %v, error %v", out[0].data, err)
	}
}

// The length of zeros has a corner there; 0 is its gradient of the least length.
func TestL2GradientOfZeros(t *testing.T) {
	b := NewBuilder("test")
	x, _ := b.Input("x", Type{Float32, []int{2, 2}})
	y, err := b.Apply1(Reduce{ReduceL2, []int{1}}, x)
	if err != nil {
		t.Fatal(err)
	}
	g, err := b.Gradients([]*Value{y}, nil, []*Value{x})
	if err != nil {
		t.Fatal(err)
	}
	h, err := b.Gradients(g, nil, []*Value{x})
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSession([]*Value{x}, []*Value{g[0], h[0]}, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Run(context.Background(), []*Tensor{tensorOf(t, []float32{0, 0, 3, 4}, 2, 2)})
	if err != nil {
		t.Fatal(err)
	}
	if !Equal(out[0], tensorOf(t, []float32{0, 0, 0.6, 0.8}, 2, 2)) || Data[float32](out[1])[0] != 0 {
		t.Errorf("gradient %v, second %v", out[0].data, out[1].data)
	}
}
