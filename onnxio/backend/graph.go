package backend

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
	"github.com/owulveryck/onnx-go"
	"github.com/owulveryck/onnx-go/backend"
	gonum "gonum.org/v1/gonum/graph"
	"gonum.org/v1/gonum/graph/simple"
	"gorgonia.org/tensor"
)

// DefaultOpset is the version of ONNX's operators that a Graph assumes if it is not told: the newest in the tests of
// onnx-go.
const DefaultOpset = 10

// Graph receives one model from onnx-go's Model.UnmarshalBinary, and runs it any number of times. It must not be used
// by several goroutines at once. As a gonum graph it has an edge from each value to those it is computed from.
type Graph struct {
	*simple.WeightedDirectedGraph
	opset   int
	workers *graph.Workers

	nextID int64
	values map[string]*value
	calls  []*call
	err    error // the first mistake of a method that cannot return it

	// program is made by the first run, and again when what it holds for constant changes.
	program *onnxio.Program
	inputs  []*value
	outputs []*value
}

var _ backend.ComputationBackend = (*Graph)(nil)

// value is what nodes of one name stand for: onnx-go makes a second node of a name for an input that is also an output.
type value struct {
	name   string
	id     int64 // of its first node
	edges  []edge
	call   *call // that computes it
	used   bool
	tensor tensor.Tensor
	// initialised and fed tell constants from inputs: an input with an initialiser, and one set after decoding.
	initialised, fed bool
	exported         string // its name in the model that runs
}

type edge struct {
	weight float64
	to     *value
}

// call is an operation that was applied. Absent inputs and outputs are nil.
type call struct {
	onnx.Operation
	in, out []*value
}

// Option changes how a Graph computes.
type Option func(*Graph)

// Opset states the version of ONNX's operators that the model is written in, 7 to 28. onnx-go does not tell it;
// [onnxio.Model.Opset] does.
func Opset(version int) Option { return func(g *Graph) { g.opset = version } }

// Workers lets a Graph run on several threads. Without it, it runs on that of the caller.
func Workers(w *graph.Workers) Option { return func(g *Graph) { g.workers = w } }

// New returns an empty graph for onnx.NewModel.
func New(options ...Option) *Graph {
	g := &Graph{WeightedDirectedGraph: simple.NewWeightedDirectedGraph(0, 0), opset: DefaultOpset, values: map[string]*value{}}
	for _, o := range options {
		o(g)
	}
	return g
}

// NewNode returns a *Node. Identifiers count from 0, as onnx-go's SetInput wants it.
func (g *Graph) NewNode() gonum.Node {
	n := &Node{g: g, id: g.nextID, value: &value{}}
	g.nextID++
	return n
}

// SetWeightedEdge makes e.To the input with index e.Weight of the operation that computes e.From. One value may be
// several inputs, of which the gonum graph shows the last.
func (g *Graph) SetWeightedEdge(e gonum.WeightedEdge) {
	from, ok := e.From().(*Node)
	to, ok2 := e.To().(*Node)
	if !ok || !ok2 {
		g.fail("an edge from %T to %T is not one between nodes of this graph", e.From(), e.To())
		return
	}
	from.value.edges = append(from.value.edges, edge{e.Weight(), to.value})
	if from != to { // the node of absent values may be both; other cycles are found later
		g.WeightedDirectedGraph.SetWeightedEdge(e)
	}
}

func (g *Graph) fail(format string, args ...any) {
	if g.err == nil {
		g.err = fmt.Errorf("onnx: "+format, args...)
	}
}

// ApplyOperation makes the nodes the results of an operation on the nodes that their edges lead to. The error is an
// *onnx.ErrNotImplemented if package onnxio does not have the operator.
func (g *Graph) ApplyOperation(o onnx.Operation, nodes ...gonum.Node) error {
	if err := g.check(o); err != nil {
		return err
	}
	c := &call{Operation: o, out: make([]*value, len(nodes))}
	for i, n := range nodes {
		n, ok := n.(*Node)
		if !ok {
			return fmt.Errorf("onnx: %s: a %T is not a node of this graph", o.Name, n)
		}
		v := n.value
		edges := v.edges
		v.edges = nil
		if v.name == "" {
			continue
		}
		if v.call != nil || v.initialised || v.fed {
			return fmt.Errorf("onnx: %s: value %q is computed twice, or given and computed", o.Name, v.name)
		}
		v.call = c
		c.out[i] = v
		if c.in != nil || o.Name == "Constant" { // onnx-go gives an input to nodes without one
			continue
		}
		slices.SortStableFunc(edges, func(a, b edge) int { return cmp.Compare(a.weight, b.weight) })
		for _, e := range edges {
			in := e.to
			if in.name == "" {
				in = nil
			} else {
				in.used = true
			}
			c.in = append(c.in, in)
		}
	}
	g.calls = append(g.calls, c)
	g.program = nil
	return nil
}

