package onnxio

import (
	"maps"
	"slices"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio/internal/onnxpb"
	"github.com/google/go-cmp/cmp"
)

func TestHeader(t *testing.T) {
	m := open(t, "metadata.onnx")
	if n, v := m.Producer(); n != "maker" || v != "1.2" || m.IRVersion() != 14 {
		t.Errorf("producer %q %q, IR version %d", n, v, m.IRVersion())
	}
	if m.Opset("") != 28 || m.Opset("ai.onnx") != 28 || m.Opset("other") != 0 {
		t.Errorf("operator sets %v", m.Opsets())
	}
	if f := open(t, "functions.onnx"); f.Opset("") != 20 || f.Opset("own") != 1 {
		t.Errorf("operator sets %v", f.Opsets())
	}
	old, err := newModel(&onnxpb.ModelProto{IrVersion: ptr(int64(1)), Graph: &onnxpb.GraphProto{}}, source{})
	if err != nil || old.Opset("") != 1 {
		t.Errorf("without operator sets: %v", err)
	}
}

func TestMetadata(t *testing.T) {
	m := open(t, "metadata.onnx")
	m.SetMetadata("first", "one")
	m.SetMetadata("third", "")
	m, err := Decode(encode(t, m.pb))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]string{"first": "one", "second": "zwei ä", "third": ""}, m.Metadata()); d != "" {
		t.Error(d)
	}
	var keys []string
	for _, kv := range m.pb.MetadataProps {
		keys = append(keys, kv.GetKey())
	}
	if !slices.Equal(keys, []string{"first", "second", "third"}) {
		t.Errorf("order %v", keys)
	}
}

func TestValueInfo(t *testing.T) {
	g := open(t, "functions.onnx").Graph()
	want := ValueInfo{Name: "x", DType: graph.Float32, Type: "tensor(float)", HasShape: true, Dims: []Dim{{-1, "N"}, {3, ""}, {-1, "H"}, {-1, "W"}}}
	if d := cmp.Diff([]ValueInfo{want}, g.Inputs); d != "" {
		t.Error(d)
	}
	if s := g.Inputs[0].String(); s != "x: tensor(float)[N,3,H,W]" {
		t.Error(s)
	}
	if s := open(t, "raw.onnx").Graph().Outputs[0].String(); s != "y: tensor(float)[N,3,?]" {
		t.Error(s)
	}
	seq := &onnxpb.TypeProto{Value: &onnxpb.TypeProto_SequenceType{SequenceType: &onnxpb.TypeProto_Sequence{ElemType: &onnxpb.TypeProto{
		Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{ElemType: ptr(int32(8))}}}}}}
	if v := typeInfo(seq); v.Type != "seq(tensor(string))" || v.DType != graph.Invalid || v.HasShape {
		t.Errorf("%+v", v)
	}
	negative := &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{TensorType: &onnxpb.TypeProto_Tensor{Shape: &onnxpb.TensorShapeProto{
		Dim: []*onnxpb.TensorShapeProto_Dimension{{Value: &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: -5}}}}}}}
	if v := typeInfo(negative); v.Dims[0].Known() || v.Dims[0].Value != -1 {
		t.Errorf("a negative dimension is %v", v.Dims[0])
	}
}

// Inputs with an initialiser are optional, nodes are sorted by what their nested graphs use, and free names reach
// through several graphs.
func TestNested(t *testing.T) {
	g := open(t, "nested.onnx").Graph()
	names := func(vs []ValueInfo) (out []string) {
		for _, v := range vs {
			out = append(out, v.Name)
		}
		return out
	}
	if d := cmp.Diff([][]string{{"cond", "x"}, {"w"}, {"y"}}, [][]string{names(g.Inputs), names(g.Optional), names(g.Outputs)}); d != "" {
		t.Error(d)
	}
	if g.Nodes[0].Name != "Relu" || g.Nodes[1].Name != "If" {
		t.Fatalf("order %s, %s", g.Nodes[0].Label(), g.Nodes[1].Label())
	}
	n := g.Nodes[1]
	if keys := slices.Sorted(maps.Keys(n.Subgraphs)); !slices.Equal(keys, []string{"else_branch", "then_branch"}) {
		t.Errorf("nested graphs %v", keys)
	}
	middle, err := n.Graph("then_branch")
	if err != nil {
		t.Fatal(err)
	}
	free := middle.Free()
	slices.Sort(free)
	if !slices.Equal(free, []string{"cond", "h", "w", "x"}) {
		t.Errorf("free names %v", free)
	}
	if middle.Nodes[1].Version != 8 {
		t.Errorf("version %d", middle.Nodes[1].Version)
	}
}
