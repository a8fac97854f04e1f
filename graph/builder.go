package graph

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorgonia.org/gorgonia"
)

// Value is an operand or result: an input, a constant, or what an operator computes.
type Value struct {
	typ   Type
	known *Tensor        // a constant's value
	node  *gorgonia.Node // nil for a constant that no node uses yet
	from  *call          // nil for inputs and constants
	index int            // among from's results
	id    int
	name  string
}

// Type returns the element type and shape.
func (v *Value) Type() Type { return v.typ }

// Known returns the value of a constant, and nil if it is only known when the graph runs.
func (v *Value) Known() *Tensor { return v.known }

// Name returns the name of an input or constant, empty for results.
func (v *Value) Name() string { return v.name }

// Builder makes an ExprGraph of this package's operators. Results that depend on constants alone are computed at
// once and become constants, unless they are very large; equal calls with equal operands are made once.
type Builder struct {
	g       *gorgonia.ExprGraph
	prefix  string
	ids     int
	shared  map[string]*call
	scalars map[string]*Value
	place   string // of the calls that are made now
	folded  int    // bytes of the constants that were computed
}

// NewBuilder returns an empty graph. The prefix names the network (such as "generator") in the names of its
// nodes, so that several networks can be joined in one graph.
func NewBuilder(prefix string) *Builder {
	return &Builder{g: gorgonia.NewGraph(gorgonia.WithGraphName(prefix)), prefix: prefix, shared: map[string]*call{}, scalars: map[string]*Value{}}
}

// ExprGraph returns the graph that has been built.
func (b *Builder) ExprGraph() *gorgonia.ExprGraph { return b.g }

// At says where in its source the calls that follow have their place, such as the node of a file that they translate. Errors name it.
func (b *Builder) At(place string) { b.place = place }

// Input adds a value that is given when the graph runs.
func (b *Builder) Input(name string, t Type) (*Value, error) {
	if _, ok := Numel(t.Shape); !ok || t.DType == Invalid || int(t.DType) >= len(dtypes) {
		return nil, fmt.Errorf("graph: input %q cannot be of type %v", name, t)
	}
	v := b.value(Type{t.DType, slices.Clone(t.Shape)})
	v.name = name
	v.node = b.leaf(v)
	return v, nil
}

// Constant adds a tensor, which must not change afterwards.
func (b *Builder) Constant(name string, t *Tensor) *Value {
	v := b.value(t.Type())
	v.name, v.known = name, t
	return v
}

func (b *Builder) value(t Type) *Value {
	b.ids++
	return &Value{typ: t, id: b.ids}
}

// leaf adds a node without operands. Gorgonia merges inputs of equal name and shape, hence the number.
func (b *Builder) leaf(v *Value) *gorgonia.Node {
	return gorgonia.NewUniqueNode(gorgonia.In(b.g), gorgonia.WithType(gorgoniaType(v.typ)),
		gorgonia.WithShape(v.typ.Shape...), gorgonia.WithName(fmt.Sprintf("%s/%s#%d", b.prefix, v.name, v.id)))
}

// errOperand is wrapped by errors about a missing operand.
var errOperand = errors.New("operand is missing")

// Apply adds a call of op and returns its results. Operands must come from this builder.
func (b *Builder) Apply(op Operator, in ...*Value) ([]*Value, error) {
	var key strings.Builder
	fmt.Fprintf(&key, "%#v", op)
	constant := true
	for i, v := range in {
		if v == nil {
			return nil, fmt.Errorf("graph: %s: operand %d: %w", op.Name(), i, errOperand)
		}
		constant = constant && v.known != nil
		fmt.Fprintf(&key, " %d", v.id)
	}
	if c := b.shared[key.String()]; c != nil {
		return slices.Clone(c.outs), nil
	}
	types, err := op.Infer(typesOf(in))
	if err != nil {
		return nil, fmt.Errorf("graph: %w", err)
	}
	c := &call{op: op, in: slices.Clone(in), place: b.place}
	for i, t := range types {
		if n, ok := Numel(t.Shape); !ok || n > maxElements {
			return nil, fmt.Errorf("graph: %s would make a tensor of shape %v, which is too large", op.Name(), t.Shape)
		}
		v := b.value(t)
		v.from, v.index = c, i
		c.outs = append(c.outs, v)
	}
	if constant && b.affords(c) {
		err = b.fold(c)
	} else {
		err = b.link(c)
	}
	if err != nil {
		return nil, fmt.Errorf("graph: %w", err)
	}
	b.shared[key.String()] = c
	return slices.Clone(c.outs), nil
}

