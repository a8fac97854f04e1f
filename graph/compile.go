package graph

import (
	"fmt"
	"slices"
	"strings"

	"github.com/gansr/gansr/internal/kernel"
)

// compiler turns values into a session's steps and slots.
type compiler struct {
	s      *Session
	slotOf map[*Value]int
	calls  []*call          // in an order in which they can run
	uses   map[*Value]int   // operand positions and outputs that name the value
	user   map[*Value]*call // a call that uses the value
	left   int64            // bytes for weights and workspaces; 0: no bound
	tight  bool             // it is too little even for the smallest
}

func (c *compiler) compile(inputs, outputs []*Value) error {
	for _, v := range inputs {
		if v.known != nil || v.from != nil {
			return fmt.Errorf("%q is not an input", v.name)
		}
		c.s.inputs = append(c.s.inputs, c.slot(v, inputSlot))
	}
	if err := c.order(outputs); err != nil {
		return err
	}
	groups := c.fuse()
	for _, k := range c.calls {
		g, ok := groups[k]
		if !ok {
			continue // fused into another
		}
		if err := c.emit(g); err != nil {
			return err
		}
	}
	c.fit()
	for _, v := range outputs {
		kind := arenaSlot
		if v.known != nil {
			kind = constantSlot
		}
		c.s.outputs = append(c.s.outputs, c.slot(v, kind))
	}
	c.block()
	c.joinPools()
	c.joinRows()
	c.scratch()
	c.plan()
	need, limit := c.s.WeightBytes()+c.s.ArenaBytes()+c.s.WorkspaceBytes(), SystemMemory()
	for _, v := range c.s.outputs {
		need += int64(c.s.slots[v].typ.Len() * c.s.slots[v].typ.DType.Size())
	}
	if need > limit {
		return &MemoryError{need, limit}
	}
	return nil
}

// scratch finds what workspaces take: with shared memory they lie among the values, as of large convolutions they are as large.
func (c *compiler) scratch() {
	s := c.s
	for _, st := range s.steps {
		n, slot := 0, -1
		if st.prep != nil {
			n = st.prep.workspace(s.workers.Threads())
		}
		if s.memory == nil {
			s.scratch = max(s.scratch, n)
			continue
		}
		if n > 0 {
			slot = len(s.slots)
			s.slots = append(s.slots, newSlot(Type{Float32, []int{n}}, slot))
		}
		s.workspaces = append(s.workspaces, slot)
	}
}

// newSlot is a slot of the arena that has an index.
func newSlot(t Type, i int) slot { return slot{typ: t, kind: arenaSlot, root: i} }

func (c *compiler) slot(v *Value, kind slotKind) int {
	if i, ok := c.slotOf[v]; ok {
		return i
	}
	i := len(c.s.slots)
	if v.known != nil {
		kind = constantSlot
	}
	c.s.slots = append(c.s.slots, slot{typ: v.typ, kind: kind, fixed: v.known, root: i, name: v.name})
	c.slotOf[v] = i
	return i
}

// order lists the calls that outputs need, operands first, without recursion: networks can be deep. Outputs that few calls lead to come first, so
// that what they need is used while it is in a cache and need not be kept: the gradients of the last layers before those of the first.
func (c *compiler) order(outputs []*Value) error {
	c.uses, c.user = map[*Value]int{}, map[*Value]*call{}
	seen := map[*call]bool{}
	type frame struct {
		call *call
		next int
	}
	var stack []frame
	visit := func(v *Value) error {
		switch {
		case v.known != nil:
		case v.from == nil:
			if _, ok := c.slotOf[v]; !ok {
				return fmt.Errorf("input %q is needed and not listed", v.name)
			}
		case !seen[v.from]:
			seen[v.from] = true
			stack = append(stack, frame{v.from, 0})
		}
		return nil
	}
	outputs = slices.Clone(outputs)
	depth := depths(outputs)
	slices.SortStableFunc(outputs, func(a, b *Value) int { return depth[a.from] - depth[b.from] })
	for _, o := range outputs {
		c.uses[o]++
		if err := visit(o); err != nil {
			return err
		}
		for len(stack) > 0 {
			f := &stack[len(stack)-1]
			if f.next == len(f.call.in) {
				c.calls = append(c.calls, f.call)
				stack = stack[:len(stack)-1]
				continue
			}
			v := f.call.in[f.next]
			f.next++
			c.uses[v]++
			c.user[v] = f.call
			if err := visit(v); err != nil {
				return err
			}
		}
	}
	return nil
}

