package onnxio

import (
	"fmt"
	"strings"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio/internal/onnxpb"
	"google.golang.org/protobuf/proto"
)

// Model is an ONNX model as its file holds it. It may be read by several goroutines at once, and must not be
// changed or saved meanwhile.
type Model struct {
	pb        *onnxpb.ModelProto
	src       source
	opsets    map[string]int
	graph     *Graph
	functions []*Function
	byID      map[funcID]*Function
	inlined   map[*onnxpb.TensorProto]external // tensors that SetInitializer took out of external files
}

// IRVersion returns the version of the file format, 3 to 14 for the files that this package is tested with.
func (m *Model) IRVersion() int { return int(m.pb.GetIrVersion()) }

// Producer returns the name and version of the program that wrote the model.
func (m *Model) Producer() (name, version string) {
	return m.pb.GetProducerName(), m.pb.GetProducerVersion()
}

// Doc returns what the model's file says of it, or else what it says of the main graph.
func (m *Model) Doc() string {
	if doc := m.pb.GetDocString(); doc != "" {
		return doc
	}
	return m.pb.GetGraph().GetDocString()
}

// Opset returns the version of a domain's operators that the model uses, and 0 if it imports none. The domains ""
// and "ai.onnx" are the same.
func (m *Model) Opset(domain string) int { return m.opsets[normDomain(domain)] }

// Opsets returns the imported operator sets: versions by domain, "" for ONNX's own. The caller must not change it.
func (m *Model) Opsets() map[string]int { return m.opsets }

// SameGraph reports whether o computes what m does because its graph, functions and operator sets are the same, weights included.
func (m *Model) SameGraph(o *Model) bool {
	a := &onnxpb.ModelProto{Graph: m.pb.Graph, Functions: m.pb.Functions, OpsetImport: m.pb.OpsetImport}
	b := &onnxpb.ModelProto{Graph: o.pb.Graph, Functions: o.pb.Functions, OpsetImport: o.pb.OpsetImport}
	return proto.Equal(a, b)
}

// Graph returns the model's main graph.
func (m *Model) Graph() *Graph { return m.graph }

// Functions returns the model's own functions in the order of the file.
func (m *Model) Functions() []*Function { return m.functions }

// Function returns the function that n calls, or nil if n is an operator.
func (m *Model) Function(n *Node) *Function {
	return m.byID[funcID{normDomain(n.Domain), n.Name, n.Overload}]
}

func normDomain(d string) string {
	if d == "ai.onnx" {
		return ""
	}
	return d
}

// Graph is a read view of a graph: a model's main graph, the body of a function, or a graph that is an attribute of
// a node. The caller must not change what it holds.
type Graph struct {
	Name string
	// Inputs are the values that a caller must give, in order.
	Inputs []ValueInfo
	// Optional are the inputs with an initialiser of the same name, which is their default.
	Optional []ValueInfo
	Outputs  []ValueInfo
	// Values are the types that the file states for values inside the graph.
	Values []ValueInfo
	// Nodes are in topological order: that of the file, unless that is not one.
	Nodes []*Node

	model  *Model
	pb     *onnxpb.GraphProto
	dense  map[string]*onnxpb.TensorProto
	sparse map[string]*onnxpb.SparseTensorProto
	free   map[string]label // names used here and defined outside, each with what uses it
}

// Free returns the names of the outer values that a nested graph uses, in no particular order.
func (g *Graph) Free() []string {
	names := make([]string, 0, len(g.free))
	for n := range g.free {
		names = append(names, n)
	}
	return names
}

// Initializers returns the names of the graph's constants in the order of the file, the sparse ones last.
func (g *Graph) Initializers() []string {
	var names []string
	for _, t := range g.pb.GetInitializer() {
		names = append(names, t.GetName())
	}
	for _, t := range g.pb.GetSparseInitializer() {
		names = append(names, t.GetValues().GetName())
	}
	return names
}

// TensorBytes returns the memory of the main graph's constants.
func (m *Model) TensorBytes() int64 {
	sum := int64(0)
	for _, name := range m.graph.Initializers() {
		info, _ := m.graph.InitializerInfo(name)
		n := int64(info.DType.Size())
		for _, d := range info.Dims {
			n *= int64(d.Value)
		}
		sum += n
	}
	return sum
}

// Initializer returns a new tensor with the value of a constant of the graph, and false if there is none of that
// name. A sparse one is made dense.
func (g *Graph) Initializer(name string) (*graph.Tensor, bool, error) {
	return g.initializer(name, false)
}

// View is Initializer for a tensor that may share memory with the model, and must not be changed.
func (g *Graph) View(name string) (*graph.Tensor, bool, error) { return g.initializer(name, true) }

func (g *Graph) initializer(name string, shared bool) (*graph.Tensor, bool, error) {
	lazy := LazyTensor{model: g.model, dense: g.dense[name], sparse: g.sparse[name]}
	if lazy.dense == nil && lazy.sparse == nil {
		return nil, false, nil
	}
	t, err := lazy.load(shared)
	if err != nil {
		return nil, true, g.model.src.wrap(fmt.Errorf("initialiser %q: %w", name, err))
	}
	return t, true, nil
}

