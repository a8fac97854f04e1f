package onnxio

import "github.com/gansr/gansr/graph"

// opConstant: value, value_float(s) and value_int(s) (opset 12), sparse_value (opset 11).
func opConstant(c *call) []*graph.Value {
	switch {
	case c.Has("value"):
		return one(c.constant(must(c.Tensor("value"))))
	case c.Has("sparse_value"):
		return one(c.constant(must(c.Tensor("sparse_value"))))
	case c.Has("value_float"):
		return one(c.constant(graph.Scalar(c.float("value_float", 0))))
	case c.Has("value_int"):
		return one(c.constant(graph.Scalar(int64(c.int("value_int", 0)))))
	case c.Has("value_floats"):
		f := must(c.Floats("value_floats", nil))
		return one(c.constant(must(graph.FromSlice(f, len(f)))))
	case c.Has("value_ints"):
		return one(c.constant(graph.Ints(c.ints("value_ints", nil)...)))
	}
	c.failf("a constant needs one of value, sparse_value, value_float, value_floats, value_int, value_ints; strings are not supported")
	return nil
}
