package models

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/gansr/gansr/graph"
)

// realCUGAN is the cascade of two U-nets of waifu2x's CUNet, as Real-CUGAN (Bilibili, 2022) trains it. Convolutions shrink the image,
// which a border of reflections makes up for. Channels are weighed by their mean over the whole image.
var realCUGAN = Architecture{
	Name:    "RealCUGAN",
	Summary: "cascade of two U-nets for drawings: Real-CUGAN, and waifu2x's cunet",
	Params: []Param{
		{"in_channels", "3", "channels of the input"},
		{"out_channels", "3", "channels of the output"},
		{"scale", "2", "how much larger the output is: 1 (cunet without scaling), 2, 3 or 4"},
		{"fast", "false", "true: for scale 2, pixels are folded into channels first"},
		{"pro", "false", "true: the network works on values from 0.15 to 0.85"},
		{"widths1", "32,64,64,128,64,8,64", "channels of the first U-net's layers"},
		{"widths2", "32,64,64,64,128,16,128,256,128,16,64,64,8,64", "channels of the second one's"},
		{"middle", "64", "channels between the U-nets, for scale 4 or fast"},
	},
	detect: func(k keys) *found {
		width := func(name string) int { return k.dim(name+".weight", 0) }
		if !k.has("unet1.conv1.conv.0.weight", "unet1.conv2.seblock.conv1.weight", "unet2.conv4.seblock.conv1.weight", "unet2.conv_bottom.weight") {
			return nil
		}
		f := &found{ignored: cuganIgnored, params: map[string]string{"pro": strconv.FormatBool(k.has("pro"))}}
		for i, names := range []string{cuganLayers1, cuganLayers2} {
			var widths []string
			for name := range strings.FieldsSeq(names) {
				widths = append(widths, strconv.Itoa(width(fmt.Sprintf("unet%d.%s", i+1, name))))
			}
			f.params[fmt.Sprintf("widths%d", i+1)] = strings.Join(widths, ",")
		}
		in, out, scale, bottom := k.dim("unet1.conv1.conv.0.weight", 1), width("unet2.conv_bottom"), 2, k.dim("unet1.conv_bottom.weight", 2)
		f.params["fast"] = "false"
		switch {
		case k.has("conv_final.weight"):
			f.params["middle"] = strconv.Itoa(out)
			out, scale = width("conv_final")/4, 4
			if in == 4*out {
				in, scale, f.params["fast"] = out, 2, "true"
			}
		case bottom == 5:
			scale = 3
		case bottom == 3:
			scale = 1
		}
		if !k.has("conv_final.weight") {
			f.params["middle"] = "64"
		}
		f.params["in_channels"], f.params["out_channels"], f.params["scale"] = strconv.Itoa(in), strconv.Itoa(out), strconv.Itoa(scale)
		return f
	},
	build: func(n *net, p *params) error {
		in, out, middle := p.number("in_channels", 1, 64), p.number("out_channels", 1, 64), p.number("middle", 1, 4096)
		scale, fast, pro := p.number("scale", 1, 4), p.flag("fast"), p.flag("pro")
		w1, w2 := p.numbers("widths1", 4096), p.numbers("widths2", 4096)
		for i, w := range [][]int{w1, w2} {
			if want := len(strings.Fields([]string{cuganLayers1, cuganLayers2}[i])); len(w) != want {
				p.fail(fmt.Sprintf("widths%d", i+1), fmt.Sprintf("%d numbers", want))
			}
		}
		if fast && scale != 2 {
			p.fail("fast", "false unless scale is 2")
		}
		if final := fast || scale == 4; final && in != out {
			p.fail("out_channels", "in_channels, because the output adds to the input")
		}
		if p.err != nil {
			return p.err
		}
		image := n.image(in, out, scale)
		border, multiple := []int{28, 18, 14, 19}[scale-1], []int{4, 2, 4, 2}[scale-1]
		if fast {
			border = 38
			multiple = 4
		}
		n.set("gansr.multiple", "%d", multiple)
		x := image
		if pro {
			x = n.add(n.scaled(x, 0.7), n.constant(graph.Scalar(float32(0.15))))
		}
		h, first, between := n.bordered(x, border, multiple, "reflect"), in, out
		if fast {
			h, first = n.unshuffle(h, in, 2), 4*in
		}
		if fast || scale == 4 {
			between = middle
		}
		bottom := map[int][3]int{2: {4, 2, 3}, 3: {5, 3, 2}, 4: {4, 2, 3}}[scale]
		h = n.cuganNet1(h, first, between, w1, bottom)
		h = n.add(n.cuganNet2(h, between, w2), n.trimmed(h, 20))
		if fast || scale == 4 {
			h = n.shuffle(n.trimmed(n.convWith("conv_final", h, middle, 4*out, valid(3, 1)), 1), 2)
			h = n.add(n.cropped(h, image, scale), n.nearest(x, scale))
		} else {
			h = n.cropped(h, image, scale)
		}
		if pro {
			h = n.b.Node("Div", []string{n.b.Node("Sub", []string{h, n.constant(graph.Scalar(float32(0.15)))}), n.constant(graph.Scalar(float32(0.7)))})
		}
		n.output(h, out)
		return nil
	},
}

