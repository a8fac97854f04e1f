package onnxio

import (
	"errors"
	"fmt"
	"slices"
)

const (
	stepsForNode  = 5 // how often a node is read, on average, before the search ends
	mostSolutions = 5
)

// search reads node after node, and goes back to the last that can be read differently where one fails.
func (f *freer) search(accept func(Reading) error) (*Model, error) {
	nodes := f.model.graph.Nodes
	solutions := 0
	var refused error
	for i := 0; ; {
		if err := f.ctx.Err(); err != nil {
			return nil, err
		}
		var err error
		if i < len(nodes) {
			err = f.decide(i)
		} else if err = f.outputs(); err == nil {
			var m *Model
			if m, err = f.emit(); err != nil {
				return nil, err
			}
			if err = accept(Reading{m, f.whole(), f.multiple(), f.meanings()}); err == nil {
				return m, nil
			}
			if refused == nil || errors.Is(err, ErrUndecided) {
				refused = err
			}
			solutions++
		}
		if err == nil {
			i++
			continue
		}
		if i > f.deepest {
			f.deepest, f.failure = i, err
		}
		if f.steps > stepsForNode*(len(nodes)+100) || solutions == mostSolutions {
			break
		}
		if i, err = f.back(f.ancestors(i)); err != nil {
			break
		}
		i++
	}
	if refused != nil {
		return nil, refused
	}
	return nil, f.failure
}

// decide reads a node in the way that seems best.
func (f *freer) decide(i int) error {
	n := f.model.graph.Nodes[i]
	question, all := f.candidates(n)
	if at := slices.IndexFunc(all, func(c candidate) bool { return question != "" && c.name == f.liked[question] }); at > 0 {
		c := all[at]
		all = slices.Insert(slices.Delete(all, at, at+1), 0, c)
	}
	delete(f.shares, i)
	if at := slices.Index(f.asked[:i], question); f.alike && question != "" && at >= 0 {
		all = all[:1]
		f.shares[i] = at
	}
	f.asked[i] = question
	d := decision{node: i, candidates: all, question: question, symbols: len(f.symbols)}
	return f.take(&d)
}

// back takes the next reading of the last node that has one, of those that have to do with what failed, and returns its index.
func (f *freer) back(conflict set) (int, error) {
	for len(f.trail) > 0 {
		d := f.trail[len(f.trail)-1]
		f.trail = f.trail[:len(f.trail)-1]
		if !conflict.has(d.node) {
			continue
		}
		d.conflict = d.conflict.with(conflict)
		f.symbols = f.symbols[:d.symbols]
		if err := f.take(&d); err == nil {
			return d.node, nil
		}
		conflict = d.conflict.with(f.ancestors(d.node))
	}
	return 0, errors.New("no reading is left")
}

// ancestors returns a node, an index past the last of them for all, with those that its operands are computed by and those whose readings they
// share.
func (f *freer) ancestors(i int) set {
	nodes := f.model.graph.Nodes
	if f.before == nil {
		by := map[string]int{}
		f.before = make([]set, len(nodes)+1)
		all := make(set, len(nodes)/64+1)
		for j, n := range nodes {
			s := make(set, len(nodes)/64+1)
			s[j/64] |= 1 << (j % 64)
			for _, in := range usedNames(n) {
				if k, ok := by[in]; ok {
					s = s.with(f.before[k])
				}
			}
			for _, o := range n.Outputs {
				by[o] = j
			}
			f.before[j] = s
			all[j/64] |= 1 << (j % 64)
		}
		f.before[len(nodes)] = all
	}
	s := f.before[i]
	for grown := true; grown; {
		grown = false
		for j, k := range f.shares {
			if s.has(j) && !s.has(k) {
				s, grown = s.with(f.before[k]), true
			}
		}
	}
	return s
}

// usedNames returns the values that a node uses, those of graphs in it included.
func usedNames(n *Node) []string {
	names := slices.Clone(n.Inputs)
	for _, g := range n.graphs() {
		names = append(names, g.Free()...)
	}
	return names
}

// set is a set of small numbers.
type set []uint64

func (s set) has(i int) bool { return i/64 < len(s) && s[i/64]>>(i%64)&1 != 0 }

func (s set) with(t set) set {
	u := make(set, max(len(s), len(t)))
	copy(u, s)
	for i, w := range t {
		u[i] |= w
	}
	return u
}

// take reads the node in the first way left that its operator allows.
func (f *freer) take(d *decision) error {
	n := f.model.graph.Nodes[d.node]
	err := fmt.Errorf("%s: no reading of its constants was found", n.Label())
	for len(d.candidates) > 0 {
		c := d.candidates[0]
		d.candidates = d.candidates[1:]
		f.symbols = append(f.symbols[:d.symbols:d.symbols], c.symbols...)
		if e := f.read(n, c); e != nil {
			err = e
			if f.ctx.Err() != nil {
				return e
			}
			continue
		}
		f.chosen[d.node] = c
		if d.question != "" {
			f.liked[d.question] = c.name
		}
		if len(d.candidates) > 0 {
			f.trail = append(f.trail, *d)
		}
		return nil
	}
	f.symbols = f.symbols[:d.symbols]
	return err
}
