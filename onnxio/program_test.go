package onnxio

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/gansr/gansr/graph"
)

func ofInts(t *testing.T, v []int64, shape ...int) *graph.Tensor {
	t.Helper()
	x, err := graph.FromSlice(v, shape...)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func floats(t *testing.T, v []float32, shape ...int) *graph.Tensor {
	t.Helper()
	x, err := graph.FromSlice(v, shape...)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func program(t *testing.T, b *Builder) *Program {
	t.Helper()
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewProgram(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A shape that is an input decides the graph: each new value makes a plan, an old one finds its plan again.
func TestInputsThatDecideShapes(t *testing.T) {
	b := NewBuilder("reshape", 17)
	x, shape := b.Input("x", graph.Float32, "n"), b.Input("shape", graph.Int64, 2)
	sum := b.Node("Add", []string{shape, b.Init("one", graph.Ints(0, 1))})
	y := b.Node("Reshape", []string{x, sum})
	b.Output("y", b.Node("Relu", []string{y}), graph.Float32, "a", "b")
	p := program(t, b)
	for i, c := range []struct {
		shape []int64
		want  []int
	}{{[]int64{2, 2}, []int{2, 3}}, {[]int64{3, 1}, []int{3, 2}}, {[]int64{2, 2}, []int{2, 3}}} {
		out, err := p.Run(context.Background(), map[string]*graph.Tensor{
			"x": floats(t, []float32{-1, 2, 3, 4, 5, -6}, 6), "shape": ofInts(t, c.shape, 2)})
		if err != nil {
			t.Fatal(err)
		}
		if !graph.Equal(out["y"], floats(t, []float32{0, 2, 3, 4, 5, 0}, c.want...)) {
			t.Errorf("run %d: got %v %v", i, out["y"].Type(), out["y"].Data())
		}
	}
	if len(p.plans) != 2 {
		t.Errorf("%d plans for two different shapes", len(p.plans))
	}
	if _, err := p.Translate(context.Background(), map[string]graph.Type{
		"x": {DType: graph.Float32, Shape: []int{6}}, "shape": {DType: graph.Int64, Shape: []int{2}}}); !errors.Is(err, errNeedsValues) {
		t.Errorf("translating without values: got %v", err)
	}
}

func TestPlansAreBounded(t *testing.T) {
	b := NewBuilder("relu", 17)
	b.Output("y", b.Node("Relu", []string{b.Input("x", graph.Float32, "n")}), graph.Float32, "n")
	p := program(t, b)
	for n := range 2 * maxPlans {
		if _, err := p.Run(context.Background(), map[string]*graph.Tensor{"x": graph.NewTensor(graph.Float32, n)}); err != nil {
			t.Fatal(err)
		}
	}
	if len(p.plans) != maxPlans {
		t.Errorf("%d plans are kept", len(p.plans))
	}
}

func TestRunRefusesWrongInputs(t *testing.T) {
	b := NewBuilder("relu", 17)
	b.Output("y", b.Node("Relu", []string{b.Input("x", graph.Float32, 1, 3, "h")}), graph.Float32, 1, 3, "h")
	p := program(t, b)
	for want, in := range map[string]map[string]*graph.Tensor{
		"input x: tensor(float)[1,3,h] is not given":                 {},
		"the model has no input \"z\"":                               {"x": graph.NewTensor(graph.Float32, 1, 3, 2), "z": graph.NewTensor(graph.Float32)},
		"input x: tensor(float)[1,3,h]: float32[1 4 2] does not fit": {"x": graph.NewTensor(graph.Float32, 1, 4, 2)},
		"input x: tensor(float)[1,3,h]: int64[1 3 2] does not fit":   {"x": graph.NewTensor(graph.Int64, 1, 3, 2)},
		"input x: tensor(float)[1,3,h]: float32[1 3] does not fit":   {"x": graph.NewTensor(graph.Float32, 1, 3)},
	} {
		if _, err := p.Run(context.Background(), in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

func TestUnsupportedOperatorsAreListedAtOnce(t *testing.T) {
	b := NewBuilder("unknown", 17)
	x := b.Node("Relu", []string{b.Input("x", graph.Float32, "n")})
	x = b.Node("Wobble", []string{b.Node("Wibble", []string{x})})
	b.Output("y", x, graph.Float32, "n")
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	_, err = NewProgram(m, nil)
	var unsupported *UnsupportedError
	if !errors.As(err, &unsupported) || len(unsupported.Items) != 2 {
		t.Fatalf("got %v", err)
	}
	if want := `Wibble (domain "ai.onnx", opset 17) in node "wibble_0" (Wibble)`; unsupported.Items[0] != want {
		t.Errorf("got %q, want %q", unsupported.Items[0], want)
	}
}

// An error in a node names it.
func TestErrorsNameTheNode(t *testing.T) {
	b := NewBuilder("conv", 17)
	x := b.Node("Conv", []string{b.Input("x", graph.Float32, 1, 3, "h", "w"), b.Init("w", graph.NewTensor(graph.Float32, 4, 3, 3, 3))}, Attr{"auto_pad", "SOMEHOW"})
	b.Output("y", x, graph.Float32, 1, 4, "h", "w")
	_, err := program(t, b).Run(context.Background(), map[string]*graph.Tensor{"x": graph.NewTensor(graph.Float32, 1, 3, 8, 8)})
	want := `onnx: node "conv_0" (Conv): auto_pad "SOMEHOW" is unknown; it should be NOTSET, VALID, SAME_UPPER or SAME_LOWER`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestCancelledRun(t *testing.T) {
	b := NewBuilder("relu", 17)
	b.Output("y", b.Node("Relu", []string{b.Input("x", graph.Float32, "n")}), graph.Float32, "n")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := program(t, b).Run(ctx, map[string]*graph.Tensor{"x": graph.NewTensor(graph.Float32, 3)}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// What a pin is computed from may itself hold for the values of another pin only.
func TestPinsThatDependOnPins(t *testing.T) {
	b := NewBuilder("pins", 17)
	x, n, at := b.Input("x", graph.Float32, 1), b.Input("n", graph.Int64, 1), b.Input("at", graph.Int64, 1)
	sizes := b.Node("Expand", []string{b.Init("three", graph.Ints(3)), n})
	b.Output("y", b.Node("Expand", []string{x, b.Node("Gather", []string{sizes, at})}), graph.Float32, "m")
	p := program(t, b)
	for _, v := range [][2]int64{{2, 0}, {5, 4}, {2, 1}} {
		out, err := p.Run(context.Background(), map[string]*graph.Tensor{
			"x": floats(t, []float32{7}, 1), "n": ofInts(t, v[:1], 1), "at": ofInts(t, v[1:], 1)})
		if err != nil {
			t.Fatalf("element %d of %d: %v", v[1], v[0], err)
		}
		if !graph.Equal(out["y"], floats(t, []float32{7, 7, 7}, 3)) {
			t.Errorf("element %d of %d: %v", v[1], v[0], out["y"])
		}
	}
}
