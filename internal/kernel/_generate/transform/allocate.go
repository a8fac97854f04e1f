package main

import (
	"fmt"
	"slices"
)

// Target describes an instruction set.
type Target struct {
	name      string // suffix of the functions
	registers int
	lanes     int
}

var targets = []Target{{"AVX2", 16, 8}, {"AVX512", 32, 16}}

func (t Target) wide() bool { return t.lanes == 16 }
func (t Target) bytes() int { return 4 * t.lanes }

// Place is a register or a slot of memory.
type Place struct {
	reg  int // -1: memory
	slot Slot
}

// Instr is one machine instruction. Add, Sub, Mul: dst = a op b, b may be memory. MulAdd, MulSub overwrite an operand: dst = c*a ± b
// with dst the register of a or of b. Input: a move from a to dst.
type Instr struct {
	op        Op
	dst, a, b Place
	c         float64
}

// Code is an allocated pass.
type Code struct {
	instrs []Instr
	order  string
	spills int // stores to Spill
	loads  int // reloads from Spill
	slots  int // vectors of Spill
}

// String says what one turn costs.
func (c Code) String() string {
	var n [MulSub + 1]int
	moves, adds := 0, 0
	for _, i := range c.instrs {
		n[i.op]++
		if i.op == Input && i.dst.reg >= 0 && i.a.reg >= 0 {
			moves++
		}
		if i.op == MulAdd && (i.c == 1 || i.c == -1) {
			adds++
		}
	}
	return fmt.Sprintf("add %d mul %d fma %d (%d of them plain additions) moves %d spills %d reloads %d slots %d, %s",
		n[Add]+n[Sub], n[Mul], n[MulAdd]+n[MulSub], adds, moves, c.spills, c.loads, c.slots, c.order)
}

func (c Code) cost() int { return 2*c.spills + c.loads } // a store occupies its pipe twice as long

// best allocates all candidate orders and keeps the cheapest.
func best(outs []Output, t Target) (best Code) {
	cand := orders(outs)
	names := make([]string, 0, len(cand))
	for n := range cand {
		names = append(names, n)
	}
	slices.Sort(names)
	for i, name := range names {
		c := allocate(cand[name], outs, t)
		c.order = name
		if i == 0 || c.cost() < best.cost() || c.cost() == best.cost() && len(c.instrs) < len(best.instrs) {
			best = c
		}
	}
	return best
}

const never = 1 << 30

// allocator walks over an order and keeps values in registers; when none is free it evicts the value whose next use is furthest
// (Belady). Inputs and values spilled before are dropped without a store.
type allocator struct {
	Code
	regs  []*Node // what each register holds
	where map[*Node]int
	slot  map[*Node]Slot // memory copy
	uses  map[*Node][]int
	free  []int // spill slots given back
	now   int
	adds  int // instructions on the add pipes
	muls  int // instructions on the multiply pipes
}

func allocate(order []*Node, outs []Output, t Target) Code {
	a := &allocator{regs: make([]*Node, t.registers), where: map[*Node]int{}, slot: map[*Node]Slot{}, uses: map[*Node][]int{}}
	stores := map[*Node][]Slot{}
	for _, o := range outs {
		stores[o.node] = append(stores[o.node], o.slot)
	}
	for i, n := range order {
		for _, x := range operands(n) {
			a.uses[x] = append(a.uses[x], i)
			if x.op == Input {
				a.slot[x] = x.slot
			}
		}
	}
	for i, n := range order {
		a.now = i
		r := a.compute(n)
		for _, s := range stores[n] {
			a.emit(Instr{op: Input, dst: Place{-1, s}, a: Place{reg: r}})
		}
		if len(a.uses[n]) == 0 {
			a.release(n)
		}
	}
	for _, o := range outs {
		if o.node.op == Input { // stored as it is
			a.emit(Instr{op: Input, dst: Place{-1, o.slot}, a: a.load(o.node)})
		}
	}
	return a.Code
}

func (a *allocator) emit(i Instr) { a.instrs = append(a.instrs, i) }

// next is the position of the first use after now.
func (a *allocator) next(n *Node) int {
	for _, u := range a.uses[n] {
		if u > a.now {
			return u
		}
	}
	return never
}