// check asks onnxio whether it has an operator, with a model of it alone.
func (g *Graph) check(o onnx.Operation) error {
	b := onnxio.NewBuilder(o.Name, g.opset)
	b.Output("y", b.Node(o.Name, nil), graph.Float32)
	m, err := b.Model()
	if err != nil {
		return fmt.Errorf("onnx: %s: %w", o.Name, err)
	}
	if len(m.Unsupported()) > 0 {
		return &onnx.ErrNotImplemented{Operator: o.Name, Message: fmt.Sprintf("opset %d", g.opset)}
	}
	return nil
}

// Run computes all outputs of the model, and the values inside it whose types the file states, from the inputs that are
// set. Model.GetOutputTensors returns them; the tensors of one run are not changed by the next one.
func (g *Graph) Run() error { return g.RunContext(context.Background()) }

// RunContext is Run that ends with ctx's error when ctx is cancelled.
func (g *Graph) RunContext(ctx context.Context) error {
	if g.program == nil {
		if err := g.compile(); err != nil {
			return err
		}
	}
	feed := map[string]*graph.Tensor{}
	for _, v := range g.inputs {
		t, err := graph.FromGorgonia(v.tensor)
		if err != nil {
			return fmt.Errorf("onnx: input %q: %w", v.name, err)
		}
		feed[v.exported] = t
	}
	outs, err := g.program.Run(ctx, feed)
	if err != nil {
		return err
	}
	for _, v := range g.outputs {
		t, err := graph.ToGorgonia(outs[v.exported])
		if err != nil {
			return fmt.Errorf("onnx: output %q: %w", v.name, err)
		}
		v.tensor = t.(tensor.Tensor)
	}
	return nil
}

// compile writes the collected operations as a model of onnxio.
func (g *Graph) compile() error {
	if g.err != nil {
		return g.err
	}
	g.inputs, g.outputs = nil, nil
	for _, v := range g.values {
		v.exported = ""
	}
	firstOutput := g.nextID
	for _, c := range g.calls {
		for _, v := range c.out {
			if v != nil {
				firstOutput = min(firstOutput, v.id)
			}
		}
	}
	e := exporter{g, onnxio.NewBuilder("onnx-go", g.opset), firstOutput}
	for _, c := range g.calls {
		if err := e.call(c); err != nil {
			return err
		}
	}
	m, err := e.b.Model()
	if err != nil {
		return err
	}
	g.program, err = onnxio.NewProgram(m, g.workers)
	return err
}

type exporter struct {
	g           *Graph
	b           *onnxio.Builder
	firstOutput int64
}

// call writes an operation, and what it computes as outputs if the file declares that or nothing else uses it.
func (e exporter) call(c *call) error {
	in := make([]string, len(c.in))
	for i, v := range c.in {
		if v == nil {
			continue
		}
		if v.exported == "" {
			if err := e.leaf(v); err != nil {
				return err
			}
		}
		in[i] = v.exported
	}
	var attrs []onnxio.Attr
	for _, name := range slices.Sorted(maps.Keys(c.Attributes)) {
		a := c.Attributes[name]
		if t, ok := a.(tensor.Tensor); ok {
			var err error
			if a, err = graph.FromGorgonia(t); err != nil {
				return fmt.Errorf("onnx: %s: attribute %q: %w", c.Name, name, err)
			}
		}
		attrs = append(attrs, onnxio.Attr{Name: name, Value: a})
	}
	names := e.b.Nodes(c.Name, len(c.out), in, attrs...)
	for i, v := range c.out {
		if v == nil {
			continue
		}
		v.exported = names[i]
		if v.tensor != nil || !v.used {
			// Programs find the types of outputs themselves; a model has to declare something.
			e.b.Output(names[i], names[i], graph.Float32)
			e.g.outputs = append(e.g.outputs, v)
		}
	}
	return nil
}

// leaf writes a constant or an input.
func (e exporter) leaf(v *value) error {
	switch {
	case v.call != nil:
		return fmt.Errorf("onnx: value %q is used before it is computed by %s; nodes should be in topological order", v.name, v.call.Name)
	// onnx-go decodes inputs before outputs before other initialisers, and gives an input a tensor of zeros.
	case v.tensor == nil, !v.fed && !v.initialised && v.id < e.firstOutput:
		return fmt.Errorf("onnx: input %q is not set", v.name)
	}
	t, err := graph.FromGorgonia(v.tensor)
	if err != nil {
		return fmt.Errorf("onnx: value %q: %w", v.name, err)
	}
	v.exported = fmt.Sprintf("%s#%d", v.name, v.id) // not a name that the builder makes
	if !v.fed {
		e.b.Init(v.exported, t)
		return nil
	}
	dims := make([]any, len(t.Shape()))
	for i := range dims {
		dims[i] = ""
	}
	e.b.Input(v.exported, t.DType(), dims...)
	e.g.inputs = append(e.g.inputs, v)
	return nil
}
