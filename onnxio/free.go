package onnxio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gansr/gansr/graph"
)

// Freed returns a copy of the model, simplified, that takes images of other heights and widths than the one for which it was made. Constants
// that came from the size, and those of them that the file computes, make place for nodes that compute them from the image. What they are
// computed from is found by following the shapes of all values at several sizes: where a constant has more than one meaning, the first is taken
// that fits all that follows and that accept returns no error for.
func (m *Model) Freed(ctx context.Context, height, width int, accept func(Reading) error) (*Model, error) {
	free, err := m.freed(ctx, height, width, accept)
	if err != nil {
		return nil, m.src.wrap(err)
	}
	return free, nil
}

// Reading is what Freed makes of a model's constants.
type Reading struct {
	Model *Model
	// Whole are the values of the graph that have one size whatever the image's is, though pixels decide them.
	Whole []string
	// Multiple is what height and width must be multiples of where pools gather parts of the image that its size divides into: at other sizes the
	// network that was exported may have had other parts.
	Multiple int
	// Meanings are the constants that could mean something else too: what was chosen, by node.
	Meanings map[string]string
}

// ErrUndecided is wrapped by errors of Freed's accept that do not count against a reading: less likely kinds of readings are not tried after it.
var ErrUndecided = errors.New("it cannot be decided what the graph's constants mean")

func (m *Model) freed(ctx context.Context, height, width int, accept func(Reading) error) (*Model, error) {
	c, err := m.simplified(ctx)
	if err != nil {
		return nil, err
	}
	const usual = 17 // with sizes as operands, and Range
	if c.Opset("") < usual {
		if newer, err := c.convertedOpset(usual); err == nil {
			c = newer
		}
	}
	if c, err = c.withSize(0, 0); err != nil {
		return nil, err
	}
	for _, p := range []struct{ alike, uniform bool }{{true, false}, {false, false}, {false, true}} {
		f, failed := newFreer(ctx, c, height, width)
		if failed != nil {
			return nil, failed
		}
		f.alike, f.uniform = p.alike, p.uniform
		free, failed := f.search(accept)
		if failed == nil {
			return free, nil
		}
		if err = failed; errors.Is(err, ErrUndecided) {
			break
		}
	}
	return nil, err
}

// freer looks for what the constants of a graph mean. It translates the graph for several sizes side by side, node by node; the first is the size
// for which the graph was made.
type freer struct {
	model   *Model
	ctx     context.Context
	points  []*point
	symbols []symbol
	// varies are the values that depend on the input, or on its size.
	varies map[string]bool
	// broken are values that hold no pixels and cannot be computed at all points: an error only where something else needs them.
	broken  map[string]error
	trail   []decision
	chosen  map[int]candidate // by node
	asked   []string          // the question of each node
	shares  map[int]int       // nodes that have the reading of an earlier one
	before  []set             // see ancestors
	users   map[string][]*Node
	makers  map[string]*Node  // of values
	liked   map[string]string // what was chosen for the same question
	steps   int
	deepest int   // the node that no choice got past
	failure error // what happened there
	// alike lets the same question have the same answer everywhere. It is tried first, as that leaves few readings.
	alike bool
	// uniform lets constants become longer that have one value along an axis. It is tried last, as that goes with too many readings.
	uniform bool
}

// point is the graph at one size.
type point struct {
	h, w int
	t    *translator
	s    *env
}

// decision is a node that can be read in more than one way.
type decision struct {
	node       int
	candidates []candidate // those left
	question   string
	symbols    int // before it
	conflict   set // the nodes that made the candidates fail that are not left
}

// candidate is one reading of a node: operands that take the place of those it has.
type candidate struct {
	name     string // of candidates for the same question
	operands map[int]operand
	symbols  []symbol // that it introduces
}

// operand is a value at each point, and how a graph computes it. One without values is left out.
type operand struct {
	at   []*graph.Tensor
	like []graph.Type // where values do not matter, in the place of at, but for the first
	emit func(e *emitter) string
}

// factors are the sizes at which graphs are followed, as multiples of that for which they were made: what divides a size divides its multiples,
// and no two lengths in a graph that differ have the same factors.
var factors = [][2]int{{1, 1}, {3, 2}, {2, 5}}

