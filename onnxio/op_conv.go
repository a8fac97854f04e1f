package onnxio

import (
	"slices"

	"github.com/gansr/gansr/graph"
)

// opConv: unchanged in meaning since opset 1.
func opConv(c *call) []*graph.Value {
	n := c.rank(0) - 2
	if n < 1 || c.rank(1) != n+2 {
		c.failf("input %v and weights %v do not fit together", c.value(0).Type(), c.value(1).Type())
	}
	w := c.window(n, c.ints("kernel_shape", c.shape(1)[2:]))
	if !slices.Equal(w.kernel, c.shape(1)[2:]) {
		c.failf("kernel_shape %v is not that of the weights %v", w.kernel, c.value(1).Type())
	}
	in := []*graph.Value{c.value(0), c.value(1)}
	if b := c.opt(2); b != nil {
		in = append(in, b)
	}
	return one(c.apply(graph.Conv{Strides: w.strides, Dilations: w.dilations, Pads: w.pads, Groups: c.int("group", 1)}, in...))
}

// window is what convolutions and pools have in common: a kernel that moves over n spatial axes.
type window struct{ kernel, strides, dilations, pads []int }

// window reads strides, dilations, pads and auto_pad for input 0.
func (c *call) window(n int, kernel []int) window {
	ones := slices.Repeat([]int{1}, n)
	w := window{kernel, c.ints("strides", ones), c.ints("dilations", ones), c.ints("pads", make([]int, 2*n))}
	if len(kernel) != n || len(w.strides) != n || len(w.dilations) != n || len(w.pads) != 2*n {
		c.failf("kernel %v, strides %v, dilations %v, pads %v do not fit %d spatial axes", kernel, w.strides, w.dilations, w.pads, n)
	}
	for i := range n {
		if kernel[i] < 1 || w.strides[i] < 1 || w.dilations[i] < 1 {
			c.failf("kernel %v, strides %v and dilations %v should be positive", kernel, w.strides, w.dilations)
		}
	}
	switch mode := c.str("auto_pad", "NOTSET"); mode {
	case "NOTSET", "":
	case "VALID":
		w.pads = make([]int, 2*n)
	case "SAME_UPPER", "SAME_LOWER":
		w.pads = make([]int, 2*n)
		for i, d := range c.shape(0)[2:] {
			out := (d + w.strides[i] - 1) / w.strides[i]
			total := max(0, (out-1)*w.strides[i]+(kernel[i]-1)*w.dilations[i]+1-d)
			w.pads[i], w.pads[n+i] = total/2, total-total/2
			if mode == "SAME_LOWER" {
				w.pads[i], w.pads[n+i] = w.pads[n+i], w.pads[i]
			}
		}
	default:
		c.failf("auto_pad %q is unknown; it should be NOTSET, VALID, SAME_UPPER or SAME_LOWER", mode)
	}
	return w
}
