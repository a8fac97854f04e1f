package onnxio

import (
	"slices"

	"github.com/gansr/gansr/graph"
)

// recurrent is an RNN, GRU or LSTM being translated, step by step. Matrices have the gates one below the other.
type recurrent struct {
	*call
	size, gates int
	batch       int
	steps       []*graph.Value // batch x features
	lengths     *graph.Value   // batch x 1, nil if all samples have all steps
}

// opRecurrent: RNN, GRU and LSTM of opset 7; 14 added layout.
func opRecurrent(c *call) []*graph.Value {
	r := recurrent{call: c, size: c.int("hidden_size", 0), gates: map[string]int{"RNN": 1, "GRU": 3, "LSTM": 4}[c.Name]}
	x, batchFirst := c.value(0), c.bool("layout", 0)
	if c.rank(0) != 3 || c.rank(1) != 3 || c.rank(2) != 3 {
		c.failf("input %v, weights %v and %v should have three axes", x.Type(), c.value(1).Type(), c.value(2).Type())
	}
	if batchFirst {
		x = c.transpose(x, 1, 0, 2)
	}
	directions := c.shape(1)[0]
	r.batch = x.Type().Shape[1]
	if !slices.Equal(c.shape(2), []int{directions, r.gates * r.size, r.size}) || !slices.Equal(c.shape(1), []int{directions, r.gates * r.size, x.Type().Shape[2]}) {
		c.failf("weights %v and %v do not fit %v and a size of %d", c.value(1).Type(), c.value(2).Type(), x.Type(), r.size)
	}
	for i := range x.Type().Shape[0] {
		r.steps = append(r.steps, c.part(x, 0, i))
	}
	if len(r.steps) == 0 || len(r.steps) > maxUnrolled/32 {
		c.failf("%d steps are not possible", len(r.steps))
	}
	if c.has(4) {
		r.lengths = c.reshape(c.cast(c.value(4), graph.Int64), r.batch, 1)
	}
	first := func(i, d int) *graph.Value { // the initial state
		if !c.has(i) {
			return c.expand(c.reshape(c.scalar(x.Type().DType, 0), 1, 1), r.batch, r.size)
		}
		if batchFirst {
			return c.part(c.value(i), 1, d)
		}
		return c.part(c.value(i), 0, d)
	}
	direction := c.str("direction", "forward")
	if !slices.Contains([]string{"forward", "reverse", "bidirectional"}, direction) || (direction == "bidirectional") != (directions == 2) || directions > 2 {
		c.failf("direction %q does not fit weights %v", direction, c.value(1).Type())
	}
	outs := make([][]*graph.Value, len(r.steps))
	var hs, cs []*graph.Value
	for d := range directions {
		ys, h, cell := r.run(d, direction == "reverse" || d == 1, first(5, d), first(6, d))
		for i, y := range ys {
			outs[i] = append(outs[i], y)
		}
		hs, cs = append(hs, h), append(cs, cell)
	}
	var steps []*graph.Value
	for _, o := range outs {
		steps = append(steps, c.stack(o, 0))
	}
	y := c.stack(steps, 0)
	last := []*graph.Value{c.stack(hs, 0), c.stack(cs, 0)}
	if batchFirst {
		y = c.transpose(y, 2, 0, 1, 3)
		last[0], last[1] = c.transpose(last[0], 1, 0, 2), c.transpose(last[1], 1, 0, 2)
	}
	if c.Name != "LSTM" {
		return []*graph.Value{y, last[0]}
	}
	return []*graph.Value{y, last[0], last[1]}
}

// run makes the steps of direction d and returns what each puts out, in the order of the input, and the last states. Beyond the end of
// a sample it puts out zeros and keeps its states.
func (r recurrent) run(d int, backwards bool, h, cell *graph.Value) (ys []*graph.Value, lastH, lastC *graph.Value) {
	w, u := r.part(r.value(1), 0, d), r.part(r.value(2), 0, d)
	bias := r.reshape(r.scalar(w.Type().DType, 0), 1)
	if r.has(3) {
		bias = r.part(r.value(3), 0, d)
	} else {
		bias = r.expand(bias, 2*r.gates*r.size)
	}
	ys = make([]*graph.Value, len(r.steps))
	for i := range r.steps {
		t := i
		if backwards {
			t = len(r.steps) - 1 - i
		}
		newH, newC := r.step(d, r.steps[t], w, u, bias, h, cell)
		ys[t] = newH
		if r.lengths != nil {
			within := r.apply(graph.Compare{Is: graph.IsLess}, r.scalar(graph.Int64, float64(t)), r.lengths)
			ys[t] = r.apply(graph.Where{}, within, newH, r.scalar(newH.Type().DType, 0))
			newH, newC = r.apply(graph.Where{}, within, newH, h), r.apply(graph.Where{}, within, newC, cell)
		}
		h, cell = newH, newC
	}
	return ys, h, cell
}

