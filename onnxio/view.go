package onnxio

import (
	"container/heap"
	"fmt"
	"slices"

	"github.com/gansr/gansr/onnxio/internal/onnxpb"
	"github.com/owulveryck/onnx-go"
)

// viewer makes the read view of graphs that share operator sets, and checks them on the way.
type viewer struct {
	model  *Model
	opsets map[string]int
	bind   map[string]any // values for references to a function's attributes; nil leaves references as they are
}

// graph views a graph. Names that it uses and does not define are in its free names.
func (v *viewer) graph(pb *onnxpb.GraphProto) (*Graph, error) {
	g := &Graph{Name: pb.GetName(), model: v.model, pb: pb,
		dense: map[string]*onnxpb.TensorProto{}, sparse: map[string]*onnxpb.SparseTensorProto{}}
	sc := scope{}
	for _, t := range pb.GetInitializer() {
		if err := sc.define(t.GetName(), called("an initialiser"), outer); err != nil {
			return nil, err
		}
		g.dense[t.GetName()] = t
	}
	for _, t := range pb.GetSparseInitializer() {
		if err := sc.define(t.GetValues().GetName(), called("a sparse initialiser"), outer); err != nil {
			return nil, err
		}
		g.sparse[t.GetValues().GetName()] = t
	}
	defaults := map[string]bool{}
	for _, in := range pb.GetInput() {
		name := in.GetName()
		if (g.dense[name] != nil || g.sparse[name] != nil) && !defaults[name] {
			defaults[name] = true
			g.Optional = append(g.Optional, valueInfo(in))
			continue
		}
		if err := sc.define(name, called("a graph input"), outer); err != nil {
			return nil, err
		}
		g.Inputs = append(g.Inputs, valueInfo(in))
	}
	for _, out := range pb.GetOutput() {
		g.Outputs = append(g.Outputs, valueInfo(out))
	}
	for _, val := range pb.GetValueInfo() {
		g.Values = append(g.Values, valueInfo(val))
	}
	return g, v.nodes(g, pb.GetNode(), sc)
}

// body views the body of a function, which sees nothing of the values around its call.
func (v *viewer) body(pb *onnxpb.FunctionProto) (*Graph, error) {
	g := &Graph{Name: pb.GetName(), model: v.model}
	sc := scope{}
	for _, name := range pb.GetInput() {
		if err := sc.define(name, called("an input"), outer); err != nil {
			return nil, err
		}
		g.Inputs = append(g.Inputs, ValueInfo{Name: name})
	}
	for _, name := range pb.GetOutput() {
		g.Outputs = append(g.Outputs, ValueInfo{Name: name})
	}
	for _, val := range pb.GetValueInfo() {
		g.Values = append(g.Values, valueInfo(val))
	}
	if err := v.nodes(g, pb.GetNode(), sc); err != nil {
		return nil, err
	}
	return g, g.closed()
}

// closed checks that a graph uses no values from outside.
func (g *Graph) closed() error {
	if len(g.free) == 0 {
		return nil
	}
	names := g.Free()
	slices.Sort(names)
	return fmt.Errorf("%s %q, which nothing produces", g.free[names[0]](), names[0])
}

// scope says what defines each value of a graph.
type scope map[string]definition

type definition struct {
	by   label
	node int // index of the node, or outer
}

// label makes what errors call something: names may be long, and are few that errors need.
type label func() string

func called(s string) label { return func() string { return s } }

const outer = -1

func (s scope) define(name string, by label, node int) error {
	if old, dup := s[name]; dup {
		return fmt.Errorf("value %q is defined twice, by %s and by %s", name, old.by(), by())
	}
	s[name] = definition{by, node}
	return nil
}