// The layers whose channels the widths are.
const (
	cuganLayers1 = "conv1.conv.0 conv1.conv.2 conv1_down conv2.conv.0 conv2.conv.2 conv2.seblock.conv1 conv3"
	cuganLayers2 = "conv1.conv.0 conv1.conv.2 conv1_down conv2.conv.0 conv2.conv.2 conv2.seblock.conv1 conv2_down " +
		"conv3.conv.0 conv3.conv.2 conv3.seblock.conv1 conv4.conv.0 conv4.conv.2 conv4.seblock.conv1 conv5"
)

// cuganPair is two convolutions without padding, and unless squeezed is 0, channels weighed by their means.
func (n *net) cuganPair(name, x string, in, middle, out, squeezed int) string {
	h := n.leaky(n.convWith(name+".conv.0", x, in, middle, valid(3, 1)), 0.1)
	h = n.leaky(n.convWith(name+".conv.2", h, middle, out, valid(3, 1)), 0.1)
	if squeezed == 0 {
		return h
	}
	s := n.relu(n.conv(name+".seblock.conv1", n.globalMean(h), out, squeezed, 1, 1, true))
	return n.mul(h, n.sigmoid(n.conv(name+".seblock.conv2", s, squeezed, out, 1, 1, true)))
}

// cuganNet1 is the first U-net. bottom is the kernel, stride and padding of the transposed convolution at its end; zeros: it has a 3x3 one.
func (n *net) cuganNet1(x string, in, out int, w []int, bottom [3]int) string {
	top := n.cuganPair("unet1.conv1", x, in, w[0], w[1], 0)
	h := n.leaky(n.convWith("unet1.conv1_down", top, w[1], w[2], valid(2, 2)), 0.1)
	h = n.cuganPair("unet1.conv2", h, w[2], w[3], w[4], w[5])
	h = n.leaky(n.upconv("unet1.conv2_up", h, w[4], w[1], 2, 2, 0, true), 0.1)
	h = n.leaky(n.convWith("unet1.conv3", n.add(n.trimmed(top, 4), h), w[1], w[6], valid(3, 1)), 0.1)
	if bottom[0] == 0 {
		return n.convWith("unet1.conv_bottom", h, w[6], out, valid(3, 1))
	}
	return n.upconv("unet1.conv_bottom", h, w[6], out, bottom[0], bottom[1], bottom[2], true)
}

// cuganNet2 is the second U-net, which has a level more and keeps the scale.
func (n *net) cuganNet2(x string, channels int, w []int) string {
	top := n.cuganPair("unet2.conv1", x, channels, w[0], w[1], 0)
	h := n.leaky(n.convWith("unet2.conv1_down", top, w[1], w[2], valid(2, 2)), 0.1)
	second := n.cuganPair("unet2.conv2", h, w[2], w[3], w[4], w[5])
	h = n.leaky(n.convWith("unet2.conv2_down", second, w[4], w[6], valid(2, 2)), 0.1)
	h = n.cuganPair("unet2.conv3", h, w[6], w[7], w[8], w[9])
	h = n.leaky(n.upconv("unet2.conv3_up", h, w[8], w[4], 2, 2, 0, true), 0.1)
	h = n.cuganPair("unet2.conv4", n.add(n.trimmed(second, 4), h), w[4], w[10], w[11], w[12])
	h = n.leaky(n.upconv("unet2.conv4_up", h, w[11], w[1], 2, 2, 0, true), 0.1)
	h = n.leaky(n.convWith("unet2.conv5", n.add(n.trimmed(top, 16), h), w[1], w[13], valid(3, 1)), 0.1)
	return n.convWith("unet2.conv_bottom", h, w[13], channels, valid(3, 1))
}

// cuganIgnored is a tensor that marks the networks called pro.
var cuganIgnored = regexp.MustCompile(`^pro$`)