// depths returns how many calls lead to each call that outputs need, one after the other, and 0 for none.
func depths(outputs []*Value) map[*call]int {
	depth := map[*call]int{nil: 0}
	var stack []*call
	push := func(k *call) {
		if _, ok := depth[k]; !ok {
			stack = append(stack, k)
		}
	}
	for _, o := range outputs {
		push(o.from)
		for len(stack) > 0 {
			k := stack[len(stack)-1]
			n, most := len(stack), 0
			for _, v := range k.in {
				push(v.from)
				most = max(most, depth[v.from])
			}
			if len(stack) == n {
				stack = stack[:n-1]
				depth[k] = most + 1
			}
		}
	}
	return depth
}

// group is a call with those fused behind it.
type group struct {
	first     *call
	last      *call
	epilogue  kernel.Epilogue
	residuals []*Value
	names     []string
}

// fuse returns the groups by their last call: operands of an epilogue are computed by then.
func (c *compiler) fuse() map[*call]*group {
	groups, taken := map[*call]*group{}, map[*call]bool{}
	for _, k := range c.calls {
		if taken[k] {
			continue
		}
		g := &group{first: k, last: k, names: []string{k.op.Name()}}
		if p, ok := k.op.(preparer); ok && p.prepares(k.in) && !isWeightGradient(k.op) {
			for c.uses[g.last.outs[0]] == 1 {
				data := g.last.outs[0]
				next := c.user[data]
				if next == nil || taken[next] || !g.absorb(next, data) {
					break
				}
				taken[next] = true
			}
		}
		groups[g.last] = g
	}
	return groups
}

// isWeightGradient tells of an operator that can be prepared and does not take an epilogue.
func isWeightGradient(op Operator) bool {
	_, ok := op.(ConvWeights)
	return ok
}

// absorb adds the call that is the only user of data to the group if it can be a stage of the epilogue.
func (g *group) absorb(next *call, data *Value) bool {
	op, ok := next.op.(fusible)
	if !ok || !next.outs[0].typ.Equal(data.typ) {
		return false
	}
	st, residual, ok := op.stage(next.in, slices.Index(next.in, data))
	if !ok {
		return false
	}
	if residual >= 0 {
		st.Residual = len(g.residuals)
		g.residuals = append(g.residuals, next.in[residual])
	}
	g.epilogue = append(g.epilogue, st)
	g.names = append(g.names, next.op.Name())
	g.last = next
	return true
}

func (c *compiler) emit(g *group) error {
	st := step{op: g.first.op, label: strings.Join(g.names, "+")}
	if p, ok := g.first.op.(preparer); ok && p.prepares(g.first.in) {
		var err error
		if st.prep, err = p.prepare(c.s.shared, g.first.in, typesOf(g.first.outs), g.epilogue); err != nil {
			return fmt.Errorf("%s: %w", g.first.op.Name(), err)
		}
		st.name = g.first.in[1].name
	}
	_, st.view = g.first.op.(Viewer)
	for _, v := range g.first.in {
		st.in = append(st.in, c.slot(v, arenaSlot))
	}
	for _, v := range g.residuals {
		st.res = append(st.res, c.slot(v, arenaSlot))
	}
	for _, v := range g.last.outs {
		st.out = append(st.out, c.slot(v, arenaSlot))
	}
	c.s.steps = append(c.s.steps, st)
	return nil
}

// fit chooses the algorithms of convolutions, and finds what their weights need.
func (c *compiler) fit() {
	s, threads := c.s, c.s.workers.Threads()
	var convs []*kernel.Conv
	for _, st := range s.steps {
		if k := st.conv(); k != nil {
			convs = append(convs, k)
		} else if _, ok := st.prep.(preparedConv); ok {
			s.weights += 4 * int64(s.slots[st.in[1]].typ.Len())
		}
	}
	left := c.left
	if left > 0 {
		left = max(1, left-s.weights)
	}
	weights, _, fits := kernel.Fit(convs, threads, left)
	c.tight = !fits
	s.weights += weights
}
