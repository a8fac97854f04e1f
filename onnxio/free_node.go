package onnxio

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/gansr/gansr/graph"
)

// asIs is a node as the file has it.
var asIs = candidate{name: "as it is"}

// candidates returns the readings of a node, the likely ones first, and a name for the question that they answer, "" if there is none.
func (f *freer) candidates(n *Node) (string, []candidate) {
	varies := false
	for _, in := range n.Inputs {
		varies = varies || f.varies[in]
	}
	if !varies || n.Domain != "" || len(n.Outputs) == 0 {
		return "", []candidate{asIs}
	}
	var all []candidate
	switch n.Name {
	case "Reshape":
		all = f.reshape(n)
	case "Expand":
		all = f.expand(n)
	case "Resize":
		all = f.resize(n)
	case "Slice":
		all = f.slice(n)
	case "Pad":
		all = f.pad(n)
	case "Gather":
		all = f.gather(n)
	case "Add", "Sub", "Mul", "Div", "Where", "Min", "Max", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Xor", "Concat":
		all = f.grow(n)
	}
	if len(all) == 0 {
		all = []candidate{asIs}
	}
	if len(all) == 1 {
		return "", all
	}
	question := n.Name
	for _, in := range n.Inputs {
		if f.varies[in] {
			question += fmt.Sprint(f.dims(in))
		} else if v := f.value(0, in); v != nil && v.Known() != nil && v.Known().Len() < 16 {
			question += fmt.Sprint(v.Known().Data())
		}
	}
	return question, all
}

// proportional returns forms of a length that is n at the first size, those along axis 0 or 1 of the image first.
func (f *freer) proportional(n, axis int) []form {
	var all []form
	add := func(i int) {
		g := form{num: n, den: f.symbols[i].at[0], symbols: []int{i}}
		if _, ok := f.at(g); ok && n > 1 {
			all = append(all, g.reduced())
		}
	}
	for i, s := range f.symbols {
		if s.axis == axis {
			add(i)
		}
	}
	return all
}

// axisOf returns which axis of the image a length goes along, -1 if it is none.
func (f *freer) axisOf(at []int) int {
	g, ok := f.fit(at)
	switch {
	case ok && len(g.symbols) == 1:
		return f.symbols[g.symbols[0]].axis
	case ok || same(at):
		return -1
	case at[1] > at[2]: // what is rounded grows as factors do
		return 0
	}
	return 1
}

// list returns the constants that a list of lengths has at the first size, and whether it is the same everywhere.
func (f *freer) list(n *Node, i int) ([]int, bool) {
	if i >= len(n.Inputs) || n.Inputs[i] == "" {
		return nil, false
	}
	all, ok := f.ints(n.Inputs[i])
	if !ok {
		return nil, false
	}
	for _, v := range all {
		ok = ok && slices.Equal(v, all[0])
	}
	return all[0], ok
}

// combined returns the candidates that replace operand i of a node by lists in which each element is one of several forms. The first of each
// come first.
func (f *freer) combined(i int, options [][]form, more map[int]operand) []candidate {
	var all []candidate
	const most = 60
	at := make([]int, len(options))
	for rank := 0; rank < most; rank++ { // by the sum of indices
		found := false
		var walk func(j, left int)
		walk = func(j, left int) {
			if len(all) >= most {
				return
			}
			if j == len(options) {
				if left > 0 {
					return
				}
				entries := make([]element, len(options))
				for j, k := range at {
					entries[j].form = options[j][k]
				}
				if o, ok := f.lengths(entries); ok {
					c := candidate{name: fmt.Sprint(entries), operands: map[int]operand{i: o}}
					for j, o := range more {
						c.operands[j] = o
					}
					all = append(all, c)
				}
				found = true
				return
			}
			for k := range min(len(options[j]), left+1) {
				at[j] = k
				walk(j+1, left-k)
			}
		}
		walk(0, rank)
		if !found && rank > 0 {
			break
		}
	}
	return all
}