func newFreer(ctx context.Context, m *Model, height, width int) (*freer, error) {
	f := &freer{model: m, ctx: ctx, varies: map[string]bool{}, broken: map[string]error{}, chosen: map[int]candidate{}, asked: make([]string, len(m.graph.Nodes)), shares: map[int]int{}, liked: map[string]string{}, deepest: -1}
	p, err := NewProgram(m, nil, Rounding())
	if err != nil {
		return nil, err
	}
	in := m.graph.Inputs[0]
	axes, err := m.imageAxes()
	if err != nil {
		return nil, err
	}
	f.varies[in.Name] = true
	f.symbols = []symbol{{axis: 0, value: in.Name, dim: axes[0]}, {axis: 1, value: in.Name, dim: axes[1]}}
	for _, k := range factors {
		pt := &point{h: k[0] * height, w: k[1] * width, t: p.translator(ctx, graph.NewBuilder(m.graph.Name))}
		pt.s = &env{graph: m.graph, values: map[string]*graph.Value{}}
		shape := make([]int, len(in.Dims))
		for i, d := range in.Dims {
			shape[i] = d.Value
			if !d.Known() {
				shape[i] = 1
			}
		}
		shape[axes[0]], shape[axes[1]] = pt.h, pt.w
		dt := in.DType
		if dt == graph.Invalid {
			dt = graph.Float32
		}
		if pt.s.values[in.Name], err = pt.t.b.Input(in.Name, graph.Type{DType: dt, Shape: shape}); err != nil {
			return nil, err
		}
		f.points = append(f.points, pt)
		f.symbols[0].at, f.symbols[1].at = append(f.symbols[0].at, pt.h), append(f.symbols[1].at, pt.w)
	}
	return f, nil
}

// read translates a node at all points.
func (f *freer) read(n *Node, c candidate) error {
	f.steps++
	varies := len(n.Subgraphs) > 0
	for _, in := range n.Inputs {
		varies = varies || f.varies[in]
	}
	for k, pt := range f.points {
		call := n
		if len(c.operands) > 0 {
			changed := *n
			changed.Inputs = slices.Clone(n.Inputs)
			for j, o := range c.operands {
				for len(changed.Inputs) <= j {
					changed.Inputs = append(changed.Inputs, "")
				}
				name, v, err := f.operand(pt, o, k, fmt.Sprintf("%s\x00%d", n.Outputs[0], j))
				if err != nil {
					return err
				}
				if changed.Inputs[j] = name; name != "" {
					pt.s.values[name] = v
				}
			}
			call = &changed
		}
		var outs []*graph.Value
		var err error
		for _, in := range call.Inputs {
			if err == nil && in != "" && k > 0 {
				err = f.broken[in]
			}
		}
		if err == nil {
			outs, err = pt.t.node(pt.s, call)
			if err != nil && k > 0 {
				err = fmt.Errorf("at %dx%d: %w", pt.h, pt.w, err)
			}
		}
		if err != nil && k > 0 && !f.holdsPixels(n) {
			for _, name := range n.Outputs {
				f.broken[name] = err
			}
			break
		}
		if err != nil {
			return err
		}
		for j, name := range n.Outputs {
			if name == "" {
				continue
			}
			if j >= len(outs) || outs[j] == nil {
				return fmt.Errorf("%s: output %d is not supported", n.Label(), j)
			}
			pt.s.values[name] = outs[j]
			delete(f.broken, name)
		}
	}
	for _, name := range n.Outputs {
		f.varies[name] = varies
	}
	return nil
}

// holdsPixels reports whether results of a node depend on the pixels of the image, and not on its size alone.
func (f *freer) holdsPixels(n *Node) bool {
	for _, name := range n.Outputs {
		if v := f.points[0].s.values[name]; v != nil && v.Known() == nil {
			return true
		}
	}
	return false
}

func (f *freer) operand(pt *point, o operand, k int, name string) (string, *graph.Value, error) {
	switch {
	case o.emit == nil:
		return "", nil, nil
	case k < len(o.at):
		return name, pt.t.constant(name, o.at[k]), nil
	}
	v, err := pt.t.b.Input(strings.ReplaceAll(name, "\x00", "."), o.like[k])
	return name, v, err
}

