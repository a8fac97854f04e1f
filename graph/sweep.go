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
	slopes func(dst, a, slopes []float32) // of a row of slopes, if there is no binary form
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
		r.right, r.slopes = kernel.PRelu, kernel.PRelus
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
// give. Rows are images of a channel, or of a block of channels, or all elements.
type sweep struct {
	name        string
	types       []Type
	rows, width int
	channels    int // row r is of channel r%channels, or of that block
	lanes       int // channels of a block, side by side in a row; 1 for images that are not blocked
	members     []member
	memory      sync.Pool // of *sweepMemory
}

// sweepMemory is what a worker needs: rows for what members give, and for operands by channel rows that repeat those of a block.
type sweepMemory struct {
	members, operands []float32
	block             []int // by operand
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

// sweepPart is how many elements make one sum, and are the least for a worker.
const sweepPart = 16 * sweepRow

func (p *sweep) Eval(x *Exec, out, in []*Tensor) error {
	operands, results := make([][]float32, len(in)), make([][]float32, len(out))
	for i, t := range in {
		operands[i] = Data[float32](t)
	}
	for i, t := range out {
		results[i] = Data[float32](t)
	}
	parts := ceilDiv(p.width, sweepPart)
	sums := make([][]float64, len(p.members)) // by row and part, and by channel of a block
	for i, m := range p.members {
		if m.sum != "" {
			sums[i] = make([]float64, p.rows*parts*m.sums(p.lanes))
		}
	}
	x.parallel(p.rows*parts, max(1, grain/min(p.width, sweepPart)), func(lo, hi int) {
		memory, _ := p.memory.Get().(*sweepMemory)
		if memory == nil {
			memory = &sweepMemory{members: make([]float32, len(p.members)*sweepRow), block: make([]int, len(in))}
			if p.lanes > 1 {
				memory.operands = make([]float32, len(in)*sweepRow)
			}
		}
		defer p.memory.Put(memory)
		fill(memory.block, -1)
		rows := make([][]float32, len(p.members))
		for at := lo; at < hi; at++ {
			row, first, end := at/parts, at%parts*sweepPart, min(at%parts*sweepPart+sweepPart, p.width)
			for ; first < end; first += sweepRow {
				n := min(sweepRow, end-first)
				for i := range p.members {
					m := &p.members[i]
					get := func(k int) (elements []float32, one float32) {
						switch a := m.args[k]; {
						case a.from < 0:
							return rows[-1-a.from], 0
						case a.repeat == repeatNone:
							return operands[a.from][row*p.width+first:][:n], 0
						case a.repeat == repeatChannel && p.lanes > 1:
							return p.repeated(memory, a.from, operands[a.from], row%p.channels)[:n], 0
						case a.repeat == repeatChannel:
							return nil, operands[a.from][row%p.channels]
						default:
							return nil, operands[a.from][0]
						}
					}
					switch {
					case m.sum == "":
						dst := memory.members[i*sweepRow:][:n]
						if m.out >= 0 {
							dst = results[m.out][row*p.width+first:][:n]
						}
						m.row(dst, get)
						rows[i] = dst
					case m.sums(p.lanes) > 1:
						a, _ := get(0)
						kernel.Sums(sums[i][at*sumLanes:][:sumLanes], a)
					default:
						a, _ := get(0)
						sums[i][at] += kernel.Sum(a)
					}
				}
			}
		}
	})
	for i, m := range p.members {
		if m.sum != "" {
			p.total(results[m.out], sums[i], parts*m.sums(p.lanes), m)
		}
	}
	return nil
}

// sumLanes is how many sums kernel.Sums makes, by place: a multiple of the channels of a block.
const sumLanes = 16

// sums is how many sums a member makes of a part of a row.
func (m *member) sums(lanes int) int {
	if lanes > 1 && !m.all {
		return sumLanes
	}
	return 1
}

// repeated returns a row that repeats an operand's elements for the channels of a block, with zeros for those that fill it.
func (p *sweep) repeated(memory *sweepMemory, i int, operand []float32, block int) []float32 {
	row := memory.operands[i*sweepRow:][:sweepRow]
	if memory.block[i] == block {
		return row
	}
	memory.block[i] = block
	pattern := row[:p.lanes]
	clear(pattern)
	copy(pattern, operand[block*p.lanes:])
	for at := p.lanes; at < len(row); at *= 2 {
		copy(row[at:], row[:at])
	}
	return row
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
		if slopes, slope := get(2); slopes != nil {
			kernel.Gates(dst, a, b, slopes)
		} else {
			kernel.Gate(dst, a, b, slope)
		}
	case b != nil && m.slopes != nil:
		m.slopes(dst, a, b)
	case a == nil && m.left != nil:
		m.left(dst, one, b)
	case b == nil:
		m.right(dst, a, other)
	default:
		m.binary(dst, a, b)
	}
}