// expand: an axis of one element may become as long as the image.
func (f *freer) expand(n *Node) []candidate {
	to, ok := f.list(n, 1)
	from := f.dims(n.Inputs[0])
	if !ok || from == nil {
		return nil
	}
	options := make([][]form, len(to))
	for j, d := range to {
		options[j] = []form{constant(d)}
		a := j - len(to) + len(from)
		if a >= 0 && !same(from[a]) {
			if from[a][0] == d || d == 1 {
				options[j] = []form{constant(1)} // Expand keeps what is longer
				continue
			}
		}
		if d > 1 {
			for axis := range 2 {
				options[j] = append(options[j], f.proportional(d, axis)...)
			}
			options[j] = append(options[j], form{num: d, den: f.symbols[0].at[0] * f.symbols[1].at[0], symbols: []int{0, 1}}.reduced())
		}
	}
	return f.combined(1, options, nil)
}

// resize: sizes are multiples of the image's, and so are scales from what has always one size.
func (f *freer) resize(n *Node) []candidate {
	from := f.dims(n.Inputs[0])
	if from == nil || n.Has("axes") {
		return nil
	}
	sizes, bySize := f.list(n, 3)
	if !bySize {
		scales := f.value(0, n.Inputs[min(2, len(n.Inputs)-1)])
		if len(n.Inputs) != 3 || scales == nil || scales.Known() == nil {
			return nil
		}
		v, err := graph.Floats(scales.Known())
		if err != nil || len(v) != len(from) {
			return nil
		}
		for a, s := range v {
			sizes = append(sizes, int(math.Floor(s*float64(from[a][0])+1e-5)))
		}
	}
	if len(sizes) != len(from) {
		return nil
	}
	options := make([][]form, len(sizes))
	for a, d := range sizes {
		axis := f.axisOf(from[a])
		if axis >= 0 {
			options[a] = f.proportional(d, axis)
		} else if same(from[a]) && d != from[a][0] {
			axis = max(0, min(1, a-len(sizes)+2))
			if f.points[0].h != f.points[0].w || a >= len(sizes)-2 {
				options[a] = append(options[a], f.proportional(d, axis)...)
			}
		}
		options[a] = append(options[a], constant(d))
		if !same(from[a]) && len(options[a]) == 1 {
			return nil
		}
	}
	if bySize {
		return f.combined(3, options, nil)
	}
	return append([]candidate{asIs}, f.combined(3, options, map[int]operand{2: {}})...)
}

// slice: bounds count from the beginning of an axis, from its end, or are multiples of the image's size.
func (f *freer) slice(n *Node) []candidate {
	if len(n.Inputs) < 3 {
		return nil
	}
	from := f.dims(n.Inputs[0])
	starts, ok := f.list(n, 1)
	ends, also := f.list(n, 2)
	if !ok || !also || from == nil {
		return nil
	}
	axes, given := f.list(n, 3)
	if !given {
		for a := range starts {
			axes = append(axes, a)
		}
	}
	steps, given := f.list(n, 4)
	rolls := f.rolls(n)
	options := make([][]form, 2*len(starts))
	changed := false
	for i := range starts {
		a := axes[i]
		if a < 0 {
			a += len(from)
		}
		if a < 0 || a >= len(from) || i >= len(ends) {
			return nil
		}
		d, step := from[a], 1
		if given && i < len(steps) {
			step = steps[i]
		}
		options[2*i], options[2*i+1] = []form{constant(starts[i])}, []form{constant(ends[i])}
		if same(d) || step < 0 {
			continue
		}
		axis := f.axisOf(d)
		bound := func(v int) []form {
			near, far := constant(v), constant(v-d[0])
			whole := f.proportional(v, axis)
			var first []form
			if rolls {
				whole = nil
			} else if v%f.symbols[max(axis, 0)].at[0] == 0 && axis >= 0 { // all of the image, of what was padded
				first, whole = whole[:1], whole[1:]
			}
			if 2*v > d[0] {
				near, far = far, near
			}
			return slices.Concat(first, []form{near, far}, whole)
		}
		if s := starts[i]; s > 0 && s < d[0] {
			options[2*i], changed = bound(s), true
		}
		switch e := ends[i]; {
		case e >= d[0]:
			options[2*i+1], changed = []form{constant(math.MaxInt64)}, changed || e < math.MaxInt32
		case e > 0:
			options[2*i+1], changed = bound(e), true
		}
	}
	if !changed {
		return nil
	}
	var all []candidate
	var starting, ending [][]form
	for i := range starts {
		starting, ending = append(starting, options[2*i]), append(ending, options[2*i+1])
	}
	second := f.combined(2, ending, nil)
	for _, a := range f.combined(1, starting, nil) {
		for _, b := range second {
			all = append(all, candidate{name: a.name + b.name, operands: map[int]operand{1: a.operands[1], 2: b.operands[2]}})
		}
	}
	return all
}

