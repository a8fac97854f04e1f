package onnxio

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/gansr/gansr/graph"
)

// ratios splits a length into symbols that it is proportional to.
func (f *freer) ratios(name string, axis int, at []int, more *[]symbol) []int {
	if same(at) {
		return nil
	}
	g, ok := f.fit(at)
	if ok && g.add == 0 {
		return g.symbols
	}
	for i, s := range *more {
		if slices.Equal(s.at, at) {
			return []int{len(f.symbols) + i}
		}
	}
	s := symbol{axis: -1, value: name, dim: axis, at: at}
	if ok {
		s = symbol{axis: f.symbols[g.symbols[0]].axis, of: g, at: at}
	}
	*more = append(*more, s)
	return []int{len(f.symbols) + len(*more) - 1}
}

// unlikely is the cost of a reading in which an axis of one element becomes longer in the place of one that has more.
const unlikely = 100

// reshape: the lengths of the result are those of the operand, split or joined.
func (f *freer) reshape(n *Node) []candidate {
	from, asked := f.dims(n.Inputs[0]), [][]int(nil)
	targets, ok := f.ints(n.Inputs[1])
	if !ok || from == nil {
		return nil
	}
	allowZero, _ := n.Int("allowzero", 0)
	valid := true // as it is
	for k, t := range targets {
		of := make([]int, len(from))
		for a := range from {
			of[a] = from[a][k]
		}
		to, ok := resolve(of, t, allowZero != 0)
		if !ok {
			if k == 0 {
				return nil
			}
			valid = false
			to = t
		}
		asked = append(asked, to)
	}
	var more []symbol
	type piece struct{ symbol, axis int }
	var pieces []piece
	var in []int // lengths at the first size, of height and width that have been joined apart
	for a := range from {
		of := f.ratios(n.Inputs[0], a, from[a], &more)
		joined := len(of) == 2 && from[a][0] == f.symbols[of[0]].at[0]*f.symbols[of[1]].at[0]
		for _, s := range of {
			pieces = append(pieces, piece{s, len(in)})
			if joined {
				in = append(in, f.symbols[s].at[0])
			}
		}
		if !joined {
			in = append(in, from[a][0])
		}
	}
	const most = 4
	if len(pieces) == 0 || len(pieces) > most {
		return nil
	}
	symbolAt := func(s, k int) int {
		if s < len(f.symbols) {
			return f.symbols[s].at[k]
		}
		return more[s-len(f.symbols)].at[k]
	}
	out := asked[0]
	inferred := slices.Index(targets[0], -1)
	type choice struct {
		cost int
		to   [][]int // lengths by axis and point
		by   [][]int // symbols by axis
	}
	var choices []choice
	for _, leading := range []bool{false, true} {
		groupIn, groupOut := groups(in, out, leading)
		var assign func(p int, by [][]int, cost int)
		assign = func(p int, by [][]int, cost int) {
			if p < len(pieces) {
				g := groupIn[pieces[p].axis]
				for j := range out {
					if groupOut[j] != g {
						continue
					}
					c := cost + j
					if (in[pieces[p].axis] == 1) != (out[j] == 1) {
						c += unlikely
					} else if j == inferred {
						c -= 50 // what the file leaves open
					}
					for _, q := range pieces[:p] { // height comes before width, and they stay apart where they can
						at := slices.IndexFunc(by, func(s []int) bool { return slices.Contains(s, q.symbol) })
						switch {
						case groupIn[q.axis] != g:
						case at > j || at == j && several(out, groupOut, g):
							c += unlikely
						case at == j:
							c += 10
						}
					}
					next := slices.Clone(by)
					next[j] = append(slices.Clone(by[j]), pieces[p].symbol)
					assign(p+1, next, c)
				}
				return
			}
			to := make([][]int, len(out))
			for j := range out {
				for k := range f.points {
					num, den := out[j], 1
					for _, s := range by[j] {
						num, den = num*symbolAt(s, k), den*symbolAt(s, 0)
					}
					if num%den != 0 {
						return
					}
					to[j] = append(to[j], num/den)
				}
			}
			if !slices.ContainsFunc(choices, func(c choice) bool { return fmt.Sprint(c.to) == fmt.Sprint(to) }) {
				choices = append(choices, choice{cost, to, by})
			}
		}
		assign(0, make([][]int, len(out)), 0)
	}
	slices.SortStableFunc(choices, func(a, b choice) int { return cmp.Compare(a.cost, b.cost) })
	if f.alike && len(choices) > 0 && choices[0].cost < unlikely {
		choices = slices.DeleteFunc(choices, func(c choice) bool { return c.cost >= unlikely })
	}
	var all []candidate
	kept := false
	for _, c := range choices {
		as := valid
		for k := range f.points {
			for j := range out {
				as = as && c.to[j][k] == asked[k][j]
			}
		}
		if as {
			kept = true
			all = append(all, asIs)
			continue
		}
		entries := make([]element, len(out))
		for j := range out {
			of := form{num: out[j], den: 1, symbols: c.by[j]}
			for _, s := range c.by[j] {
				of.den *= symbolAt(s, 0)
			}
			entries[j].form = of.reduced()
			if same(c.to[j]) {
				entries[j].form = constant(out[j])
			}
			switch {
			case j == inferred:
				entries[j].form = constant(-1)
			case allowZero == 0 && j < len(from) && !same(c.to[j]) && slices.Equal(from[j], c.to[j]):
				entries[j].form = constant(0)
			}
		}
		varying := -1
		count := 0
		for j := range out {
			if len(entries[j].symbols) > 0 {
				varying, count = j, count+1
			}
		}
		if count == 1 && inferred < 0 {
			entries[varying].form = constant(-1)
		}
		f.symbols = append(f.symbols, more...)
		o, ok := f.lengths(entries)
		f.symbols = f.symbols[:len(f.symbols)-len(more)]
		if ok {
			all = append(all, candidate{name: fmt.Sprint(c.to), operands: map[int]operand{1: o}, symbols: more})
		}
	}
	if valid && !kept && (!f.alike || len(all) == 0) {
		all = append(all, asIs)
	}
	return all
}

