package onnxio

import (
	"slices"

	"github.com/gansr/gansr/graph"
)

// opDeformConv: opset 19 (Dai et al., arXiv:1703.06211; with a mask Zhu et al., arXiv:1811.11168). The elements under the kernel are sampled where the
// offsets say, between pixels bilinearly and zero outside, and multiplied by the weights as matrices.
func opDeformConv(c *call) []*graph.Value {
	w := c.weightWindow()
	x, weights, offset := c.shape(0), c.shape(1), c.shape(2)
	if len(x) != 4 || len(offset) != 4 {
		c.failf("input %v and offsets %v should have two spatial axes", c.value(0).Type(), c.value(2).Type())
	}
	samples, channels, groups, shifted := x[0], x[1], c.int("group", 1), c.int("offset_group", 1)
	kernel, oh, ow := w.Kernel[0]*w.Kernel[1], offset[2], offset[3]
	for i, d := range x[2:] {
		if n := (d+w.Pads[i]+w.Pads[2+i]-(w.Kernel[i]-1)*w.Dilations[i]-1)/w.Strides[i] + 1; n != offset[2+i] {
			c.failf("offsets %v should have %d positions along spatial axis %d", c.value(2).Type(), n, i)
		}
	}
	if groups < 1 || shifted < 1 || channels != weights[1]*groups || weights[0]%groups != 0 || channels%shifted != 0 || offset[1] != 2*kernel*shifted {
		c.failf("input %v, weights %v and offsets %v do not fit %d groups and %d of offsets", c.value(0).Type(), c.value(1).Type(), c.value(2).Type(), groups, shifted)
	}
	dt := c.value(0).Type().DType
	// Where each element of the kernel lies for each position of the result, in pixels.
	at := c.cast(c.reshape(c.value(2), samples*shifted, kernel, 2, oh*ow), wide(dt))
	var axes []*graph.Value
	for _, k := range []int{1, 0} { // x comes first
		base := make([]float32, kernel*oh*ow)
		for i := range base {
			element, position := i/(oh*ow), i%(oh*ow)
			e, p := []int{element / w.Kernel[1], element % w.Kernel[1]}[k], []int{position / ow, position % ow}[k]
			base[i] = float32(p*w.Strides[k] - w.Pads[k] + e*w.Dilations[k])
		}
		s := wholeSlice(at)
		s.Starts[2], s.Sizes[2] = k, 1
		v := c.reshape(c.slice(at, s), samples*shifted, kernel, oh*ow)
		v = c.apply(graph.Add{}, v, c.cast(c.constant(must(graph.FromSlice(base, 1, kernel, oh*ow))), wide(dt)))
		axes = append(axes, c.reshape(v, samples*shifted, kernel, oh*ow, 1))
	}
	image := c.reshape(c.value(0), samples*shifted, channels/shifted, x[2], x[3])
	columns := c.apply(graph.GridSample{Mode: "linear", Padding: "zeros", Pixels: true}, image, c.apply(graph.Concat{Axis: 3}, axes...))
	if mask := c.opt(4); mask != nil {
		columns = c.apply(graph.Mul{}, columns, c.reshape(mask, samples*shifted, 1, kernel, oh*ow))
	}
	columns = c.reshape(columns, samples, groups, channels/groups*kernel, oh*ow)
	y := c.apply(graph.MatMul{}, c.reshape(c.value(1), 1, groups, weights[0]/groups, weights[1]*kernel), columns)
	y = c.reshape(y, samples, weights[0], oh, ow)
	if b := c.opt(3); b != nil {
		y = c.apply(graph.Add{}, y, c.reshape(b, 1, weights[0], 1, 1))
	}
	return one(y)
}

