package onnxio

import (
	"math"

	"github.com/gansr/gansr/graph"
)

// opGreater: Greater and GreaterOrEqual.
func opGreater(c *call) []*graph.Value {
	is := graph.IsLess
	if c.Name == "GreaterOrEqual" {
		is = graph.IsLessOrEqual
	}
	return one(c.apply(graph.Compare{Is: is}, c.value(1), c.value(0)))
}

func opXor(c *call) []*graph.Value {
	if dt := c.value(0).Type().DType; dt != graph.Bool {
		c.failf("Xor of %v is not defined", dt)
	}
	return one(c.apply(graph.Not{}, c.apply(graph.Compare{Is: graph.IsEqual}, c.value(0), c.value(1))))
}

// opIsNaN: NaN is what differs from itself.
func opIsNaN(c *call) []*graph.Value {
	return one(c.apply(graph.Not{}, c.apply(graph.Compare{Is: graph.IsEqual}, c.value(0), c.value(0))))
}

func opIsInf(c *call) []*graph.Value {
	x := c.value(0)
	is := func(v float64) *graph.Value {
		return c.apply(graph.Compare{Is: graph.IsEqual}, x, c.scalar(x.Type().DType, v))
	}
	negative, positive := c.bool("detect_negative", 1), c.bool("detect_positive", 1)
	switch {
	case negative && positive:
		return one(c.apply(graph.Or{}, is(math.Inf(-1)), is(math.Inf(1))))
	case negative:
		return one(is(math.Inf(-1)))
	case positive:
		return one(is(math.Inf(1)))
	}
	return one(c.constant(graph.NewTensor(graph.Bool, x.Type().Shape...)))
}
