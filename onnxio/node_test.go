package onnxio

import (
	"slices"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio/internal/onnxpb"
	"github.com/owulveryck/onnx-go"
)

func TestAttributes(t *testing.T) {
	b := NewBuilder("g", 17)
	sub := NewBuilder("sub", 17)
	sub.Output("o", sub.Node("Constant", nil, Attr{"value_int", 1}), graph.Int64)
	b.Output("y", b.Node("Op", nil, Attr{"i", 3}, Attr{"f", 0.5}, Attr{"s", "text"}, Attr{"is", []int{1, 2}}, Attr{"fs", []float64{1, 2}},
		Attr{"ss", []string{"a", "b"}}, Attr{"t", tensor([]int8{1, 2}, 2)}, Attr{"g", sub}), graph.Float32)
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	if m, err = Decode(encode(t, m.pb)); err != nil {
		t.Fatal(err)
	}
	n := m.Graph().Nodes[0]
	if v, err := n.Int("i", 0); v != 3 || err != nil {
		t.Error(v, err)
	}
	if v, err := n.Float("f", 0); v != 0.5 || err != nil {
		t.Error(v, err)
	}
	if v, err := n.String("s", ""); v != "text" || err != nil {
		t.Error(v, err)
	}
	if v, err := n.Ints("is", nil); !slices.Equal(v, []int64{1, 2}) || err != nil {
		t.Error(v, err)
	}
	if v, err := n.Floats("fs", nil); !slices.Equal(v, []float32{1, 2}) || err != nil {
		t.Error(v, err)
	}
	if v, err := n.Strings("ss", nil); !slices.Equal(v, []string{"a", "b"}) || err != nil {
		t.Error(v, err)
	}
	if v, err := n.Tensor("t"); err != nil || !slices.Equal(graph.Data[int8](v), []int8{1, 2}) {
		t.Error(v, err)
	}
	if v, err := n.Graph("g"); err != nil || v != n.Subgraphs["g"] || v.Nodes[0].Name != "Constant" {
		t.Error(v, err)
	}
	// Defaults, and errors for another type.
	if v, err := n.Int("absent", 7); v != 7 || err != nil || n.Has("absent") || !n.Has("i") {
		t.Error(v, err)
	}
	if v, err := n.Tensor("absent"); v != nil || err != nil {
		t.Error(v, err)
	}
	for want, f := range map[string]func() error{
		`attribute "s" is a string, not an int`:  func() error { _, err := n.Int("s", 0); return err },
		`attribute "i" is an int, not ints`:      func() error { _, err := n.Ints("i", nil); return err },
		`attribute "is" is ints, not a tensor`:   func() error { _, err := n.Tensor("is"); return err },
		`attribute "absent" is missing`:          func() error { _, err := n.Graph("absent"); return err },
		`attribute "g" is a graph, not a string`: func() error { _, err := n.String("g", ""); return err },
		`attribute "t" is a tensor, not a float`: func() error { _, err := n.Float("t", 0); return err },
		`attribute "f" is a float, not strings`:  func() error { _, err := n.Strings("f", nil); return err },
		`attribute "ss" is strings, not floats`:  func() error { _, err := n.Floats("ss", nil); return err },
		`attribute "fs" is floats, not a graph`:  func() error { _, err := n.Graph("fs"); return err },
	} {
		if err := f(); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// A function's body for a call has the call's attributes, the defaults, or nothing, in the place of references.
func TestFunction(t *testing.T) {
	m := open(t, "functions.onnx")
	if len(m.Functions()) != 3 {
		t.Fatalf("%d functions", len(m.Functions()))
	}
	calls := m.Graph().Nodes
	type values struct{ factor, slope float32 }
	for i, want := range []values{{2, 0.25}, {3, -1}} {
		f := m.Function(calls[i])
		body, err := f.Body(calls[i])
		if err != nil {
			t.Fatal(err)
		}
		factor, err := body.Nodes[0].Float("value_float", -1)
		if err != nil || factor != want.factor {
			t.Errorf("call %d: factor %v, want %v (%v)", i, factor, want.factor, err)
		}
		inner := body.Nodes[1]
		if body.Nodes[0].Version != 17 || inner.Version != 1 {
			t.Errorf("versions %d and %d", body.Nodes[0].Version, inner.Version)
		}
		leaky, err := m.Function(inner).Body(inner)
		if err != nil {
			t.Fatal(err)
		}
		if slope, err := leaky.Nodes[0].Float("alpha", -1); err != nil || slope != want.slope {
			t.Errorf("call %d: slope %v, want %v (%v)", i, slope, want.slope, err)
		}
	}
	if f := m.Function(calls[2]); f == nil || f.Overload != "negative" || f.Graph.Nodes[0].Name != "Neg" {
		t.Errorf("overload: %v", f)
	}
	if f := m.Function(m.Functions()[1].Graph.Nodes[2]); f != nil {
		t.Errorf("Mul is %v", f.id())
	}
	unbound := m.Functions()[0].Graph.Nodes[0]
	if _, err := unbound.Float("alpha", 0); err == nil || unbound.Attributes["alpha"] != AttrRef("slope") {
		t.Errorf("a reference: %v, %v", unbound.Attributes, err)
	}
	if _, err := m.Functions()[0].Body(&Node{Inputs: []string{"a", "b"}}); err == nil {
		t.Error("no error for too many inputs")
	}
	withGraph := &Node{Operation: onnx.Operation{Attributes: map[string]any{"slope": &Graph{}}}}
	if _, err := m.Functions()[0].Body(withGraph); err == nil {
		t.Error("no error for a graph as an attribute")
	}
}

// IR version 1 does not state the type of an attribute.
func TestUntypedAttribute(t *testing.T) {
	m, err := newModel(modelOf(graphOf("y", nodeOf("Op", "x", "y", &onnxpb.AttributeProto{Name: ptr("axes"), Ints: []int64{2}},
		&onnxpb.AttributeProto{Name: ptr("alpha"), F: ptr(float32(2))}))), source{})
	if err != nil {
		t.Fatal(err)
	}
	n := m.Graph().Nodes[0]
	axes, err1 := n.Ints("axes", nil)
	alpha, err2 := n.Float("alpha", 0)
	if err1 != nil || err2 != nil || !slices.Equal(axes, []int64{2}) || alpha != 2 {
		t.Error(axes, alpha, err1, err2)
	}
}

func TestLabel(t *testing.T) {
	for want, n := range map[string]*onnxpb.NodeProto{
		`node "conv_3" (Conv)`:     {Name: ptr("conv_3"), OpType: ptr("Conv")},
		`node of "y" (own.Conv)`:   {OpType: ptr("Conv"), Domain: ptr("own"), Output: []string{"", "y"}},
		`node without outputs (A)`: {OpType: ptr("A"), Domain: ptr("ai.onnx")},
	} {
		v := viewer{model: &Model{opsets: map[string]int{"": 17}}}
		if got, err := v.node(n); err != nil || got.Label() != want {
			t.Errorf("%v, want %s (%v)", got, want, err)
		}
	}
}
