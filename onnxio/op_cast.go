package onnxio

import "github.com/gansr/gansr/graph"

// opCast: opset 19 added saturate, for float8 types, and opset 24 round_mode, for float8e8m0.
func opCast(c *call) []*graph.Value {
	to := must(DType(int64(c.int("to", 0))))
	v := c.castNarrow(c.value(0), to)
	if to.IsHalf() && !c.t.rounding {
		v = c.apply(graph.Cast{To: graph.Float32}, v) // the value is rounded, the type is that of all others
	}
	return one(v)
}

func opCastLike(c *call) []*graph.Value {
	return one(c.castNarrow(c.value(0), c.value(1).Type().DType))
}

// castNarrow adds a Cast as the attributes for narrow types want it.
func (c *call) castNarrow(v *graph.Value, to graph.DType) *graph.Value {
	op := graph.Cast{To: to}
	if to.IsNarrow() {
		op.Wrap = !c.bool("saturate", 1)
		op.Scale = c.str("round_mode", "up")
	}
	return c.apply(op, v)
}
