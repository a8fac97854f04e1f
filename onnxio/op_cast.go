package onnxio

import "github.com/gansr/gansr/graph"

// opCast: the attributes saturate and round_mode concern float8 types only.
func opCast(c *call) []*graph.Value {
	to := must(DType(int64(c.int("to", 0))))
	v := c.apply(graph.Cast{To: to}, c.value(0))
	if to.IsHalf() && !c.t.rounding {
		v = c.apply(graph.Cast{To: graph.Float32}, v) // the value is rounded, the type is that of all others
	}
	return one(v)
}

func opCastLike(c *call) []*graph.Value {
	return one(c.apply(graph.Cast{To: c.value(1).Type().DType}, c.value(0)))
}
