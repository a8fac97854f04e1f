package onnxio

import (
	"fmt"
	"slices"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio/internal/onnxpb"
)

// symbol is a length that others are multiples of: the image's height or width, an axis of another value, or either rounded up.
type symbol struct {
	axis  int    // 0 vertical, 1 horizontal
	value string // whose axis dim it is, or "" if it is
	dim   int
	of    form // rounded up to a multiple of up, if that is not 0
	up    int
	less  *form // than that
	at    []int // at each point
}

// form is num times symbols by den, plus add.
type form struct {
	num, den, add int
	symbols       []int
}

func constant(n int) form { return form{num: n, den: 1} }

// reduced is without what num and den have in common.
func (f form) reduced() form {
	a, b := f.num, f.den
	for b != 0 {
		a, b = b, a%b
	}
	if a > 1 {
		f.num, f.den = f.num/a, f.den/a
	}
	return f
}

// at returns the lengths of a form at all points, and false if one is no whole number.
func (f *freer) at(of form) ([]int, bool) {
	at := make([]int, len(f.points))
	for k := range at {
		v := of.num
		for _, s := range of.symbols {
			v *= f.symbols[s].at[k]
		}
		if v%of.den != 0 {
			return nil, false
		}
		at[k] = v/of.den + of.add
	}
	return at, true
}

// fit returns a form of lengths, and false if none was found.
func (f *freer) fit(at []int) (form, bool) {
	if same(at) {
		return constant(at[0]), true
	}
	scaled := func(symbols ...int) (form, bool) {
		g := form{num: at[0], den: 1, symbols: symbols}
		for _, s := range symbols {
			g.den *= f.symbols[s].at[0]
		}
		got, ok := f.at(g)
		return g.reduced(), ok && slices.Equal(got, at)
	}
	for i := range f.symbols {
		if g, ok := scaled(i); ok {
			return g, true
		}
	}
	for i, a := range f.symbols {
		for j, b := range f.symbols {
			if a.axis < b.axis {
				if g, ok := scaled(i, j); ok {
					return g, true
				}
			}
		}
	}
	for i, s := range f.symbols {
		if same(s.at) || s.at[1] == s.at[0] {
			continue
		}
		g := form{num: at[1] - at[0], den: s.at[1] - s.at[0], symbols: []int{i}}
		if g.den < 0 {
			g.num, g.den = -g.num, -g.den
		}
		if g = g.reduced(); g.num*s.at[0]%g.den != 0 {
			continue
		}
		g.add = at[0] - g.num*s.at[0]/g.den
		if got, ok := f.at(g); ok && slices.Equal(got, at) {
			return g, true
		}
	}
	return form{}, false
}

// emitter writes the graph with the readings that were chosen.
type emitter struct {
	f     *freer
	pb    *onnxpb.GraphProto
	nodes []*onnxpb.NodeProto
	made  map[string]string // values of forms and others
	names map[string]bool
	err   error // the first
}

// emit returns the model with what was chosen.
func (f *freer) emit() (*Model, error) {
	pb, err := copyOf(f.model.pb)
	if err != nil {
		return nil, err
	}
	e := &emitter{f: f, pb: pb.Graph, made: map[string]string{}, names: map[string]bool{}}
	by := map[string]*onnxpb.NodeProto{}
	for _, n := range pb.Graph.Node {
		for _, o := range n.Output {
			by[o] = n
		}
	}
	for i, n := range f.model.graph.Nodes {
		c := f.chosen[i]
		at := slices.IndexFunc(n.Outputs, func(o string) bool { return o != "" })
		node := by[n.Outputs[at]]
		for j := range max(len(n.Inputs), 8) {
			o, ok := c.operands[j]
			if !ok {
				continue
			}
			for len(node.Input) <= j {
				node.Input = append(node.Input, "")
			}
			if node.Input[j] = ""; o.emit != nil {
				node.Input[j] = o.emit(e)
			}
		}
		e.nodes = append(e.nodes, node)
	}
	if e.err != nil {
		return nil, e.err
	}
	pb.Graph.Node = e.nodes
	prune(pb.Graph)
	return newModel(pb, f.model.src)
}

// name returns a name that nothing has.
func (e *emitter) name(base string) string {
	if len(e.names) == 0 {
		for k := range e.f.points[0].s.values {
			e.names[k] = true
		}
		for _, t := range e.pb.Initializer {
			e.names[t.GetName()] = true
		}
	}
	name := "size_" + base
	for i := 1; e.names[name]; i++ {
		name = fmt.Sprintf("size_%s_%d", base, i)
	}
	e.names[name] = true
	return name
}

