package graph

import (
	"fmt"
	"slices"
	"strings"
)

// differentiable is implemented by operators that have a gradient.
type differentiable interface {
	// gradient returns the gradient of each operand, nil where there is none. It is made of operators of this package, so that it has a
	// gradient in turn. A gradient may have one element along an axis where all are equal.
	gradient(d *derivation) []*Value
}

// stationary is embedded by operators whose result does not change with small changes of the operands, or is taken to be so.
type stationary struct{}

func (stationary) gradient(*derivation) []*Value { return nil }
func (stationary) isStationary()                 {}

// NoGradientError is about operators that have no gradient between the values of Gradients.
type NoGradientError struct {
	// Nodes names each of them: by its place as Builder.At tells it, or else by what it does.
	Nodes []string
}

func (e *NoGradientError) Error() string {
	return "graph: there is no gradient of " + strings.Join(e.Nodes, ", ")
}

// Gradients returns the derivative of the sum of all elements of outputs, each times the element of its seed, with respect to each
// target: a value of the target's type. A seed that is nil, or a nil slice of them, means ones, so the gradient of a scalar needs
// none. The results are values like others, with gradients of their own.
//
// Targets are inputs or results; what was computed from constants alone is a constant and cannot be one. The gradient of a target
// that no output depends on is zero. Where operators without a gradient lie between, the error is a *NoGradientError that names all.
//
// It is reverse-mode differentiation: the cost of running the gradients of a scalar is a small multiple of that of the scalar.
func (b *Builder) Gradients(outputs, seeds, targets []*Value) (grads []*Value, err error) {
	if seeds != nil && len(seeds) != len(outputs) {
		return nil, fmt.Errorf("graph: gradients of %d outputs with %d seeds", len(outputs), len(seeds))
	}
	err = b.compose(func(c composer) error {
		p := propagation{composer: c, active: map[*Value]bool{}, grads: map[*Value]*Value{}}
		if err := p.start(outputs, seeds, targets); err != nil {
			return err
		}
		calls := p.activate(outputs)
		if err := p.check(outputs, calls); err != nil {
			return err
		}
		for _, k := range slices.Backward(calls) {
			p.step(k)
		}
		for _, t := range targets {
			g := p.grads[t]
			if g == nil {
				g = c.scalar(t.typ.DType, 0)
			}
			grads = append(grads, c.expand(g, t.typ.Shape))
		}
		return nil
	})
	return grads, err
}

// propagation is one computation of gradients.
type propagation struct {
	composer
	active map[*Value]bool   // targets, and what depends on them
	grads  map[*Value]*Value // broadcast to the values' shapes
}

func (p *propagation) start(outputs, seeds, targets []*Value) error {
	for _, t := range targets {
		if t.known != nil {
			return fmt.Errorf("graph: there is no gradient with respect to the constant %q", t.name)
		}
		if !t.typ.DType.IsFloat() {
			return fmt.Errorf("graph: there is no gradient with respect to %q of %v", t.name, t.typ)
		}
		p.active[t] = true
	}
	for i, o := range outputs {
		if !o.typ.DType.IsFloat() {
			return fmt.Errorf("graph: there is no gradient of output %d of %v", i, o.typ)
		}
		if seeds == nil || seeds[i] == nil {
			p.accumulate(o, p.scalar(o.typ.DType, 1))
			continue
		}
		if !seeds[i].typ.Equal(o.typ) {
			return fmt.Errorf("graph: output %d is %v, its seed %v", i, o.typ, seeds[i].typ)
		}
		p.accumulate(o, seeds[i])
	}
	return nil
}

// activate marks what depends on targets, and returns the calls that make such values, operands first.
func (p *propagation) activate(outputs []*Value) []*call {
	var calls []*call
	for _, k := range callsBehind(outputs) {
		if _, ok := k.op.(interface{ isStationary() }); ok || !slices.ContainsFunc(k.in, p.wanted) {
			continue
		}
		calls = append(calls, k)
		for _, v := range k.outs {
			p.active[v] = true
		}
	}
	return calls
}

// wanted reports whether a value needs its gradient.
func (p *propagation) wanted(v *Value) bool { return p.active[v] && v.typ.DType.IsFloat() }

// callsBehind lists the calls that values depend on, operands first, without recursion: networks can be deep.
func callsBehind(values []*Value) []*call {
	type frame struct {
		call *call
		next int
	}
	var calls []*call
	var stack []frame
	seen := map[*call]bool{}
	push := func(v *Value) {
		if v.from != nil && !seen[v.from] {
			seen[v.from] = true
			stack = append(stack, frame{v.from, 0})
		}
	}
	for _, v := range values {
		push(v)
		for len(stack) > 0 {
			f := &stack[len(stack)-1]
			if f.next == len(f.call.in) {
				calls = append(calls, f.call)
				stack = stack[:len(stack)-1]
				continue
			}
			f.next++
			push(f.call.in[f.next-1])
		}
	}
	return calls
}