// outputs checks that images of the graph's results grow with the input.
func (f *freer) outputs() error {
	for _, o := range f.model.graph.Outputs {
		first := f.shape(0, o.Name)
		if len(first) != 4 {
			continue
		}
		for _, axes := range [][2]int{{2, 3}, {1, 2}} {
			scale := 0
			fits := true
			for k := 1; k < len(f.points) && fits; k++ {
				s := slices.Clone(f.shape(k, o.Name))
				fits = len(s) == len(first)
				for a, d := range [2][2]int{{f.points[k].h, f.points[0].h}, {f.points[k].w, f.points[0].w}} {
					grown, in := s[axes[a]]-first[axes[a]], d[0]-d[1]
					if scale == 0 {
						scale = grown / in
					}
					fits = fits && scale > 0 && grown == scale*in
					s[axes[a]] = first[axes[a]]
				}
				fits = fits && slices.Equal(s, first)
			}
			if fits {
				return nil
			}
		}
		return fmt.Errorf("output %q is %v at %dx%d and %v at %dx%d", o.Name, first, f.points[0].h, f.points[0].w, f.shape(1, o.Name), f.points[1].h, f.points[1].w)
	}
	return nil
}

// meanings returns what was chosen at the nodes where there was a choice.
func (f *freer) meanings() map[string]string {
	m := map[string]string{}
	for i, n := range f.model.graph.Nodes {
		if f.asked[i] != "" {
			m[n.Label()] = f.chosen[i].name
		}
	}
	return m
}

// multiple returns what Reading says.
func (f *freer) multiple() int {
	m := 1
	for _, n := range f.model.graph.Nodes {
		if n.Name != "MaxPool" && n.Name != "AveragePool" {
			continue
		}
		for a, out := range f.dims(n.Outputs[0]) {
			in := f.dims(n.Inputs[0])[a]
			g, ok := f.fit(out)
			if ok && g.add == 0 && len(g.symbols) == 1 && !slices.Equal(in, out) && in[0]%out[0] == 0 && in[1]*out[0] == in[0]*out[1] {
				m = lcm(m, g.den)
			}
		}
	}
	return m
}

func lcm(a, b int) int {
	x, y := a, b
	for y != 0 {
		x, y = y, x%y
	}
	return a / x * b
}

// whole returns the values that summarise the image.
func (f *freer) whole() []string {
	var names []string
	grows := func(name string) bool {
		v := f.points[0].s.values[name]
		return v != nil && v.Known() == nil && slices.ContainsFunc(f.dims(name), func(at []int) bool { return !same(at) })
	}
	for _, n := range f.model.graph.Nodes {
		if !slices.ContainsFunc(n.Inputs, grows) || !f.holdsPixels(n) {
			continue
		}
		for _, name := range n.Outputs {
			if name != "" && !grows(name) {
				names = append(names, name)
			}
		}
	}
	return names
}

// value returns a value at a point, or nil if there is none.
func (f *freer) value(k int, name string) *graph.Value {
	if name == "" || k > 0 && f.broken[name] != nil {
		return nil
	}
	v, err := f.points[k].t.lookup(f.points[k].s, name)
	if err != nil {
		return nil
	}
	return v
}

func (f *freer) shape(k int, name string) []int {
	if v := f.value(k, name); v != nil {
		return v.Type().Shape
	}
	return nil
}

// ints returns integers at each point, and false if they are not known.
func (f *freer) ints(name string) ([][]int, bool) {
	var all [][]int
	for k := range f.points {
		v := f.value(k, name)
		if v == nil || v.Known() == nil {
			return nil, false
		}
		switch d := v.Known().Data().(type) {
		case []int64:
			all = append(all, toInts(d))
		case []int32:
			all = append(all, toInts(d))
		default:
			return nil, false
		}
	}
	return all, true
}

// dims returns the lengths of a value's axes, each at all points; nil if its rank is not the same everywhere.
func (f *freer) dims(name string) [][]int {
	var all [][]int
	for k := range f.points {
		s := f.shape(k, name)
		if k == 0 {
			all = make([][]int, len(s))
		}
		if len(s) != len(all) {
			return nil
		}
		for a, d := range s {
			all[a] = append(all[a], d)
		}
	}
	return all
}

// same reports whether a length is the same at all points.
func same(at []int) bool { return len(slices.Compact(slices.Clone(at))) <= 1 }
