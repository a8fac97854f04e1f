package onnxio

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/gansr/gansr/graph"
)

// translator makes a graph of a model for given input types. Where the shape of a result, an axis or the control flow
// depends on a value that is not constant, it computes that value from the inputs of the run and goes on with it as a
// constant: such values are pins, and the graph holds for runs in which they are the same.
type translator struct {
	model   *Model
	weights *weights
	b       *graph.Builder
	ctx     context.Context
	workers *graph.Workers
	inputs  []*graph.Value
	feed    []*graph.Tensor // values of inputs; nil when only types are known
	pins    []pin
	pinned  map[*graph.Value]*graph.Value
	// rounding keeps 16-bit floating-point values as they are, see Rounding.
	rounding bool
	// part is how the model takes part in training, or nil.
	part *part
	// held are sequences and optional values by their stand-ins, sequences their number.
	held      map[*graph.Value]sequence
	sequences int
	unrolled  int // nodes of loops so far
	// registry is the package's, which refers to methods of translator itself.
	registry map[string]entry
}

type pin struct {
	value *graph.Value
	is    *graph.Tensor
}

// env holds the values of a graph by name.
type env struct {
	parent *env
	graph  *Graph
	values map[string]*graph.Value
}

// errNeedsValues is wrapped by errors about a model whose shapes depend on the values of its inputs, when only
// their types are given.
var errNeedsValues = errors.New("the graph depends on values that are not known before it runs")

// main translates the model's main graph and returns its outputs and all values. Those of inputs are in the model's order, and those of
// weights take the place of its initialisers.
func (t *translator) main(inputs []*graph.Value, weights map[string]*graph.Value) ([]*graph.Value, *env, error) {
	g := t.model.graph
	s := &env{graph: g, values: map[string]*graph.Value{}}
	maps.Copy(s.values, weights)
	for i, info := range slices.Concat(g.Inputs, g.Optional) {
		v := inputs[i]
		if v.Type().DType.IsHalf() && !t.rounding {
			var err error
			if v, err = t.b.Apply1(graph.Cast{To: graph.Float32}, v); err != nil {
				return nil, nil, err
			}
		}
		s.values[info.Name] = v
	}
	outs, err := t.graph(s)
	if err != nil {
		return nil, nil, err
	}
	for i, o := range g.Outputs {
		if _, ok := t.held[outs[i]]; ok {
			return nil, nil, fmt.Errorf("output %v: sequences and optional values %w as outputs", o, ErrElementType)
		}
		if o.DType.IsHalf() && outs[i].Type().DType == graph.Float32 {
			if outs[i], err = t.b.Apply1(graph.Cast{To: o.DType}, outs[i]); err != nil {
				return nil, nil, err
			}
		}
	}
	return outs, s, nil
}

// graph translates g's nodes and returns its outputs.
func (t *translator) graph(s *env) ([]*graph.Value, error) {
	for _, n := range s.graph.Nodes {
		if err := t.ctx.Err(); err != nil {
			return nil, err
		}
		outs, err := t.node(s, n)
		if err != nil {
			return nil, err
		}
		for i, name := range n.Outputs {
			if name == "" {
				continue
			}
			if i >= len(outs) || outs[i] == nil {
				return nil, fmt.Errorf("%s: output %d (%q) is not supported", n.Label(), i, name)
			}
			s.values[name] = outs[i]
		}
	}
	outs := make([]*graph.Value, len(s.graph.Outputs))
	for i, o := range s.graph.Outputs {
		v, err := t.lookup(s, o.Name)
		if err != nil {
			return nil, err
		}
		outs[i] = v
	}
	return outs, nil
}

// lookup finds a value in s and the scopes around it.
func (t *translator) lookup(s *env, name string) (*graph.Value, error) {
	for ; s != nil; s = s.parent {
		v := s.values[name]
		if v == nil && s.graph != nil {
			w, err := t.weights.load(s.graph, name)
			if err != nil {
				return nil, err
			}
			if w != nil {
				v = t.constant(name, w)
				s.values[name] = v
			}
		}
		if v != nil {
			if p := t.pinned[v]; p != nil {
				return p, nil
			}
			return v, nil
		}
	}
	return nil, fmt.Errorf("value %q is not computed by any node", name)
}

