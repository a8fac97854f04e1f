package graph

import (
	"slices"
	"strings"
	"sync"

	"github.com/gansr/gansr/internal/kernel"
)

// rowOps are the operators on single elements that can be joined into one sweep over memory: how each computes a row of float32 from rows
// or, where an operand has one element for all of them, from numbers.
type rowOp struct {
	unary  func(dst, a []float32)
	binary func(dst, a, b []float32)
	left   func(dst []float32, a float32, b []float32)
	right  func(dst, a []float32, b float32)
	gate   bool
}

func rowOpOf(op Operator) (r rowOp, ok bool) {
	swapped := func(f func(dst, a []float32, b float32)) func(dst []float32, a float32, b []float32) {
		return func(dst []float32, a float32, b []float32) { f(dst, b, a) }
	}
	switch op.(type) {
	case Abs:
		r.unary = kernel.Abs
	case Neg:
		r.unary = kernel.Neg
	case Sign:
		r.unary = signs
	case Sqrt:
		r.unary = kernel.Sqrt
	case Relu:
		r.unary = kernel.Relu
	case Add:
		r = rowOp{binary: kernel.Add, left: swapped(kernel.AddScalar), right: kernel.AddScalar}
	case Sub:
		r = rowOp{binary: kernel.Sub, left: kernel.ScalarSub, right: kernel.SubScalar}
	case Mul:
		r = rowOp{binary: kernel.Mul, left: swapped(kernel.MulScalar), right: kernel.MulScalar}
	case Div:
		r = rowOp{binary: kernel.Div, left: kernel.ScalarDiv, right: kernel.DivScalar}
	case Max:
		r = rowOp{binary: kernel.Max, left: swapped(kernel.MaxScalar), right: kernel.MaxScalar}
	case Min:
		r = rowOp{binary: kernel.Min, left: swapped(kernel.MinScalar), right: kernel.MinScalar}
	case PRelu:
		r.right = kernel.PRelu
	case Gate:
		r.gate = true
	default:
		return r, false
	}
	return r, true
}

// sweepOperand is where a row of a member of a sweep comes from.
type sweepOperand struct {
	from   int // an operand of the sweep, or -1-i for the result of member i
	repeat repeat
}

// repeat is how an operand of fewer elements is repeated.
type repeat uint8

const (
	repeatNone    repeat = iota
	repeatChannel        // one element for each channel
	repeatAll            // one element
)

// member is an operator of a sweep.
type member struct {
	rowOp
	args []sweepOperand
	out  int       // which result of the sweep it is, or -1
	sum  Reduction // the mean or the sum of its operand, by channel or of all, instead of a row
	all  bool
}

// sweep computes several operators on single elements row by row, so that what one gives to the next stays in a cache, and sums of what they
// give. Rows are images of a channel, or all elements.
type sweep struct {
	name        string
	types       []Type
	rows, width int
	channels    int // row r is of channel r%channels
	members     []member
	memory      sync.Pool // of *[]float32, rows for what members give
}

func (p *sweep) Name() string { return p.name }

func (p *sweep) Infer([]Type) ([]Type, error) { return p.types, nil }

// inPlace: only results that are complete before any other member reads the operand again may take its place.
func (p *sweep) inPlace() (list []int) {
	last := map[int]int{}
	result := -1
	for i, m := range p.members {
		for _, a := range m.args {
			if a.repeat == repeatNone {
				last[a.from] = i
			}
		}
		if m.out == 0 && m.sum == "" {
			result = i
		}
	}
	for from, i := range last {
		if from >= 0 && i <= result {
			list = append(list, from)
		}
	}
	slices.Sort(list)
	return list
}

// sweepRow is how many elements of a row are computed at a time: what the members of a sweep give fits a first-level cache.
const sweepRow = 1024

