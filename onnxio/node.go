package onnxio

import (
	"fmt"
	"maps"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio/internal/onnxpb"
	"github.com/owulveryck/onnx-go"
)

// Node is one call of an operator or function. Its embedded Operation has the operator's name and the attributes,
// whose Go types are:
//
//	FLOAT, FLOATS            float32, []float32
//	INT, INTS                int64, []int64
//	STRING, STRINGS          string, []string
//	TENSOR, SPARSE_TENSOR    *LazyTensor
//	TENSORS, SPARSE_TENSORS  []*LazyTensor
//	GRAPH, GRAPHS            *Graph, []*Graph
//	TYPE_PROTO, TYPE_PROTOS  ValueInfo, []ValueInfo (without names)
//	a reference to an attribute of the function around it  AttrRef
//
// The caller must not change a Node.
type Node struct {
	onnx.Operation
	NodeName string
	Domain   string // "" for ONNX's own, also where the file says "ai.onnx"
	Version  int    // of the domain's operators; 0 if the model does not import the domain
	Overload string
	// Inputs and Outputs are value names; an empty one is an optional value left out.
	Inputs, Outputs []string
	// Subgraphs are the attributes that are graphs.
	Subgraphs map[string]*Graph
}

// AttrRef is the value of an attribute in the body of a function: that of the function's attribute of this name.
// [Function.Body] puts the values in place.
type AttrRef string

// Label returns what errors call the node, such as `node "conv_3" (Conv)`. A node without a name goes by its first
// output.
func (n *Node) Label() string {
	op := n.Name
	if n.Domain != "" {
		op = n.Domain + "." + op
	}
	if n.NodeName != "" {
		return fmt.Sprintf("node %q (%s)", n.NodeName, op)
	}
	for _, o := range n.Outputs {
		if o != "" {
			return fmt.Sprintf("node of %q (%s)", o, op)
		}
	}
	return fmt.Sprintf("node without outputs (%s)", op)
}

// Operator returns the name of the node's operator as Operators has it.
func (n *Node) Operator() string {
	if n.Domain == "" {
		return n.Name
	}
	return n.Domain + "." + n.Name
}

// Has reports whether the node has an attribute.
func (n *Node) Has(name string) bool { _, ok := n.Attributes[name]; return ok }

func attr[T any](n *Node, name string, def T, want string) (T, error) {
	switch v := n.Attributes[name].(type) {
	case nil:
		return def, nil
	case T:
		return v, nil
	case AttrRef:
		return def, fmt.Errorf("attribute %q refers to the attribute %q of a function, which is not bound", name, string(v))
	default:
		return def, fmt.Errorf("attribute %q is %s, not %s", name, attrKind(v), want)
	}
}

func attrKind(v any) string {
	switch v.(type) {
	case float32:
		return "a float"
	case int64:
		return "an int"
	case string:
		return "a string"
	case []float32:
		return "floats"
	case []int64:
		return "ints"
	case []string:
		return "strings"
	case *LazyTensor:
		return "a tensor"
	case *Graph:
		return "a graph"
	}
	return fmt.Sprintf("%T", v)
}

// Int returns an attribute, or def if the node does not have it. It is an error if the attribute has another type;
// the error does not name the node. This holds for the other typed accessors too.
func (n *Node) Int(name string, def int64) (int64, error) { return attr(n, name, def, "an int") }

// Ints returns a list, which the caller must not change.
func (n *Node) Ints(name string, def []int64) ([]int64, error) { return attr(n, name, def, "ints") }

// Float returns a number.
func (n *Node) Float(name string, def float32) (float32, error) {
	return attr(n, name, def, "a float")
}

// Floats returns a list, which the caller must not change.
func (n *Node) Floats(name string, def []float32) ([]float32, error) {
	return attr(n, name, def, "floats")
}

// String returns a string attribute; what describes the node is Label.
func (n *Node) String(name, def string) (string, error) { return attr(n, name, def, "a string") }

// Strings returns a list, which the caller must not change.
func (n *Node) Strings(name string, def []string) ([]string, error) {
	return attr(n, name, def, "strings")
}

// Tensor returns a new tensor, dense also if the attribute is sparse, or nil if the node does not have it.
func (n *Node) Tensor(name string) (*graph.Tensor, error) {
	l, err := attr[*LazyTensor](n, name, nil, "a tensor")
	if l == nil || err != nil {
		return nil, err
	}
	t, err := l.Load()
	if err != nil {
		return nil, fmt.Errorf("attribute %q: %w", name, err)
	}
	return t, nil
}

// Graph returns a nested graph. It is an error if the node does not have it.
func (n *Node) Graph(name string) (*Graph, error) {
	g, err := attr[*Graph](n, name, nil, "a graph")
	if g == nil && err == nil {
		err = fmt.Errorf("attribute %q is missing", name)
	}
	return g, err
}

// Function is a function that a model defines.
type Function struct {
	Domain, Name, Overload string
	Inputs, Outputs        []string
	// Attributes are the names of those without a default, Defaults the others.
	Attributes []string
	Defaults   map[string]any
	// Opsets are the versions of the operators in its body, by domain.
	Opsets map[string]int
	// Graph is the body with references to the function's attributes; see Body.
	Graph *Graph

	model *Model
	pb    *onnxpb.FunctionProto
}

type funcID struct{ domain, name, overload string }

func (id funcID) String() string {
	s := id.name
	if id.domain != "" {
		s = id.domain + "." + s
	}
	if id.overload != "" {
		s += ":" + id.overload
	}
	return fmt.Sprintf("function %q", s)
}

func (f *Function) id() funcID { return funcID{f.Domain, f.Name, f.Overload} }

// Body returns the function's body for one call, its attributes and defaults in the place of the references to
// them. A reference to an attribute that the call does not give and that has no default is left out, as ONNX says. Attributes
// that are graphs are not supported.
func (f *Function) Body(call *Node) (*Graph, error) {
	if len(call.Inputs) > len(f.Inputs) || len(call.Outputs) > len(f.Outputs) {
		return nil, fmt.Errorf("%v takes %d inputs and %d outputs, the call has %d and %d",
			f.id(), len(f.Inputs), len(f.Outputs), len(call.Inputs), len(call.Outputs))
	}
	bind := maps.Clone(f.Defaults)
	for name, value := range call.Attributes {
		if err := checkBound(value); err != nil {
			return nil, fmt.Errorf("%v: attribute %q: %w", f.id(), name, err)
		}
		bind[name] = value
	}
	v := viewer{model: f.model, opsets: f.Opsets, bind: bind}
	return v.body(f.pb)
}

// checkBound checks an attribute of a function: a graph that its body may use several times, and that may call functions
// itself, could make a small file expand without end.
func checkBound(value any) error {
	switch value.(type) {
	case *Graph, []*Graph:
		return fmt.Errorf("a function with a graph as an attribute is not supported")
	}
	return nil
}