// rolls reports whether a Slice's result is joined with the rest of its operand.
func (f *freer) rolls(n *Node) bool {
	if f.users == nil {
		f.users, f.makers = map[string][]*Node{}, map[string]*Node{}
		for _, n := range f.model.graph.Nodes {
			for _, in := range n.Inputs {
				f.users[in] = append(f.users[in], n)
			}
			for _, o := range n.Outputs {
				f.makers[o] = n
			}
		}
	}
	users := f.users[n.Outputs[0]]
	return len(users) == 1 && users[0].Name == "Concat" && !slices.ContainsFunc(users[0].Inputs, func(in string) bool {
		m := f.makers[in]
		return m == nil || m.Name != "Slice" || m.Inputs[0] != n.Inputs[0]
	})
}

// pad: what is added at the end may make the length a multiple of something.
func (f *freer) pad(n *Node) []candidate {
	from := f.dims(n.Inputs[0])
	pads, ok := f.list(n, 1)
	if !ok || from == nil || len(pads) != 2*len(from) || len(n.Inputs) > 3 && n.Inputs[3] != "" {
		return nil
	}
	all := []candidate{asIs}
	type option struct{ axis, up int }
	var options [][]option
	ups := map[int]bool{}
	for a := range from {
		end, length := pads[len(from)+a], from[a][0]+pads[a]+pads[len(from)+a]
		if same(from[a]) || end <= 0 || pads[a] < 0 {
			continue
		}
		g, ok := f.fit(from[a])
		if !ok || len(g.symbols) != 1 {
			continue
		}
		var list []option
		for up := end + 1; up <= length; up++ {
			if length%up == 0 {
				list = append(list, option{a, up})
				ups[up] = true
			}
		}
		options = append(options, append([]option{{a, 0}}, list...))
	}
	build := func(of []option) {
		c := candidate{name: fmt.Sprint(of)}
		entries := make([]element, len(pads))
		for i, p := range pads {
			entries[i].form = constant(p)
		}
		before := len(f.symbols)
		for _, o := range of {
			if o.up == 0 {
				continue
			}
			g, _ := f.fit(from[o.axis])
			g.add += pads[o.axis]
			s := symbol{axis: f.symbols[g.symbols[0]].axis, of: g, up: o.up}
			missing := symbol{axis: -1}
			for k, d := range from[o.axis] {
				d += pads[o.axis]
				s.at = append(s.at, (d+o.up-1)/o.up*o.up)
				missing.at = append(missing.at, s.at[k]-d)
			}
			f.symbols = append(f.symbols, s)
			missing.of, missing.less = form{num: 1, den: 1, symbols: []int{len(f.symbols) - 1}}, &g
			f.symbols = append(f.symbols, missing)
			entries[len(from)+o.axis].form = form{num: 1, den: 1, symbols: []int{len(f.symbols) - 1}}
		}
		c.symbols = slices.Clone(f.symbols[before:])
		o, ok := f.lengths(entries)
		f.symbols = f.symbols[:before]
		if c.operands = map[int]operand{1: o}; ok {
			all = append(all, c)
		}
	}
	if len(options) == 0 {
		return nil
	}
	for _, up := range slices.Sorted(maps.Keys(ups)) {
		var of []option
		for _, list := range options {
			if i := slices.IndexFunc(list, func(o option) bool { return o.up == up }); i >= 0 {
				of = append(of, list[i])
			} else {
				of = append(of, list[0])
			}
		}
		build(of)
	}
	return all
}