func (p *sweep) Eval(x *Exec, out, in []*Tensor) error {
	operands, results := make([][]float32, len(in)), make([][]float32, len(out))
	for i, t := range in {
		operands[i] = Data[float32](t)
	}
	for i, t := range out {
		results[i] = Data[float32](t)
	}
	parts := ceilDiv(p.width, sweepRow)
	sums := make([][]float64, len(p.members)) // by row and part
	for i, m := range p.members {
		if m.sum != "" {
			sums[i] = make([]float64, p.rows*parts)
		}
	}
	x.parallel(p.rows*parts, max(1, grain/min(p.width, sweepRow)), func(lo, hi int) {
		buffer, _ := p.memory.Get().(*[]float32)
		if buffer == nil {
			rows := make([]float32, len(p.members)*sweepRow)
			buffer = &rows
		}
		defer p.memory.Put(buffer)
		memory := *buffer
		rows := make([][]float32, len(p.members))
		for at := lo; at < hi; at++ {
			row, first := at/parts, at%parts*sweepRow
			n := min(sweepRow, p.width-first)
			first += row * p.width
			for i := range p.members {
				m := &p.members[i]
				get := func(k int) (elements []float32, one float32) {
					switch a := m.args[k]; {
					case a.from < 0:
						return rows[-1-a.from], 0
					case a.repeat == repeatNone:
						return operands[a.from][first:][:n], 0
					case a.repeat == repeatChannel:
						return nil, operands[a.from][row%p.channels]
					default:
						return nil, operands[a.from][0]
					}
				}
				if m.sum != "" {
					a, _ := get(0)
					sums[i][at] = kernel.Sum(a)
					continue
				}
				dst := memory[i*sweepRow:][:n]
				if m.out >= 0 {
					dst = results[m.out][first:][:n]
				}
				rows[i] = dst
				m.row(dst, get)
			}
		}
	})
	for i, m := range p.members {
		if m.sum != "" {
			p.total(results[m.out], sums[i], parts, m)
		}
	}
	return nil
}

// row computes a row from operands that get gives as rows or numbers.
func (m *member) row(dst []float32, get func(k int) ([]float32, float32)) {
	a, one := get(0)
	if m.unary != nil {
		m.unary(dst, a)
		return
	}
	b, other := get(1)
	switch {
	case m.gate:
		_, slope := get(2)
		kernel.Gate(dst, a, b, slope)
	case a == nil && m.left != nil:
		m.left(dst, one, b)
	case b == nil:
		m.right(dst, a, other)
	default:
		m.binary(dst, a, b)
	}
}

// total adds up the sums of a member's parts, in their order.
func (p *sweep) total(out []float32, sums []float64, parts int, m member) {
	totals := make([]float64, len(out))
	for i, s := range sums {
		if m.all {
			totals[0] += s
		} else {
			totals[i/parts%p.channels] += s
		}
	}
	for i, s := range totals {
		if m.sum == ReduceMean {
			s /= float64(p.rows * p.width / len(out))
		}
		out[i] = float32(s)
	}
}

// joiner finds the steps that become sweeps.
type joiner struct {
	s     *Session
	users map[int][]int // by slot, the steps that read it, and len(steps) for outputs
	from  map[int]int   // by slot, the step that writes it
	taken []bool
}

// joinRows joins operators on single elements, and sums of what they give, into sweeps. A sweep takes the place of the last of its members, so what
// others read of it has to be read later.
func (c *compiler) joinRows() {
	s := c.s
	j := &joiner{s: s, users: map[int][]int{}, from: map[int]int{}, taken: make([]bool, len(s.steps))}
	for i, st := range s.steps {
		for _, v := range st.out {
			j.from[v] = i
		}
		for _, v := range slices.Concat(st.in, st.res) {
			j.users[v] = append(j.users[v], i)
		}
	}
	for _, v := range s.outputs {
		j.users[v] = append(j.users[v], len(s.steps))
	}
	sweeps := map[int]step{} // by the last member
	for i := range s.steps {
		if j.taken[i] || !j.joins(i, s.slots[s.steps[i].out[0]].typ) {
			continue
		}
		if group := j.grow(i); len(group) > 1 {
			for _, k := range group {
				j.taken[k] = true
			}
			sweeps[group[len(group)-1]] = j.join(group)
		}
	}
	var steps []step
	for i, st := range s.steps {
		if p, ok := sweeps[i]; ok {
			st = p
		} else if j.taken[i] {
			continue
		}
		steps = append(steps, st)
	}
	s.steps = steps
}

// repeatOf tells how an operand is repeated in a sweep over a type.
func repeatOf(t, over Type) (repeat, bool) {
	switch {
	case t.DType != Float32:
	case slices.Equal(t.Shape, over.Shape):
		return repeatNone, true
	case t.Len() == 1:
		return repeatAll, true
	case over.Rank() >= 3 && over.Len()/max(1, over.Shape[0]*over.Shape[1]) >= sweepRow/16 && t.Len() == over.Shape[1]:
		k := over.Rank() - t.Rank()
		return repeatChannel, k <= 1 && t.Shape[1-k] == over.Shape[1]
	}
	return 0, false
}

