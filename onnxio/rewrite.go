package onnxio

import (
	"context"
	"fmt"
	"slices"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio/internal/onnxpb"
)

// WithoutMetadata returns the model without an entry of its metadata_props. The two share everything else, so that neither may be changed
// while the other is in use.
func (m *Model) WithoutMetadata(key string) *Model {
	pb := without(m.pb, modelMetadata)
	for _, e := range m.pb.MetadataProps {
		if e.GetKey() != key {
			pb.MetadataProps = append(pb.MetadataProps, e)
		}
	}
	c := *m
	c.pb = pb
	return &c
}

// Simplified returns a new model that computes the same with fewer nodes. Its functions are replaced with their bodies; what is
// computed from constants alone is a constant, but for what is computed from floating-point initialisers, which may be parameters of the network; nodes,
// constants and types of values that no output needs are left out. External data becomes part of the file. Values, nodes and
// initialisers that stay keep their names.
func (m *Model) Simplified(ctx context.Context) (*Model, error) {
	s, err := m.simplified(ctx)
	if err != nil {
		return nil, m.src.wrap(err)
	}
	return s, nil
}

func (m *Model) simplified(ctx context.Context) (*Model, error) {
	pb, err := copyOf(m.pb)
	if err != nil {
		return nil, err
	}
	if err := embedExternal(pb, m.src); err != nil {
		return nil, err
	}
	if err := inline(pb); err != nil {
		return nil, err
	}
	c, err := newModel(pb, source{file: m.src.file})
	if err != nil {
		return nil, err
	}
	if err := c.fold(ctx); err != nil {
		return nil, err
	}
	bypass(pb.Graph)
	prune(pb.Graph)
	return newModel(pb, source{file: m.src.file})
}

// embedExternal reads external data into the model.
func embedExternal(pb *onnxpb.ModelProto, src source) error {
	return walkTensors(pb.ProtoReflect(), func(t *onnxpb.TensorProto) error {
		if t.GetDataLocation() != onnxpb.TensorProto_EXTERNAL {
			return nil
		}
		raw, err := readExternal(t, src)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", t.GetName(), err)
		}
		t.RawData, t.ExternalData, t.DataLocation = raw, nil, nil
		return nil
	})
}

// maxFolded is how many bytes a constant may have that takes more room than what it is computed from.
const maxFolded = 1 << 16

// fold replaces nodes of the main graph whose results are constant with initialisers of the results' names.
func (m *Model) fold(ctx context.Context) error {
	p, err := NewProgram(m, nil, Rounding())
	if err != nil {
		return nil // with operators that are not known, the model stays as it is
	}
	g := m.graph
	t := p.translator(ctx, graph.NewBuilder(g.Name))
	s := &env{graph: g, values: map[string]*graph.Value{}}
	constant := map[string]int{} // bytes of constants that may be computed with
	outputs := map[string]bool{}
	for _, o := range g.Outputs {
		outputs[o.Name] = true
	}
	optional := map[string]bool{}
	for _, o := range g.Optional {
		optional[o.Name] = true
	}
	for _, name := range g.Initializers() {
		info, _ := g.InitializerInfo(name)
		n := info.DType.Size()
		for _, d := range info.Dims {
			n *= d.Value
		}
		if !optional[name] && info.DType != graph.Invalid && (!info.DType.IsFloat() || n <= info.DType.Size()) {
			constant[name] = n
		}
	}
	folded := map[string]*onnxpb.TensorProto{}
	for _, n := range g.Nodes {
		if err := ctx.Err(); err != nil {
			return err
		}
		from := 0
		known := len(n.Subgraphs) == 0 && m.Function(n) == nil && n.Domain == "" && !slices.ContainsFunc(n.Outputs, func(o string) bool { return outputs[o] })
		for _, in := range n.Inputs {
			size, ok := constant[in]
			known = known && (ok || in == "")
			from += size
		}
		if !known {
			continue
		}
		outs, err := t.node(s, n)
		if err != nil {
			continue // what it does when it runs is its own affair
		}
		results := make([]*onnxpb.TensorProto, len(n.Outputs))
		fits := true
		for i, name := range n.Outputs {
			if name == "" {
				continue
			}
			if fits = i < len(outs) && outs[i] != nil && outs[i].Known() != nil; !fits {
				break
			}
			x := outs[i].Known()
			size := x.Len() * x.DType().Size()
			if fits = n.Name == "Constant" || size <= max(from, maxFolded); !fits {
				break
			}
			results[i] = &onnxpb.TensorProto{Name: ptr(name)}
			if err := setTensor(results[i], x); err != nil {
				fits = false
				break
			}
		}
		if !fits {
			continue
		}
		for i, name := range n.Outputs {
			if results[i] != nil {
				folded[name], s.values[name], constant[name] = results[i], outs[i], len(results[i].RawData)
			}
		}
	}
	kept := m.pb.Graph.Node[:0]
	for _, n := range m.pb.Graph.Node {
		if gone := slices.ContainsFunc(n.Output, func(o string) bool { return folded[o] != nil }); !gone {
			kept = append(kept, n)
			continue
		}
		for _, o := range n.Output {
			if folded[o] != nil {
				m.pb.Graph.Initializer = append(m.pb.Graph.Initializer, folded[o])
			}
		}
	}
	m.pb.Graph.Node = kept
	return nil
}