// several reports whether more than one axis of a group has more than one element.
func several(shape, group []int, g int) bool {
	n := 0
	for a, d := range shape {
		if group[a] == g && d > 1 {
			n++
		}
	}
	return n > 1
}

// resolve returns the shape that Reshape makes of one.
func resolve(from, asked []int, allowZero bool) ([]int, bool) {
	to := slices.Clone(asked)
	infer := -1
	for i, d := range asked {
		switch {
		case d == 0 && !allowZero:
			if i >= len(from) {
				return nil, false
			}
			to[i] = from[i]
		case d == -1 && infer < 0:
			infer, to[i] = i, 1
		case d < 0:
			return nil, false
		}
	}
	n, ok := graph.Numel(from)
	m, fits := graph.Numel(to)
	if !ok || !fits || m == 0 {
		return nil, false
	}
	if infer >= 0 {
		to[infer], m = n/m, n/m*m
	}
	return to, n == m
}

// groups numbers the axes of two shapes with the same number of elements so that those of a number have as many elements in both, as few as
// can be. Axes of one element belong to those before them, or behind them.
func groups(in, out []int, leading bool) (a, b []int) {
	a, b = make([]int, len(in)), make([]int, len(out))
	i, j, g := 0, 0, 0
	for i < len(in) || j < len(out) {
		p, q := 1, 1
		start := true
		for start || p != q {
			start = false
			switch {
			case p <= q && i < len(in):
				p *= in[i]
				a[i] = g
				i++
			case j < len(out):
				q *= out[j]
				b[j] = g
				j++
			case i < len(in):
				p *= in[i]
				a[i] = g
				i++
			default:
				return a, b
			}
			if p == q && q == 1 && leading && (i < len(in) || j < len(out)) {
				start = true
			}
		}
		for !leading && i < len(in) && in[i] == 1 {
			a[i] = g
			i++
		}
		for !leading && j < len(out) && out[j] == 1 {
			b[j] = g
			j++
		}
		g++
	}
	return a, b
}
