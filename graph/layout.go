package graph

import (
	"math"
	"slices"

	"github.com/gansr/gansr/internal/kernel"
)

// blocker is implemented by prepared convolutions, whose images may be blocked; see kernel.Layout.
type blocker interface {
	blocks() kernel.Blocking
	setBlocked(kernel.Layout)
}

// layouts is the choice of the values that are kept as blocks of channels from one convolution to the next. Those that an
// operator needs in the same form are in the same set. A set is blocked if that saves convolutions more than it costs to
// change from one form to the other where other operators want it.
type layouts struct {
	s       *Session
	roles   []role // of steps
	set     []int  // by slot, another of its set, or itself
	savings []int  // by a set's first slot, in elements
	written []bool // by slot, by a step that can write it in blocks
	twins   map[int]int
	steps   []step
}

// role is what a step can do with blocked images.
type role struct {
	conv    blocker
	weights *kernel.WeightGradient // instead, whose two operands are read in either form
	op      Operator               // for blocks, if it is neither and has another form for them
	read    []int                  // what convolutions and gradients of weights can read in either form
	either  []int                  // what others can
	same    []int                  // the result and operands, all of the same form
}

// images lists what the step can handle in blocks.
func (r role) images() []int { return slices.Concat(r.read, r.either, r.same) }

// block chooses the layout of all values and adds steps that change it where needed.
func (c *compiler) block() {
	s := c.s
	n := len(s.slots)
	l := &layouts{s: s, set: make([]int, n), savings: make([]int, n), written: make([]bool, n), twins: map[int]int{}}
	for v := range l.set {
		l.set[v] = v
	}
	plain := make([]bool, n) // read by a step that can only read it so
	for _, st := range s.steps {
		r := l.role(st)
		l.roles = append(l.roles, r)
		for _, v := range r.same {
			l.join(v, r.same[0])
		}
		for _, v := range st.out {
			l.written[v] = slices.Contains(r.same, v)
		}
		for _, v := range slices.Concat(st.in, st.res) {
			if !slices.Contains(r.images(), v) {
				plain[v] = true
			}
		}
	}
	for _, v := range s.outputs {
		plain[v] = true
	}
	save := func(v, sign int) { l.savings[l.first(v)] += sign * s.slots[v].typ.Len() }
	for i, r := range l.roles {
		for _, v := range r.read {
			save(v, 1)
		}
		if v := s.steps[i].out[0]; r.conv != nil && l.written[v] {
			save(v, 1)
		}
	}
	for v := range n {
		if plain[v] || !l.written[v] {
			save(v, -1)
		}
	}
	for i, st := range s.steps {
		r := l.roles[i]
		blocked := len(r.same) > 0 && l.blocked(st.out[0])
		switch {
		case r.conv != nil:
			r.conv.setBlocked(kernel.Layout{Src: len(r.read) > 0 && l.blocked(st.in[0]), Dst: blocked})
		case r.weights != nil:
			r.weights.SetBlocked(kernel.Layout{Src: l.blocked(st.in[0]), Dst: l.blocked(st.in[1])})
		case blocked, r.op != nil && len(r.either) > 0 && l.blocked(st.in[0]):
			st.op = r.op
		}
		st.in = l.forms(st.in, r.images())
		st.res = l.forms(st.res, r.same)
		l.steps = append(l.steps, st)
	}
	s.outputs = l.forms(s.outputs, nil)
	for v := range n {
		if l.blocked(v) && l.written[v] {
			s.slots[v].block()
		}
	}
	s.steps = l.steps
}

