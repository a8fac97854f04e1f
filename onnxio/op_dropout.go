package onnxio

import "github.com/gansr/gansr/graph"

// opDropout passes its input on, outside of training. Opset 12 added training_mode, opset 10 made the mask, which is all ones, bool.
func opDropout(c *call) []*graph.Value {
	if c.has(2) {
		train := c.tensor(2)
		if train.DType() != graph.Bool || train.Len() != 1 {
			c.failf("training_mode should be one bool, not %v", train.Type())
		}
		if graph.Data[bool](train)[0] && (!c.has(1) || c.constFloats(1)[0] != 0) {
			c.failf("%w", ErrTraining)
		}
	}
	outs := []*graph.Value{c.value(0)}
	if len(c.Outputs) > 1 {
		kept := c.constant(graph.Scalar(true))
		if c.Version < 10 {
			kept = c.apply(graph.Cast{To: outs[0].Type().DType}, kept)
		}
		outs = append(outs, c.expand(kept, c.shape(0)...))
	}
	return outs
}