// nodes fills in the nodes of g in topological order, and its free names.
func (v *viewer) nodes(g *Graph, pbs []*onnxpb.NodeProto, sc scope) error {
	g.Nodes = make([]*Node, len(pbs))
	for i, pb := range pbs {
		n, err := v.node(pb)
		if err != nil {
			return err
		}
		g.Nodes[i] = n
		for _, out := range n.Outputs {
			if out == "" {
				continue
			}
			if err := sc.define(out, n.Label, i); err != nil {
				return err
			}
		}
	}
	g.free = map[string]label{}
	before := make([][]int, len(g.Nodes)) // the nodes whose outputs each node uses
	use := func(name string, user label, i int) {
		d, ok := sc[name]
		if !ok && g.free[name] == nil {
			g.free[name] = user
		}
		if ok && d.node != outer {
			before[i] = append(before[i], d.node)
		}
	}
	for i, n := range g.Nodes {
		for _, in := range n.Inputs {
			if in != "" {
				use(in, func() string { return n.Label() + " uses" }, i)
			}
		}
		for _, sub := range n.graphs() {
			for name, user := range sub.free {
				use(name, user, i)
			}
		}
	}
	for _, out := range g.Outputs {
		if _, ok := sc[out.Name]; !ok && g.free[out.Name] == nil {
			g.free[out.Name] = func() string { return fmt.Sprintf("graph %q has the output", g.Name) }
		}
	}
	order, cyclic := topological(before)
	if cyclic >= 0 {
		return fmt.Errorf("%s depends on its own output: the graph has a cycle", g.Nodes[cyclic].Label())
	}
	sorted := make([]*Node, len(order))
	for i, j := range order {
		sorted[i] = g.Nodes[j]
	}
	g.Nodes = sorted
	return nil
}

// topological returns an order in which every node comes after those in its list, as near to the order of the
// indices as can be. If there is none it returns a node that lies on a cycle, and else -1.
func topological(before [][]int) (order []int, cyclic int) {
	after := make([][]int, len(before))
	missing := make([]int, len(before))
	var ready minHeap
	for i, deps := range before {
		missing[i] = len(deps)
		for _, d := range deps {
			after[d] = append(after[d], i)
		}
		if len(deps) == 0 {
			ready = append(ready, i)
		}
	}
	for len(ready) > 0 {
		i := heap.Pop(&ready).(int)
		order = append(order, i)
		for _, j := range after[i] {
			if missing[j]--; missing[j] == 0 {
				heap.Push(&ready, j)
			}
		}
	}
	if len(order) == len(before) {
		return order, -1
	}
	// Every node that is left waits for another one that is left, so walking back ends on a cycle.
	at := slices.IndexFunc(missing, func(n int) bool { return n > 0 })
	for seen := make([]bool, len(before)); !seen[at]; {
		seen[at] = true
		at = before[at][slices.IndexFunc(before[at], func(d int) bool { return missing[d] > 0 })]
	}
	return nil, at
}

type minHeap []int

func (h minHeap) Len() int           { return len(h) }
func (h minHeap) Less(i, j int) bool { return h[i] < h[j] }
func (h minHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *minHeap) Push(x any)        { *h = append(*h, x.(int)) }
func (h *minHeap) Pop() any {
	old := *h
	x := old[len(old)-1]
	*h = old[:len(old)-1]
	return x
}

