package onnxio

import (
	"math"
	"slices"

	"github.com/gansr/gansr/graph"
)

// attention is a scaled dot-product attention being translated. Queries, keys and values are N x heads x positions x features.
type attention struct {
	*call
	q, k, v *graph.Value
	dt      graph.DType  // of the queries
	before  int          // positions of the keys that come before the first query
	bias    *graph.Value // added to the scores, nil for none
}

// opAttention: opset 23; 24 added nonpad_kv_seqlen, 25 windows. Keys come after those of the past; a query looks at keys up to its own
// position when is_causal is set, and at none outside of its window. A query that may look at no key gives zeros.
func opAttention(c *call) []*graph.Value {
	a := c.attention()
	rank := c.rank(0)
	pasts := c.opt(4) != nil
	if pasts != (c.opt(5) != nil) || pasts && c.opt(6) != nil {
		c.failf("past_key and past_value should be given together, and without nonpad_kv_seqlen")
	}
	if pasts {
		if c.rank(4) != 4 {
			c.failf("past_key %v should have 4 axes", c.value(4).Type())
		}
		a.before = c.shape(4)[2]
		a.k = c.apply(graph.Concat{Axis: 2}, c.value(4), a.k)
		a.v = c.apply(graph.Concat{Axis: 2}, c.value(5), a.v)
	}
	presentK, presentV := a.k, a.v
	a.share()
	a.mask()

	scores := a.scores()
	mode := c.int("qk_matmul_output_mode", 0)
	shown := scores
	if softcap := float64(c.float("softcap", 0)); softcap > 0 {
		limit := c.scalar(a.dt, softcap)
		scores = c.apply(graph.Mul{}, c.apply(graph.Tanh{}, c.apply(graph.Div{}, scores, limit)), limit)
		if mode == 1 || c.Version >= 24 {
			shown = scores
		}
	}
	if a.bias != nil {
		scores = c.apply(graph.Add{}, scores, a.bias)
	}
	if mode == 2 {
		shown = scores
	}
	weights := a.weights(scores, c.int("softmax_precision", 0))
	if mode == 3 {
		shown = weights
	}
	y := c.apply(graph.MatMul{}, weights, a.v)
	if rank == 3 {
		shape := y.Type().Shape
		y = c.reshape(c.transpose(y, 0, 2, 1, 3), shape[0], shape[2], shape[1]*shape[3])
	}
	return []*graph.Value{y, presentK, presentV, shown}
}

// attention reads queries, keys and values; those of three axes have the features of all heads in the last.
func (c *call) attention() *attention {
	a := &attention{call: c, q: c.value(0), k: c.value(1), v: c.value(2), dt: c.value(0).Type().DType}
	if !a.dt.IsFloat() {
		c.failf("attention of %v is not defined", a.q.Type())
	}
	switch rank := c.rank(0); {
	case rank != c.rank(1) || rank != c.rank(2) || rank != 3 && rank != 4:
		c.failf("queries %v, keys %v and values %v should all have 3 axes, or 4", a.q.Type(), a.k.Type(), a.v.Type())
	case rank == 3:
		a.q = c.heads(a.q, c.int("q_num_heads", 0))
		a.k, a.v = c.heads(a.k, c.int("kv_num_heads", 0)), c.heads(a.v, c.int("kv_num_heads", 0))
	}
	return a
}

// heads splits the features of N x positions x features: N x heads x positions x features.
func (c *call) heads(v *graph.Value, n int) *graph.Value {
	shape := v.Type().Shape
	if len(shape) != 3 {
		c.failf("%v should have 3 axes", v.Type())
	}
	if n < 1 || shape[2]%n != 0 {
		c.failf("%d heads do not divide the features of %v", n, v.Type())
	}
	return c.transpose(c.reshape(v, shape[0], shape[1], n, shape[2]/n), 0, 2, 1, 3)
}

// share repeats keys and values for groups of queries that share them.
func (a *attention) share() {
	q, kv := a.q.Type().Shape[1], a.k.Type().Shape[1]
	if q == kv {
		return
	}
	if kv < 1 || q%kv != 0 {
		a.failf("%d heads of queries are no multiple of the %d of keys", q, kv)
	}
	a.k, a.v = a.repeatEach(a.k, 1, q/kv), a.repeatEach(a.v, 1, q/kv)
}

