package onnxio

import (
	"slices"

	"github.com/gansr/gansr/graph"
)

// opNegativeLogLikelihoodLoss: opset 12.
func opNegativeLogLikelihoodLoss(c *call) []*graph.Value { return one(c.likelihoodLoss(c.value(0))) }

// opSoftmaxCrossEntropyLoss: opset 12. The second output is the logarithm of the softmax over the classes.
func opSoftmaxCrossEntropyLoss(c *call) []*graph.Value {
	if c.rank(0) < 2 {
		c.failf("scores %v should have a batch and classes", c.value(0).Type())
	}
	log := c.apply(graph.Softmax{Axis: 1, Log: true}, c.value(0))
	return []*graph.Value{c.likelihoodLoss(log), log}
}

// likelihoodLoss is minus the element of x (N x classes x …) whose class input 1 says, times the weight of the class from input 2. Classes that are
// to be ignored count as nothing.
func (c *call) likelihoodLoss(x *graph.Value) *graph.Value {
	shape, dt := x.Type().Shape, x.Type().DType
	target := c.cast(c.value(1), graph.Int64)
	if len(shape) < 2 || !slices.Equal(target.Type().Shape, slices.Delete(slices.Clone(shape), 1, 2)) {
		c.failf("classes %v do not fit %v", c.value(1).Type(), x.Type())
	}
	zero := c.scalar(dt, 0)
	var ignored *graph.Value
	if c.Has("ignore_index") {
		ignored = c.apply(graph.Compare{Is: graph.IsEqual}, target, c.scalar(graph.Int64, float64(c.int("ignore_index", 0))))
		target = c.apply(graph.Where{}, ignored, c.scalar(graph.Int64, 0), target)
	}
	thin := slices.Clone(shape)
	thin[1] = 1
	loss := c.apply(graph.GatherElements{Axis: 1}, x, c.reshape(target, thin...))
	loss = c.apply(graph.Neg{}, c.reshape(loss, target.Type().Shape...))
	var weight *graph.Value
	if w := c.opt(2); w != nil {
		weight = c.apply(graph.Gather{}, w, target)
	} else if ignored != nil {
		weight = c.expand(c.scalar(dt, 1), target.Type().Shape...)
	}
	if ignored != nil {
		weight = c.apply(graph.Where{}, ignored, zero, weight)
	}
	if weight != nil {
		loss = c.apply(graph.Mul{}, loss, weight)
	}
	sum := func(v *graph.Value) *graph.Value {
		return c.reshape(c.apply(graph.Reduce{By: graph.ReduceAdd, Axes: allAxes(len(v.Type().Shape))}, v))
	}
	switch r := c.str("reduction", "mean"); {
	case r == "none":
		return loss
	case r == "sum":
		return sum(loss)
	case r != "mean":
		c.failf("reduction %q is unknown; it should be none, sum or mean", r)
	case weight == nil:
		return c.reshape(c.apply(graph.Reduce{By: graph.ReduceMean, Axes: allAxes(len(shape) - 1)}, loss))
	}
	return c.apply(graph.Div{}, sum(loss), sum(weight))
}
