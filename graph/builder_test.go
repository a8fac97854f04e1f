package graph

import (
	"context"
	"errors"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
)

// Gorgonia merges nodes by a 32-bit hash: of constants it compares the printed text, of inputs name and shape. These
// networks would compute something else if any of that happened.
func TestNodesAreNotMerged(t *testing.T) {
	large := func(middle float32) *Tensor {
		d := make([]float32, 64*64)
		d[len(d)/2] = middle
		x, _ := FromSlice(d, 64, 64)
		return x
	}
	b := NewBuilder("net")
	mustV := func(v *Value, err error) *Value {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	x := mustV(b.Input("x", Type{Float32, []int{64, 64}}))
	sameName := mustV(b.Input("x", Type{Float32, []int{64, 64}}))
	i64, f32 := b.Constant("c", tensorOf(t, []int64{1, 2}, 2)), b.Constant("c", tensorOf(t, []float32{1, 2}, 2))
	one := mustV(b.Apply1(Add{}, x, b.Constant("w", large(1))))
	two := mustV(b.Apply1(Add{}, x, b.Constant("w", large(2))))
	other := mustV(b.Apply1(Add{}, sameName, b.Constant("w", large(1))))
	sum := mustV(b.Apply1(Mul{}, one, two))
	square := mustV(b.Apply1(Mul{}, x, x))
	ints := mustV(b.Input("i", Type{Int64, []int{2}}))
	ai := mustV(b.Apply1(Add{}, ints, i64))
	af := mustV(b.Apply1(Add{}, mustV(b.Apply1(Cast{To: Float32}, ints)), f32))

	s, err := NewSession([]*Value{x, sameName, ints}, []*Value{one, two, other, sum, square, ai, af}, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Run(context.Background(), []*Tensor{large(3), large(5), tensorOf(t, []int64{10, 20}, 2)})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float32{4, 5, 6, 20, 9} {
		if got := Data[float32](out[i])[64*64/2]; got != want {
			t.Errorf("output %d: got %v, want %v", i, got, want)
		}
	}
	if got := Data[int64](out[5]); got[0] != 11 || got[1] != 22 {
		t.Errorf("int64 sum: got %v", got)
	}
	if got := Data[float32](out[6]); got[0] != 11 || got[1] != 22 {
		t.Errorf("float32 sum: got %v", got)
	}
}

func TestEqualCallsAreShared(t *testing.T) {
	b := NewBuilder("net")
	x, _ := b.Input("x", Type{Float32, []int{2}})
	y, _ := b.Input("y", Type{Float32, []int{2}})
	a1, _ := b.Apply1(Add{}, x, y)
	a2, _ := b.Apply1(Add{}, x, y)
	a3, _ := b.Apply1(Add{}, y, x)
	if a1 != a2 || a1 == a3 {
		t.Error("Add(x, y) should be made once, and Add(y, x) be another node")
	}
}

func TestConstantsAreFolded(t *testing.T) {
	b := NewBuilder("net")
	c := b.Constant("c", tensorOf(t, []float32{1, -2}, 2))
	v, err := b.Apply1(Relu{}, c)
	if err != nil {
		t.Fatal(err)
	}
	if v.Known() == nil || Data[float32](v.Known())[1] != 0 || Data[float32](v.Known())[0] != 1 {
		t.Errorf("Relu of a constant: got %v", v.Known())
	}
	if n := len(b.ExprGraph().AllNodes()); n != 0 {
		t.Errorf("the graph has %d nodes for constants alone", n)
	}
}

// The nodes are Gorgonia's: its own machine runs them.
func TestGorgoniaRunsTheGraph(t *testing.T) {
	b := NewBuilder("net")
	x, _ := b.Input("x", Type{Float32, []int{1, 1, 3, 3}})
	w := b.Constant("w", tensorOf(t, []float32{0, 0, 0, 0, 2, 0, 0, 0, -1}, 1, 1, 3, 3))
	c, err := b.Apply1(Conv{Strides: []int{1, 1}, Dilations: []int{1, 1}, Pads: []int{1, 1, 1, 1}, Groups: 1}, x, w)
	if err != nil {
		t.Fatal(err)
	}
	y, err := b.Apply1(Relu{}, c)
	if err != nil {
		t.Fatal(err)
	}
	in := tensorOf(t, []float32{1, 2, 3, 4, 5, 6, 7, 8, 9}, 1, 1, 3, 3)
	for v, tn := range map[*Value]*Tensor{x: in, w: w.Known()} {
		g, err := ToGorgonia(tn)
		if err != nil {
			t.Fatal(err)
		}
		if err := gorgonia.Let(v.node, g); err != nil {
			t.Fatal(err)
		}
	}
	m := gorgonia.NewTapeMachine(b.ExprGraph())
	defer m.Close()
	if err := m.RunAll(); err != nil {
		t.Fatal(err)
	}
	got, err := FromGorgonia(y.node.Value())
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSession([]*Value{x}, []*Value{y}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want, err := s.Run(context.Background(), []*Tensor{in})
	if err != nil {
		t.Fatal(err)
	}
	if !Equal(got, want[0]) || Data[float32](got)[0] != 0 || Data[float32](got)[8] != 18 {
		t.Errorf("gorgonia: %v, session: %v", got.Data(), want[0].Data())
	}
}

func TestApplyErrors(t *testing.T) {
	b := NewBuilder("net")
	x, _ := b.Input("x", Type{Float32, []int{2}})
	y, _ := b.Input("y", Type{Float32, []int{3}})
	for want, err := range map[string]error{
		"cannot be broadcast together": second(b.Apply1(Add{}, x, y)),
		"operand is missing":           second(b.Apply1(Add{}, x, nil)),
		"does not keep the number":     second(b.Apply1(Reshape{Shape: []int{5}}, x)),
		"cannot be of type":            second(b.Input("z", Type{Float32, []int{-1}})),
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// Constants beyond the bound are computed when the graph runs, so that a small model cannot fill the memory.
func TestFoldedConstantsAreBounded(t *testing.T) {
	b := NewBuilder("net")
	b.folded = maxFolded - 20
	one := b.Constant("one", Scalar(float32(1)))
	small, err1 := b.Apply1(Expand{Shape: []int{3}}, one)
	large, err2 := b.Apply1(Expand{Shape: []int{4}}, one)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if small.Known() == nil || large.Known() != nil {
		t.Errorf("%d bytes of constants left: 12 are computed %v, 16 more %v", 20, small.Known(), large.Known())
	}
	s, err := NewSession(nil, []*Value{large}, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Run(context.Background(), nil)
	if err != nil || !Equal(out[0], tensorOf(t, []float32{1, 1, 1, 1}, 4)) {
		t.Errorf("got %v, error %v", out, err)
	}
}