// bypass gives those that use the result of a ScatterND its data, where there are no updates: PyTorch writes such nodes, and OpenVINO takes their
// empty constant for a number.
func bypass(g *onnxpb.GraphProto) {
	empty := map[string]bool{}
	for _, t := range g.Initializer {
		empty[t.GetName()] = slices.Contains(t.GetDims(), 0)
	}
	for _, in := range g.Input {
		delete(empty, in.GetName())
	}
	used := map[string]bool{} // where names cannot be changed
	for _, o := range g.Output {
		used[o.GetName()] = true
	}
	for _, n := range g.Node {
		for _, name := range usedBy(n)[len(n.Input):] {
			used[name] = true
		}
	}
	instead := map[string]string{}
	for _, n := range g.Node {
		for i, name := range n.Input {
			if to, ok := instead[name]; ok {
				n.Input[i] = to
			}
		}
		if n.GetOpType() == "ScatterND" && normDomain(n.GetDomain()) == "" && len(n.Input) == 3 && empty[n.Input[2]] && len(n.Output) == 1 && !used[n.Output[0]] {
			instead[n.Output[0]] = n.Input[0]
		}
	}
}

// prune leaves out what no output of a graph needs.
func prune(g *onnxpb.GraphProto) {
	by := map[string]*onnxpb.NodeProto{}
	for _, n := range g.Node {
		for _, o := range n.Output {
			by[o] = n
		}
	}
	needed, keep := map[string]bool{}, map[*onnxpb.NodeProto]bool{}
	var todo []string
	for _, o := range g.Output {
		todo = append(todo, o.GetName())
	}
	for len(todo) > 0 {
		name := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if name == "" || needed[name] {
			continue
		}
		needed[name] = true
		n := by[name]
		if n == nil || keep[n] {
			continue
		}
		keep[n] = true
		todo = append(todo, usedBy(n)...)
	}
	g.Node = slices.DeleteFunc(g.Node, func(n *onnxpb.NodeProto) bool { return !keep[n] })
	inputs := map[string]bool{}
	for _, in := range g.Input {
		inputs[in.GetName()] = true
	}
	g.Initializer = slices.DeleteFunc(g.Initializer, func(t *onnxpb.TensorProto) bool { return !needed[t.GetName()] && !inputs[t.GetName()] })
	constants := map[string]bool{}
	for _, t := range g.Initializer {
		constants[t.GetName()] = true
	}
	g.ValueInfo = slices.DeleteFunc(g.ValueInfo, func(v *onnxpb.ValueInfoProto) bool { return !needed[v.GetName()] || constants[v.GetName()] })
}

// usedBy lists the values that a node may use, those of graphs in it included.
func usedBy(n *onnxpb.NodeProto) []string {
	names := slices.Clone(n.Input)
	for _, a := range n.Attribute {
		for _, g := range slices.Concat([]*onnxpb.GraphProto{a.G}, a.Graphs) {
			for _, inner := range g.GetNode() {
				names = append(names, usedBy(inner)...)
			}
			for _, o := range g.GetOutput() {
				names = append(names, o.GetName())
			}
		}
	}
	return names
}
