package onnxio

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio/internal/onnxpb"
)

// Builder writes a model node by node. Its methods may be called in any order in which values are made before they
// are used; the first mistake is kept, and Model returns it.
type Builder struct {
	pb    *onnxpb.ModelProto
	names map[string]int // nodes so far, by operator
	err   error
}

// NewBuilder starts a model whose graph has a name and whose nodes are operators of a version of ONNX's set, 7 to 28.
func NewBuilder(name string, opset int) *Builder {
	return &Builder{names: map[string]int{}, pb: &onnxpb.ModelProto{
		IrVersion:    ptr(irVersion(opset)),
		ProducerName: ptr("gansr"),
		OpsetImport:  []*onnxpb.OperatorSetIdProto{{Domain: ptr(""), Version: ptr(int64(opset))}},
		Graph:        &onnxpb.GraphProto{Name: &name},
	}}
}

// irVersion returns the version of the file format that came with an operator set, so that readers of that time
// accept the file, but not before 4: earlier ones want every initialiser to be an input.
func irVersion(opset int) int64 {
	firsts := []int{9, 10, 11, 12, 15, 19, 21, 23, 24, 25, 28} // the first operator set of IR version 4, 5, ... 14
	n := 0
	for _, first := range firsts {
		if opset >= first {
			n++
		}
	}
	return int64(3 + max(n, 1))
}

func ptr[T any](v T) *T { return &v }

func (b *Builder) fail(format string, args ...any) {
	if b.err == nil {
		b.err = fmt.Errorf("onnx: "+format, args...)
	}
}

// Input adds a graph input and returns its name. A dimension is an int, or a string that names a symbolic one, "" if
// it has no name.
func (b *Builder) Input(name string, dt graph.DType, dims ...any) string {
	b.pb.Graph.Input = append(b.pb.Graph.Input, b.info(name, dt, dims))
	return name
}

func (b *Builder) info(name string, dt graph.DType, dims []any) *onnxpb.ValueInfoProto {
	num, ok := elemNumber(dt)
	if !ok {
		b.fail("value %q: a tensor of %v cannot be written", name, dt)
	}
	shape := &onnxpb.TensorShapeProto{}
	for _, d := range dims {
		pb := &onnxpb.TensorShapeProto_Dimension{}
		switch d := d.(type) {
		case int:
			pb.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: int64(d)}
		case string:
			if d != "" {
				pb.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: d}
			}
		default:
			b.fail("value %q: a dimension is an int or a string, not %T", name, d)
		}
		shape.Dim = append(shape.Dim, pb)
	}
	return &onnxpb.ValueInfoProto{Name: &name, Type: &onnxpb.TypeProto{Value: &onnxpb.TypeProto_TensorType{
		TensorType: &onnxpb.TypeProto_Tensor{ElemType: &num, Shape: shape}}}}
}

// Init adds a constant and returns its name. The model shares the elements of t, which must not change any more.
func (b *Builder) Init(name string, t *graph.Tensor) string {
	pb := &onnxpb.TensorProto{Name: &name}
	if err := setType(pb, t); err != nil {
		b.fail("initialiser %q: %w", name, err)
	}
	if pb.RawData = graph.Bytes(t); pb.RawData == nil {
		pb.RawData = toRaw(t)
	}
	b.pb.Graph.Initializer = append(b.pb.Graph.Initializer, pb)
	return name
}

// Attr is an attribute for [Builder.Node]. Value is an int or int64, float32 or float64, string, slice of these,
// *graph.Tensor, or a *Builder whose graph becomes the attribute.
type Attr struct {
	Name  string
	Value any
}

// Node adds a node with one output and returns the output's name, which is new. Inputs that are left out are "".
func (b *Builder) Node(op string, inputs []string, attrs ...Attr) string {
	return b.Nodes(op, 1, inputs, attrs...)[0]
}

