package backend_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
	"github.com/gansr/gansr/onnxio/backend"
	"github.com/google/go-cmp/cmp"
	"github.com/owulveryck/onnx-go"
	"gorgonia.org/tensor"
)

const opset = 13

// decode encodes the model that build makes and decodes it with onnx-go.
func decode(t *testing.T, build func(b *onnxio.Builder), options ...backend.Option) (*backend.Graph, *onnx.Model) {
	t.Helper()
	b := onnxio.NewBuilder("test", opset)
	build(b)
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	data, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	g := backend.New(append(options, backend.Opset(opset))...)
	model := onnx.NewModel(g)
	if err := model.UnmarshalBinary(data); err != nil {
		t.Fatal(err)
	}
	return g, model
}

func vector(v ...float32) tensor.Tensor {
	return tensor.New(tensor.WithShape(len(v)), tensor.WithBacking(v))
}

func constant(v ...float32) *graph.Tensor {
	t := graph.NewTensor(graph.Float32, len(v))
	copy(graph.Data[float32](t), v)
	return t
}

// runs sets input 0, runs, and compares the outputs.
func runs(t *testing.T, g *backend.Graph, m *onnx.Model, in tensor.Tensor, want ...[]float32) []tensor.Tensor {
	t.Helper()
	if err := m.SetInput(0, in); err != nil {
		t.Fatal(err)
	}
	if err := g.Run(); err != nil {
		t.Fatal(err)
	}
	outs, err := m.GetOutputTensors()
	if err != nil {
		t.Fatal(err)
	}
	if len(outs) != len(want) {
		t.Fatalf("%d outputs, want %d", len(outs), len(want))
	}
	for i, w := range want {
		if diff := cmp.Diff(w, outs[i].Data()); diff != "" {
			t.Errorf("output %d (-want +got):\n%s", i, diff)
		}
	}
	return outs
}

func fails(t *testing.T, err error, want string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got error %v, want one with %q", err, want)
	}
}

// TestOneValueTwice: a weighted graph has one edge between two nodes, and Mul(x, x) needs two.
func TestOneValueTwice(t *testing.T) {
	g, m := decode(t, func(b *onnxio.Builder) {
		x := b.Input("x", graph.Float32, "n")
		b.Output("y", b.Node("Mul", []string{x, x}), graph.Float32, "n")
	})
	runs(t, g, m, vector(1, 2, 3), []float32{1, 4, 9})
}

// TestAbsentInput: onnx-go makes one node for all inputs that are left out.
func TestAbsentInput(t *testing.T) {
	g, m := decode(t, func(b *onnxio.Builder) {
		x := b.Input("x", graph.Float32, "n")
		hi := b.Init("hi", graph.Scalar(float32(2)))
		lo := b.Init("lo", graph.Scalar(float32(1)))
		y := b.Node("Clip", []string{x, "", hi})
		b.Output("y", y, graph.Float32, "n")
		b.Output("z", b.Node("Clip", []string{"y", lo, ""}), graph.Float32, "n")
	})
	runs(t, g, m, vector(0, 1, 2, 3), []float32{0, 1, 2, 2}, []float32{1, 1, 2, 2})
}

