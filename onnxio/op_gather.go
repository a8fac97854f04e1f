package onnxio

import "github.com/gansr/gansr/graph"

func opGather(c *call) []*graph.Value {
	return one(c.apply(graph.Gather{Axis: c.axis(c.int("axis", 0), c.rank(0))}, c.value(0), c.value(1)))
}

func opGatherElements(c *call) []*graph.Value {
	return one(c.apply(graph.GatherElements{Axis: c.axis(c.int("axis", 0), c.rank(0))}, c.value(0), c.value(1)))
}

// opGatherND: opset 12 added batch_dims.
func opGatherND(c *call) []*graph.Value {
	return one(c.apply(graph.GatherND{BatchDims: c.int("batch_dims", 0)}, c.value(0), c.value(1)))
}

// opScatterND: opset 16 added reduction.
func opScatterND(c *call) []*graph.Value {
	return one(c.apply(graph.ScatterND{Reduction: c.reduction()}, c.value(0), c.value(1), c.value(2)))
}

// opScatterElements is also Scatter, its name before opset 11; opset 16 added reduction.
func opScatterElements(c *call) []*graph.Value {
	op := graph.ScatterElements{Axis: c.axis(c.int("axis", 0), c.rank(0)), Reduction: c.reduction()}
	return one(c.apply(op, c.value(0), c.value(1), c.value(2)))
}

func (c *call) reduction() graph.Reduction { return graph.Reduction(c.str("reduction", "none")) }
