package onnxio

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/gansr/gansr/graph"
)

// MinWritten is the oldest version of ONNX's operators that ConvertedOpset writes.
const MinWritten = 11

// MaxOpset is the newest version of ONNX's operators whose meaning is known here. A newer file is tried, see Model.Warnings.
const MaxOpset = 28

// minOpset is the oldest version that is supported.
const minOpset = 7

var (
	errUnknownOperator = errors.New("operator is not supported")

	// ErrElementType is wrapped by errors about element types that package graph does not have: strings, complex numbers, types
	// narrower than a byte, sequences.
	ErrElementType = errors.New("are not supported")

	// ErrTraining is wrapped by errors about nodes in training mode, which changes their meaning.
	ErrTraining = errors.New("training mode is not supported")
)

// UnsupportedError lists everything in a model that this package cannot run.
type UnsupportedError struct {
	File  string
	Items []string // such as `Warp (domain "com.acme", opset 1) in node "warp_1" (com.acme.Warp)`
}

func (e *UnsupportedError) Error() string {
	s := "onnx: "
	if e.File != "" {
		s += e.File + ": "
	}
	return s + "unsupported operators: " + strings.Join(e.Items, "; ")
}

// Program runs a model. Graphs are compiled for the types of the inputs when they are first seen, and kept.
// It may be used by several goroutines at once.
type Program struct {
	model    *Model
	workers  *graph.Workers
	weights  *weights
	packed   *graph.Weights // for all sessions
	limit    int64
	rounding bool

	mu    sync.Mutex
	plans []*plan // the most recently used first
}

// maxPlans bounds the compiled graphs that a Program keeps.
const maxPlans = 8

// plan is a model compiled for some input types and, if there are pins, values.
type plan struct {
	types   []graph.Type
	session *graph.Session
	pins    []pin
	check   *graph.Session // computes the values that pins must have
}

// Option changes how a Program computes.
type Option func(*Program)

// Rounding rounds every result of type float16 and bfloat16 to that type, as ONNX defines its operators. Without it such
// networks are computed in float32 from end to end, their inputs and constants widened and only their outputs rounded: it is what ONNX
// Runtime does on a CPU, faster, and closer to the network as it was trained.
func Rounding() Option { return func(p *Program) { p.rounding = true } }

// MaxMemory bounds what a run takes beside the model, its inputs and its outputs: see [graph.MaxMemory].
func MaxMemory(bytes int64) Option { return func(p *Program) { p.limit = bytes } }

// Packed shares packed weights with other programs that have the same parameters, and says with [graph.NewDirectWeights] how
// convolutions are computed.
func Packed(w *graph.Weights) Option { return func(p *Program) { p.packed = w } }

// NewProgram checks that all operators of the model are known and returns a Program that runs on the given
// workers; nil means the calling goroutine alone. The error is an *UnsupportedError if some are not.
func NewProgram(m *Model, workers *graph.Workers, options ...Option) (*Program, error) {
	if bad := m.Unsupported(); len(bad) > 0 {
		return nil, &UnsupportedError{m.src.file, bad}
	}
	p := &Program{model: m, workers: workers, weights: &weights{m: map[weightKey]*graph.Tensor{}}, packed: graph.NewWeights()}
	for _, o := range options {
		o(p)
	}
	return p, nil
}

// Warnings says what in the model may not be understood as it was meant: operators of a version that is newer or older
// than those whose meaning is known, and batch normalisation as in training.
func (m *Model) Warnings() []string {
	var list []string
	switch v := m.Opset(""); {
	case v > MaxOpset:
		list = append(list, fmt.Sprintf("the model uses opset %d; the newest one whose meaning is known is %d", v, MaxOpset))
	case v != 0 && v < minOpset:
		list = append(list, fmt.Sprintf("the model uses opset %d; the oldest one that is supported is %d", v, minOpset))
	}
	for _, n := range m.graph.Nodes {
		if mode, err := n.Int("training_mode", 0); n.Operator() == "BatchNormalization" && err == nil && mode != 0 {
			return append(list, n.Label()+" is in training mode: each image is normalised by its own statistics; export the model in evaluation mode")
		}
	}
	return list
}