// Nodes is Node for a number of outputs.
func (b *Builder) Nodes(op string, outputs int, inputs []string, attrs ...Attr) []string {
	n := b.names[op]
	b.names[op]++
	name := fmt.Sprintf("%s_%d", strings.ToLower(op), n)
	pb := &onnxpb.NodeProto{Name: &name, OpType: &op, Input: slices.Clone(inputs)}
	for i := range outputs {
		out := name
		if outputs > 1 {
			out = fmt.Sprintf("%s_%d", name, i)
		}
		pb.Output = append(pb.Output, out)
	}
	for _, a := range attrs {
		pb.Attribute = append(pb.Attribute, b.attribute(name, a))
	}
	b.pb.Graph.Node = append(b.pb.Graph.Node, pb)
	return slices.Clone(pb.Output)
}

func (b *Builder) attribute(node string, a Attr) *onnxpb.AttributeProto {
	pb := &onnxpb.AttributeProto{Name: &a.Name}
	kind := func(t onnxpb.AttributeProto_AttributeType) { pb.Type = &t }
	switch v := a.Value.(type) {
	case int:
		pb.I = ptr(int64(v))
		kind(onnxpb.AttributeProto_INT)
	case int64:
		pb.I = &v
		kind(onnxpb.AttributeProto_INT)
	case float32:
		pb.F = &v
		kind(onnxpb.AttributeProto_FLOAT)
	case float64:
		pb.F = ptr(float32(v))
		kind(onnxpb.AttributeProto_FLOAT)
	case string:
		pb.S = []byte(v)
		kind(onnxpb.AttributeProto_STRING)
	case []int:
		for _, x := range v {
			pb.Ints = append(pb.Ints, int64(x))
		}
		kind(onnxpb.AttributeProto_INTS)
	case []int64:
		pb.Ints = slices.Clone(v)
		kind(onnxpb.AttributeProto_INTS)
	case []float32:
		pb.Floats = slices.Clone(v)
		kind(onnxpb.AttributeProto_FLOATS)
	case []float64:
		for _, x := range v {
			pb.Floats = append(pb.Floats, float32(x))
		}
		kind(onnxpb.AttributeProto_FLOATS)
	case []string:
		for _, x := range v {
			pb.Strings = append(pb.Strings, []byte(x))
		}
		kind(onnxpb.AttributeProto_STRINGS)
	case *graph.Tensor:
		pb.T = &onnxpb.TensorProto{}
		if err := setTensor(pb.T, v); err != nil {
			b.fail("node %q: attribute %q: %w", node, a.Name, err)
		}
		kind(onnxpb.AttributeProto_TENSOR)
	case *Builder:
		if v.err != nil {
			b.fail("node %q: attribute %q: %w", node, a.Name, v.err)
		}
		pb.G = v.pb.Graph
		kind(onnxpb.AttributeProto_GRAPH)
	default:
		b.fail("node %q: attribute %q: a %T cannot be written", node, a.Name, v)
	}
	return pb
}

// Output makes a value that a node of this graph produces an output of the graph called name. Dimensions are as
// those of Input.
func (b *Builder) Output(name, value string, dt graph.DType, dims ...any) {
	rename := func(list []string) (found bool) {
		for i, v := range list {
			if v == value {
				list[i], found = name, true
			}
		}
		return found
	}
	found := false
	for _, n := range b.pb.Graph.Node {
		found = rename(n.Output) || found
	}
	if !found {
		b.fail("output %q: no node produces %q", name, value)
	}
	for _, n := range b.pb.Graph.Node {
		rename(n.Input)
	}
	b.pb.Graph.Output = append(b.pb.Graph.Output, b.info(name, dt, dims))
}

// Model returns the finished model, checked as [Open] does. The builder must not be used afterwards.
func (b *Builder) Model() (*Model, error) {
	if b.err != nil {
		return nil, b.err
	}
	m, err := newModel(b.pb, source{})
	if err != nil {
		return nil, source{}.wrap(err)
	}
	return m, nil
}
