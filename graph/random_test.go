package graph

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"
)

// network grows a random graph of operators that sessions fuse, compute in place, or turn into views. Its values are whole
// numbers that float16 holds, so that every order of summation gives the same.
type network struct {
	*testing.T
	rng    *rand.Rand
	b      *Builder
	values []*Value           // all of as many elements as the input
	bounds map[*Value]float32 // of their magnitudes
	shape  []int              // of an image
}

const (
	side    = 6
	largest = 2048
)

func (n *network) apply(op Operator, in ...*Value) *Value {
	v, err := n.b.Apply1(op, in...)
	if err != nil {
		n.Fatal(err)
	}
	return v
}

// noise returns whole numbers from -1 to 1.
func (n *network) noise(shape ...int) *Tensor {
	x := NewTensor(Float32, shape...)
	for i := range Data[float32](x) {
		Data[float32](x)[i] = float32(n.rng.IntN(3) - 1)
	}
	return x
}

func (n *network) constant(shape ...int) *Value { return n.b.Constant("c", n.noise(shape...)) }

// pick returns one of the values, more often a late one, as an image.
func (n *network) pick() (x *Value, bound float32) {
	v := n.values[len(n.values)-1-min(n.rng.IntN(len(n.values)), n.rng.IntN(4))]
	if slices.Equal(v.Type().Shape, n.shape) {
		return v, n.bounds[v]
	}
	return n.apply(Reshape{Shape: n.shape}, v), n.bounds[v]
}

// other returns an operand that broadcasts to an image.
func (n *network) other() (x *Value, bound float32) {
	channels := n.shape[1]
	shapes := [][]int{{}, {1}, {channels, 1, 1}, {1, channels, 1, 1}, {side}, {side, 1}, n.shape}
	if k := n.rng.IntN(2 * len(shapes)); k < len(shapes) {
		return n.constant(shapes[k]...), 1
	}
	return n.pick()
}

// grow adds a value.
func (n *network) grow() {
	ones := func(k int) []int { return slices.Repeat([]int{1}, k) }
	x, bound := n.pick()
	channels := n.shape[1]
	conv := func(x *Value, groups int) (*Value, float32) {
		k, ci := 1+2*n.rng.IntN(2), x.Type().Shape[1]
		in := []*Value{x, n.constant(channels, ci/groups, k, k)}
		if n.rng.IntN(2) == 0 {
			in = append(in, n.constant(channels))
		}
		return n.apply(Conv{Strides: ones(2), Dilations: ones(2), Pads: slices.Repeat([]int{k / 2}, 4), Groups: groups}, in...),
			bound*float32(ci/groups*k*k) + 1
	}
	clip := func(x *Value) *Value {
		return n.apply(Clip{}, x, n.b.Constant("lo", Scalar(float32(-9))), n.b.Constant("hi", Scalar(float32(9))))
	}
	var y *Value
	switch n.rng.IntN(16) {
	case 0, 1, 2, 3:
		y, bound = conv(x, []int{1, 1, 2, channels}[n.rng.IntN(4)])
	case 4, 5:
		y = n.apply([]Operator{Relu{}, Neg{}, Abs{}}[n.rng.IntN(3)], x)
	case 6, 7, 8, 9:
		z, boundZ := n.other()
		in := []*Value{x, z}
		n.rng.Shuffle(2, func(i, k int) { in[i], in[k] = in[k], in[i] })
		y = n.apply([]Operator{Add{}, Add{}, Sub{}, Mul{}, Max{}}[n.rng.IntN(5)], in...)
		bound = max(bound+boundZ, bound*boundZ)
	case 10:
		y = n.apply(PRelu{}, x, n.constant(channels, 1, 1))
	case 11: // views of several shapes
		y = n.apply(Reshape{Shape: [][]int{{channels, n.shape[0] * side * side}, {side, n.shape[0] * channels * side}, {n.shape[0] * channels * side * side}}[n.rng.IntN(3)]}, x)
	case 12:
		y = n.apply(Transpose{Perm: []int{0, 1, 3, 2}}, x)
	case 13:
		z, boundZ := n.pick()
		half := Slice{Starts: []int{0, n.rng.IntN(3) * channels / 4, 0, 0}, Sizes: []int{n.shape[0], channels / 2, side, side}, Steps: ones(4)}
		y, bound = n.apply(Concat{Axis: 1}, n.apply(half, x), n.apply(half, z)), max(bound, boundZ)
	case 14: // other element types
		half := n.apply(Cast{To: Float16}, x)
		less := n.apply(Compare{IsLess}, half, n.apply(Cast{To: Float16}, n.constant(channels, 1, 1)))
		z, boundZ := n.other()
		y, bound = n.apply(Where{}, less, n.apply(Cast{To: Float32}, half), z), max(bound, boundZ)
	case 15: // a dense block
		parts := []*Value{clip(x)}
		if n.rng.IntN(3) == 0 { // a view
			parts = append(parts, n.apply(Reshape{Shape: n.shape}, n.apply(Reshape{Shape: []int{parts[0].Type().Len()}}, parts[0])))
		}
		bound = 9
		for range 4 {
			skip := n.rng.IntN(len(parts)) * n.rng.IntN(2)
			y, _ = conv(n.apply(Concat{Axis: 1}, slices.Concat(parts[:skip], parts[min(skip+1, len(parts)-1):])...), 1)
			if n.rng.IntN(2) == 0 {
				y = n.apply(Add{}, y, parts[n.rng.IntN(len(parts))])
			}
			y = clip(y)
			parts = append(parts, y)
		}
	}
	if bound > largest {
		bound = 9
		y = clip(y)
	}
	n.values, n.bounds[y] = append(n.values, y), bound
}

