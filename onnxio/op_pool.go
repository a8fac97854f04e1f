package onnxio

import "github.com/gansr/gansr/graph"

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

// opGlobalPool reduces all spatial axes.
func opGlobalPool(c *call) []*graph.Value {
	x := c.value(0)
	dt := x.Type().DType
	var axes []int
	for k := 2; k < c.rank(0); k++ {
		axes = append(axes, k)
	}
	switch c.Name {
	case "GlobalMaxPool":
		return one(c.apply(graph.Reduce{By: graph.ReduceMax, Axes: axes}, x))
	case "GlobalAveragePool":
		return one(c.apply(graph.Reduce{By: graph.ReduceMean, Axes: axes}, x))
	}
	p := c.int("p", 2)
	if p < 1 {
		c.failf("p %d should be 1 or more", p)
	}
	x = c.apply(graph.Abs{}, c.cast(x, wide(dt)))
	sum := c.apply(graph.Reduce{By: graph.ReduceAdd, Axes: axes}, c.apply(graph.Pow{}, x, c.scalar(wide(dt), float64(p))))
	return one(c.cast(c.apply(graph.Pow{}, sum, c.scalar(wide(dt), 1/float64(p))), dt))
}
