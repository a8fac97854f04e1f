package onnxio

import (
	"slices"
	"strings"

	"github.com/gansr/gansr/graph"
)

// einsum is a sum of products in Einstein's notation.
type einsum struct {
	*call
	terms []term
	out   []int       // labels of the result
	sizes map[int]int // positions of the axes with a label
}

// term is a value with a label for each axis: a letter, or -k for the k-th last axis of those that an ellipsis stands for.
type term struct {
	v      *graph.Value
	labels []int
}

func (t term) has(label int) bool { return slices.Contains(t.labels, label) }

// opEinsum multiplies the operands from left to right, and sums over a label as soon as no other operand has it.
func opEinsum(c *call) []*graph.Value {
	e := c.einsum(c.str("equation", ""))
	acc := e.terms[0]
	for i, t := range e.terms[1:] {
		later := func(label int) bool {
			return slices.Contains(e.out, label) || slices.ContainsFunc(e.terms[i+2:], func(t term) bool { return t.has(label) })
		}
		left := e.sum(acc, func(label int) bool { return later(label) || t.has(label) })
		right := e.sum(t, func(label int) bool { return later(label) || acc.has(label) })
		acc = e.multiply(left, right, later)
	}
	acc = e.sum(acc, func(label int) bool { return slices.Contains(e.out, label) })
	return one(e.order(acc, e.out).v)
}

// einsum reads the equation, and gives all axes of an operand different labels.
func (c *call) einsum(equation string) einsum {
	e := einsum{call: c, sizes: map[int]int{}}
	left, right, explicit := strings.Cut(strings.ReplaceAll(equation, " ", ""), "->")
	names := strings.Split(left, ",")
	if len(names) != len(c.in) {
		c.failf("equation %q is for %d operands, not %d", equation, len(names), len(c.in))
	}
	hidden := 0 // axes that the longest ellipsis stands for
	var once []int
	for i, name := range names {
		labels, n := c.labels(equation, name, c.rank(i))
		hidden = max(hidden, n)
		for k, d := range c.shape(i) {
			l := labels[k]
			size, seen := e.sizes[l]
			switch {
			case !seen || size == 1:
				e.sizes[l] = d
			case d != size && d != 1:
				c.failf("equation %q: axis %d of %v should have %d positions", equation, k, c.value(i).Type(), size)
			}
			if l > 0 && !seen {
				once = append(once, l)
			} else if j := slices.Index(once, l); j >= 0 {
				once = slices.Delete(once, j, j+1)
			}
		}
		e.terms = append(e.terms, term{c.value(i), labels})
	}
	if explicit {
		rank := len(right)
		if strings.Contains(right, "...") {
			rank += hidden - len("...")
		}
		e.out, _ = c.labels(equation, right, rank)
	} else {
		slices.Sort(once)
		for k := hidden; k > 0; k-- {
			e.out = append(e.out, -k)
		}
		e.out = append(e.out, once...)
	}
	for i, l := range e.out {
		if _, ok := e.sizes[l]; !ok || slices.Contains(e.out[:i], l) {
			c.failf("equation %q: the result should name labels of the operands, each once", equation)
		}
	}
	for i, t := range e.terms {
		e.terms[i] = e.distinct(t)
	}
	return e
}

// labels returns the labels that name gives to rank axes, and how many of those an ellipsis stands for.
func (c *call) labels(equation, name string, rank int) (labels []int, hidden int) {
	before, after, dots := strings.Cut(name, "...")
	hidden = rank - len(before) - len(after)
	if hidden < 0 || hidden > 0 && !dots {
		c.failf("equation %q: %q does not fit %d axes", equation, name, rank)
	}
	letters := func(s string) {
		for _, r := range s {
			if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
				c.failf("equation %q: %q should be letters and at most one ellipsis", equation, name)
			}
			labels = append(labels, int(r))
		}
	}
	letters(before)
	for k := hidden; k > 0; k-- {
		labels = append(labels, -k)
	}
	letters(after)
	return labels, hidden
}

