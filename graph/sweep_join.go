package graph

import (
	"slices"
	"strings"
)

// joiner finds the steps that become sweeps.
type joiner struct {
	s     *Session
	users map[int][]int // by slot, the steps that read it, and len(steps) for outputs
	from  map[int]int   // by slot, the step that writes it
	at    []int         // by step, the one in whose place it is done
	taken []bool
}

// joinRows joins operators on single elements, and sums of what they give, into sweeps. A sweep takes the place of the first of its members at
// which all that it reads is there.
func (c *compiler) joinRows() {
	s := c.s
	j := &joiner{s: s, users: map[int][]int{}, from: map[int]int{}, at: make([]int, len(s.steps)), taken: make([]bool, len(s.steps))}
	for i, st := range s.steps {
		j.at[i] = i
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
	sweeps := map[int]step{} // by the place
	for i := range s.steps {
		if j.taken[i] || !j.joins(i, j.over(i)) && !j.needs(i) {
			continue
		}
		if group := j.grow(i); len(group) > 1 || j.needs(i) {
			place, _ := j.place(group)
			for _, k := range group {
				j.taken[k], j.at[k] = true, place
			}
			sweeps[place] = j.join(group)
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

// place returns the member of a group in whose place it can be done: after what it reads is written, and before others read what it writes. There
// is none if a member reads the sum that another gives.
func (j *joiner) place(group []int) (place int, ok bool) {
	after, before := -1, len(j.s.steps)
	for _, i := range group {
		st := j.s.steps[i]
		for _, v := range st.in {
			k, ok := j.from[v]
			switch {
			case !ok:
			case !slices.Contains(group, k):
				after = max(after, j.at[k])
			case isSum(j.s.steps[k]): // which is complete when the sweep is
				return 0, false
			}
		}
		for _, u := range j.users[st.out[0]] {
			if u < len(j.s.steps) && !slices.Contains(group, u) {
				before = min(before, j.at[u])
			}
		}
	}
	for _, i := range group {
		if i > after {
			return i, i < before
		}
	}
	return 0, false
}

func isSum(st step) bool {
	_, ok := st.op.(Reduce)
	return ok
}

// over returns what a sweep with the step is over.
func (j *joiner) over(i int) slot {
	st := j.s.steps[i]
	if isSum(st) {
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

// grow finds the steps that join a step, in their order: what members read, what reads what they give, and sums of what they read.
func (j *joiner) grow(seed int) []int {
	const most = 12 // members
	over := j.over(seed)
	group := []int{seed}
	try := func(more ...int) bool {
		grown := slices.Clone(group)
		for _, i := range more {
			if slices.Contains(grown, i) {
				continue
			}
			if i == len(j.s.steps) || j.taken[i] || len(grown) == most {
				return false
			}
			if sums, _ := j.sums(i, over); !sums && !j.joins(i, over) {
				return false
			}
			grown = append(grown, i)
		}
		slices.Sort(grown)
		if _, ok := j.place(grown); !ok || len(grown) == len(group) {
			return false
		}
		group = grown
		return true
	}
	for grown := true; grown; {
		grown = false
		for _, i := range slices.Clone(group) {
			st := j.s.steps[i]
			for _, v := range st.in {
				k, ok := j.from[v]
				if !ok || !j.s.slots[v].typ.Equal(over.typ) {
					continue
				}
				grown = try(k) || grown
				for _, u := range j.users[v] {
					if next, ok := j.summed(u, over); ok { // others would have to be kept from here on
						grown = try(next...) || grown
					}
				}
			}
			for _, u := range j.users[st.out[0]] {
				grown = try(u) || grown
			}
		}
	}
	return group
}

// summed returns a step that is a sum, or one whose result is only summed up, with its sum and what gives only to it.
func (j *joiner) summed(i int, over slot) (steps []int, ok bool) {
	if i == len(j.s.steps) {
		return nil, false
	}
	if sums, _ := j.sums(i, over); sums {
		return []int{i}, true
	}
	users := j.users[j.s.steps[i].out[0]]
	if len(users) != 1 || users[0] == len(j.s.steps) {
		return nil, false
	}
	sums, _ := j.sums(users[0], over)
	steps = []int{i, users[0]}
	for _, v := range j.s.steps[i].in {
		if k, ok := j.from[v]; ok && len(j.users[v]) == 1 && !j.taken[k] && j.joins(k, over) {
			steps = append(steps, k)
		}
	}
	return steps, sums
}

// part returns of which wider images a value is some of the channels, sliced out for members of the group alone: the sweep reads those.
func (j *joiner) part(v int, over slot, group []int) (whole int, r channelRange, ok bool) {
	k, found := j.from[v]
	shape := over.typ.Shape
	if !found || j.taken[k] || len(shape) < 3 || over.typ.Len()/(shape[0]*shape[1]) < sweepRow/16 {
		return 0, r, false
	}
	op, found := j.s.steps[k].op.(Slice)
	if !found || !j.s.slots[v].typ.Equal(over.typ) ||
		slices.ContainsFunc(j.users[v], func(u int) bool { return !slices.Contains(group, u) }) {
		return 0, r, false
	}
	whole = j.s.steps[k].in[0]
	of := j.s.slots[whole].typ.Shape
	for axis, size := range of {
		if axis != 1 && op.Sizes[axis] != size || op.Sizes[axis] > 1 && op.Steps[axis] != 1 {
			return 0, r, false
		}
	}
	return whole, channelRange{op.Starts[1], of[1]}, true
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
	var sliced []int // steps
	for n, i := range group {
		of := s.steps[i]
		op, _ := rowOpOf(of.op)
		m := member{rowOp: op, out: -1}
		for _, v := range of.in {
			by, _ := repeatOf(s.slots[v].typ, over)
			from := v
			whole, part, partial := j.part(v, over, group)
			if partial {
				from, byChannel = whole, true
				s.slots[v].kind = unusedSlot
				sliced = append(sliced, j.from[v])
			}
			at, ok := index[from]
			if !ok {
				at = len(st.in)
				index[from] = at
				st.in = append(st.in, from)
			}
			m.args = append(m.args, sweepOperand{at, by, part})
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
	for _, k := range sliced {
		j.taken[k] = true
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
