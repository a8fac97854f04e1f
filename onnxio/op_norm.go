package onnxio

import (
	"slices"

	"github.com/gansr/gansr/graph"
)

// opBatchNorm: until opset 13 further outputs mean training, from opset 14 on training_mode does.
func opBatchNorm(c *call) []*graph.Value {
	if !c.bool("spatial", 1) {
		c.failf("spatial 0 (statistics for each position) is not supported")
	}
	if outs := c.trainedBatchNorm(); outs != nil {
		return outs
	}
	if c.bool("training_mode", 0) {
		y, mean, variance := c.batchNormOfBatch(false)
		return []*graph.Value{y, mean, variance}
	}
	if slices.ContainsFunc(c.Outputs[min(1, len(c.Outputs)):], func(o string) bool { return o != "" }) {
		c.failf("%w; export the model in evaluation mode", ErrTraining)
	}
	op := graph.BatchNorm{Epsilon: float64(c.float("epsilon", 1e-5))}
	x := c.value(0)
	if shape := x.Type().Shape; len(shape) == 1 { // a batch of one channel
		return one(c.reshape(c.apply(op, c.reshape(x, shape[0], 1), c.value(1), c.value(2), c.value(3), c.value(4)), shape...))
	}
	return one(c.apply(op, x, c.value(1), c.value(2), c.value(3), c.value(4)))
}

// batchNormOfBatch is a BatchNormalization by the statistics of the batch, and the running mean and variance after it.
func (c *call) batchNormOfBatch(unbiased bool) (y, mean, variance *graph.Value) {
	s := graph.BatchStatistics{Epsilon: float64(c.float("epsilon", 1e-5)), Keep: float64(c.float("momentum", 0.9)), Unbiased: unbiased}
	y, mean, variance, err := c.t.b.BatchNormTraining(s, c.value(0), c.value(1), c.value(2), c.value(3), c.value(4))
	if err != nil {
		c.failf("%w", err)
	}
	return y, mean, variance
}

func opInstanceNorm(c *call) []*graph.Value {
	if c.rank(0) < 2 {
		c.failf("input %v should have a batch and channels", c.value(0).Type())
	}
	op := graph.GroupNorm{Groups: c.shape(0)[1], Epsilon: float64(c.float("epsilon", 1e-5))}
	return one(c.apply(op, c.value(0), c.value(1), c.value(2)))
}

// opGroupNorm: scale and bias are for each group in opset 18, for each channel from opset 21 on.
func opGroupNorm(c *call) []*graph.Value {
	groups := c.int("num_groups", 0)
	if c.rank(0) < 2 || groups < 1 || c.shape(0)[1]%groups != 0 {
		c.failf("num_groups %d should divide the channels of %v", groups, c.value(0).Type())
	}
	scale, bias := c.value(1), c.value(2)
	if c.Version < 21 {
		channels := c.shape(0)[1]
		ones := must(graph.FromSlice(slices.Repeat([]float32{1}, channels/groups), 1, channels/groups))
		repeat := func(v *graph.Value) *graph.Value {
			row := c.apply(graph.Cast{To: v.Type().DType}, c.constant(ones))
			return c.reshape(c.apply(graph.Mul{}, c.reshape(v, groups, 1), row), channels)
		}
		scale, bias = repeat(scale), repeat(bias)
	}
	return one(c.apply(graph.GroupNorm{Groups: groups, Epsilon: float64(c.float("epsilon", 1e-5))}, c.value(0), scale, bias))
}

// opLayerNorm: the first stage is computed in at least float32, whatever stash_type says; that is the type of the
// further outputs.
func opLayerNorm(c *call) []*graph.Value {
	return c.layerNorm(graph.LayerNorm{Stash: elemType(int32(c.int("stash_type", 1))).dtype}, c.value(0))
}

func opRMSNorm(c *call) []*graph.Value {
	x := c.value(0)
	if to := c.value(1).Type().DType; to != x.Type().DType {
		x = c.apply(graph.Cast{To: to}, x) // the output is of scale's type
	}
	return c.layerNorm(graph.LayerNorm{RMS: true}, x)
}

// layerNorm applies op with scale and bias from inputs 1 and 2, which may broadcast.
func (c *call) layerNorm(op graph.LayerNorm, x *graph.Value) []*graph.Value {
	shape := x.Type().Shape
	op.Axis = c.axis(c.int("axis", -1), len(shape))
	op.Epsilon = float64(c.float("epsilon", 1e-5))
	params := []*graph.Value{c.value(1)}
	if b := c.opt(2); b != nil {
		params = append(params, b)
	}
	for _, p := range params {
		if !slices.Equal(p.Type().Shape, shape[op.Axis:]) {
			outs := c.applyAll(op, x)
			for i, p := range params {
				outs[0] = c.apply([]graph.Operator{graph.Mul{}, graph.Add{}}[i], outs[0], p)
			}
			if !slices.Equal(outs[0].Type().Shape, shape) {
				c.failf("scale and bias do not broadcast to %v", x.Type())
			}
			return outs
		}
	}
	return c.applyAll(op, append([]*graph.Value{x}, params...)...)
}

func opLRN(c *call) []*graph.Value {
	return one(c.apply(graph.LRN{Size: c.int("size", 0), Alpha: float64(c.float("alpha", 1e-4)), Beta: float64(c.float("beta", 0.75)),
		Bias: float64(c.float("bias", 1))}, c.value(0)))
}

// opLpNormalization: a norm of 0 leaves zeros.
func opLpNormalization(c *call) []*graph.Value {
	x := c.value(0)
	dt := x.Type().DType
	axes := []int{c.axis(c.int("axis", -1), c.rank(0))}
	x = c.cast(x, wide(dt))
	var norm *graph.Value
	switch p := c.int("p", 2); p {
	case 1:
		norm = c.apply(graph.Reduce{By: graph.ReduceAdd, Axes: axes}, c.apply(graph.Abs{}, x))
	case 2:
		norm = c.apply(graph.Sqrt{}, c.apply(graph.Reduce{By: graph.ReduceAdd, Axes: axes}, c.apply(graph.Mul{}, x, x)))
	default:
		c.failf("p %d should be 1 or 2", p)
	}
	norm = c.apply(graph.Max{}, norm, c.scalar(wide(dt), 1e-37))
	return one(c.cast(c.apply(graph.Div{}, x, norm), dt))
}