// Unsupported lists the operators that the package cannot run, with the nodes that use them, those of nested graphs and called
// functions included, and why for those of ONNX's own.
func (m *Model) Unsupported() []string {
	type use struct {
		operator, reason string
		nodes            []string
	}
	var uses []*use
	seen := map[*Function]bool{}
	var walk func(g *Graph)
	walk = func(g *Graph) {
		for _, n := range g.Nodes {
			for _, name := range slices.Sorted(maps.Keys(n.Subgraphs)) {
				walk(n.Subgraphs[name])
			}
			if f := m.Function(n); f != nil {
				if !seen[f] {
					seen[f] = true
					walk(f.Graph)
				}
				continue
			}
			if _, ok := registry[n.Operator()]; ok {
				continue
			}
			domain := n.Domain
			if domain == "" {
				domain = "ai.onnx"
			}
			op := fmt.Sprintf("%s (domain %q, opset %d)", n.Name, domain, n.Version)
			i := slices.IndexFunc(uses, func(u *use) bool { return u.operator == op })
			if i < 0 {
				i = len(uses)
				uses = append(uses, &use{operator: op, reason: cmp.Or(refused[n.Operator()], refusedDomains[n.Domain])})
			}
			uses[i].nodes = append(uses[i].nodes, n.Label())
		}
	}
	walk(m.graph)
	const named = 3
	bad := make([]string, len(uses))
	for i, u := range uses {
		bad[i] = u.operator + " in " + strings.Join(u.nodes[:min(len(u.nodes), named)], ", ")
		if more := len(u.nodes) - named; more > 0 {
			bad[i] += fmt.Sprintf(" and %d more", more)
		}
		if u.reason != "" {
			bad[i] += ": " + u.reason
		}
	}
	return bad
}

// Model returns the model.
func (p *Program) Model() *Model { return p.model }

// Run computes the model's outputs by name. It is an error if an input is missing, unknown or does not fit its declared type.
func (p *Program) Run(ctx context.Context, inputs map[string]*graph.Tensor) (map[string]*graph.Tensor, error) {
	feed, types, err := p.feed(inputs)
	if err != nil {
		return nil, p.model.src.wrap(err)
	}
	pl, err := p.plan(ctx, feed, types)
	if err != nil {
		return nil, p.model.src.wrap(err)
	}
	outs, err := pl.session.Run(ctx, feed)
	if err != nil {
		return nil, p.model.src.wrap(err)
	}
	named := map[string]*graph.Tensor{}
	for i, o := range p.model.graph.Outputs {
		named[o.Name] = outs[i]
	}
	return named, nil
}

// feed brings the inputs into the model's order. Optional inputs that are not given have their default.
func (p *Program) feed(inputs map[string]*graph.Tensor) ([]*graph.Tensor, []graph.Type, error) {
	var feed []*graph.Tensor
	used := 0
	for i, info := range slices.Concat(p.model.graph.Inputs, p.model.graph.Optional) {
		t := inputs[info.Name]
		if t == nil && i >= len(p.model.graph.Inputs) {
			w, err := p.weights.load(p.model.graph, info.Name)
			if err != nil {
				return nil, nil, err
			}
			t = w
		} else if t == nil {
			return nil, nil, fmt.Errorf("input %v is not given", info)
		} else {
			used++
			if err := info.check(t.Type()); err != nil {
				return nil, nil, err
			}
		}
		feed = append(feed, t)
	}
	if used < len(inputs) {
		for name := range inputs {
			if !slices.ContainsFunc(slices.Concat(p.model.graph.Inputs, p.model.graph.Optional), func(v ValueInfo) bool { return v.Name == name }) {
				return nil, nil, fmt.Errorf("the model has no input %q; its inputs are %v", name, p.model.graph.Inputs)
			}
		}
	}
	types := make([]graph.Type, len(feed))
	for i, t := range feed {
		types[i] = t.Type()
	}
	return feed, types, nil
}

// check returns an error if a tensor of type t does not fit the declaration.
func (v ValueInfo) check(t graph.Type) error {
	fits := v.DType == graph.Invalid || v.DType == t.DType
	if v.HasShape {
		fits = fits && len(v.Dims) == t.Rank()
		for i := 0; fits && i < len(v.Dims); i++ {
			fits = !v.Dims[i].Known() || v.Dims[i].Value == t.Shape[i]
		}
	}
	if !fits {
		return fmt.Errorf("input %v: %v does not fit", v, t)
	}
	return nil
}

