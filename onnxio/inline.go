package onnxio

import (
	"fmt"
	"maps"
	"slices"

	"github.com/gansr/gansr/onnxio/internal/onnxpb"
	"google.golang.org/protobuf/proto"
)

// inline replaces the calls of a model's functions with their bodies and takes the functions out. The model has been checked:
// no function calls itself, and the calls expand to a bounded number of nodes.
func inline(pb *onnxpb.ModelProto) error {
	if len(pb.Functions) == 0 {
		return nil
	}
	l := &inliner{functions: map[funcID]*onnxpb.FunctionProto{}, opsets: map[string]int64{}}
	for _, f := range pb.Functions {
		l.functions[funcID{normDomain(f.GetDomain()), f.GetName(), f.GetOverload()}] = f
	}
	for _, o := range pb.OpsetImport {
		l.opsets[normDomain(o.GetDomain())] = o.GetVersion()
	}
	if err := l.graph(pb.Graph); err != nil {
		return err
	}
	pb.Functions = nil
	own := map[string]bool{}
	for id := range l.functions {
		own[id.domain] = true
	}
	pb.OpsetImport = slices.DeleteFunc(pb.OpsetImport, func(o *onnxpb.OperatorSetIdProto) bool {
		return own[normDomain(o.GetDomain())] && normDomain(o.GetDomain()) != ""
	})
	for _, domain := range slices.Sorted(maps.Keys(l.opsets)) {
		if !own[domain] && !slices.ContainsFunc(pb.OpsetImport, func(o *onnxpb.OperatorSetIdProto) bool { return normDomain(o.GetDomain()) == domain }) {
			pb.OpsetImport = append(pb.OpsetImport, &onnxpb.OperatorSetIdProto{Domain: ptr(domain), Version: ptr(l.opsets[domain])})
		}
	}
	return nil
}

type inliner struct {
	functions map[funcID]*onnxpb.FunctionProto
	opsets    map[string]int64
	calls     int
}

func (l *inliner) graph(g *onnxpb.GraphProto) error {
	nodes, err := l.nodes(g.Node)
	g.Node = nodes
	return err
}

func (l *inliner) nodes(list []*onnxpb.NodeProto) ([]*onnxpb.NodeProto, error) {
	var out []*onnxpb.NodeProto
	for _, n := range list {
		for _, a := range n.Attribute {
			for _, g := range slices.Concat([]*onnxpb.GraphProto{a.G}, a.Graphs) {
				if g != nil {
					if err := l.graph(g); err != nil {
						return nil, err
					}
				}
			}
		}
		f := l.functions[funcID{normDomain(n.GetDomain()), n.GetOpType(), n.GetOverload()}]
		if f == nil {
			out = append(out, n)
			continue
		}
		body, err := l.call(n, f)
		if err != nil {
			return nil, err
		}
		out = append(out, body...)
	}
	return out, nil
}

// call returns the nodes of a function's body for one call. Names in it that are not those of the call's inputs and outputs get a prefix.
func (l *inliner) call(n *onnxpb.NodeProto, f *onnxpb.FunctionProto) ([]*onnxpb.NodeProto, error) {
	for _, o := range f.OpsetImport {
		d := normDomain(o.GetDomain())
		if old, ok := l.opsets[d]; ok && old != o.GetVersion() {
			return nil, fmt.Errorf("function %q uses version %d of the operators of %q, and the model version %d", f.GetName(), o.GetVersion(), d, old)
		}
		l.opsets[d] = o.GetVersion()
	}
	prefix := fmt.Sprintf("%s_call%d/", f.GetName(), l.calls)
	l.calls++
	names := map[string]string{"": ""}
	for i, in := range f.Input {
		names[in] = ""
		if i < len(n.Input) {
			names[in] = n.Input[i]
		}
	}
	for i, o := range f.Output {
		if i < len(n.Output) && n.Output[i] != "" {
			names[o] = n.Output[i]
		}
	}
	attributes := map[string]*onnxpb.AttributeProto{}
	for _, a := range f.AttributeProto {
		attributes[a.GetName()] = a
	}
	for _, a := range n.Attribute {
		attributes[a.GetName()] = a
	}
	rename := func(name string) string {
		if to, ok := names[name]; ok {
			return to
		}
		names[name] = prefix + name
		return names[name]
	}
	var body []*onnxpb.NodeProto
	for _, inner := range f.Node {
		c, ok := proto.Clone(inner).(*onnxpb.NodeProto)
		if !ok {
			return nil, fmt.Errorf("function %q cannot be copied", f.GetName())
		}
		bindNode(c, rename, attributes)
		if c.GetName() != "" {
			c.Name = ptr(prefix + c.GetName())
		}
		body = append(body, c)
	}
	// An output that is an input passes through.
	for i, o := range f.Output {
		if i < len(n.Output) && n.Output[i] != "" && slices.Contains(f.Input, o) {
			at := slices.Index(f.Input, o)
			body = append(body, &onnxpb.NodeProto{OpType: ptr("Identity"), Input: []string{n.Input[at]}, Output: []string{n.Output[i]}})
		}
	}
	return l.nodes(body)
}

// bindNode renames the values of a node, those of graphs in it included, and gives attributes the values that they refer to.
func bindNode(n *onnxpb.NodeProto, rename func(string) string, attributes map[string]*onnxpb.AttributeProto) {
	for i := range n.Input {
		n.Input[i] = rename(n.Input[i])
	}
	for i := range n.Output {
		n.Output[i] = rename(n.Output[i])
	}
	var kept []*onnxpb.AttributeProto
	for _, a := range n.Attribute {
		if ref := a.GetRefAttrName(); ref != "" {
			bound := attributes[ref]
			if bound == nil {
				continue // left out, as ONNX says
			}
			c, ok := proto.Clone(bound).(*onnxpb.AttributeProto)
			if !ok {
				continue
			}
			c.Name = a.Name
			kept = append(kept, c)
			continue
		}
		for _, g := range slices.Concat([]*onnxpb.GraphProto{a.G}, a.Graphs) {
			bindGraph(g, rename, attributes)
		}
		kept = append(kept, a)
	}
	n.Attribute = kept
}

func bindGraph(g *onnxpb.GraphProto, rename func(string) string, attributes map[string]*onnxpb.AttributeProto) {
	for _, v := range slices.Concat(g.GetInput(), g.GetOutput(), g.GetValueInfo()) {
		v.Name = ptr(rename(v.GetName()))
	}
	for _, t := range g.GetInitializer() {
		t.Name = ptr(rename(t.GetName()))
	}
	for _, t := range g.GetSparseInitializer() {
		if t.Values != nil {
			t.Values.Name = ptr(rename(t.Values.GetName()))
		}
	}
	for _, n := range g.GetNode() {
		bindNode(n, rename, attributes)
	}
}
