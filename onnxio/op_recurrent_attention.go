package onnxio

import (
	"math"
	"slices"

	"github.com/gansr/gansr/graph"
)

// opSwiGLU: opset 27, a times sigmoid(alpha*a) times b (Shazeer, arXiv:2002.05202).
func opSwiGLU(c *call) []*graph.Value {
	if !c.value(0).Type().Equal(c.value(1).Type()) {
		c.failf("%v and %v should be of one type", c.value(0).Type(), c.value(1).Type())
	}
	return one(c.apply(graph.Mul{}, opSwish(c)[0], c.value(1)))
}

// opCausalConvWithState: opset 27. Each channel is convolved along its positions with what came before, which is the state.
func opCausalConvWithState(c *call) []*graph.Value {
	x, w := c.value(0), c.value(1)
	if c.rank(0) != 3 || c.rank(1) != 3 {
		c.failf("input %v and weights %v should have 3 axes", x.Type(), w.Type())
	}
	keep := c.shape(1)[2] - 1
	past := c.opt(3)
	if past == nil {
		past = c.expand(c.reshape(c.scalar(x.Type().DType, 0), 1, 1, 1), c.shape(0)[0], c.shape(0)[1], keep)
	}
	all := c.apply(graph.Concat{Axis: 2}, past, x)
	conv := []*graph.Value{all, w}
	if b := c.opt(2); b != nil {
		conv = append(conv, b)
	}
	one := []int{1}
	y := c.apply(graph.Conv{Strides: one, Dilations: one, Pads: []int{0, 0}, Groups: c.shape(0)[1]}, conv...)
	switch mode := c.str("activation", "none"); mode {
	case "none":
	case "silu", "swish":
		wideY := c.cast(y, wide(y.Type().DType))
		y = c.cast(c.apply(graph.Mul{}, wideY, c.apply(graph.Sigmoid{}, wideY)), y.Type().DType)
	default:
		c.failf("activation %q is unknown; it should be none, silu or swish", mode)
	}
	s := wholeSlice(all)
	s.Starts[2], s.Sizes[2] = s.Sizes[2]-keep, keep
	if keep == 0 {
		s.Starts[2] = 0
	}
	return []*graph.Value{y, c.slice(all, s)}
}

// opLinearAttention: opset 27. A state of keys times values is read by queries, position by position, in float32: it decays (gated), and what it
// returns for a key is corrected by a part of the error (delta) (Yang et al., arXiv:2412.06464).
func opLinearAttention(c *call) []*graph.Value {
	rule := c.str("update_rule", "gated_delta")
	if !slices.Contains([]string{"linear", "gated", "delta", "gated_delta"}, rule) {
		c.failf("update_rule %q is unknown; it should be linear, gated, delta or gated_delta", rule)
	}
	for i := range 3 {
		if c.rank(i) != 3 {
			c.failf("input %v should be N x positions x features", c.value(i).Type())
		}
	}
	qHeads, heads := c.int("q_num_heads", 0), c.int("kv_num_heads", 0)
	wideHeads := func(v *graph.Value, n int) *graph.Value { return c.cast(c.heads(v, n), graph.Float32) }
	q, k, v := wideHeads(c.value(0), qHeads), wideHeads(c.value(1), heads), wideHeads(c.value(2), heads)
	if qHeads%heads != 0 {
		c.failf("q_num_heads %d is no multiple of kv_num_heads %d", qHeads, heads)
	}
	n, steps, dk, dv := c.shape(0)[0], c.shape(0)[1], k.Type().Shape[3], v.Type().Shape[3]
	var decay, beta *graph.Value // N x heads x positions x 1 or keys
	if rule == "gated" || rule == "gated_delta" {
		decay = c.apply(graph.Exp{}, wideHeads(c.value(4), heads))
	}
	if rule == "delta" || rule == "gated_delta" {
		n := heads
		if c.rank(5) == 3 && c.shape(5)[2] == 1 { // one for all heads
			n = 1
		}
		beta = wideHeads(c.value(5), n)
	}
	to := c.value(0).Type().DType
	state := c.expand(c.reshape(c.scalar(graph.Float32, 0), 1, 1, 1, 1), n, heads, dk, dv)
	stateType := to
	if past := c.opt(3); past != nil {
		state, stateType = c.cast(past, graph.Float32), past.Type().DType
	}
	scale := float64(c.float("scale", 0))
	if scale == 0 {
		scale = 1 / math.Sqrt(float64(q.Type().Shape[3]))
	}
	at := func(v *graph.Value, i int, shape ...int) *graph.Value { // position i
		s := wholeSlice(v)
		s.Starts[2], s.Sizes[2] = i, 1
		return c.reshape(c.slice(v, s), shape...)
	}
	mul := func(x, y *graph.Value) *graph.Value { return c.apply(graph.Mul{}, x, y) }
	var outs []*graph.Value
	for i := range steps {
		key, value := at(k, i, n, heads, dk, 1), at(v, i, n, heads, 1, dv)
		if decay != nil {
			state = mul(state, at(decay, i, n, heads, decay.Type().Shape[3], 1))
		}
		if beta != nil {
			known := c.apply(graph.MatMul{TransA: true}, key, state)
			value = mul(at(beta, i, n, beta.Type().Shape[1], 1, 1), c.apply(graph.Sub{}, value, known))
		}
		state = c.apply(graph.Add{}, state, mul(key, value))
		read := state
		if qHeads != heads {
			read = c.repeatEach(state, 1, qHeads/heads)
		}
		outs = append(outs, c.apply(graph.MatMul{}, at(q, i, n, qHeads, 1, dk), read))
	}
	y := mul(c.apply(graph.Concat{Axis: 2}, outs...), c.scalar(graph.Float32, scale))
	y = c.reshape(c.transpose(y, 0, 2, 1, 3), n, steps, qHeads*dv)
	return []*graph.Value{c.cast(y, to), c.cast(state, stateType)}
}
