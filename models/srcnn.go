package models

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// srCNN is the first convolutional network for super-resolution (C. Dong et al., 2014). It takes the luma channel already enlarged, unless scale says
// that it is to enlarge it.
var srCNN = Architecture{
	Name:    "SRCNN",
	Summary: "three convolutions that sharpen a luma channel that was enlarged before",
	Params: []Param{
		{"channels", "1", "channels of the input and of the output"},
		{"widths", "64,32", "channels between the convolutions"},
		{"kernels", "9,5,5", "sizes of the convolutions, odd"},
		{"scale", "1", "1: the input is already enlarged; 2 to 8: the network enlarges it first, by bicubic interpolation"},
	},
	detect: func(k keys) *found {
		f, names := &found{}, []string{"conv1", "conv2", "conv3"}
		if k.has("features.0.weight", "map.0.weight", "reconstruction.weight") {
			names = []string{"features.0", "map.0", "reconstruction"}
			f.key = renamed(`^conv1\.`, "features.0.", `^conv2\.`, "map.0.", `^conv3\.`, "reconstruction.")
		}
		d := func(i, axis int) int { return k.dim(names[i]+".weight", axis) }
		if d(0, 1) == 0 || d(0, 1) != d(2, 0) {
			return nil
		}
		f.params = told("channels", d(0, 1), "widths", fmt.Sprintf("%d,%d", d(0, 0), d(1, 0)), "kernels", fmt.Sprintf("%d,%d,%d", d(0, 2), d(1, 2), d(2, 2)))
		return f
	},
	build: func(n *net, p *params) error {
		channels, widths, kernels, scale := p.number("channels", 1, 64), p.numbers("widths", 4096), p.numbers("kernels", 31), p.number("scale", 1, 8)
		if len(widths) != 2 {
			p.fail("widths", "two numbers")
		}
		if len(kernels) != 3 || kernels[0]%2+kernels[1]%2+kernels[2]%2 != 3 {
			p.fail("kernels", "three odd numbers")
		}
		if p.err != nil {
			return p.err
		}
		h := n.enlarged(n.image(channels, channels, scale), scale, "cubic")
		h = n.relu(n.conv("conv1", h, channels, widths[0], kernels[0], 1, true))
		h = n.relu(n.conv("conv2", h, widths[0], widths[1], kernels[1], 1, true))
		n.output(n.conv("conv3", h, widths[1], channels, kernels[2], 1, true), channels)
		return nil
	},
}

// vdsr is the very deep network (J. Kim et al., 2016): convolutions without bias whose result adds to the luma channel, enlarged before.
var vdsr = Architecture{
	Name:    "VDSR",
	Summary: "twenty convolutions that sharpen a luma channel that was enlarged before",
	Params: []Param{
		{"channels", "1", "channels of the input and of the output"},
		{"num_feat", "64", "channels between the convolutions"},
		{"num_conv", "18", "convolutions between the first and the last"},
		{"bias", "false", "true: convolutions have a bias"},
		{"scale", "1", "1: the input is already enlarged; 2 to 8: the network enlarges it first, by bicubic interpolation"},
	},
	detect: func(k keys) *found {
		f, first, middle := &found{}, "input", "residual_layer.%d.conv.weight"
		switch {
		case k.has("input.weight", "residual_layer.0.conv.weight", "output.weight"):
		case k.has("conv1.0.weight", "trunk.0.conv.weight", "conv2.weight"):
			first, middle = "conv1.0", "trunk.%d.conv.weight"
			f.key = renamed(`^input\.`, "conv1.0.", `^residual_layer\.`, "trunk.", `^output\.`, "conv2.")
		default:
			return nil
		}
		f.params = told("channels", k.dim(first+".weight", 1), "num_feat", k.dim(first+".weight", 0), "num_conv", k.count(middle), "bias", k.has(first+".bias"))
		return f
	},
	build: func(n *net, p *params) error {
		channels, feat, convs := p.number("channels", 1, 64), p.number("num_feat", 1, 4096), p.number("num_conv", 0, 1024)
		bias, scale := p.flag("bias"), p.number("scale", 1, 8)
		if p.err != nil {
			return p.err
		}
		x := n.enlarged(n.image(channels, channels, scale), scale, "cubic")
		h := n.relu(n.conv("input", x, channels, feat, 3, 1, bias))
		for i := range convs {
			h = n.relu(n.conv(fmt.Sprintf("residual_layer.%d.conv", i), h, feat, feat, 3, 1, bias))
		}
		n.output(n.add(n.conv("output", h, feat, channels, 3, 1, bias), x), channels)
		return nil
	},
}

