package onnxio

import "github.com/gansr/gansr/graph"

// opSoftmax: Softmax and LogSoftmax. Before opset 13 all axes from the given one (by default 1) on count as one.
func opSoftmax(c *call) []*graph.Value {
	x, rank := c.value(0), c.rank(0)
	if c.Version >= 13 {
		return one(c.softmax(x, c.axis(c.int("axis", -1), rank)))
	}
	axis := c.int("axis", 1)
	if axis != rank { // rank itself: every element stands alone
		axis = c.axis(axis, rank)
	}
	rows, _ := graph.Numel(c.shape(0)[:axis])
	cols, _ := graph.Numel(c.shape(0)[axis:])
	return one(c.reshape(c.softmax(c.reshape(x, rows, cols), 1), c.shape(0)...))
}

func (c *call) softmax(x *graph.Value, axis int) *graph.Value {
	if c.Name == "LogSoftmax" || !x.Type().DType.IsHalf() {
		return c.apply(graph.Softmax{Axis: axis, Log: c.Name == "LogSoftmax"}, x)
	}
	// ONNX defines Softmax by these operators, each of which rounds to 16 bits.
	over := []int{axis}
	e := c.apply(graph.Exp{}, c.apply(graph.Sub{}, x, c.apply(graph.Reduce{By: graph.ReduceMax, Axes: over}, x)))
	return c.apply(graph.Div{}, e, c.apply(graph.Reduce{By: graph.ReduceAdd, Axes: over}, e))
}