func (t *translator) node(s *env, n *Node) ([]*graph.Value, error) {
	c := &call{Node: n, t: t, scope: s, in: make([]*graph.Value, len(n.Inputs))}
	for i, name := range n.Inputs {
		if name == "" {
			continue
		}
		v, err := t.lookup(s, name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.Label(), err)
		}
		c.in[i] = v
	}
	if f := t.model.Function(n); f != nil {
		return t.function(f, c)
	}
	e, ok := t.registry[n.Operator()]
	if !ok {
		return nil, fmt.Errorf("%s: %w", n.Label(), errUnknownOperator)
	}
	if v := c.opt(dataOperand[n.Operator()]); v != nil && !e.types.has(v.Type().DType) {
		return nil, fmt.Errorf("%s: elements of %v %w, only %v", n.Label(), v.Type().DType, ErrElementType, e.types)
	}
	t.b.At(n.Label())
	outs, err := c.translate(e.translate)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Label(), err)
	}
	return outs, nil
}

// function translates the body of a model's own function.
func (t *translator) function(f *Function, c *call) ([]*graph.Value, error) {
	body, err := f.Body(c.Node)
	if err != nil {
		return nil, err
	}
	s := &env{graph: body, values: map[string]*graph.Value{}}
	for i, name := range f.Inputs {
		if i < len(c.in) && c.in[i] != nil {
			s.values[name] = c.in[i]
		}
	}
	return t.graph(s)
}

// constant adds a constant, widened as Rounding says.
func (t *translator) constant(name string, w *graph.Tensor) *graph.Value {
	if w.DType().IsHalf() && !t.rounding {
		w = w.Converted(graph.Float32)
	}
	return t.b.Constant(name, w)
}

// pin returns the value that v has in this run, and treats it as constant from here on.
func (t *translator) pin(v *graph.Value) (*graph.Tensor, error) {
	if v.Known() != nil {
		return v.Known(), nil
	}
	if p := t.pinned[v]; p != nil {
		return p.Known(), nil
	}
	if t.feed == nil {
		return nil, errNeedsValues
	}
	s, err := graph.NewSession(t.inputs, []*graph.Value{v}, t.workers)
	if err != nil {
		return nil, err
	}
	out, err := s.Run(t.ctx, t.feed)
	if err != nil {
		return nil, err
	}
	t.pins = append(t.pins, pin{v, out[0]})
	t.pinned[v] = t.b.Constant(v.Name(), out[0])
	return out[0], nil
}

// call is one node being translated. Its methods end the translation with an error that the caller of translate
// gets, so that operators can be written without checks after each step.
type call struct {
	*Node
	t     *translator
	scope *env
	in    []*graph.Value // nil where an optional input is left out
}

// operator translates a node: it returns the values of the node's outputs, nil for those that it does not support.
type operator func(c *call) []*graph.Value

// failure carries an error from a call's method to translate.
type failure struct{ err error }

func (c *call) translate(op operator) (outs []*graph.Value, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case failure:
			err = r.err
		default:
			panic(r)
		}
	}()
	return op(c), nil
}

// failf ends the translation of this node.
func (c *call) failf(format string, args ...any) { panic(failure{fmt.Errorf(format, args...)}) }

func must[T any](v T, err error) T {
	if err != nil {
		panic(failure{err})
	}
	return v
}

func (c *call) has(i int) bool { return i < len(c.in) && c.in[i] != nil }

// value returns an input that must be present.
func (c *call) value(i int) *graph.Value {
	if !c.has(i) {
		c.failf("input %d is missing", i)
	}
	return c.in[i]
}

// opt returns an input, or nil if it is left out.
func (c *call) opt(i int) *graph.Value {
	if !c.has(i) {
		return nil
	}
	return c.in[i]
}

// present returns the inputs from i on that are not left out.
func (c *call) present(i int) []*graph.Value {
	var vs []*graph.Value
	for ; i < len(c.in); i++ {
		if c.in[i] != nil {
			vs = append(vs, c.in[i])
		}
	}
	return vs
}