// distinct takes the diagonal of axes with the same label, and drops axes of one position that stand for more.
func (e einsum) distinct(t term) term {
	for j := 0; j < len(t.labels); j++ {
		l := t.labels[j]
		i := slices.Index(t.labels, l)
		if i == j {
			continue
		}
		shape := t.v.Type().Shape
		n := shape[j]
		if shape[i] != n {
			e.failf("axes %d and %d of %v, which have one label, differ", i, j, t.v.Type())
		}
		var perm []int
		for k := range shape {
			if k != i && k != j {
				perm = append(perm, k)
			}
		}
		rest := pick(shape, perm)
		flat := e.reshape(e.transpose(t.v, append(perm, i, j)...), append(slices.Clone(rest), n*n)...)
		s := wholeSlice(flat)
		s.Sizes[len(rest)], s.Steps[len(rest)] = n, n+1
		t = term{e.slice(flat, s), append(pick(t.labels, perm), l)}
		j = -1
	}
	shape := t.v.Type().Shape
	var kept, labels []int
	for k, l := range t.labels {
		if shape[k] == e.sizes[l] {
			kept, labels = append(kept, shape[k]), append(labels, l)
		}
	}
	return term{e.reshape(t.v, kept...), labels}
}

func pick(from, at []int) []int {
	r := make([]int, len(at))
	for i, k := range at {
		r[i] = from[k]
	}
	return r
}

// shapeOf returns the sizes of the axes with these labels.
func (e einsum) shapeOf(labels []int) []int {
	s := make([]int, len(labels))
	for i, l := range labels {
		s[i] = e.sizes[l]
	}
	return s
}

// sum adds t up over the labels that are not kept.
func (e einsum) sum(t term, keep func(label int) bool) term {
	var axes, labels []int
	for k, l := range t.labels {
		if keep(l) {
			labels = append(labels, l)
		} else {
			axes = append(axes, k)
		}
	}
	if len(axes) == 0 {
		return t
	}
	return term{e.reshape(e.apply(graph.Reduce{By: graph.ReduceAdd, Axes: axes}, t.v), e.shapeOf(labels)...), labels}
}

// order brings the axes of t into the order of labels.
func (e einsum) order(t term, labels []int) term {
	perm := make([]int, len(labels))
	for i, l := range labels {
		perm[i] = slices.Index(t.labels, l)
	}
	return term{e.transpose(t.v, perm...), labels}
}

// multiply returns the product of a and b, summed over the labels of both that are not needed later. Labels that only one of
// them has are needed later.
func (e einsum) multiply(a, b term, later func(label int) bool) term {
	var batch, summed, rows, cols []int
	for _, l := range a.labels {
		switch {
		case !b.has(l):
			rows = append(rows, l)
		case later(l):
			batch = append(batch, l)
		default:
			summed = append(summed, l)
		}
	}
	for _, l := range b.labels {
		if !a.has(l) {
			cols = append(cols, l)
		}
	}
	labels := slices.Concat(batch, rows, cols)
	if len(summed) == 0 {
		left := e.order(a, slices.Concat(batch, rows)).v
		left = e.reshape(left, slices.Concat(left.Type().Shape, slices.Repeat([]int{1}, len(cols)))...)
		right := e.order(b, slices.Concat(batch, cols)).v
		right = e.reshape(right, slices.Concat(e.shapeOf(batch), slices.Repeat([]int{1}, len(rows)), e.shapeOf(cols))...)
		return term{e.apply(graph.Mul{}, left, right), labels}
	}
	left, transA := e.matrices(a, batch, rows, summed)
	right, transB := e.matrices(b, batch, summed, cols)
	v := e.apply(graph.MatMul{TransA: transA, TransB: transB}, left, right)
	return term{e.reshape(v, e.shapeOf(labels)...), labels}
}

// matrices returns t as matrices of rows and columns, or as their transposes where that moves no memory.
func (e einsum) matrices(t term, batch, rows, cols []int) (v *graph.Value, transposed bool) {
	if slices.Equal(t.labels, slices.Concat(batch, cols, rows)) {
		rows, cols, transposed = cols, rows, true
	}
	v = e.order(t, slices.Concat(batch, rows, cols)).v
	r, _ := graph.Numel(e.shapeOf(rows))
	c, _ := graph.Numel(e.shapeOf(cols))
	if len(batch) == 0 {
		return e.reshape(v, r, c), transposed
	}
	n, _ := graph.Numel(e.shapeOf(batch))
	return e.reshape(v, n, r, c), transposed
}
