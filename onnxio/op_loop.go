package onnxio

import (
	"fmt"
	"math"
	"slices"

	"github.com/gansr/gansr/graph"
)

// maxUnrolled bounds the nodes that loops are unrolled to: a small file could ask for any number.
const maxUnrolled = 1 << 18

// unroll counts the nodes of one more turn of a loop's body.
func (c *call) unroll(g *Graph) {
	if c.t.unrolled += len(g.Nodes) + 1; c.t.unrolled > maxUnrolled {
		c.failf("the loops of the model take more than %d steps", maxUnrolled)
	}
	if err := c.t.ctx.Err(); err != nil {
		panic(failure{err})
	}
}

// opLoop: the body is unrolled. Where the number of turns or the condition depends on values of inputs, they are computed as the loop is, turn by
// turn.
func opLoop(c *call) []*graph.Value {
	body := must(c.Node.Graph("body"))
	turns := math.MaxInt
	if c.has(0) {
		turns = c.constInt(0)
	}
	carried := slices.Clone(c.in[min(2, len(c.in)):])
	scanned := make([][]*graph.Value, max(0, len(body.Outputs)-1-len(carried)))
	if len(body.Inputs) != 2+len(carried) || len(body.Outputs) < 1+len(carried) {
		c.failf("body with %d inputs and %d outputs does not fit %d carried values", len(body.Inputs), len(body.Outputs), len(carried))
	}
	goes := c.opt(1)
	for i := 0; i < turns && (goes == nil || c.holds(goes)); i++ {
		c.unroll(body)
		cond := goes
		if cond == nil {
			cond = c.constant(graph.Scalar(true))
		}
		outs := c.subgraph(body, slices.Concat([]*graph.Value{c.constant(graph.Scalar(int64(i))), cond}, carried)...)
		goes = outs[0]
		copy(carried, outs[1:])
		for k := range scanned {
			scanned[k] = append(scanned[k], outs[1+len(carried)+k])
		}
	}
	for k, vs := range scanned {
		if len(vs) == 0 {
			carried = append(carried, c.emptyScan(body.Outputs[len(body.Outputs)-len(scanned)+k]))
			continue
		}
		carried = append(carried, c.stack(vs, 0))
	}
	return carried
}

// emptyScan is what a loop without turns gathers of an output of its body.
func (c *call) emptyScan(info ValueInfo) *graph.Value {
	if info.DType == graph.Invalid {
		c.failf("the type of %v, of which there are no values, is not known", info)
	}
	shape := []int{0}
	for _, d := range info.Dims {
		shape = append(shape, max(0, d.Value))
	}
	return c.constant(graph.NewTensor(info.DType, shape...))
}

// holds returns the value of a condition.
func (c *call) holds(v *graph.Value) bool {
	t := must(c.t.pin(v))
	if t.DType() != graph.Bool || t.Len() != 1 {
		c.failf("the condition should be one bool, not %v", t.Type())
	}
	return graph.Data[bool](t)[0]
}

// stack puts values of one shape side by side along a new axis.
func (c *call) stack(vs []*graph.Value, axis int) *graph.Value {
	rank := len(vs[0].Type().Shape) + 1
	axis = c.axis(axis, rank)
	parts := make([]*graph.Value, len(vs))
	for i, v := range vs {
		if len(v.Type().Shape) != rank-1 {
			c.failf("%v and %v cannot be put side by side", vs[0].Type(), v.Type())
		}
		parts[i] = c.reshape(v, slices.Insert(slices.Clone(v.Type().Shape), axis, 1)...)
	}
	return c.apply(graph.Concat{Axis: axis}, parts...)
}

// part takes one position of an axis away.
func (c *call) part(v *graph.Value, axis, at int) *graph.Value {
	s := wholeSlice(v)
	if axis >= len(s.Sizes) {
		c.failf("%v has no axis %d", v.Type(), axis)
	}
	s.Starts[axis], s.Sizes[axis] = at, 1
	return c.reshape(c.slice(v, s), slices.Delete(slices.Clone(s.Sizes), axis, axis+1)...)
}