// check returns an error that names the operators without a gradient which a gradient would reach.
func (p *propagation) check(outputs []*Value, calls []*call) error {
	reached := map[*Value]bool{}
	for _, o := range outputs {
		reached[o] = true
	}
	var lacking []string
	for _, k := range slices.Backward(calls) {
		if !slices.ContainsFunc(k.outs, func(v *Value) bool { return reached[v] && v.typ.DType.IsFloat() }) {
			continue
		}
		if _, ok := k.op.(differentiable); !ok && !slices.Contains(lacking, k.label()) {
			lacking = append(lacking, k.label())
		}
		for _, v := range k.in {
			reached[v] = p.wanted(v) || reached[v]
		}
	}
	if lacking != nil {
		slices.Reverse(lacking)
		return &NoGradientError{lacking}
	}
	return nil
}

// step passes the gradients of a call's results on to its operands.
func (p *propagation) step(k *call) {
	d := derivation{composer: p.composer, call: k, grads: make([]*Value, len(k.outs)), wants: make([]bool, len(k.in))}
	any := false
	for i, v := range k.outs {
		d.grads[i] = p.grads[v]
		any = any || d.grads[i] != nil
	}
	if !any {
		return
	}
	for i, v := range k.in {
		d.wants[i] = p.wanted(v)
	}
	for i, g := range k.op.(differentiable).gradient(&d) {
		if g != nil && d.wants[i] {
			p.accumulate(k.in[i], g)
		}
	}
}

// accumulate adds g, which broadcasts to v's shape, to v's gradient.
func (p *propagation) accumulate(v, g *Value) {
	if rank := v.typ.Rank(); g.typ.Rank() < rank {
		g = p.reshape(g, slices.Concat(slices.Repeat([]int{1}, rank-g.typ.Rank()), g.typ.Shape)...)
	}
	if shape, err := BroadcastShape(g.typ.Shape, v.typ.Shape); err != nil || g.typ.DType != v.typ.DType || !slices.Equal(shape, v.typ.Shape) {
		p.fail(fmt.Errorf("graph: the gradient of a value of %v became %v", v.typ, g.typ))
	}
	if have := p.grads[v]; have != nil {
		g = p.add(have, g)
	}
	p.grads[v] = g
}

// derivation is the gradient of one call in the making.
type derivation struct {
	composer
	*call
	grads []*Value // of the results, nil where nothing depends on one
	wants []bool   // which operands need a gradient
}

// thin returns the gradient of result i, perhaps with one element along an axis where all are equal.
func (d *derivation) thin(i int) *Value {
	if d.grads[i] == nil {
		return d.reshape(d.num(0), slices.Repeat([]int{1}, d.outs[i].typ.Rank())...)
	}
	return d.grads[i]
}

// grad returns the gradient of result i.
func (d *derivation) grad(i int) *Value { return d.expand(d.thin(i), d.outs[i].typ.Shape) }

// num returns a number of the first result's type.
func (d *derivation) num(v float64) *Value { return d.scalar(d.outs[0].typ.DType, v) }

// times returns the gradient of the only operand of an elementwise operator with this derivative.
func (d *derivation) times(derivative *Value) []*Value { return []*Value{d.mul(d.thin(0), derivative)} }

// operands returns the gradients of operands that were broadcast: the sums over what was repeated. each is called for those that are
// wanted, and returns what broadcasts to the first result's shape.
func (d *derivation) operands(each ...func() *Value) []*Value {
	gs := make([]*Value, len(each))
	for i, f := range each {
		if f != nil && d.wants[i] {
			gs[i] = d.sumTo(f(), d.outs[0].typ.Shape, d.in[i].typ.Shape)
		}
	}
	return gs
}

// through returns the gradient of an operator that f makes of others, whose only result that counts is the first.
func (d *derivation) through(f func(in []*Value) *Value) []*Value {
	// The operands stand for themselves alone, whatever they are computed from.
	in := make([]*Value, len(d.in))
	var targets []*Value
	for i, v := range d.in {
		in[i] = v
		if d.wants[i] {
			in[i] = d.apply(Reshape{Shape: v.typ.Shape}, v)
			targets = append(targets, in[i])
		}
	}
	found, err := d.b.Gradients([]*Value{f(in)}, []*Value{d.grad(0)}, targets)
	if err != nil {
		d.fail(err)
	}
	gs := make([]*Value, len(d.in))
	for i := range gs {
		if d.wants[i] {
			gs[i], found = found[0], found[1:]
		}
	}
	return gs
}
