package onnxio

import (
	"slices"

	"github.com/gansr/gansr/graph"
)

// opShape: shapes are known while a graph is built, so they are constants. Opset 15 added start and end.
func opShape(c *call) []*graph.Value {
	rank := c.rank(0)
	clamp := func(i int) int {
		if i < 0 {
			i += rank
		}
		return min(max(i, 0), rank)
	}
	start, end := clamp(c.int("start", 0)), clamp(c.int("end", rank))
	return one(c.constant(graph.Ints(c.shape(0)[start:max(start, end)]...)))
}

// opReshape: 0 copies a dimension unless allowzero (opset 14) is set, -1 is inferred.
func opReshape(c *call) []*graph.Value {
	from, to := c.shape(0), slices.Clone(c.constInts(1))
	infer, known := -1, 1
	for i, d := range to {
		switch {
		case d == 0 && !c.bool("allowzero", 0):
			if i >= len(from) {
				c.failf("shape %v copies dimension %d of %v, which it does not have", to, i, from)
			}
			to[i] = from[i]
		case d == -1 && infer >= 0 || d < -1:
			c.failf("shape %v is not valid", to)
		case d == -1:
			infer = i
			continue
		}
		known *= to[i]
	}
	if infer >= 0 {
		n, _ := graph.Numel(from)
		if known == 0 || n%known != 0 {
			c.failf("shape %v does not fit %v", to, from)
		}
		to[infer] = n / known
	}
	return one(c.reshape(c.value(0), to...))
}
