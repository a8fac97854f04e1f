package onnxio

import (
	"math"

	"github.com/gansr/gansr/graph"
)

// activation is what activations that are composed of several operators need.
type activation struct {
	*call
	x *graph.Value
}

// activate composes a function of floating-point input 0. It is computed in float32 for the 16-bit types.
func (c *call) activate(f func(a activation) *graph.Value) []*graph.Value {
	dt := c.value(0).Type().DType
	if !dt.IsFloat() {
		c.failf("%v is not a floating-point type", dt)
	}
	return one(c.cast(f(activation{c, c.cast(c.value(0), wide(dt))}), dt))
}

func (a activation) number(v float64) *graph.Value { return a.scalar(a.x.Type().DType, v) }

func (a activation) add(x, y *graph.Value) *graph.Value { return a.apply(graph.Add{}, x, y) }
func (a activation) mul(x, y *graph.Value) *graph.Value { return a.apply(graph.Mul{}, x, y) }

// hardSigmoid is alpha*x + beta, at least 0 and at most 1.
func (a activation) hardSigmoid(alpha, beta float64) *graph.Value {
	return a.apply(graph.Clip{}, a.add(a.mul(a.x, a.number(alpha)), a.number(beta)), a.number(0), a.number(1))
}

func opLeakyRelu(c *call) []*graph.Value {
	return c.activate(func(a activation) *graph.Value {
		return a.apply(graph.PRelu{}, a.x, a.number(float64(c.float("alpha", 0.01))))
	})
}

// opPRelu: the slope is broadcast to the input; before opset 7 it may be one number for each channel.
func opPRelu(c *call) []*graph.Value {
	slope := c.value(1)
	if c.Version < 7 && c.rank(1) == 1 && c.rank(0) > 1 {
		slope = c.alignedAt(1, 1)
	}
	return one(c.apply(graph.PRelu{}, c.value(0), slope))
}

func opThresholdedRelu(c *call) []*graph.Value {
	return c.activate(func(a activation) *graph.Value {
		above := a.apply(graph.Compare{Is: graph.IsLess}, a.number(float64(c.float("alpha", 1))), a.x)
		return a.apply(graph.Where{}, above, a.x, a.number(0))
	})
}

func opElu(c *call) []*graph.Value {
	return one(c.apply(graph.Elu{Alpha: float64(c.float("alpha", 1))}, c.value(0)))
}

// opSelu: gamma times Elu (Klambauer et al., arXiv:1706.02515).
func opSelu(c *call) []*graph.Value {
	return c.activate(func(a activation) *graph.Value {
		alpha, gamma := c.float("alpha", 1.67326319217681884765625), c.float("gamma", 1.05070102214813232421875)
		return a.mul(a.apply(graph.Elu{Alpha: float64(alpha)}, a.x), a.number(float64(gamma)))
	})
}

// opCelu: max(0, x) + min(0, alpha*(exp(x/alpha) - 1)) (Barron, arXiv:1704.07483).
func opCelu(c *call) []*graph.Value {
	return c.activate(func(a activation) *graph.Value {
		alpha := a.number(float64(c.float("alpha", 1)))
		below := a.apply(graph.Elu{Alpha: 1}, a.apply(graph.Div{}, a.apply(graph.Min{}, a.x, a.number(0)), alpha))
		return a.add(a.apply(graph.Relu{}, a.x), a.mul(below, alpha))
	})
}

// opGelu: opset 20. The approximation x/2 * (1 + tanh(u)) is x*sigmoid(2u), with u = sqrt(2/pi) * (x + 0.044715*x^3).
func opGelu(c *call) []*graph.Value {
	switch mode := c.str("approximate", "none"); mode {
	case "none":
		return one(c.apply(graph.Gelu{}, c.value(0)))
	case "tanh":
	default:
		c.failf("approximate %q is unknown; it should be none or tanh", mode)
	}
	return c.activate(func(a activation) *graph.Value {
		k := 2 * math.Sqrt(2/math.Pi)
		poly := a.add(a.mul(a.mul(a.x, a.x), a.number(0.044715*k)), a.number(k))
		return a.mul(a.x, a.apply(graph.Sigmoid{}, a.mul(a.x, poly)))
	})
}

// opMish: x*tanh(softplus(x)) (Misra, arXiv:1908.08681).
func opMish(c *call) []*graph.Value {
	return c.activate(func(a activation) *graph.Value {
		return a.mul(a.x, a.apply(graph.Tanh{}, a.apply(graph.Softplus{}, a.x)))
	})
}

// opSwish: opset 24, x*sigmoid(alpha*x) (Ramachandran et al., arXiv:1710.05941).
func opSwish(c *call) []*graph.Value {
	return c.activate(func(a activation) *graph.Value {
		u := a.x
		if alpha := c.float("alpha", 1); alpha != 1 {
			u = a.mul(u, a.number(float64(alpha)))
		}
		return a.mul(a.x, a.apply(graph.Sigmoid{}, u))
	})
}

func opHardSigmoid(c *call) []*graph.Value {
	return c.activate(func(a activation) *graph.Value {
		return a.hardSigmoid(float64(c.float("alpha", 0.2)), float64(c.float("beta", 0.5)))
	})
}

// opHardSwish: opset 14, x*HardSigmoid(x) with alpha 1/6 and beta 1/2 (Howard et al., arXiv:1905.02244).
func opHardSwish(c *call) []*graph.Value {
	return c.activate(func(a activation) *graph.Value { return a.mul(a.x, a.hardSigmoid(1.0/6, 0.5)) })
}

// opSoftsign: x / (1 + |x|).
func opSoftsign(c *call) []*graph.Value {
	return c.activate(func(a activation) *graph.Value {
		return a.apply(graph.Div{}, a.x, a.add(a.apply(graph.Abs{}, a.x), a.number(1)))
	})
}