// opScan: unrolled. Opset 8 has a batch in front, and the lengths of its sequences as an optional input that is not supported.
func opScan(c *call) []*graph.Value {
	body, scans := must(c.Node.Graph("body")), c.int("num_scan_inputs", 0)
	in := c.in
	if c.Version < 9 {
		if c.has(0) {
			c.failf("sequence_lens is not supported")
		}
		in = in[min(1, len(in)):]
	}
	if scans < 1 || scans > len(in) || slices.Contains(in, nil) || len(body.Inputs) != len(in) || len(body.Outputs) < len(in)-scans {
		c.failf("%d of %d inputs cannot be scanned by a body with %d inputs and %d outputs", scans, len(in), len(body.Inputs), len(body.Outputs))
	}
	if c.Version >= 9 {
		return c.scan(body, in, scans)
	}
	var samples [][]*graph.Value
	for i := range in[0].Type().Shape[0] {
		one := make([]*graph.Value, len(in))
		for k, v := range in {
			one[k] = c.part(v, 0, i)
		}
		samples = append(samples, c.scan(body, one, scans))
	}
	if len(samples) == 0 {
		c.failf("a batch without samples")
	}
	outs := make([]*graph.Value, len(samples[0]))
	for k := range outs {
		var vs []*graph.Value
		for _, s := range samples {
			vs = append(vs, s[k])
		}
		outs[k] = c.stack(vs, 0)
	}
	return outs
}

// scan runs the body over the positions of an axis of the last inputs, as the attributes say, and returns the last states and what it puts out.
func (c *call) scan(body *Graph, in []*graph.Value, scans int) []*graph.Value {
	states, scanned := slices.Clone(in[:len(in)-scans]), in[len(in)-scans:]
	results := len(body.Outputs) - len(states)
	option := func(name string, i int) int {
		if v := c.ints(name, nil); i < len(v) {
			return v[i]
		}
		return 0
	}
	directions := "directions" // of the inputs, in opset 8
	if c.Version >= 9 {
		directions = "scan_input_directions"
	}
	turns := -1
	axes := make([]int, scans)
	for k, v := range scanned {
		axes[k] = c.axis(option("scan_input_axes", k), len(v.Type().Shape))
		n := v.Type().Shape[axes[k]]
		if turns >= 0 && n != turns {
			c.failf("scanned inputs have %d and %d positions", turns, n)
		}
		turns = n
	}
	outs := make([][]*graph.Value, results)
	for i := range turns {
		c.unroll(body)
		args := slices.Clone(states)
		for k, v := range scanned {
			at := i
			if option(directions, k) == 1 {
				at = turns - 1 - i
			}
			args = append(args, c.part(v, axes[k], at))
		}
		res := c.subgraph(body, args...)
		copy(states, res)
		for k := range outs {
			outs[k] = append(outs[k], res[len(states)+k])
		}
	}
	for k, vs := range outs {
		if len(vs) == 0 {
			states = append(states, c.emptyScan(body.Outputs[len(body.Outputs)-results+k]))
			continue
		}
		if option("scan_output_directions", k) == 1 {
			slices.Reverse(vs)
		}
		states = append(states, c.stack(vs, option("scan_output_axes", k)))
	}
	return states
}

// sequence is a value that is a list of others, or an optional one that may be missing. Its place in the translation is taken by a constant
// that no operator of package graph uses.
type sequence struct {
	items   []*graph.Value
	missing bool
}

// hold returns the stand-in of a sequence.
func (c *call) hold(items []*graph.Value) *graph.Value { return c.holdAs(sequence{items: items}) }

func (c *call) holdAs(s sequence) *graph.Value {
	c.t.sequences++
	v := c.t.b.Constant(fmt.Sprintf("sequence %d", c.t.sequences), graph.NewTensor(graph.Bool, 0))
	if c.t.held == nil {
		c.t.held = map[*graph.Value]sequence{}
	}
	c.t.held[v] = s
	return v
}

// items returns the values of a sequence.
func (c *call) items(i int) []*graph.Value {
	s, ok := c.t.held[c.value(i)]
	if !ok {
		c.failf("input %d is no sequence", i)
	}
	return s.items
}

// index returns the position that an input says, up to and with n.
func (c *call) index(i, n int) int {
	at := c.constInt(i)
	if at < 0 {
		at += n
	}
	if at < 0 || at > n {
		c.failf("position %d is outside of a sequence of %d", at, n)
	}
	return at
}

func opSequenceConstruct(c *call) []*graph.Value { return one(c.hold(c.present(0))) }
func opSequenceEmpty(c *call) []*graph.Value     { return one(c.hold(nil)) }
func opSequenceLength(c *call) []*graph.Value {
	return one(c.constant(graph.Scalar(int64(len(c.items(0))))))
}