// joins reports whether a step can be a member of a sweep over a type.
func (j *joiner) joins(i int, over Type) bool {
	st := j.s.steps[i]
	op, ok := rowOpOf(st.op)
	if !ok || st.prep != nil || len(st.out) != 1 || over.Len() == 0 || !j.s.slots[st.out[0]].typ.Equal(over) || over.DType != Float32 {
		return false
	}
	rows := 0
	for k, v := range st.in {
		by, ok := repeatOf(j.s.slots[v].typ, over)
		if !ok || op.gate && (k == 2) == (by == repeatNone) || op.binary == nil && op.right != nil && (k == 1) == (by == repeatNone) {
			return false
		}
		if by == repeatNone {
			rows++
		}
	}
	return rows > 0
}

// sums reports whether a step is a sum that a sweep over a type can make, and whether it is of all.
func (j *joiner) sums(i int, over Type) (ok, all bool) {
	st := j.s.steps[i]
	r, ok := st.op.(Reduce)
	if !ok || r.By != ReduceAdd && r.By != ReduceMean || !j.s.slots[st.in[0]].typ.Equal(over) {
		return false, false
	}
	out := j.s.slots[st.out[0]].typ
	if out.Len() == 1 {
		return true, true
	}
	by, ok := repeatOf(out, over)
	return ok && by == repeatChannel, false
}

// grow finds the steps that join a step, in their order.
func (j *joiner) grow(seed int) []int {
	const most = 12 // members
	over := j.s.slots[j.s.steps[seed].out[0]].typ
	group := []int{seed}
	within := func(i int) bool { return slices.Contains(group, i) }
	// fits reports whether what a member gives is read by other steps only after the last member.
	fits := func(i, last int) bool {
		return !slices.ContainsFunc(j.users[j.s.steps[i].out[0]], func(u int) bool { return u <= last && !within(u) })
	}
	try := func(i int) bool {
		if within(i) || j.taken[i] || len(group) == most {
			return false
		}
		old := slices.Clone(group)
		group = append(group, i)
		slices.Sort(group)
		last := group[len(group)-1]
		for _, k := range group {
			if !fits(k, last) {
				group = old
				return false
			}
		}
		return true
	}
	for grown := true; grown; {
		grown = false
		for _, i := range slices.Clone(group) {
			st := j.s.steps[i]
			for _, v := range st.in { // what is read by members alone
				if k, ok := j.from[v]; ok && j.joins(k, over) {
					grown = try(k) || grown
				}
			}
			if ok, _ := j.sums(i, over); ok {
				continue
			}
			for _, u := range j.users[st.out[0]] {
				if u == len(j.s.steps) {
					continue
				}
				if ok, _ := j.sums(u, over); ok || j.joins(u, over) {
					grown = try(u) || grown
				}
			}
		}
	}
	return group
}

// join makes a sweep of steps, the values of which that no other step reads need no memory.
func (j *joiner) join(group []int) step {
	s := j.s
	over := s.slots[s.steps[group[0]].out[0]].typ
	p := &sweep{rows: 1, width: over.Len(), channels: 1}
	st := step{op: p}
	index := map[int]int{} // by slot, the operand of the sweep, or -1-i for member i's result
	var names []string
	for n, i := range group {
		of := s.steps[i]
		op, _ := rowOpOf(of.op)
		m := member{rowOp: op, out: -1}
		for _, v := range of.in {
			by, _ := repeatOf(s.slots[v].typ, over)
			at, ok := index[v]
			if !ok {
				at = len(st.in)
				index[v] = at
				st.in = append(st.in, v)
			}
			m.args = append(m.args, sweepOperand{at, by})
			if by == repeatChannel {
				p.channels = over.Shape[1]
			}
		}
		v := of.out[0]
		ok, all := j.sums(i, over)
		if ok {
			m.sum, m.all = of.op.(Reduce).By, all
			if !all {
				p.channels = over.Shape[1]
			}
		}
		if ok || slices.ContainsFunc(j.users[v], func(u int) bool { return !slices.Contains(group, u) }) {
			m.out = len(st.out)
			st.out = append(st.out, v)
			p.types = append(p.types, s.slots[v].typ)
		} else {
			s.slots[v].kind = unusedSlot
		}
		index[v] = -1 - n
		p.members = append(p.members, m)
		names = append(names, of.op.Name())
	}
	if p.channels > 1 {
		p.rows, p.width = over.Shape[0]*over.Shape[1], over.Len()/(over.Shape[0]*over.Shape[1])
	}
	p.name, st.label = names[len(names)-1], strings.Join(names, "+")
	return st
}