func TestSeveralRuns(t *testing.T) {
	workers := graph.NewWorkers(2)
	defer workers.Close()
	g, m := decode(t, func(b *onnxio.Builder) {
		x := b.Input("x", graph.Float32, "n")
		w := b.Init("w", constant(10))
		y := b.Node("Mul", []string{x, w})
		b.Output("y", y, graph.Float32, "n")
		b.Output("z", b.Node("Add", []string{"y", x}), graph.Float32, "n")
	}, backend.Workers(workers))
	first := runs(t, g, m, vector(1, 2), []float32{10, 20}, []float32{11, 22})
	runs(t, g, m, vector(3, 4, 5), []float32{30, 40, 50}, []float32{33, 44, 55})
	if diff := cmp.Diff([]float32{10, 20}, first[0].Data()); diff != "" {
		t.Errorf("the second run changed the first one's output (-want +got):\n%s", diff)
	}
	w, _ := m.GetNodeByName("w")
	if err := w.(onnx.DataCarrier).SetTensor(vector(2)); err != nil {
		t.Fatal(err)
	}
	runs(t, g, m, vector(1, 2), []float32{2, 4}, []float32{3, 6})

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := g.RunContext(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
}

// TestShapeInput: the value of an input decides a shape.
func TestShapeInput(t *testing.T) {
	g, m := decode(t, func(b *onnxio.Builder) {
		x := b.Input("x", graph.Float32, "n")
		s := b.Input("s", graph.Int64, "k")
		b.Output("y", b.Node("Reshape", []string{x, s}), graph.Float32, "h", "w")
	})
	for _, shape := range [][]int64{{2, 3}, {3, 2}} {
		if err := m.SetInput(1, tensor.New(tensor.WithShape(2), tensor.WithBacking(shape))); err != nil {
			t.Fatal(err)
		}
		y := runs(t, g, m, vector(1, 2, 3, 4, 5, 6), []float32{1, 2, 3, 4, 5, 6})[0]
		if s := y.Shape(); s[0] != int(shape[0]) || s[1] != int(shape[1]) {
			t.Errorf("got shape %v, want %v", s, shape)
		}
	}
}

// TestInitialisedInput: onnx-go's SetInput counts the inputs that have initialisers.
func TestInitialisedInput(t *testing.T) {
	g, m := decode(t, func(b *onnxio.Builder) {
		w := b.Input("w", graph.Float32, 1)
		x := b.Input("x", graph.Float32, "n")
		b.Init("w", constant(10))
		b.Output("y", b.Node("Mul", []string{x, w}), graph.Float32, "n")
	})
	fails(t, m.SetInput(0, vector(1)), `input "w" cannot be set: it has an initialiser`)
	fails(t, g.Run(), `input "x" is not set`)
	x, _ := m.GetNodeByName("x")
	if err := x.(onnx.DataCarrier).SetTensor(vector(1, 2)); err != nil {
		t.Fatal(err)
	}
	if err := g.Run(); err != nil {
		t.Fatal(err)
	}
	y, err := m.GetOutputTensors()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]float32{10, 20}, y[0].Data()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestNodesOfOneName: onnx-go makes one node for an input and another for an output or a declared value that is the same.
func TestNodesOfOneName(t *testing.T) {
	g := backend.New()
	node := func(name string) *backend.Node {
		n := g.NewNode().(*backend.Node)
		n.SetName(name)
		g.AddNode(n)
		if err := n.SetTensor(vector(0, 0)); err != nil {
			t.Fatal(err)
		}
		return n
	}
	input, same, y := node("x"), node("x"), node("y")
	g.SetWeightedEdge(g.NewWeightedEdge(y, same, 0))
	if err := g.ApplyOperation(onnx.Operation{Name: "Relu"}, y); err != nil {
		t.Fatal(err)
	}
	if err := input.SetTensor(vector(-1, 1)); err != nil {
		t.Fatal(err)
	}
	if err := g.Run(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]float32{0, 1}, y.GetTensor().Data()); diff != "" {
		t.Errorf("y (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]float32{-1, 1}, same.GetTensor().Data()); diff != "" {
		t.Errorf("x (-want +got):\n%s", diff)
	}
}

func TestRunErrors(t *testing.T) {
	g, m := decode(t, func(b *onnxio.Builder) {
		x := b.Input("x", graph.Float32, "n")
		start, end := b.Init("start", graph.Ints(5)), b.Init("end", graph.Ints(9))
		b.Output("y", b.Node("Slice", []string{x, start, end}), graph.Float32, "m")
	})
	fails(t, m.SetInput(0, tensor.New(tensor.WithShape(2), tensor.WithBacking([]int64{1, 2}))), "should have elements of float32, not int64")
	fails(t, m.SetInput(0, nil), "the tensor is nil")
	y, _ := m.GetNodeByName("y")
	fails(t, y.(onnx.DataCarrier).SetTensor(vector(1)), "it is computed by Slice")
	if err := m.SetInput(0, vector(1, 2)); err != nil {
		t.Fatal(err)
	}
	fails(t, g.Run(), `output "y": graph: gorgonia has no empty tensors`)
	runs(t, g, m, vector(1, 2, 3, 4, 5, 6), []float32{6})
	m2 := tensor.New(tensor.WithShape(1, 1, 7), tensor.WithBacking(make([]float32, 7)))
	if err := m.SetInput(0, m2); err != nil {
		t.Fatal(err)
	}
	fails(t, g.Run(), "empty")
}

// TestBuildErrors makes graphs that onnx-go decodes only from damaged files.
func TestBuildErrors(t *testing.T) {
	node := func(g *backend.Graph, name string) *backend.Node {
		n := g.NewNode().(*backend.Node)
		n.SetName(name)
		g.AddNode(n)
		return n
	}
	relu := onnx.Operation{Name: "Relu"}
	tests := []struct {
		name  string
		build func(g *backend.Graph) error
		want  string
	}{
		{"unknown operator", func(g *backend.Graph) error {
			err := g.ApplyOperation(onnx.Operation{Name: "Warp"}, node(g, "y"))
			if e := (*onnx.ErrNotImplemented)(nil); !errors.As(err, &e) || e.Operator != "Warp" {
				t.Errorf("got %#v, want an *onnx.ErrNotImplemented of Warp", err)
			}
			return err
		}, "operator Warp not implemented"},
		{"own input", func(g *backend.Graph) error {
			y := node(g, "y")
			g.SetWeightedEdge(g.NewWeightedEdge(y, y, 0))
			return g.ApplyOperation(relu, y)
		}, `value "y" is used before it is computed by Relu`},
		{"computed twice", func(g *backend.Graph) error {
			return g.ApplyOperation(relu, node(g, "y"), node(g, "y"))
		}, `value "y" is computed twice`},
		{"no tensor", func(g *backend.Graph) error {
			y := node(g, "y")
			g.SetWeightedEdge(g.NewWeightedEdge(y, node(g, "x"), 0))
			return g.ApplyOperation(relu, y)
		}, `input "x" is not set`},
		{"attribute without a type", func(g *backend.Graph) error {
			return g.ApplyOperation(onnx.Operation{Name: "Relu", Attributes: map[string]any{"a": struct{}{}}}, node(g, "y"))
		}, "attribute"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			g := backend.New()
			err := test.build(g)
			if err == nil {
				err = g.Run()
			}
			fails(t, err, test.want)
		})
	}
}