// Apply1 is Apply for operators with one result.
func (b *Builder) Apply1(op Operator, in ...*Value) (*Value, error) {
	vs, err := b.Apply(op, in...)
	if err != nil {
		return nil, err
	}
	return vs[0], nil
}

const (
	// maxElements bounds one tensor: a damaged or hostile model must not ask for all memory.
	maxElements = 1 << 31
	// maxFolded and maxFoldedFLOPs bound what is computed while building, of all constants and of one.
	maxFolded      = 1 << 30 // bytes
	maxFoldedFLOPs = 1 << 32
)

// affords reports whether a call of constants should be computed while building, and counts it if so.
func (b *Builder) affords(c *call) bool {
	if op, ok := c.op.(Coster); ok && op.FLOPs(typesOf(c.in), typesOf(c.outs)) > maxFoldedFLOPs {
		return false
	}
	bytes := b.folded
	for _, v := range c.outs {
		bytes += v.typ.Len() * v.typ.DType.Size()
	}
	if bytes > maxFolded {
		return false
	}
	b.folded = bytes
	return true
}

// fold computes a call of constants.
func (b *Builder) fold(c *call) error {
	in, out := make([]*Tensor, len(c.in)), make([]*Tensor, len(c.outs))
	for i, v := range c.in {
		in[i] = v.known
	}
	for i, v := range c.outs {
		out[i] = NewTensor(v.typ.DType, v.typ.Shape...)
	}
	if err := evaluate(&Exec{}, c.op, out, in); err != nil {
		return err
	}
	for i, v := range c.outs {
		v.known, v.from = out[i], nil
	}
	return nil
}

// link adds a node for each result of c.
func (b *Builder) link(c *call) error {
	nodes := make([]*gorgonia.Node, len(c.in))
	for i, v := range c.in {
		if v.node == nil {
			v.node = b.leaf(v)
		}
		nodes[i] = v.node
	}
	for i, v := range c.outs {
		n, err := gorgonia.ApplyOp(&result{c, i, uint32(v.id)}, nodes...)
		if err != nil {
			return fmt.Errorf("%s: %w", c.op.Name(), err)
		}
		v.node = n
	}
	return nil
}

// evaluate runs an operator that may lack the 16-bit floating-point types: those operands and results go through float32.
func evaluate(x *Exec, op Operator, out, in []*Tensor) error {
	if _, ok := op.(HalfAware); ok || !hasHalf(out) && !hasHalf(in) {
		return op.Eval(x, out, in)
	}
	wide := make([]*Tensor, len(in))
	for i, t := range in {
		wide[i] = widen(t)
	}
	res := make([]*Tensor, len(out))
	for i, t := range out {
		res[i] = t
		if t.dtype.IsHalf() {
			res[i] = NewTensor(Float32, t.shape...)
		}
	}
	if err := op.Eval(x, res, wide); err != nil {
		return err
	}
	for i, t := range out {
		if t.dtype.IsHalf() {
			convert(t, res[i])
		}
	}
	return nil
}

func hasHalf(ts []*Tensor) bool {
	return slices.ContainsFunc(ts, func(t *Tensor) bool { return t.dtype.IsHalf() })
}

// widen returns 16-bit floating-point tensors as float32, others as they are.
func widen(t *Tensor) *Tensor {
	if !t.dtype.IsHalf() {
		return t
	}
	w := NewTensor(Float32, t.shape...)
	convert(w, t)
	return w
}