// eval computes a value one operator at a time, every result in memory of its own.
func (n *network) eval(v *Value, done map[*Value]*Tensor) *Tensor {
	if v.known != nil {
		return v.known
	}
	if done[v] == nil {
		in := make([]*Tensor, len(v.from.in))
		for i, o := range v.from.in {
			in[i] = n.eval(o, done)
		}
		done[v] = NewTensor(v.typ.DType, v.typ.Shape...)
		if err := evaluate(&Exec{}, v.from.op, []*Tensor{done[v]}, in); err != nil {
			n.Fatal(err)
		}
	}
	return done[v]
}

// Whatever is fused, computed in place or shares memory, a session computes what its operators compute one by one.
func TestRandomGraphs(t *testing.T) {
	workers := NewWorkers(2)
	defer workers.Close()
	for seed := range uint64(600) {
		n := &network{t, rand.New(rand.NewPCG(seed, 1)), NewBuilder("random"), nil, map[*Value]float32{}, []int{1, 4, side, side}}
		t.Setenv("GANSR_CONV", "direct")
		if seed >= 300 { // images in blocks, through a transform whose coefficients are halves
			n.shape = []int{1 + int(seed%5)/4, 16 + 4*int(seed%3), side, side}
			t.Setenv("GANSR_CONV", "winograd2")
		}
		input, err := n.b.Input("x", Type{Float32, n.shape})
		if err != nil {
			t.Fatal(err)
		}
		n.values, n.bounds[input] = []*Value{input}, 1
		for range 2 + n.rng.IntN(20) {
			n.grow()
		}
		outputs := []*Value{n.values[len(n.values)-1]}
		for range n.rng.IntN(3) {
			outputs = append(outputs, n.values[n.rng.IntN(len(n.values))])
		}
		s, err := NewSession([]*Value{input}, outputs, []*Workers{nil, workers}[seed%2])
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // the second run finds the memory of the first
			x := n.noise(n.shape...)
			got, err := s.Run(context.Background(), []*Tensor{x})
			if err != nil {
				t.Fatal(err)
			}
			done := map[*Value]*Tensor{input: x}
			for i, o := range outputs {
				if want := n.eval(o, done); !Equal(got[i], want) {
					t.Fatalf("seed %d: output %d is %v, operator by operator %v\n%v", seed, i, got[i].Data(), want.Data(), s.Steps())
				}
			}
		}
	}
}