func (c *call) shape(i int) []int { return c.value(i).Type().Shape }
func (c *call) rank(i int) int    { return len(c.shape(i)) }

// tensor returns the value of an input that shapes, axes or control flow depend on.
func (c *call) tensor(i int) *graph.Tensor { return must(c.t.pin(c.value(i))) }

// constInts returns such an input as ints.
func (c *call) constInts(i int) []int {
	t := c.tensor(i)
	switch d := t.Data().(type) {
	case []int64:
		return toInts(d)
	case []int32:
		return toInts(d)
	}
	c.failf("input %d should be int64, not %v", i, t.Type())
	return nil
}

// constInt returns such an input of one element.
func (c *call) constInt(i int) int {
	v := c.constInts(i)
	if len(v) != 1 {
		c.failf("input %d should have one element, not %d", i, len(v))
	}
	return v[0]
}

// constFloats returns such an input as float64.
func (c *call) constFloats(i int) []float64 {
	t := c.tensor(i)
	f := must(graph.Floats(t))
	return f
}

// constFloat returns such an input of one element.
func (c *call) constFloat(i int) float64 {
	v := c.constFloats(i)
	if len(v) != 1 {
		c.failf("input %d should have one element, not %d", i, len(v))
	}
	return v[0]
}

func toInts[T int32 | int64](d []T) []int {
	r := make([]int, len(d))
	for i, v := range d {
		r[i] = int(v)
	}
	return r
}

func (c *call) int(name string, def int) int           { return int(must(c.Int(name, int64(def)))) }
func (c *call) bool(name string, def int) bool         { return c.int(name, def) != 0 }
func (c *call) float(name string, def float32) float32 { return must(c.Float(name, def)) }
func (c *call) str(name, def string) string            { return must(c.String(name, def)) }

// ints returns an attribute, or def if the node does not have it.
func (c *call) ints(name string, def []int) []int {
	if !c.Has(name) {
		return def
	}
	return toInts(must(c.Ints(name, nil)))
}

// intsOr returns what used to be an attribute and is input i from an opset on; nil if it is in neither place.
func (c *call) intsOr(i int, name string) []int {
	if c.has(i) {
		return c.constInts(i)
	}
	return c.ints(name, nil)
}

// axis makes a negative axis of a value with the given rank positive.
func (c *call) axis(a, rank int) int {
	if a < -rank || a >= rank {
		c.failf("axis %d is outside of %d dimensions", a, rank)
	}
	if a < 0 {
		a += rank
	}
	return a
}

// axes does so for a list, sorts it, and refuses duplicates.
func (c *call) axes(as []int, rank int) []int {
	r := make([]int, len(as))
	for i, a := range as {
		r[i] = c.axis(a, rank)
	}
	slices.Sort(r)
	if len(slices.Compact(slices.Clone(r))) != len(r) {
		c.failf("axes %v name one axis twice", as)
	}
	return r
}

// apply adds an operator and returns its first result.
func (c *call) apply(op graph.Operator, in ...*graph.Value) *graph.Value {
	return c.applyAll(op, in...)[0]
}

// applyAll adds an operator and returns its results.
func (c *call) applyAll(op graph.Operator, in ...*graph.Value) []*graph.Value {
	return must(c.t.b.Apply(op, in...))
}

// constant adds a constant tensor.
func (c *call) constant(t *graph.Tensor) *graph.Value { return c.t.constant(c.Name, t) }

// scalar adds a 0-d constant of type dt.
func (c *call) scalar(dt graph.DType, v float64) *graph.Value {
	return c.apply(graph.Cast{To: dt}, c.constant(graph.Scalar(v)))
}

// reshape adds a Reshape unless v has that shape.
func (c *call) reshape(v *graph.Value, shape ...int) *graph.Value {
	if slices.Equal(v.Type().Shape, shape) {
		return v
	}
	return c.apply(graph.Reshape{Shape: shape}, v)
}

// one is the result of an operator with one output.
func one(v *graph.Value) []*graph.Value { return []*graph.Value{v} }