// init adds a constant.
func (e *emitter) init(t *graph.Tensor) string {
	key := ""
	if t.Len() <= 64 {
		key = fmt.Sprint("init", t.Type(), t.Data())
		if name, ok := e.made[key]; ok {
			return name
		}
	}
	name := e.name("constant")
	pb := &onnxpb.TensorProto{Name: &name}
	if err := setTensor(pb, t); err != nil && e.err == nil {
		e.err = err
	}
	e.pb.Initializer = append(e.pb.Initializer, pb)
	if key != "" {
		e.made[key] = name
	}
	return name
}

func (e *emitter) ints(v ...int) string { return e.init(graph.Ints(v...)) }

// node adds a node, unless there is the same.
func (e *emitter) node(op string, inputs []string, attrs ...Attr) string {
	key := fmt.Sprint(op, inputs, attrs)
	if name, ok := e.made[key]; ok {
		return name
	}
	out := e.name(op)
	n := &onnxpb.NodeProto{Name: ptr(out), OpType: &op, Input: inputs, Output: []string{out}}
	for _, a := range attrs {
		n.Attribute = append(n.Attribute, (&Builder{}).attribute(out, a))
	}
	e.nodes = append(e.nodes, n)
	e.made[key] = out
	return out
}

// symbol returns a symbol's length, an int64 tensor of one element, as all lengths are.
func (e *emitter) symbol(i int) string {
	s := e.f.symbols[i]
	if s.value != "" {
		return e.node("Gather", []string{e.node("Shape", []string{s.value}), e.ints(s.dim)}, Attr{"axis", 0})
	}
	n := e.form(s.of)
	if s.up > 1 {
		n = e.node("Add", []string{n, e.ints(s.up - 1)})
		n = e.node("Div", []string{n, e.ints(s.up)})
		n = e.node("Mul", []string{n, e.ints(s.up)})
	}
	if s.less != nil {
		n = e.node("Sub", []string{n, e.form(*s.less)})
	}
	return n
}

// form returns the length that a form stands for.
func (e *emitter) form(f form) string {
	if len(f.symbols) == 0 {
		return e.ints(f.num/f.den + f.add)
	}
	n := e.symbol(f.symbols[0])
	for _, s := range f.symbols[1:] {
		n = e.node("Mul", []string{n, e.symbol(s)})
	}
	if f.num != 1 {
		n = e.node("Mul", []string{n, e.ints(f.num)})
	}
	if f.den != 1 {
		n = e.node("Div", []string{n, e.ints(f.den)})
	}
	if f.add != 0 {
		n = e.node("Add", []string{n, e.ints(f.add)})
	}
	return n
}

// element is an element of a list of lengths: a form, or an element of what the file computes.
type element struct {
	form
	from string // a value of the file, of which it is element at
	at   int
}

// list returns a list of lengths.
func (e *emitter) list(entries []element) string {
	var parts []string
	for i := 0; i < len(entries); {
		var run []int
		for ; i < len(entries) && entries[i].from == "" && len(entries[i].symbols) == 0; i++ {
			run = append(run, entries[i].num/entries[i].den+entries[i].add)
		}
		if len(run) > 0 {
			parts = append(parts, e.ints(run...))
			continue
		}
		if x := entries[i]; x.from != "" {
			parts = append(parts, e.node("Gather", []string{x.from, e.ints(x.at)}, Attr{"axis", 0}))
		} else {
			parts = append(parts, e.form(x.form))
		}
		i++
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return e.node("Concat", parts, Attr{"axis", 0})
}

// lengths is an operand of lengths.
func (f *freer) lengths(entries []element) (operand, bool) {
	o := operand{emit: func(e *emitter) string { return e.list(entries) }}
	for k := range f.points {
		v := make([]int, len(entries))
		for i, x := range entries {
			if x.from != "" {
				all, ok := f.ints(x.from)
				if !ok {
					return o, false
				}
				v[i] = all[k][x.at]
				continue
			}
			at, ok := f.at(x.form)
			if !ok {
				return o, false
			}
			v[i] = at[k]
		}
		o.at = append(o.at, graph.Ints(v...))
	}
	return o, true
}