func (r recurrent) add(x, y *graph.Value) *graph.Value { return r.apply(graph.Add{}, x, y) }
func (r recurrent) mul(x, y *graph.Value) *graph.Value { return r.apply(graph.Mul{}, x, y) }

// rows takes gates of a matrix or vector from the first on.
func (r recurrent) rows(v *graph.Value, first, gates int) *graph.Value {
	s := wholeSlice(v)
	s.Starts[0], s.Sizes[0] = first*r.size, gates*r.size
	return r.slice(v, s)
}

// gate takes gate i of batch x gates.
func (r recurrent) gate(v *graph.Value, i int) *graph.Value {
	s := wholeSlice(v)
	s.Starts[1], s.Sizes[1] = i*r.size, r.size
	return r.slice(v, s)
}

func (r recurrent) times(x, matrix *graph.Value) *graph.Value {
	return r.apply(graph.MatMul{TransB: true}, x, matrix)
}

// step makes one step: the new output and, of an LSTM, the new cell.
func (r recurrent) step(d int, x, w, u, bias, h, cell *graph.Value) (newH, newC *graph.Value) {
	biasW, biasU := r.rows(bias, 0, r.gates), r.rows(bias, r.gates, r.gates)
	fromX := r.add(r.times(x, w), biasW)
	switch r.Name {
	case "RNN":
		return r.activated(d, 0, r.add(fromX, r.add(r.times(h, u), biasU))), cell
	case "GRU":
		both := r.add(r.times(h, r.rows(u, 0, 2)), r.rows(biasU, 0, 2))
		z := r.activated(d, 0, r.add(r.gate(fromX, 0), r.gate(both, 0)))
		reset := r.activated(d, 0, r.add(r.gate(fromX, 1), r.gate(both, 1)))
		var fromH *graph.Value
		if r.bool("linear_before_reset", 0) {
			fromH = r.mul(reset, r.add(r.times(h, r.rows(u, 2, 1)), r.rows(biasU, 2, 1)))
		} else {
			fromH = r.add(r.times(r.mul(reset, h), r.rows(u, 2, 1)), r.rows(biasU, 2, 1))
		}
		n := r.activated(d, 1, r.add(r.gate(fromX, 2), fromH))
		return r.add(n, r.mul(z, r.apply(graph.Sub{}, h, n))), cell
	}
	all := r.add(fromX, r.add(r.times(h, u), biasU))
	peep := func(g *graph.Value, i int, c *graph.Value) *graph.Value {
		if !r.has(7) {
			return g
		}
		return r.add(g, r.mul(r.rows(r.part(r.value(7), 0, d), i, 1), c))
	}
	in := r.activated(d, 0, peep(r.gate(all, 0), 0, cell))
	var forget *graph.Value
	if r.bool("input_forget", 0) {
		forget = r.apply(graph.Sub{}, r.scalar(in.Type().DType, 1), in)
	} else {
		forget = r.activated(d, 0, peep(r.gate(all, 2), 2, cell))
	}
	newC = r.add(r.mul(forget, cell), r.mul(in, r.activated(d, 1, r.gate(all, 3))))
	out := r.activated(d, 0, peep(r.gate(all, 1), 1, newC))
	return r.mul(out, r.activated(d, 2, newC)), newC
}

// activated applies activation i of direction d, after the bound that clip sets.
func (r recurrent) activated(d, i int, v *graph.Value) *graph.Value {
	dt := v.Type().DType
	if clip := float64(r.float("clip", 0)); clip > 0 {
		v = r.apply(graph.Clip{}, v, r.scalar(dt, -clip), r.scalar(dt, clip))
	}
	defaults := map[string][]string{"RNN": {"Tanh"}, "GRU": {"Sigmoid", "Tanh"}, "LSTM": {"Sigmoid", "Tanh", "Tanh"}}[r.Name]
	name := defaults[i]
	if given := must(r.Strings("activations", nil)); given != nil {
		if at := d*len(defaults) + i; at < len(given) {
			name = given[at]
		} else {
			r.failf("activations %q should be %d for each direction", given, len(defaults))
		}
	}
	switch name {
	case "Sigmoid":
		return r.apply(graph.Sigmoid{}, v)
	case "Tanh":
		return r.apply(graph.Tanh{}, v)
	case "Relu":
		return r.apply(graph.Relu{}, v)
	case "Softplus":
		return r.apply(graph.Softplus{}, v)
	}
	r.failf("activation %q is not supported; those that are: Sigmoid, Tanh, Relu, Softplus", name)
	return nil
}