// forms returns the slots that have values vs, those among blocks in blocks if they should be.
func (l *layouts) forms(vs, blocks []int) []int {
	forms := slices.Clone(vs)
	for i, v := range vs {
		want := slices.Contains(blocks, v)
		if !l.blocked(v) || want == l.written[v] {
			continue
		}
		if t, ok := l.twins[v]; ok {
			forms[i] = t
			continue
		}
		forms[i] = len(l.s.slots)
		l.twins[v] = forms[i]
		twin := newSlot(l.s.slots[v].typ, forms[i])
		if want {
			twin.block()
		}
		l.s.slots = append(l.s.slots, twin)
		op := relayout{twin.typ.Shape}
		l.steps = append(l.steps, step{op: op, in: []int{v}, out: []int{forms[i]}, label: op.Name()})
	}
	return forms
}

func (l *layouts) blocked(v int) bool { return l.savings[l.first(v)] > 0 }

func (l *layouts) first(v int) int {
	for l.set[v] != v {
		l.set[v] = l.set[l.set[v]]
		v = l.set[v]
	}
	return v
}

func (l *layouts) join(v, w int) { l.set[l.first(v)] = l.first(w) }

// role tells which images of a step may be blocked.
func (l *layouts) role(st step) role {
	out := l.s.slots[st.out[0]].typ
	if op, ok := st.op.(Moments); ok {
		if op.byChannel(l.s.slots[st.in[0]].typ) {
			return role{op: momentsOnBlocks{op}, either: st.in}
		}
		return role{}
	}
	if len(st.out) != 1 || out.DType != Float32 || out.Rank() != 4 {
		return role{}
	}
	if p, ok := st.prep.(blocker); ok {
		r := role{conv: p}
		switch p.blocks() {
		case kernel.SourceBlocked:
			r.read = st.in[:1:1]
		case kernel.EitherBlocked:
			r.read, r.same = st.in[:1:1], slices.Concat(st.out, st.res)
		case kernel.BothBlocked:
			r.same = slices.Concat(st.out, st.res, st.in[:1])
			r.read = st.in[:1:1]
		}
		return r
	}
	if p, ok := st.prep.(preparedWeights); ok {
		if p.k.Blocks() {
			return role{weights: p.k, read: st.in}
		}
		return role{}
	}
	if op, ok := st.op.(Reduce); ok {
		of := l.s.slots[st.in[0]].typ
		if sums, all := sumsOf(op, of, out); sums && of.Rank() == 4 && (!all || of.Shape[1]%kernel.Lanes() == 0) {
			return role{either: st.in}
		}
		return role{}
	}
	if op, images := l.onBlocks(st, out); op != nil {
		return role{op: op, same: slices.Concat(st.out, images)}
	}
	return role{}
}

// onBlocks returns an operator that computes the step's result in blocks from operands in blocks, images, and from others
// as they are, or nil if there is none. It keeps finite what is finite, as there may be anything in channels that fill
// blocks.
func (l *layouts) onBlocks(st step, out Type) (op Operator, images []int) {
	switch op := st.op.(type) {
	case Add, Sub, Mul, Max, Min, Abs, Neg, Sign, Relu, Sigmoid, Tanh, Clip, Gelu, Softplus, Erf, Gate, PRelu:
		_, joins := rowOpOf(op) // and so can have operands by channel
		for i, v := range st.in {
			switch sl := l.s.slots[v]; {
			case sl.fixed == nil && sl.typ.Equal(out):
				images = append(images, v)
			case i < unrepeated(op): // a constant, even of one element
				return nil, nil
			case sl.typ.Len() != 1 && !(joins && sl.typ.byChannel(4, out.Shape[1])):
				return nil, nil
			case sl.typ.Len() == 1 && out.Shape[1]%kernel.Lanes() != 0 && sl.fixed != nil && math.Abs(float64(Data[float32](sl.fixed)[0])) > kernel.MostWithin:
				return nil, nil
			}
		}
		return op, images
	case MaxPool:
		if b, ok := l.overBlocks(op.Sliding, st, out); ok {
			return MaxPool{Sliding: b}, st.in
		}
	case MaxPoolGradient:
		if b, ok := l.overBlocks(op.Sliding, st, l.s.slots[st.in[1]].typ); ok {
			return MaxPoolGradient{b}, st.in
		}
	case AveragePool:
		if b, ok := l.overBlocks(op.Sliding, st, out); ok {
			return AveragePool{b, op.CountPads}, st.in
		}
	case BatchNorm:
		if l.s.slots[st.in[0]].fixed != nil {
			return nil, nil
		}
		return batchNormOnBlocks{op}, st.in[:1]
	case Concat:
		for _, v := range st.in {
			if sl := l.s.slots[v]; sl.fixed != nil || op.Axis != 1 || sl.typ.Shape[1]%kernel.Lanes() != 0 {
				return nil, nil
			}
		}
		return op, st.in
	case Slice:
		in, lanes := l.s.slots[st.in[0]], kernel.Lanes()
		first, n := op.Starts[1], op.Sizes[1]
		if in.fixed != nil || n == 0 || first%lanes != 0 || n%lanes != 0 && first+n != in.typ.Shape[1] || op.Steps[1] != 1 && n > 1 {
			return nil, nil
		}
		for k, d := range in.typ.Shape {
			if k != 1 && op.Sizes[k] != d || op.Steps[k] < 0 && d > 1 {
				return nil, nil
			}
		}
		shape := blockedType(out).Shape
		b := Slice{Starts: []int{0, first / lanes, 0, 0, 0}, Sizes: shape, Steps: []int{1, 1, 1, 1, 1}}
		return b, st.in
	}
	return nil, nil
}

