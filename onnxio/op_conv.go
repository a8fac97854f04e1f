package onnxio

import (
	"slices"

	"github.com/gansr/gansr/graph"
)

// opConv: unchanged in meaning since opset 1.
func opConv(c *call) []*graph.Value {
	w := c.weightWindow()
	c.autoPad(w)
	return one(c.apply(graph.Conv{Strides: w.Strides, Dilations: w.Dilations, Pads: w.Pads, Groups: c.int("group", 1)}, c.withBias()...))
}

// opConvTranspose: unchanged in meaning since opset 1. output_shape, and auto_pad SAME_*, decide the pads; output_shape may come with
// the batch and channels in front.
func opConvTranspose(c *call) []*graph.Value {
	w := c.weightWindow()
	n := len(w.Kernel)
	outPads := c.ints("output_padding", make([]int, n))
	size := c.ints("output_shape", nil)
	size = size[max(0, len(size)-n):]
	mode := c.autoPadMode()
	if same := mode == "SAME_UPPER" || mode == "SAME_LOWER"; same && size == nil {
		for i, d := range c.shape(0)[2:] {
			size = append(size, d*w.Strides[i])
		}
	} else if mode == "VALID" {
		w.Pads = make([]int, 2*n)
	}
	if size != nil {
		if len(size) != n || len(outPads) != n {
			c.failf("output_shape %v and output_padding %v do not fit %d spatial axes", size, outPads, n)
		}
		w.Pads = make([]int, 2*n)
		for i, d := range c.shape(0)[2:] {
			if size[i] < 0 || size[i] > maxExtent || outPads[i] < 0 || outPads[i] > maxExtent {
				c.failf("output_shape %v and output_padding %v should be from 0 to %d", size, outPads, maxExtent)
			}
			total := (d-1)*w.Strides[i] + outPads[i] + (w.Kernel[i]-1)*w.Dilations[i] + 1 - size[i]
			half := total >> 1
			w.Pads[i], w.Pads[n+i] = total-half, half
			if mode == "SAME_UPPER" {
				w.Pads[i], w.Pads[n+i] = half, total-half
			}
		}
	}
	op := graph.ConvTranspose{Strides: w.Strides, Dilations: w.Dilations, Pads: w.Pads, OutputPads: outPads, Groups: c.int("group", 1)}
	return one(c.apply(op, c.withBias()...))
}

// withBias returns inputs 0 and 1, and 2 if it is there.
func (c *call) withBias() []*graph.Value {
	in := []*graph.Value{c.value(0), c.value(1)}
	if b := c.opt(2); b != nil {
		in = append(in, b)
	}
	return in
}

// weightWindow reads the window of a convolution with weights in input 1.
func (c *call) weightWindow() graph.Sliding {
	x, weights := c.shape(0), c.shape(1)
	if len(x) < 3 || len(x) != len(weights) {
		c.failf("input %v and weights %v do not fit together", c.value(0).Type(), c.value(1).Type())
	}
	w := c.window(c.ints("kernel_shape", weights[2:]))
	if !slices.Equal(w.Kernel, weights[2:]) {
		c.failf("kernel_shape %v is not that of the weights %v", w.Kernel, c.value(1).Type())
	}
	return w
}

// maxExtent bounds attributes that sizes are computed from, so that sums and products of two cannot overflow.
const maxExtent = 1 << 31

// window reads strides, dilations and pads for the spatial axes of input 0.
func (c *call) window(kernel []int) graph.Sliding {
	n := c.rank(0) - 2
	if n < 1 {
		c.failf("input %v should have a batch, channels and spatial axes", c.value(0).Type())
	}
	ones := slices.Repeat([]int{1}, n)
	w := graph.Sliding{Kernel: kernel, Strides: c.ints("strides", ones), Dilations: c.ints("dilations", ones), Pads: c.ints("pads", make([]int, 2*n)),
		Ceil: c.bool("ceil_mode", 0)}
	if len(kernel) != n || len(w.Strides) != n || len(w.Dilations) != n || len(w.Pads) != 2*n {
		c.failf("kernel %v, strides %v, dilations %v, pads %v do not fit %d spatial axes", kernel, w.Strides, w.Dilations, w.Pads, n)
	}
	for _, v := range slices.Concat(kernel, w.Strides, w.Dilations) {
		if v < 1 || v > maxExtent {
			c.failf("kernel %v, strides %v and dilations %v should be from 1 to %d", kernel, w.Strides, w.Dilations, maxExtent)
		}
	}
	return w
}

func (c *call) autoPadMode() string {
	mode := c.str("auto_pad", "NOTSET")
	if !slices.Contains([]string{"", "NOTSET", "VALID", "SAME_UPPER", "SAME_LOWER"}, mode) {
		c.failf("auto_pad %q is unknown; it should be NOTSET, VALID, SAME_UPPER or SAME_LOWER", mode)
	}
	return mode
}

// autoPad replaces w's pads by those that auto_pad asks for: SAME_* give as many positions as the input has, divided by
// the stride, rounded up.
func (c *call) autoPad(w graph.Sliding) {
	mode := c.autoPadMode()
	if mode == "" || mode == "NOTSET" {
		return
	}
	n := len(w.Kernel)
	clear(w.Pads)
	if mode == "VALID" {
		return
	}
	for i, d := range c.shape(0)[2:] {
		out := (d + w.Strides[i] - 1) / w.Strides[i]
		total := max(0, (out-1)*w.Strides[i]+(w.Kernel[i]-1)*w.Dilations[i]+1-d)
		w.Pads[i], w.Pads[n+i] = total/2, total-total/2
		if mode == "SAME_LOWER" {
			w.Pads[i], w.Pads[n+i] = w.Pads[n+i], w.Pads[i]
		}
	}
}
