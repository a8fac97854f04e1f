package onnxio

import (
	"slices"

	"github.com/gansr/gansr/graph"
)

// opTopK: k was an attribute before opset 10; opset 11 added largest and sorted. The results are always sorted.
func opTopK(c *call) []*graph.Value {
	k := c.int("k", -1)
	if c.Version >= 10 {
		k = c.constInt(1)
	}
	op := graph.TopK{Axis: c.axis(c.int("axis", -1), c.rank(0)), K: k, Smallest: !c.bool("largest", 1)}
	return c.applyAll(op, c.value(0))
}

// opNonZero: how many elements differ from zero decides the result's shape.
func opNonZero(c *call) []*graph.Value {
	mask := must(c.t.pin(c.apply(graph.Cast{To: graph.Bool}, c.value(0))))
	shape := mask.Shape()
	at := make([][]int64, len(shape))
	n := 0
	for i, v := range graph.Data[bool](mask) {
		if !v {
			continue
		}
		n++
		for k := len(shape) - 1; k >= 0; k-- {
			at[k] = append(at[k], int64(i%shape[k]))
			i /= shape[k]
		}
	}
	return one(c.constant(must(graph.FromSlice(slices.Concat(at...), len(shape), n))))
}

// opTrilu: k is an optional input.
func opTrilu(c *call) []*graph.Value {
	k := 0
	if c.has(1) {
		k = c.constInt(1)
	}
	return one(c.apply(graph.Trilu{K: k, Upper: c.bool("upper", 1)}, c.value(0)))
}