// unrepeated is how many of an operator's operands, its first, are of the result's type, and not repeated to it.
func unrepeated(op Operator) int {
	switch op.(type) {
	case Gate:
		return 2
	case PRelu, Clip:
		return 1
	}
	return 0
}

// overBlocks returns the window over blocked images that keeps still within a block, for a pool or its gradient; pooled is the type of what is
// pooled. There is none if it is over nothing somewhere, where the largest is infinite, or if operands are constants.
func (l *layouts) overBlocks(s Sliding, st step, pooled Type) (b Sliding, ok bool) {
	for _, v := range st.in {
		if l.s.slots[v].fixed != nil {
			return b, false
		}
	}
	with := func(v []int, still int) []int { return append(slices.Clone(v), still) }
	b = Sliding{with(s.Kernel, 1), with(s.Strides, 1), with(s.Dilations, 1), with(slices.Insert(slices.Clone(s.Pads), len(s.Kernel), 0), 0), s.Ceil}
	return b, !s.empty(l.s.slots[st.in[0]].typ.Shape[2:], pooled.Shape[2:])
}

// block makes the slot one of a blocked image.
func (sl *slot) block() {
	sl.channels = sl.typ.Shape[1]
	sl.typ = blockedType(sl.typ)
}

// byChannel reports whether a type has an element for each channel of images of that rank.
func (t Type) byChannel(rank, channels int) bool {
	k := rank - t.Rank() // the channels are axis 1-k
	return k >= 0 && k <= 1 && t.Len() == channels && t.Shape[1-k] == channels
}

// blockedType is the type of a blocked image: [N, C/L, H, W, L], rounded up.
func blockedType(t Type) Type {
	lanes := kernel.Lanes()
	return Type{t.DType, []int{t.Shape[0], (t.Shape[1] + lanes - 1) / lanes, t.Shape[2], t.Shape[3], lanes}}
}

// relayout takes an image to or from its blocked form.
type relayout struct{ Shape []int }

func (relayout) Name() string { return "Relayout" }

func (r relayout) Infer(in []Type) ([]Type, error) { return []Type{{in[0].DType, r.Shape}}, nil }

func (r relayout) Eval(x *Exec, out, in []*Tensor) error {
	change, s := kernel.Block, in[0].shape
	if len(r.Shape) == 4 {
		change, s = kernel.Unblock, r.Shape
	}
	change(x.Pool, Data[float32](out[0]), Data[float32](in[0]), s[0], s[1], s[2]*s[3])
	return nil
}
