package onnxio

import (
	"slices"

	"github.com/gansr/gansr/graph"
)

// poolWindow reads the window of a pool. Opset 10 added ceil_mode and, for MaxPool, dilations; the others got them in
// opsets 18 (LpPool) and 19 (AveragePool).
func (c *call) poolWindow() graph.Sliding {
	if !c.Has("kernel_shape") {
		c.failf("attribute \"kernel_shape\" is missing")
	}
	w := c.window(c.ints("kernel_shape", nil))
	c.autoPad(w)
	return w
}

func opMaxPool(c *call) []*graph.Value {
	m := graph.MaxPool{Sliding: c.poolWindow(), ColumnMajor: c.bool("storage_order", 0)}
	m.Indices = len(c.Outputs) > 1 && c.Outputs[1] != ""
	return c.applyAll(m, c.value(0))
}

func opAveragePool(c *call) []*graph.Value {
	return one(c.apply(graph.AveragePool{Sliding: c.poolWindow(), CountPads: c.bool("count_include_pad", 0)}, c.value(0)))
}

func opLpPool(c *call) []*graph.Value {
	return one(c.apply(graph.LpPool{Sliding: c.poolWindow(), P: c.int("p", 2)}, c.value(0)))
}

// opGlobalPool is a pool whose window is the whole image.
func opGlobalPool(c *call) []*graph.Value {
	x := c.value(0)
	n := c.rank(0) - 2
	if n < 1 {
		c.failf("input %v should have a batch, channels and spatial axes", x.Type())
	}
	ones := slices.Repeat([]int{1}, n)
	w := graph.Sliding{Kernel: c.shape(0)[2:], Strides: ones, Dilations: ones, Pads: make([]int, 2*n)}
	switch c.Name {
	case "GlobalMaxPool":
		return one(c.apply(graph.MaxPool{Sliding: w}, x))
	case "GlobalLpPool":
		return one(c.apply(graph.LpPool{Sliding: w, P: c.int("p", 2)}, x))
	}
	return one(c.apply(graph.AveragePool{Sliding: w}, x))
}
