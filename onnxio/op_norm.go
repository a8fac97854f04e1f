package onnxio

import "github.com/gansr/gansr/graph"

// opBatchNorm: until opset 13 further outputs mean training, from opset 14 on training_mode does.
func opBatchNorm(c *call) []*graph.Value {
	training := c.bool("training_mode", 0)
	for _, o := range c.Outputs[min(1, len(c.Outputs)):] {
		training = training || o != ""
	}
	if training {
		c.failf("%w; export the model in evaluation mode", ErrTraining)
	}
	if !c.bool("spatial", 1) {
		c.failf("spatial 0 (statistics for each position) is not supported")
	}
	op := graph.BatchNorm{Epsilon: float64(c.float("epsilon", 1e-5))}
	x := c.value(0)
	if shape := x.Type().Shape; len(shape) == 1 { // a batch of one channel
		return one(c.reshape(c.apply(op, c.reshape(x, shape[0], 1), c.value(1), c.value(2), c.value(3), c.value(4)), shape...))
	}
	return one(c.apply(op, x, c.value(1), c.value(2), c.value(3), c.value(4)))
}
