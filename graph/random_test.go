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
}

const (
	channels, side = 4, 6
	largest        = 2048
)

var imageShape = []int{1, channels, side, side}

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
	return n.apply(Reshape{Shape: imageShape}, v), n.bounds[v]
}

// other returns an operand that broadcasts to an image.
func (n *network) other() (x *Value, bound float32) {
	shapes := [][]int{{}, {1}, {channels, 1, 1}, {1, channels, 1, 1}, {side}, {side, 1}, imageShape}
	if k := n.rng.IntN(2 * len(shapes)); k < len(shapes) {
		return n.constant(shapes[k]...), 1
	}
	return n.pick()
}

// grow adds a value.
func (n *network) grow() {
	ones := func(k int) []int { return slices.Repeat([]int{1}, k) }
	x, bound := n.pick()
	var y *Value
	switch n.rng.IntN(15) {
	case 0, 1, 2, 3:
		groups, k := []int{1, 1, 2, channels}[n.rng.IntN(4)], 1+2*n.rng.IntN(2)
		in := []*Value{x, n.constant(channels, channels/groups, k, k)}
		if n.rng.IntN(2) == 0 {
			in = append(in, n.constant(channels))
		}
		y = n.apply(Conv{Strides: ones(2), Dilations: ones(2), Pads: slices.Repeat([]int{k / 2}, 4), Groups: groups}, in...)
		bound = bound*float32(channels/groups*k*k) + 1
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
		y = n.apply(Reshape{Shape: [][]int{{channels, side * side}, {side, channels * side}, {channels * side * side}}[n.rng.IntN(3)]}, x)
	case 12:
		y = n.apply(Transpose{Perm: []int{0, 1, 3, 2}}, x)
	case 13:
		z, boundZ := n.pick()
		half := Slice{Starts: []int{0, n.rng.IntN(3), 0, 0}, Sizes: []int{1, 2, side, side}, Steps: ones(4)}
		y, bound = n.apply(Concat{Axis: 1}, n.apply(half, x), n.apply(half, z)), max(bound, boundZ)
	case 14: // other element types
		half := n.apply(Cast{To: Float16}, x)
		less := n.apply(Compare{IsLess}, half, n.apply(Cast{To: Float16}, n.constant(channels, 1, 1)))
		z, boundZ := n.other()
		y, bound = n.apply(Where{}, less, n.apply(Cast{To: Float32}, half), z), max(bound, boundZ)
	}
	if bound > largest {
		bound = 9
		y = n.apply(Clip{}, y, n.b.Constant("lo", Scalar(float32(-9))), n.b.Constant("hi", Scalar(float32(9))))
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
	for seed := range uint64(300) {
		n := &network{t, rand.New(rand.NewPCG(seed, 1)), NewBuilder("random"), nil, map[*Value]float32{}}
		input, err := n.b.Input("x", Type{Float32, imageShape})
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
			x := n.noise(imageShape...)
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