// fsrCNN is SRCNN made fast (C. Dong et al., 2016): it works at the input's size and ends in a transposed convolution.
var fsrCNN = Architecture{
	Name:    "FSRCNN",
	Summary: "narrow convolutions of a luma channel and a transposed one that enlarges",
	Params: []Param{
		{"num_channels", "1", "channels of the input and of the output"},
		{"d", "56", "channels of the first and the last layer"},
		{"s", "12", "channels between them"},
		{"m", "4", "convolutions between them"},
		{"scale_factor", "2", "how much larger the output is, 1 to 8"},
	},
	detect: func(k keys) *found {
		f, first, shrink, m := &found{}, "first_part.0.weight", "mid_part.0.weight", (k.highest("mid_part.%d.weight")-3)/2
		switch {
		case k.has(first, shrink, "last_part.weight") && m >= 0:
		case k.has("feature_extraction.0.weight", "shrink.0.weight", "deconv.weight"):
			first, shrink, m = "feature_extraction.0.weight", "shrink.0.weight", (k.highest("map.%d.weight")+1)/2
			f.key = func(name string) string {
				part, rest, _ := strings.Cut(name, ".")
				if part != "mid_part" {
					return map[string]string{"first_part": "feature_extraction.", "last_part": "deconv."}[part] + rest
				}
				at, rest, _ := strings.Cut(rest, ".")
				switch i, _ := strconv.Atoi(at); {
				case i < 2:
					return fmt.Sprintf("shrink.%d.%s", i, rest)
				case i < 2+2*m:
					return fmt.Sprintf("map.%d.%s", i-2, rest)
				default:
					return fmt.Sprintf("expand.%d.%s", i-2-2*m, rest)
				}
			}
		default:
			return nil
		}
		f.params = told("num_channels", k.dim(first, 1), "d", k.dim(first, 0), "s", k.dim(shrink, 0), "m", m)
		return f
	},
	build: func(n *net, p *params) error {
		channels, d, s := p.number("num_channels", 1, 64), p.number("d", 1, 4096), p.number("s", 1, 4096)
		m, scale := p.number("m", 0, 256), p.number("scale_factor", 1, 8)
		if p.err != nil {
			return p.err
		}
		h := n.prelu("first_part.1", n.conv("first_part.0", n.image(channels, channels, scale), channels, d, 5, 1, true), d)
		layer := func(i, in, out, kernel int) {
			h = n.prelu(fmt.Sprintf("mid_part.%d", i+1), n.conv(fmt.Sprintf("mid_part.%d", i), h, in, out, kernel, 1, true), out)
		}
		layer(0, d, s, 1)
		for i := range m {
			layer(2*i+2, s, s, 3)
		}
		layer(2*m+2, s, d, 1)
		n.output(n.convUp("last_part", h, d, channels, 9, scale, 4, scale-1, true), channels)
		return nil
	},
}

// espCN is the efficient sub-pixel network (W. Shi et al., 2016), with tanh as its authors have it or ReLU as PyTorch's example.
var espCN = Architecture{
	Name:    "ESPCN",
	Summary: "efficient sub-pixel network: a few convolutions of a luma channel and a pixel shuffle",
	Params: []Param{
		{"num_channels", "1", "channels of the input and of the output"},
		{"widths", "64,32", "channels between the convolutions"},
		{"kernels", "5,3,3", "sizes of the convolutions, odd"},
		{"scale_factor", "4", "how much larger the output is, 1 to 8"},
		{"act_type", "tanh", "tanh or relu"},
		{"final", "none", "none, or sigmoid behind the pixel shuffle"},
	},
	detect: func(k keys) *found {
		f, names := &found{}, []string{"first_part.0", "first_part.2", "last_part.0"}
		act, final := "tanh", "none"
		switch count := k.count("conv%d.weight"); {
		case k.has("first_part.0.weight", "last_part.0.weight"):
			for i := 2; k.has(fmt.Sprintf("first_part.%d.weight", 2*i)); i++ {
				names = slices.Insert(names, i, fmt.Sprintf("first_part.%d", 2*i))
			}
		case k.has("feature_maps.0.weight", "feature_maps.2.weight", "sub_pixel.0.weight"):
			names = []string{"feature_maps.0", "feature_maps.2", "sub_pixel.0"}
		case count == 0 && k.has("conv1.weight", "conv2.weight", "conv3.weight", "conv4.weight"): // PyTorch's example
			names, act = []string{"conv1", "conv2", "conv3", "conv4"}, "relu"
		case count == 0 && k.has("conv1.weight", "conv2.weight", "conv3.weight"):
			names, final = []string{"conv1", "conv2", "conv3"}, "sigmoid"
		default:
			return nil
		}
		var widths, kernels []string
		table := map[string]string{}
		for i, name := range names {
			widths, kernels = append(widths, strconv.Itoa(k.dim(name+".weight", 0))), append(kernels, strconv.Itoa(k.dim(name+".weight", 2)))
			table[espCNName(i, len(names))] = name
		}
		f.key = func(name string) string {
			at := strings.LastIndexByte(name, '.')
			return table[name[:at]] + name[at:]
		}
		last := len(names) - 1
		channels := k.dim(names[0]+".weight", 1)
		scale := root(k.dim(names[last]+".weight", 0) / max(1, channels))
		if scale < 2 {
			return nil
		}
		f.params = told("num_channels", channels, "widths", strings.Join(widths[:last], ","), "kernels", strings.Join(kernels, ","), "scale_factor", scale,
			"act_type", act, "final", final)
		f.assumed = []string{"act_type", "final"}
		return f
	},
	build: func(n *net, p *params) error {
		channels, widths, kernels := p.number("num_channels", 1, 64), p.numbers("widths", 4096), p.numbers("kernels", 31)
		scale, act, final := p.number("scale_factor", 1, 8), p.choice("act_type", "tanh", "relu"), p.choice("final", "none", "sigmoid")
		odd := len(kernels) == len(widths)+1
		for _, k := range kernels {
			odd = odd && k%2 == 1
		}
		if !odd {
			p.fail("kernels", "odd numbers, one more than widths has")
		}
		if p.err != nil {
			return p.err
		}
		h, in := n.image(channels, channels, scale), channels
		for i, out := range append(widths, channels*scale*scale) {
			h = n.conv(espCNName(i, len(kernels)), h, in, out, kernels[i], 1, true)
			switch in = out; {
			case i == len(widths):
			case act == "tanh":
				h = n.tanh(h)
			default:
				h = n.relu(h)
			}
		}
		if h = n.shuffle(h, scale); final == "sigmoid" {
			h = n.sigmoid(h)
		}
		n.output(h, channels)
		return nil
	},
}

// espCNName names the i-th of some convolutions.
func espCNName(i, count int) string {
	if i == count-1 {
		return "last_part.0"
	}
	return fmt.Sprintf("first_part.%d", 2*i)
}
