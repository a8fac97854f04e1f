package onnxio

import "github.com/gansr/gansr/graph"

func opConcat(c *call) []*graph.Value {
	c.value(0)
	if !c.Has("axis") {
		c.failf("attribute \"axis\" is missing")
	}
	return one(c.apply(graph.Concat{Axis: c.axis(c.int("axis", 0), c.rank(0))}, c.present(0)...))
}