// scores are the products of queries and keys, scaled.
func (a *attention) scores() *graph.Value {
	scale := 1 / math.Sqrt(float64(a.q.Type().Shape[3]))
	if a.Has("scale") {
		scale = float64(a.float("scale", 0))
	}
	q, k := a.q, a.k
	if a.dt.IsHalf() { // as ONNX defines it, so that products stay in the type's range
		root := a.scalar(a.dt, math.Sqrt(scale))
		q, k = a.apply(graph.Mul{}, q, root), a.apply(graph.Mul{}, k, root)
	} else {
		q = a.apply(graph.Mul{}, q, a.scalar(a.dt, scale))
	}
	return a.apply(graph.MatMul{TransB: true}, q, k)
}

// mask makes the bias of the mask in input 3 and of what the attributes and nonpad_kv_seqlen hide.
func (a *attention) mask() {
	queries, keys := a.q.Type().Shape[2], a.k.Type().Shape[2]
	hidden := a.scalar(a.dt, math.Inf(-1))
	zero := a.scalar(a.dt, 0)
	if m := a.opt(3); m != nil {
		a.bias = a.padMask(m, keys)
		if m.Type().DType == graph.Bool {
			a.bias = a.apply(graph.Where{}, a.bias, zero, hidden)
		}
	}
	hide := func(allowed *graph.Value) {
		if a.bias == nil {
			a.bias = zero
		}
		a.bias = a.apply(graph.Where{}, allowed, a.bias, hidden)
	}
	rows, columns := make([]int64, queries), make([]int64, keys)
	for i := range rows {
		rows[i] = int64(i + a.before)
	}
	for i := range columns {
		columns[i] = int64(i)
	}
	at := a.constant(must(graph.FromSlice(rows, queries, 1)))
	key := a.constant(must(graph.FromSlice(columns, 1, keys)))
	lengths := a.opt(6)
	if lengths != nil {
		lengths = a.reshape(a.cast(lengths, graph.Int64), lengths.Type().Len(), 1, 1, 1)
		at = a.apply(graph.Add{}, at, a.apply(graph.Sub{}, lengths, a.scalar(graph.Int64, float64(queries))))
	}
	upTo := func(x, y *graph.Value) *graph.Value { return a.apply(graph.Compare{Is: graph.IsLessOrEqual}, x, y) }
	if a.bool("is_causal", 0) {
		hide(upTo(key, at))
	}
	if n := a.int("left_window_size", -1); n >= 0 {
		hide(upTo(at, a.apply(graph.Add{}, key, a.scalar(graph.Int64, float64(n)))))
	}
	if n := a.int("right_window_size", -1); n >= 0 {
		hide(upTo(key, a.apply(graph.Add{}, at, a.scalar(graph.Int64, float64(n)))))
	}
	if lengths != nil {
		hide(a.apply(graph.Compare{Is: graph.IsLess}, key, lengths))
	}
}

// padMask hides the keys that a mask is too short for.
func (a *attention) padMask(m *graph.Value, keys int) *graph.Value {
	shape := m.Type().Shape
	if len(shape) == 0 || shape[len(shape)-1] >= keys || shape[len(shape)-1] == 1 {
		return m
	}
	p := graph.Pad{Mode: graph.PadConstant, Begin: make([]int, len(shape)), End: make([]int, len(shape))}
	p.End[len(shape)-1] = keys - shape[len(shape)-1]
	fill := a.constant(graph.Scalar(false))
	if m.Type().DType != graph.Bool {
		fill = a.scalar(m.Type().DType, math.Inf(-1))
	}
	return a.apply(p, m, fill)
}

// weights is the softmax of scores in the type that softmax_precision says, and zero for queries all of whose keys are hidden.
func (a *attention) weights(scores *graph.Value, precision int) *graph.Value {
	dt := a.dt
	if precision != 0 {
		dt = must(DType(int64(precision)))
		if dt.IsHalf() && !a.t.rounding {
			dt = graph.Float32
		}
	}
	none := a.hidden()
	if none != nil { // numbers for softmax, whose gradient would be none of all hidden
		scores = a.apply(graph.Where{}, none, a.scalar(a.dt, 0), scores)
	}
	w := a.softmax(a.cast(scores, dt), len(scores.Type().Shape)-1)
	if none != nil {
		w = a.apply(graph.Where{}, none, a.scalar(dt, 0), w)
	}
	return a.cast(w, a.dt)
}

