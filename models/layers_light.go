package models

import (
	"fmt"
	"math"

	"github.com/gansr/gansr/graph"
)

func (n *net) mul(a, b string) string { return n.b.Node("Mul", []string{a, b}) }

func (n *net) sigmoid(x string) string { return n.b.Node("Sigmoid", []string{x}) }

// silu is nn.SiLU, x·sigmoid(x).
func (n *net) silu(x string) string { return n.mul(x, n.sigmoid(x)) }

// perChannel is a constant [1, C, 1, 1].
func (n *net) perChannel(values []float32) string {
	t, err := graph.FromSlice(values, 1, len(values), 1, 1)
	if err != nil {
		n.fail(err)
	}
	return n.constant(t)
}

// size is the height and width of x, an int64 tensor of two elements.
func (n *net) size(x string) string {
	return n.b.Node("Slice", []string{n.b.Node("Shape", []string{x}), n.constant(graph.Ints(2)), n.constant(graph.Ints(4))})
}

// padded extends an image below and on the right, so that its sizes are multiples of a number. mode is ONNX's of Pad.
func (n *net) padded(x string, multiple int, mode string) string {
	return n.bordered(x, 0, multiple, mode)
}

// bordered is padded with a border around it.
func (n *net) bordered(x string, border, multiple int, mode string) string {
	after := n.b.Node("Mod", []string{n.b.Node("Neg", []string{n.size(x)}), n.constant(graph.Ints(multiple))})
	if border > 0 {
		after = n.b.Node("Add", []string{after, n.constant(graph.Ints(border))})
	}
	pads := n.b.Node("Concat", []string{n.constant(graph.Ints(0, 0, border, border, 0, 0)), after}, attr("axis", 0))
	return n.b.Node("Pad", []string{x, pads}, attr("mode", mode))
}

// trimmed removes a border.
func (n *net) trimmed(x string, border int) string {
	return n.b.Node("Slice", []string{x, n.constant(graph.Ints(border, border)), n.constant(graph.Ints(-border, -border)), n.constant(graph.Ints(2, 3))})
}

// cropped removes what y has below and on the right beyond scale times the size of x.
func (n *net) cropped(y, x string, scale int) string {
	end := n.size(x)
	if scale != 1 {
		end = n.b.Node("Mul", []string{end, n.constant(graph.Ints(scale))})
	}
	return n.b.Node("Slice", []string{y, n.constant(graph.Ints(0, 0)), end, n.constant(graph.Ints(2, 3))})
}

// window is what a convolution of convWith has beside its channels. Zero means 1 for dilation and groups.
type window struct {
	height, width, stride, vertical, horizontal, dilation, groups int // vertical, horizontal: padding
	unbiased                                                      bool
}

// square is a window that keeps the size of the image.
func square(kernel, groups int) window {
	return window{height: kernel, width: kernel, stride: 1, vertical: kernel / 2, horizontal: kernel / 2, groups: groups}
}

// valid is a window without padding.
func valid(kernel, stride int) window { return window{height: kernel, width: kernel, stride: stride} }

// convWith is nn.Conv2d.
func (n *net) convWith(name, x string, in, out int, w window) string {
	w.dilation, w.groups = max(w.dilation, 1), max(w.groups, 1)
	if in%w.groups != 0 || out%w.groups != 0 {
		n.fail(fmt.Errorf("%s: %d and %d channels do not divide into %d groups", name, in, out, w.groups))
		return x
	}
	init := n.uniform(in / w.groups * w.height * w.width)
	inputs := []string{x, n.weight(name+".weight", init, out, in/w.groups, w.height, w.width)}
	if !w.unbiased {
		inputs = append(inputs, n.weight(name+".bias", init, out))
	}
	return n.b.Node("Conv", inputs, attr("kernel_shape", []int{w.height, w.width}), attr("pads", []int{w.vertical, w.horizontal, w.vertical, w.horizontal}),
		attr("strides", []int{w.stride, w.stride}), attr("dilations", []int{w.dilation, w.dilation}), attr("group", w.groups))
}

// upconv is nn.ConvTranspose2d(in, out, kernel, stride, padding, bias).
func (n *net) upconv(name, x string, in, out, kernel, stride, padding int, bias bool) string {
	return n.convUp(name, x, in, out, kernel, stride, padding, 0, bias)
}

// gelu is nn.GELU.
func (n *net) gelu(x string) string {
	e := n.b.Node("Erf", []string{n.scaled(x, float32(math.Sqrt(0.5)))})
	return n.mul(n.scaled(x, 0.5), n.add(e, n.constant(graph.Scalar(float32(1)))))
}

// mish is nn.Mish, x·tanh(softplus(x)).
func (n *net) mish(x string) string {
	return n.mul(x, n.b.Node("Tanh", []string{n.b.Node("Softplus", []string{x})}))
}

// scaledPerChannel is x·name.weight + name.bias for each channel.
func (n *net) scaledPerChannel(name, x string, channels int) string {
	part := func(kind string, v float32) string {
		return n.b.Node("Unsqueeze", []string{n.weight(name+kind, constant(v), channels), n.constant(graph.Ints(1, 2))})
	}
	return n.add(n.mul(x, part(".weight", 1)), part(".bias", 0))
}

