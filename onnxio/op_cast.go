package onnxio

import "github.com/gansr/gansr/graph"

func opCast(c *call) []*graph.Value {
	to := elemType(int32(c.int("to", 0)))
	if to.dtype == graph.Invalid {
		c.failf("cast to %s is not supported", to.name)
	}
	return one(c.apply(graph.Cast{To: to.dtype}, c.value(0)))
}
