package onnxio

import "github.com/gansr/gansr/graph"

// opPad: pads and value were attributes before opset 11; opset 18 added axes and opset 19 the mode wrap. Negative
// pads remove positions, before others are added.
func opPad(c *call) []*graph.Value {
	v := c.value(0)
	rank := c.rank(0)
	pads, axes := c.intsOr(1, "pads"), c.intsOr(3, "axes")
	if axes == nil {
		for k := range rank {
			axes = append(axes, k)
		}
	}
	if len(pads) != 2*len(axes) {
		c.failf("pads %v should be two for each of the axes %v", pads, axes)
	}
	c.axes(axes, rank)
	s := wholeSlice(v)
	p := graph.Pad{Mode: graph.PadMode(c.str("mode", "constant")), Begin: make([]int, rank), End: make([]int, rank)}
	any := false
	for i, k := range axes {
		k = c.axis(k, rank)
		begin, end := pads[i], pads[len(axes)+i]
		p.Begin[k], p.End[k] = max(begin, 0), max(end, 0)
		first, last := -min(begin, 0), s.Sizes[k]+min(end, 0)
		if first < 0 || last < first {
			c.failf("pads %v remove more than axis %d of %v has", pads, k, v.Type())
		}
		s.Starts[k], s.Sizes[k] = first, last-first
		any = any || begin > 0 || end > 0
	}
	in := []*graph.Value{c.slice(v, s)}
	if p.Mode == graph.PadConstant {
		switch {
		case c.has(2):
			in = append(in, c.value(2))
		case c.Has("value"):
			in = append(in, c.scalar(v.Type().DType, float64(c.float("value", 0))))
		}
	}
	if !any {
		return in[:1]
	}
	return one(c.apply(p, in...))
}
