package onnxio

import (
	"slices"

	"github.com/gansr/gansr/graph"
)

// opArgMax: ArgMax and ArgMin. select_last_index since opset 12.
func opArgMax(c *call) []*graph.Value {
	axis := c.axis(c.int("axis", 0), c.rank(0))
	v := c.apply(graph.ArgMax{Axis: axis, Min: c.Name == "ArgMin", Last: c.bool("select_last_index", 0)}, c.value(0))
	if !c.bool("keepdims", 1) {
		v = c.reshape(v, slices.Delete(slices.Clone(c.shape(0)), axis, axis+1)...)
	}
	return one(v)
}

// opCumProd: opset 26.
func opCumProd(c *call) []*graph.Value {
	axis := c.axis(c.constInt(1), c.rank(0))
	return one(c.apply(graph.CumProd{Axis: axis, Exclusive: c.bool("exclusive", 0), Reverse: c.bool("reverse", 0)}, c.value(0)))
}

// opCumSum: opset 11. The axis is an input.
func opCumSum(c *call) []*graph.Value {
	axis := c.axis(c.constInt(1), c.rank(0))
	return one(c.apply(graph.CumSum{Axis: axis, Exclusive: c.bool("exclusive", 0), Reverse: c.bool("reverse", 0)}, c.value(0)))
}
