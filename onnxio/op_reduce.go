package onnxio

import (
	"slices"

	"github.com/gansr/gansr/graph"
)

// opReduce: all of ONNX's reductions. The axes are an attribute and since opset 18 (ReduceSum: 13) an input; bool is allowed for
// ReduceMax and ReduceMin since opset 20.
func opReduce(c *call) []*graph.Value {
	x := c.value(0)
	shape, dt := slices.Clone(x.Type().Shape), x.Type().DType
	axes := c.axes(c.intsOr(1, "axes"), len(shape))
	if len(axes) == 0 && !c.bool("noop_with_empty_axes", 0) {
		for k := range shape {
			axes = append(axes, k)
		}
	}
	to := wide(dt)
	switch {
	case dt == graph.Bool && (c.Name == "ReduceMax" || c.Name == "ReduceMin"):
		to = graph.Uint8
	case dt.IsInt() && (c.Name == "ReduceL2" || c.Name == "ReduceLogSum" || c.Name == "ReduceLogSumExp"):
		to = graph.Float64
	}
	v := c.cast(c.reduce(c.cast(x, to), axes), dt)
	if !c.bool("keepdims", 1) {
		kept := []int{}
		for k, d := range shape {
			if !slices.Contains(axes, k) {
				kept = append(kept, d)
			}
		}
		v = c.reshape(v, kept...)
	}
	return one(v)
}

// reduce adds the reduction that the node's name says.
func (c *call) reduce(x *graph.Value, axes []int) *graph.Value {
	by := func(r graph.Reduction, v *graph.Value) *graph.Value {
		return c.apply(graph.Reduce{By: r, Axes: axes}, v)
	}
	sumSquare := func() *graph.Value { return by(graph.ReduceAdd, c.apply(graph.Mul{}, x, x)) }
	switch c.Name {
	case "ReduceSum":
		return by(graph.ReduceAdd, x)
	case "ReduceMean":
		return by(graph.ReduceMean, x)
	case "ReduceMax":
		return by(graph.ReduceMax, x)
	case "ReduceMin":
		return by(graph.ReduceMin, x)
	case "ReduceProd":
		return by(graph.ReduceMul, x)
	case "ReduceL1":
		return by(graph.ReduceAdd, c.apply(graph.Abs{}, x))
	case "ReduceL2":
		return by(graph.ReduceL2, x)
	case "ReduceSumSquare":
		return sumSquare()
	case "ReduceLogSum":
		return c.apply(graph.Log{}, by(graph.ReduceAdd, x))
	}
	// ReduceLogSumExp: the largest element is taken out of the sum, so that it does not overflow, unless it is infinite.
	dt := x.Type().DType
	m := by(graph.ReduceMax, x)
	zero := c.scalar(dt, 0)
	finite := c.apply(graph.Compare{Is: graph.IsEqual}, c.apply(graph.Sub{}, m, m), zero)
	m = c.apply(graph.Where{}, finite, m, zero)
	sum := by(graph.ReduceAdd, c.apply(graph.Exp{}, c.apply(graph.Sub{}, x, m)))
	return c.apply(graph.Add{}, c.apply(graph.Log{}, sum), m)
}