// layerNorm2d normalises the channels of each pixel: the LayerNorm of ConvNeXt for images with channels first, with its epsilon.
func (n *net) layerNorm2d(name, x string, channels int) string {
	mean := func(x string) string { return n.b.Node("ReduceMean", []string{x}, attr("axes", []int{1})) }
	d := n.b.Node("Sub", []string{x, mean(x)})
	deviation := n.b.Node("Sqrt", []string{n.add(mean(n.mul(d, d)), n.constant(graph.Scalar(float32(1e-6))))})
	return n.scaledPerChannel(name, n.b.Node("Div", []string{d, deviation}), channels)
}

// groupNorm is nn.GroupNorm(groups, channels).
func (n *net) groupNorm(name, x string, channels, groups int) string {
	flat := n.b.Node("Reshape", []string{x, n.constant(graph.Ints(0, groups, -1))})
	ones := graph.NewTensor(graph.Float32, groups)
	for i := range groups {
		graph.Data[float32](ones)[i] = 1
	}
	y := n.b.Node("InstanceNormalization", []string{flat, n.constant(ones), n.constant(graph.NewTensor(graph.Float32, groups))}, attr("epsilon", 1e-5))
	return n.scaledPerChannel(name, n.b.Node("Reshape", []string{y, n.b.Node("Shape", []string{x})}), channels)
}

// toFloat casts to float32, which is ONNX's type 1.
func (n *net) toFloat(x string) string { return n.b.Node("Cast", []string{x}, attr("to", 1)) }

// channels is x[:, from:to].
func (n *net) channels(x string, from, to int) string {
	return n.b.Node("Slice", []string{x, n.constant(graph.Ints(from)), n.constant(graph.Ints(to)), n.constant(graph.Ints(1))})
}

// globalMean is nn.AdaptiveAvgPool2d(1).
func (n *net) globalMean(x string) string { return n.b.Node("GlobalAveragePool", []string{x}) }

// dySample enlarges by sampling at learned places (W. Liu et al., "Learning to Upsample by Learning to Sample", 2023), and then makes out
// channels of in ones if last says so.
func (n *net) dySample(name, x string, in, out, scale, groups int, last bool) string {
	if groups < 1 || in%groups != 0 {
		n.fail(fmt.Errorf("the sampling of %d channels cannot have %d groups", in, groups))
		return x
	}
	places := groups * scale * scale
	init := n.uniform(in)
	offset := n.conv(name+".offset", x, in, 2*places, 1, 1, true)
	scope := n.b.Node("Conv", []string{x, n.weight(name+".scope.weight", init, 2*places, in, 1, 1)}, attr("kernel_shape", []int{1, 1}))
	i := -1
	first := func() float32 { // the middles of the smaller pixels, across and then down
		i++
		at := i % scale
		if i >= places {
			at = i / scale % scale
		}
		return (float32(at) - float32(scale-1)/2) / float32(scale)
	}
	offset = n.add(n.scaled(n.mul(offset, n.sigmoid(scope)), 0.5), n.weight(name+".init_pos", first, 1, 2*places, 1, 1))
	size := n.size(x)
	var coordinates []string
	for axis := range 2 { // across, down
		length := n.b.Node("Gather", []string{size, n.constant(graph.Scalar(int64(1 - axis)))})
		steps := n.toFloat(n.b.Node("Range", []string{n.constant(graph.Scalar(int64(0))), length, n.constant(graph.Scalar(int64(1)))}))
		steps = n.add(steps, n.constant(graph.Scalar(float32(0.5))))
		if axis == 1 {
			steps = n.b.Node("Unsqueeze", []string{steps, n.constant(graph.Ints(1))})
		}
		half := n.scaled(n.toFloat(length), 0.5)
		c := n.b.Node("Div", []string{n.add(n.channels(offset, axis*places, (axis+1)*places), steps), half})
		c = n.shuffle(n.b.Node("Sub", []string{c, n.constant(graph.Scalar(float32(1)))}), scale)
		coordinates = append(coordinates, n.b.Node("Unsqueeze", []string{c, n.constant(graph.Ints(4))}))
	}
	larger := n.b.Node("Mul", []string{size, n.constant(graph.Ints(scale))})
	shape := func(before []int, size string, after ...int) string {
		parts := []string{n.constant(graph.Ints(before...)), size}
		if len(after) > 0 {
			parts = append(parts, n.constant(graph.Ints(after...)))
		}
		return n.b.Node("Concat", parts, attr("axis", 0))
	}
	grid := n.b.Node("Reshape", []string{n.b.Node("Concat", coordinates, attr("axis", 4)), shape([]int{-1}, larger, 2)})
	parted := n.b.Node("Reshape", []string{x, shape([]int{-1, in / groups}, size)})
	y := n.b.Node("GridSample", []string{parted, grid}, attr("mode", "bilinear"), attr("padding_mode", "border"), attr("align_corners", 0))
	y = n.b.Node("Reshape", []string{y, shape([]int{-1, in}, larger)})
	if last {
		y = n.conv(name+".end_conv", y, in, out, 1, 1, true)
	}
	return y
}