// hidden says which queries can look at no key, nil if it is known that there are none.
func (a *attention) hidden() *graph.Value {
	if a.bias == nil {
		return nil
	}
	last := len(a.bias.Type().Shape) - 1
	if last < 0 {
		return nil
	}
	most := a.apply(graph.Reduce{By: graph.ReduceMax, Axes: []int{last}}, a.bias)
	none := a.apply(graph.Compare{Is: graph.IsEqual}, most, a.scalar(a.dt, math.Inf(-1)))
	if k := none.Known(); k != nil && !slices.Contains(graph.Data[bool](k), true) {
		return nil
	}
	return none
}

// opFlexAttention: of the preview domain. score_mod and prob_mod are graphs that change scores and weights.
func opFlexAttention(c *call) []*graph.Value {
	a := c.attention()
	a.share()
	dt := wide(a.dt)
	if n := c.int("softmax_precision", 0); n != 0 {
		dt = must(DType(int64(n)))
	}
	modified := func(attr string, v *graph.Value) *graph.Value {
		if !c.Has(attr) {
			return v
		}
		return c.subgraph(must(c.Node.Graph(attr)), v)[0]
	}
	scores := modified("score_mod", c.cast(a.scores(), dt))
	weights := modified("prob_mod", c.softmax(scores, 3))
	return one(c.cast(c.apply(graph.MatMul{}, weights, c.cast(a.v, dt)), c.value(2).Type().DType))
}

// subgraph translates a graph of the node with these values as its inputs.
func (c *call) subgraph(g *Graph, in ...*graph.Value) []*graph.Value {
	if len(in) != len(g.Inputs) {
		c.failf("graph %q takes %d inputs, not %d", g.Name, len(g.Inputs), len(in))
	}
	s := &env{parent: c.scope, graph: g, values: map[string]*graph.Value{}}
	for i, info := range g.Inputs {
		s.values[info.Name] = in[i]
	}
	return must(c.t.graph(s))
}

// opRotaryEmbedding: opset 23 (Su et al., arXiv:2104.09864). Pairs of features, next to each other or half of them apart, are turned by angles
// whose cosines and sines come from a table, at the given positions or one row for each position of the input.
func opRotaryEmbedding(c *call) []*graph.Value {
	x := c.value(0)
	from := c.shape(0)
	if len(from) == 3 {
		x = c.heads(x, c.int("num_heads", 0))
	} else if len(from) != 4 {
		c.failf("input %v should have 3 or 4 axes", x.Type())
	}
	n := x.Type().Shape[3] // features that are turned
	if d := c.int("rotary_embedding_dim", 0); d > 0 {
		n = d
	}
	if n > x.Type().Shape[3] || n%2 != 0 {
		c.failf("%d features of %v cannot be turned in pairs", n, x.Type())
	}
	angle := func(i int) *graph.Value {
		v := c.value(i)
		if c.has(3) {
			v = c.apply(graph.Gather{Axis: 0}, v, c.value(3))
		}
		s := v.Type().Shape
		if len(s) != 3 || s[2] != n/2 {
			c.failf("table %v does not fit %d pairs", c.value(i).Type(), n/2)
		}
		return c.reshape(v, s[0], 1, s[1], s[2])
	}
	cos, sin := angle(1), angle(2)
	interleaved := c.bool("interleaved", 0)
	part := func(first, size, step int) *graph.Value {
		s := wholeSlice(x)
		s.Starts[3], s.Sizes[3], s.Steps[3] = first, size, step
		return c.slice(x, s)
	}
	var a, b *graph.Value
	if interleaved {
		a, b = part(0, n/2, 2), part(1, n/2, 2)
	} else {
		a, b = part(0, n/2, 1), part(n/2, n/2, 1)
	}
	mul := func(x, y *graph.Value) *graph.Value { return c.apply(graph.Mul{}, x, y) }
	re, im := c.apply(graph.Sub{}, mul(cos, a), mul(sin, b)), c.apply(graph.Add{}, mul(sin, a), mul(cos, b))
	shape := slices.Clone(x.Type().Shape)
	shape[3] = n
	var y *graph.Value
	if interleaved {
		pair := slices.Concat(a.Type().Shape, []int{1})
		y = c.reshape(c.apply(graph.Concat{Axis: 4}, c.reshape(re, pair...), c.reshape(im, pair...)), shape...)
	} else {
		y = c.apply(graph.Concat{Axis: 3}, re, im)
	}
	if rest := x.Type().Shape[3] - n; rest > 0 {
		y = c.apply(graph.Concat{Axis: 3}, y, part(n, rest, 1))
	}
	if len(from) == 3 {
		y = c.reshape(c.transpose(y, 0, 2, 1, 3), from...)
	}
	return one(y)
}