// graphs returns every graph among the node's attributes, by name.
func (n *Node) graphs() []*Graph {
	var names []string
	for name, a := range n.Attributes {
		switch a.(type) {
		case *Graph, []*Graph:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var gs []*Graph
	for _, name := range names {
		if g, ok := n.Attributes[name].(*Graph); ok {
			gs = append(gs, g)
		} else {
			gs = append(gs, n.Attributes[name].([]*Graph)...)
		}
	}
	return gs
}

func (v *viewer) node(pb *onnxpb.NodeProto) (*Node, error) {
	n := &Node{
		Operation: onnx.Operation{Name: pb.GetOpType(), Attributes: make(map[string]any, len(pb.Attribute))},
		NodeName:  pb.GetName(),
		Domain:    normDomain(pb.GetDomain()),
		Overload:  pb.GetOverload(),
		Inputs:    pb.GetInput(),
		Outputs:   pb.GetOutput(),
	}
	var ok bool
	if n.Version, ok = v.opsets[n.Domain]; !ok {
		n.Version = v.model.opsets[n.Domain]
	}
	if n.Name == "" {
		return nil, fmt.Errorf("%s has no operator type", n.Label())
	}
	if n.Domain == "" && n.Version == 0 {
		return nil, fmt.Errorf(`%s: opset_import has no version for the domain "ai.onnx"`, n.Label())
	}
	for _, a := range pb.Attribute {
		val, err := v.attribute(a)
		if err != nil {
			return nil, fmt.Errorf("%s: attribute %q: %w", n.Label(), a.GetName(), err)
		}
		if val == nil {
			continue
		}
		if _, dup := n.Attributes[a.GetName()]; dup {
			return nil, fmt.Errorf("%s has two attributes %q", n.Label(), a.GetName())
		}
		n.Attributes[a.GetName()] = val
		if g, ok := val.(*Graph); ok {
			if n.Subgraphs == nil {
				n.Subgraphs = map[string]*Graph{}
			}
			n.Subgraphs[a.GetName()] = g
		}
	}
	return n, nil
}

// attribute returns an attribute's value as the documentation of Node says, or nil for a reference to an attribute
// that a call leaves out.
func (v *viewer) attribute(a *onnxpb.AttributeProto) (any, error) {
	if ref := a.GetRefAttrName(); ref != "" {
		if v.bind == nil {
			return AttrRef(ref), nil
		}
		return v.bind[ref], nil
	}
	switch attributeType(a) {
	case onnxpb.AttributeProto_FLOAT:
		return a.GetF(), nil
	case onnxpb.AttributeProto_INT:
		return a.GetI(), nil
	case onnxpb.AttributeProto_STRING:
		return string(a.GetS()), nil
	case onnxpb.AttributeProto_TENSOR:
		return &LazyTensor{model: v.model, dense: orEmpty(a.T)}, nil
	case onnxpb.AttributeProto_SPARSE_TENSOR:
		return &LazyTensor{model: v.model, sparse: orEmpty(a.SparseTensor)}, nil
	case onnxpb.AttributeProto_GRAPH:
		return v.graph(orEmpty(a.G))
	case onnxpb.AttributeProto_TYPE_PROTO:
		return typeInfo(a.Tp), nil
	case onnxpb.AttributeProto_FLOATS:
		return a.Floats, nil
	case onnxpb.AttributeProto_INTS:
		return a.Ints, nil
	case onnxpb.AttributeProto_STRINGS:
		return each(a.Strings, func(s []byte) (string, error) { return string(s), nil })
	case onnxpb.AttributeProto_TENSORS:
		return each(a.Tensors, func(t *onnxpb.TensorProto) (*LazyTensor, error) {
			return &LazyTensor{model: v.model, dense: t}, nil
		})
	case onnxpb.AttributeProto_SPARSE_TENSORS:
		return each(a.SparseTensors, func(t *onnxpb.SparseTensorProto) (*LazyTensor, error) {
			return &LazyTensor{model: v.model, sparse: t}, nil
		})
	case onnxpb.AttributeProto_GRAPHS:
		return each(a.Graphs, v.graph)
	case onnxpb.AttributeProto_TYPE_PROTOS:
		return each(a.TypeProtos, func(t *onnxpb.TypeProto) (ValueInfo, error) { return typeInfo(t), nil })
	}
	return nil, fmt.Errorf("unknown type")
}

func orEmpty[T any](p *T) *T {
	if p == nil {
		p = new(T)
	}
	return p
}

func each[S, T any](list []S, f func(S) (T, error)) ([]T, error) {
	out := make([]T, len(list))
	for i, x := range list {
		var err error
		if out[i], err = f(x); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// attributeType returns the type that the attribute states, or else the one of the value that it has: IR version 1
// has no type.
func attributeType(a *onnxpb.AttributeProto) onnxpb.AttributeProto_AttributeType {
	switch {
	case a.GetType() != onnxpb.AttributeProto_UNDEFINED:
		return a.GetType()
	case a.F != nil:
		return onnxpb.AttributeProto_FLOAT
	case a.I != nil:
		return onnxpb.AttributeProto_INT
	case a.S != nil:
		return onnxpb.AttributeProto_STRING
	case a.T != nil:
		return onnxpb.AttributeProto_TENSOR
	case a.G != nil:
		return onnxpb.AttributeProto_GRAPH
	case a.Floats != nil:
		return onnxpb.AttributeProto_FLOATS
	case a.Ints != nil:
		return onnxpb.AttributeProto_INTS
	case a.Strings != nil:
		return onnxpb.AttributeProto_STRINGS
	case a.Tensors != nil:
		return onnxpb.AttributeProto_TENSORS
	case a.Graphs != nil:
		return onnxpb.AttributeProto_GRAPHS
	}
	return onnxpb.AttributeProto_UNDEFINED
}