// total adds up the sums of a member, so many to a row, in their order.
func (p *sweep) total(out []float32, sums []float64, perRow int, m member) {
	totals := make([]float64, len(out))
	n := p.rows * p.width
	for i, s := range sums {
		c := 0
		if !m.all {
			c = i/perRow%p.channels*p.lanes + i%p.lanes
		}
		if c < len(totals) { // others fill a block
			totals[c] += s
		}
	}
	if !m.all {
		n /= p.channels * p.lanes
	}
	for i, s := range totals {
		if m.sum == ReduceMean {
			s /= float64(n)
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
		if j.taken[i] || !j.joins(i, j.over(i)) && !j.needs(i) {
			continue
		}
		if group := j.grow(i); len(group) > 1 || j.needs(i) {
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

// over returns what a sweep with the step is over.
func (j *joiner) over(i int) slot {
	st := j.s.steps[i]
	if _, ok := st.op.(Reduce); ok {
		return j.s.slots[st.in[0]]
	}
	return j.s.slots[st.out[0]]
}

// needs reports whether only a sweep can compute the step: its operands by channel, or its sums, are those of blocks.
func (j *joiner) needs(i int) bool {
	over := j.over(i)
	if over.channels == 0 {
		return false
	}
	if ok, _ := j.sums(i, over); ok {
		return true
	}
	return j.joins(i, over) && slices.ContainsFunc(j.s.steps[i].in, func(v int) bool {
		by, _ := repeatOf(j.s.slots[v].typ, over)
		return by == repeatChannel
	})
}

// repeatOf tells how an operand is repeated in a sweep over a slot.
func repeatOf(t Type, over slot) (repeat, bool) {
	switch shape := over.typ.Shape; {
	case t.DType != Float32:
	case t.Equal(over.typ):
		return repeatNone, true
	case t.Len() == 1:
		return repeatAll, true
	case over.channels > 0:
		return repeatChannel, t.byChannel(4, over.channels)
	case len(shape) >= 3 && over.typ.Len()/max(1, shape[0]*shape[1]) >= sweepRow/16: // shorter rows are not worth it
		return repeatChannel, t.byChannel(len(shape), shape[1])
	}
	return 0, false
}

// joins reports whether a step can be a member of a sweep over a slot.
func (j *joiner) joins(i int, over slot) bool {
	st := j.s.steps[i]
	op, ok := rowOpOf(st.op)
	if !ok || st.prep != nil || len(st.out) != 1 || over.typ.Len() == 0 || !j.s.slots[st.out[0]].typ.Equal(over.typ) || over.typ.DType != Float32 {
		return false
	}
	rows := 0
	for k, v := range st.in {
		by, ok := repeatOf(j.s.slots[v].typ, over)
		if !ok || op.gate && (k == 2) == (by == repeatNone) || op.slopes != nil && (k == 1) == (by == repeatNone) {
			return false
		}
		if by == repeatNone {
			rows++
		}
	}
	return rows > 0
}

// sums reports whether a step is a sum that a sweep over a slot can make, and whether it is of all.
func (j *joiner) sums(i int, over slot) (ok, all bool) {
	st := j.s.steps[i]
	op, ok := st.op.(Reduce)
	if !ok || !j.s.slots[st.in[0]].typ.Equal(over.typ) {
		return false, false
	}
	of, out := over.typ, j.s.slots[st.out[0]].typ
	if over.channels > 0 {
		of.Shape = []int{of.Shape[0], over.channels, of.Shape[2], of.Shape[3]}
	}
	if ok, all = sumsOf(op, of, out); !ok || all {
		return ok, all
	}
	by, ok := repeatOf(out, over)
	return ok && by == repeatChannel, false
}

// sumsOf reports whether a reduction is a sum or a mean of all elements or of those of each channel, and which.
func sumsOf(op Reduce, of, out Type) (ok, all bool) {
	if op.By != ReduceAdd && op.By != ReduceMean || of.DType != Float32 || of.Len() == 0 {
		return false, false
	}
	if out.Len() == 1 {
		return true, true
	}
	return of.Rank() >= 3 && out.byChannel(of.Rank(), of.Shape[1]), false
}

// grow finds the steps that join a step, in their order.
func (j *joiner) grow(seed int) []int {
	const most = 12 // members
	over := j.over(seed)
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
	over := j.over(group[0])
	p := &sweep{rows: 1, width: over.typ.Len(), channels: 1, lanes: 1}
	shape := over.typ.Shape
	byChannel := over.channels > 0
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
			byChannel = byChannel || by == repeatChannel
		}
		v := of.out[0]
		ok, all := j.sums(i, over)
		if ok {
			m.sum, m.all = of.op.(Reduce).By, all
			byChannel = byChannel || !all
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
	if byChannel {
		p.channels = shape[1]
		p.rows, p.width = shape[0]*shape[1], over.typ.Len()/(shape[0]*shape[1])
	}
	if over.channels > 0 {
		p.lanes = shape[4]
	}
	p.name, st.label = names[len(names)-1], strings.Join(names, "+")
	return st
}