func (a *allocator) dies(n *Node) bool { return a.next(n) == never }

func (a *allocator) release(n *Node) {
	if r, ok := a.where[n]; ok {
		a.regs[r] = nil
		delete(a.where, n)
	}
	if s, ok := a.slot[n]; ok && s.buf == Spill {
		a.free = append(a.free, s.minor)
		delete(a.slot, n)
	}
}

// take returns a free register, making one if needed; the values in keep stay where they are.
func (a *allocator) take(keep ...*Node) int {
	victim := -1
	for r, n := range a.regs {
		if n == nil {
			return r
		}
		if !slices.Contains(keep, n) && (victim < 0 || a.next(n) > a.next(a.regs[victim])) {
			victim = r
		}
	}
	n := a.regs[victim]
	if _, clean := a.slot[n]; !clean {
		s := Slot{Spill, 0, a.slots}
		if k := len(a.free); k > 0 {
			s.minor, a.free = a.free[k-1], a.free[:k-1]
		} else {
			a.slots++
		}
		a.slot[n] = s
		a.spills++
		a.emit(Instr{op: Input, dst: Place{-1, s}, a: Place{reg: victim}})
	}
	a.regs[victim] = nil
	delete(a.where, n)
	return victim
}

func (a *allocator) put(n *Node, r int) { a.regs[r], a.where[n] = n, r }

func (a *allocator) load(n *Node, keep ...*Node) Place {
	if r, ok := a.where[n]; ok {
		return Place{reg: r}
	}
	r := a.take(keep...)
	if a.slot[n].buf == Spill {
		a.loads++
	}
	a.emit(Instr{op: Input, dst: Place{reg: r}, a: Place{-1, a.slot[n]}})
	a.put(n, r)
	return Place{reg: r}
}

func (a *allocator) inReg(n *Node) bool { _, ok := a.where[n]; return ok }

func (a *allocator) compute(n *Node) int {
	x, y := n.a, n.b
	if n.op == Add && !a.inReg(x) && a.inReg(y) {
		x, y = y, x
	}
	i := Instr{op: n.op, c: n.c, a: a.load(x, x, y)}
	switch {
	case y == nil:
	case (n.op == Add || n.op == Sub) && y != x && !a.inReg(y) && a.dies(y):
		i.b = Place{-1, a.slot[y]}
		if a.slot[y].buf == Spill {
			a.loads++
		}
	default:
		i.b = a.load(y, x, y)
	}
	overwrites := n.op == MulAdd || n.op == MulSub
	if !overwrites && n.op != Mul {
		// An addition on the multiply pipes, where they have less to do and no copy is needed (c = ±1 is exact).
		if i.b.reg >= 0 && a.muls < a.adds && (a.dies(x) || a.dies(y)) {
			i.c, overwrites = 1, true
			if n.op == Sub { // x - y = -1*y + x
				x, y, i.a, i.b, i.c = y, x, i.b, i.a, -1
			}
			i.op = MulAdd
		}
	}
	if i.op == Add || i.op == Sub {
		a.adds++
	} else {
		a.muls++
	}
	dead := func(v *Node) bool { return v != nil && a.dies(v) }
	switch {
	case overwrites && !dead(x) && !dead(y): // work on a copy of y
		r := a.take(x, y)
		a.emit(Instr{op: Input, dst: Place{reg: r}, a: i.b})
		i.b, i.dst = Place{reg: r}, Place{reg: r}
	case overwrites && dead(y):
		i.dst = i.b
	case overwrites:
		i.dst = i.a
	}
	inMemory := y != nil && i.b.reg < 0 // its slot must not be given away before this instruction
	if dead(x) {
		a.release(x)
	}
	if dead(y) && !inMemory {
		a.release(y)
	}
	if !overwrites {
		// A dying operand's register is free now; else an operand may be evicted, its store comes before this instruction.
		i.dst = Place{reg: a.take()}
	}
	if inMemory {
		a.release(y)
	}
	a.put(n, i.dst.reg)
	a.emit(i)
	return i.dst.reg
}