// opCol2Im: opset 18. Blocks are added up where they overlap: a transposed convolution that puts each element of a block in its place.
func opCol2Im(c *call) []*graph.Value {
	size, block := c.constInts(1), c.constInts(2)
	shape, n := c.shape(0), len(size)
	ones := slices.Repeat([]int{1}, n)
	strides, dilations, pads := c.ints("strides", ones), c.ints("dilations", ones), c.ints("pads", make([]int, 2*n))
	kernel, ok := graph.Numel(block)
	if !ok || kernel < 1 || kernel > maxExtent || n < 1 || len(block) != n || len(strides) != n || len(dilations) != n || len(pads) != 2*n || len(shape) != 3 || shape[1]%kernel != 0 {
		c.failf("blocks %v of %v, strides %v, dilations %v and pads %v do not fit %v", block, size, strides, dilations, pads, c.value(0).Type())
	}
	blocks, extra := make([]int, n), make([]int, n)
	for i := range n {
		if strides[i] < 1 || dilations[i] < 1 || max(size[i], block[i], strides[i], dilations[i]) > maxExtent {
			c.failf("blocks %v, strides %v and dilations %v of %v are not possible", block, strides, dilations, size)
		}
		room := size[i] + pads[i] + pads[n+i] - (block[i]-1)*dilations[i] - 1
		blocks[i], extra[i] = room/strides[i]+1, room%strides[i]
		if room < 0 {
			c.failf("blocks %v are larger than %v", block, size)
		}
	}
	channels := shape[1] / kernel
	if total, _ := graph.Numel(blocks); total != shape[2] {
		c.failf("%v should have %d blocks", c.value(0).Type(), total)
	}
	place := make([]float32, kernel*kernel)
	for i := range kernel {
		place[i*kernel+i] = 1
	}
	w := c.constant(must(graph.FromSlice(place, slices.Concat([]int{1, kernel, 1}, block)...)))
	w = c.expand(w, slices.Concat([]int{channels, kernel, 1}, block)...)
	w = c.cast(c.reshape(w, slices.Concat([]int{channels * kernel, 1}, block)...), c.value(0).Type().DType)
	x := c.reshape(c.value(0), slices.Concat(shape[:2], blocks)...)
	return one(c.apply(graph.ConvTranspose{Strides: strides, Dilations: dilations, Pads: pads, OutputPads: extra, Groups: channels}, x, w))
}

// opCenterCropPad: opset 18. Axes are cropped or padded with zeros to the wanted size, what is left over at the end.
func opCenterCropPad(c *call) []*graph.Value {
	x := c.value(0)
	size, axes := c.constInts(1), c.ints("axes", allAxes(c.rank(0)))
	if len(size) != len(axes) {
		c.failf("shape %v should be one number for each of the axes %v", size, axes)
	}
	c.axes(axes, c.rank(0))
	s := wholeSlice(x)
	p := graph.Pad{Mode: graph.PadConstant, Begin: make([]int, c.rank(0)), End: make([]int, c.rank(0))}
	padded := false
	for i, a := range axes {
		a = c.axis(a, c.rank(0))
		have, want := s.Sizes[a], size[i]
		switch {
		case want < 0:
			c.failf("shape %v should not be negative", size)
		case want < have:
			s.Starts[a], s.Sizes[a] = (have-want)/2, want
		case want > have:
			p.Begin[a] = (want - have) / 2
			p.End[a] = want - have - p.Begin[a]
			padded = true
		}
	}
	v := c.slice(x, s)
	if padded {
		v = c.apply(p, v)
	}
	return one(v)
}

// opAffineGrid: opset 20. The corners of an image, or the middles of its outermost pixels with align_corners, are at -1 and 1.
func opAffineGrid(c *call) []*graph.Value {
	size, theta := c.constInts(1), c.value(0)
	n := len(size) - 2
	if n != 2 && n != 3 || !slices.Equal(c.shape(0), []int{size[0], n, n + 1}) {
		c.failf("theta %v does not fit an image of %v", theta.Type(), size)
	}
	points, ok := graph.Numel(size[2:])
	if !ok || points > maxFill {
		c.failf("a grid of %v is not possible", size)
	}
	base := make([]float64, points*(n+1))
	for i := range points {
		rest := i
		for k := n - 1; k >= 0; k-- {
			d := size[2+k]
			p := float64(rest % d)
			rest /= d
			v := (2*p+1)/float64(d) - 1
			if c.bool("align_corners", 0) {
				v = 0
				if d > 1 {
					v = 2*p/float64(d-1) - 1
				}
			}
			base[i*(n+1)+n-1-k] = v
		}
		base[i*(n+1)+n] = 1
	}
	at := c.cast(c.constant(must(graph.FromSlice(base, 1, points, n+1))), theta.Type().DType)
	grid := c.apply(graph.MatMul{TransB: true}, c.expand(at, size[0], points, n+1), theta)
	return one(c.reshape(grid, slices.Concat(size[:1], size[2:], []int{n})...))
}