func opSequenceAt(c *call) []*graph.Value {
	items := c.items(0)
	at := c.index(1, len(items))
	if at == len(items) {
		c.failf("position %d is outside of a sequence of %d", at, len(items))
	}
	return one(items[at])
}

func opSequenceInsert(c *call) []*graph.Value {
	items := slices.Clone(c.items(0))
	at := len(items)
	if c.has(2) {
		at = c.index(2, len(items))
	}
	return one(c.hold(slices.Insert(items, at, c.value(1))))
}

func opSequenceErase(c *call) []*graph.Value {
	items := slices.Clone(c.items(0))
	at := len(items) - 1
	if c.has(1) {
		at = c.index(1, len(items))
	}
	if at < 0 || at == len(items) {
		c.failf("there is no position %d in a sequence of %d", at, len(items))
	}
	return one(c.hold(slices.Delete(items, at, at+1)))
}

// opConcatFromSequence: opset 11.
func opConcatFromSequence(c *call) []*graph.Value {
	items := c.items(0)
	if len(items) == 0 {
		c.failf("the sequence is empty")
	}
	if c.bool("new_axis", 0) {
		return one(c.stack(items, c.int("axis", 0)))
	}
	return one(c.apply(graph.Concat{Axis: c.axis(c.int("axis", 0), len(items[0].Type().Shape))}, items...))
}

// opSplitToSequence: opset 11. Without sizes each position is a part of its own, and loses the axis unless keepdims is set.
func opSplitToSequence(c *call) []*graph.Value {
	x := c.value(0)
	axis := c.axis(c.int("axis", 0), c.rank(0))
	n := c.shape(0)[axis]
	var items []*graph.Value
	if !c.has(1) {
		for i := range n {
			v := c.part(x, axis, i)
			if c.bool("keepdims", 1) {
				v = c.reshape(v, slices.Insert(slices.Clone(v.Type().Shape), axis, 1)...)
			}
			items = append(items, v)
		}
		return one(c.hold(items))
	}
	sizes := c.constInts(1)
	if len(c.shape(1)) == 0 {
		size := sizes[0]
		if size < 1 {
			c.failf("parts of %d positions are not possible", size)
		}
		sizes = nil
		for at := 0; at < n; at += size {
			sizes = append(sizes, min(size, n-at))
		}
	}
	at := 0
	for _, size := range sizes {
		if size < 0 || size > n-at {
			c.failf("parts %v do not add up to axis %d of %v", sizes, axis, x.Type())
		}
		s := wholeSlice(x)
		s.Starts[axis], s.Sizes[axis] = at, size
		items = append(items, c.slice(x, s))
		at += size
	}
	if at != n {
		c.failf("parts %v do not add up to axis %d of %v", sizes, axis, x.Type())
	}
	return one(c.hold(items))
}

// opSequenceMap: opset 17. The body sees one item of each sequence at a time, and other inputs as they are.
func opSequenceMap(c *call) []*graph.Value {
	body, first := must(c.Node.Graph("body")), c.items(0)
	outs := make([][]*graph.Value, len(body.Outputs))
	for i := range first {
		c.unroll(body)
		args := slices.Clone(c.in)
		for k, v := range args {
			s, ok := c.t.held[v]
			switch {
			case ok && len(s.items) != len(first):
				c.failf("sequences of %d and %d items", len(first), len(s.items))
			case ok:
				args[k] = s.items[i]
			}
		}
		for k, v := range c.subgraph(body, args...) {
			outs[k] = append(outs[k], v)
		}
	}
	held := make([]*graph.Value, len(outs))
	for k, vs := range outs {
		held[k] = c.hold(vs)
	}
	return held
}

// opOptional: opset 15. Without an input the optional value is missing.
func opOptional(c *call) []*graph.Value {
	if c.has(0) {
		return one(c.value(0))
	}
	return one(c.holdAs(sequence{missing: true}))
}

// opOptionalGetElement: opset 15; 18 added values that are not optional.
func opOptionalGetElement(c *call) []*graph.Value {
	if c.t.held[c.value(0)].missing {
		c.failf("the optional value is missing")
	}
	return one(c.value(0))
}

// opOptionalHasElement: opset 15; 18 made the input optional.
func opOptionalHasElement(c *call) []*graph.Value {
	has := c.has(0)
	if has {
		has = !c.t.held[c.value(0)].missing
	}
	return one(c.constant(graph.Scalar(has)))
}