// plan finds or makes the plan for these inputs.
func (p *Program) plan(ctx context.Context, feed []*graph.Tensor, types []graph.Type) (*plan, error) {
	p.mu.Lock()
	plans := slices.Clone(p.plans)
	p.mu.Unlock()
	var found *plan
	for _, pl := range plans {
		if !slices.EqualFunc(pl.types, types, graph.Type.Equal) {
			continue
		}
		ok, err := pl.holds(ctx, feed)
		if err != nil {
			return nil, err
		}
		if ok {
			found = pl
			break
		}
	}
	if found == nil {
		tr, outs, err := p.translate(ctx, types, feed)
		if err != nil {
			return nil, err
		}
		found = &plan{types: types, pins: tr.pins}
		if found.session, err = p.session(tr.inputs, outs); err != nil {
			return nil, err
		}
		if len(tr.pins) > 0 {
			vs := make([]*graph.Value, len(tr.pins))
			for i, pin := range tr.pins {
				vs[i] = pin.value
			}
			if found.check, err = p.session(tr.inputs, vs); err != nil {
				return nil, err
			}
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.plans = slices.DeleteFunc(p.plans, func(pl *plan) bool { return pl == found })
	p.plans = slices.Insert(p.plans, 0, found)
	p.plans = p.plans[:min(len(p.plans), maxPlans)]
	return found, nil
}

// holds reports whether the pins have the values that the plan was made for. Pins that cannot be computed have not: what they
// are computed from may have been made for other values of pins before them.
func (pl *plan) holds(ctx context.Context, feed []*graph.Tensor) (bool, error) {
	if pl.check == nil {
		return true, nil
	}
	got, err := pl.check.Run(ctx, feed)
	if err != nil {
		return false, ctx.Err()
	}
	for i, pin := range pl.pins {
		if !graph.Equal(got[i], pin.is) {
			return false, nil
		}
	}
	return true, nil
}

// Translation is a model as a graph for given input types.
type Translation struct {
	Builder         *graph.Builder
	Inputs, Outputs []*graph.Value // in the model's order; Inputs includes the optional ones
}

// Translate makes the graph for inputs of the given types, without running anything. It is an error if shapes depend on the
// values of inputs.
func (p *Program) Translate(ctx context.Context, inputs map[string]graph.Type) (*Translation, error) {
	var types []graph.Type
	for _, info := range slices.Concat(p.model.graph.Inputs, p.model.graph.Optional) {
		t, ok := inputs[info.Name]
		if !ok {
			return nil, p.model.src.wrap(fmt.Errorf("the type of input %v is not given", info))
		}
		if err := info.check(t); err != nil {
			return nil, p.model.src.wrap(err)
		}
		types = append(types, t)
	}
	tr, outs, err := p.translate(ctx, types, nil)
	if err != nil {
		return nil, p.model.src.wrap(err)
	}
	return &Translation{tr.b, tr.inputs, outs}, nil
}

// Session compiles some or all of a translation's outputs. Sessions of a program share their packed weights, and
// have its bound on memory unless an option says otherwise.
func (p *Program) Session(t *Translation, outputs []*graph.Value, options ...graph.SessionOption) (*graph.Session, error) {
	s, err := p.session(t.Inputs, outputs, options...)
	if err != nil {
		return nil, p.model.src.wrap(err)
	}
	return s, nil
}

func (p *Program) session(inputs, outputs []*graph.Value, options ...graph.SessionOption) (*graph.Session, error) {
	return graph.NewSession(inputs, outputs, p.workers, append([]graph.SessionOption{graph.MaxMemory(p.limit), graph.ShareWeights(p.packed)}, options...)...)
}

func (p *Program) translate(ctx context.Context, types []graph.Type, feed []*graph.Tensor) (*translator, []*graph.Value, error) {
	g := p.model.graph
	t := p.translator(ctx, graph.NewBuilder(g.Name))
	t.feed = feed
	for i, info := range slices.Concat(g.Inputs, g.Optional) {
		v, err := t.b.Input(info.Name, types[i])
		if err != nil {
			return nil, nil, err
		}
		t.inputs = append(t.inputs, v)
	}
	outs, _, err := t.main(t.inputs, nil)
	return t, outs, err
}

func (p *Program) translator(ctx context.Context, b *graph.Builder) *translator {
	return &translator{model: p.model, weights: p.weights, b: b, ctx: ctx, workers: p.workers, pinned: map[*graph.Value]*graph.Value{}, registry: registry, rounding: p.rounding}
}

// weights keeps the constants that have been read, for all graphs of a Program.
type weights struct {
	mu sync.Mutex
	m  map[weightKey]*graph.Tensor
}

type weightKey struct {
	g    *Graph
	name string
}

// load returns the value of a constant, or nil if the graph has none of that name.
func (w *weights) load(g *Graph, name string) (*graph.Tensor, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k := weightKey{g, name}
	if t := w.m[k]; t != nil {
		return t, nil
	}
	t, ok, err := g.initializer(name, true)
	if err != nil || !ok {
		return nil, err
	}
	w.m[k] = t
	return t, nil
}
