package onnxio

import "github.com/gansr/gansr/graph"

// opSoftmax: Softmax and LogSoftmax. Before opset 13 all axes from the given one (by default 1) on count as one.
func opSoftmax(c *call) []*graph.Value {
	x, rank := c.value(0), c.rank(0)
	log := c.Name == "LogSoftmax"
	if c.Version >= 13 {
		return one(c.apply(graph.Softmax{Axis: c.axis(c.int("axis", -1), rank), Log: log}, x))
	}
	axis := c.int("axis", 1)
	if axis != rank { // rank itself: every element stands alone
		axis = c.axis(axis, rank)
	}
	rows, _ := graph.Numel(c.shape(0)[:axis])
	cols, _ := graph.Numel(c.shape(0)[axis:])
	flat := c.apply(graph.Softmax{Axis: 1, Log: log}, c.reshape(x, rows, cols))
	return one(c.reshape(flat, c.shape(0)...))
}
