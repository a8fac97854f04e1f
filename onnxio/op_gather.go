package onnxio

import (
	"slices"

	"github.com/gansr/gansr/graph"
)

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
	if v := c.assignment(); v != nil {
		return one(v)
	}
	return one(c.apply(graph.ScatterND{Reduction: c.reduction()}, c.value(0), c.value(1), c.value(2)))
}

// opScatterElements is also Scatter, its name before opset 11; opset 16 added reduction.
func opScatterElements(c *call) []*graph.Value {
	op := graph.ScatterElements{Axis: c.axis(c.int("axis", 0), c.rank(0)), Reduction: c.reduction()}
	return one(c.apply(op, c.value(0), c.value(1), c.value(2)))
}

func (c *call) reduction() graph.Reduction { return graph.Reduction(c.str("reduction", "none")) }

// assignment returns the result of a ScatterND that PyTorch exports for x[:, a:b] = y: the updates replace all of the data between two
// positions of one axis. It is nil for others.
func (c *call) assignment() *graph.Value {
	if c.str("reduction", "none") != "none" || c.value(1).Known() == nil || c.value(1).Type().DType != graph.Int64 {
		return nil
	}
	data, at := c.shape(0), c.shape(1)
	n := len(at) - 1
	if n < 1 || at[n] != n || n > len(data) || !slices.Equal(c.shape(2), slices.Concat(at[:n], data[n:])) {
		return nil
	}
	index := graph.Data[int64](c.value(1).Known())
	if len(index) == 0 {
		return nil
	}
	axis := -1
	for k, first := range index[:n] {
		switch {
		case first < 0 || int(first)+at[k] > data[k]:
			return nil
		case at[k] == data[k]:
		case axis >= 0:
			return nil
		default:
			axis = k
		}
	}
	for i := range len(index) / n { // all positions of the box, in order
		rest := i
		for k := n - 1; k >= 0; k-- {
			if index[i*n+k] != index[k]+int64(rest%at[k]) {
				return nil
			}
			rest /= at[k]
		}
	}
	if axis < 0 {
		return c.value(2)
	}
	part := func(from, to int) *graph.Value {
		s := graph.Slice{Starts: make([]int, len(data)), Sizes: slices.Clone(data), Steps: slices.Repeat([]int{1}, len(data))}
		s.Starts[axis], s.Sizes[axis] = from, to-from
		return c.apply(s, c.value(0))
	}
	var parts []*graph.Value
	from, to := int(index[axis]), int(index[axis])+at[axis]
	if from > 0 {
		parts = append(parts, part(0, from))
	}
	parts = append(parts, c.value(2))
	if to < data[axis] {
		parts = append(parts, part(to, data[axis]))
	}
	return c.apply(graph.Concat{Axis: axis}, parts...)
}