// InitializerInfo returns the type of a constant without reading its value, and false if there is none of that name.
func (g *Graph) InitializerInfo(name string) (ValueInfo, bool) {
	num, dims := g.dense[name].GetDataType(), g.dense[name].GetDims()
	if s := g.sparse[name]; s != nil {
		num, dims = s.GetValues().GetDataType(), s.GetDims()
	} else if g.dense[name] == nil {
		return ValueInfo{}, false
	}
	e := elemType(num)
	v := ValueInfo{Name: name, DType: e.dtype, Type: "tensor(" + e.name + ")", Dims: make([]Dim, len(dims)), HasShape: true}
	for i, d := range dims {
		v.Dims[i].Value = int(d)
	}
	return v, true
}

// SetInitializer replaces the value, type and shape of a constant. Its name, documentation and place in the file
// stay. A tensor of an external data file is written to an external data file again by [Model.Save].
func (g *Graph) SetInitializer(name string, t *graph.Tensor) error {
	pb := g.dense[name]
	if s := g.sparse[name]; s != nil {
		pb = s.GetValues()
		pb.Reset()
		pb.Name = &name
		g.pb.SparseInitializer = remove(g.pb.SparseInitializer, s)
		g.pb.Initializer = append(g.pb.Initializer, pb)
		delete(g.sparse, name)
		g.dense[name] = pb
	}
	if pb == nil {
		return g.model.src.wrap(fmt.Errorf("graph %q has no initialiser %q", g.Name, name))
	}
	if pb.GetDataLocation() == onnxpb.TensorProto_EXTERNAL {
		ext, err := externalOf(pb)
		if err != nil {
			return g.model.src.wrap(fmt.Errorf("initialiser %q: %w", name, err))
		}
		g.model.inlined[pb] = ext
	}
	return setTensor(pb, t)
}

func remove[T comparable](s []T, x T) []T {
	var out []T
	for _, v := range s {
		if v != x {
			out = append(out, v)
		}
	}
	return out
}

// ValueInfo is the name and the declared type of a value.
type ValueInfo struct {
	Name string
	// DType is graph.Invalid if the type is absent, no tensor, or of elements that package graph does not have.
	DType graph.DType
	// Type is the type as ONNX writes it: "tensor(float)", "seq(tensor(int64))", or "" if absent.
	Type string
	// Dims are the dimensions, if HasShape; without it the rank is unknown.
	Dims     []Dim
	HasShape bool
}

// Dim is a dimension: a number, a name that stands for one (Value is -1), or unknown (Value is -1, Param "").
type Dim struct {
	Value int
	Param string
}

// Known reports whether the dimension is a number.
func (d Dim) Known() bool { return d.Value >= 0 }

// String returns the number, the name, or "?".
func (d Dim) String() string {
	switch {
	case d.Known():
		return fmt.Sprint(d.Value)
	case d.Param != "":
		return d.Param
	}
	return "?"
}

// String returns a form such as `input: tensor(float)[N,3,H,W]`.
func (v ValueInfo) String() string {
	s := v.Name
	if v.Type != "" {
		s += ": " + v.Type
	}
	if v.HasShape {
		dims := make([]string, len(v.Dims))
		for i, d := range v.Dims {
			dims[i] = d.String()
		}
		s += "[" + strings.Join(dims, ",") + "]"
	}
	return s
}

func valueInfo(pb *onnxpb.ValueInfoProto) ValueInfo {
	v := typeInfo(pb.GetType())
	v.Name = pb.GetName()
	return v
}

func typeInfo(pb *onnxpb.TypeProto) ValueInfo {
	v := ValueInfo{Type: typeString(pb)}
	t := pb.GetTensorType()
	if t == nil {
		return v
	}
	v.DType = elemType(t.GetElemType()).dtype
	if t.Shape == nil {
		return v
	}
	v.HasShape = true
	v.Dims = make([]Dim, len(t.Shape.Dim))
	for i, d := range t.Shape.Dim {
		v.Dims[i] = Dim{-1, d.GetDimParam()}
		if _, ok := d.Value.(*onnxpb.TensorShapeProto_Dimension_DimValue); ok {
			// Some exporters write a negative number for an unknown dimension.
			if n := d.GetDimValue(); n >= 0 && int64(int(n)) == n {
				v.Dims[i].Value = int(n)
			}
		}
	}
	return v
}

func typeString(pb *onnxpb.TypeProto) string {
	switch {
	case pb.GetTensorType() != nil:
		return "tensor(" + elemType(pb.GetTensorType().GetElemType()).name + ")"
	case pb.GetSparseTensorType() != nil:
		return "sparse_tensor(" + elemType(pb.GetSparseTensorType().GetElemType()).name + ")"
	case pb.GetSequenceType() != nil:
		return "seq(" + typeString(pb.GetSequenceType().GetElemType()) + ")"
	case pb.GetOptionalType() != nil:
		return "optional(" + typeString(pb.GetOptionalType().GetElemType()) + ")"
	case pb.GetMapType() != nil:
		m := pb.GetMapType()
		return "map(" + elemType(m.GetKeyType()).name + "," + typeString(m.GetValueType()) + ")"
	case pb.GetOpaqueType() != nil:
		return "opaque(" + pb.GetOpaqueType().GetDomain() + "," + pb.GetOpaqueType().GetName() + ")"
	}
	return ""
}
