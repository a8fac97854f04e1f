package models

import (
	"fmt"
	"strconv"

	"github.com/gansr/gansr/graph"
)

// mosr is a chain of gated convolutional blocks after MambaOut, as neosr trains it.
var mosr = Architecture{
	Name:    "MoSR",
	Summary: "gated convolutional blocks after MambaOut",
	Params: []Param{
		{"in_ch", "3", "channels of the input"},
		{"out_ch", "3", "channels of the output"},
		{"upscale", "4", "how much larger the output is, 1 to 8"},
		{"n_block", "24", "blocks"},
		{"dim", "64", "channels between the blocks"},
		{"upsampler", "ps", "ps: pixel shuffle; gps: pixel shuffle of the mean of eight; dys: sampling at learned places"},
		{"kernel_size", "7", "size of the convolutions of single channels, odd"},
		{"expansion_ratio", "1.5", "channels within a block, as a share of dim"},
		{"conv_ratio", "1", "channels that are convolved on their own, as a share of dim"},
	},
	detect: func(k keys) *found {
		if !k.has("gblocks.0.weight", "gblocks.1.fc1.weight", "gblocks.1.fc2.weight", "gblocks.1.conv.weight", "shortcut.conv11.weight") {
			return nil
		}
		in, dim := k.dim("gblocks.0.weight", 1), k.dim("gblocks.0.weight", 0)
		f := &found{params: map[string]string{"in_ch": strconv.Itoa(in), "dim": strconv.Itoa(dim), "n_block": strconv.Itoa(k.highest("gblocks.%d.fc1.weight")),
			"kernel_size": strconv.Itoa(k.dim("gblocks.1.conv.weight", 2)), "expansion_ratio": ratio(k.dim("gblocks.1.fc2.weight", 1), dim),
			"conv_ratio": ratio(k.dim("gblocks.1.conv.weight", 0), dim), "upsampler": "ps"}}
		switch {
		case k.has("upsampler.init_pos"):
			f.params["upsampler"] = "dys"
			f.params["out_ch"] = strconv.Itoa(k.dim("upsampler.end_conv.weight", 0))
			f.params["upscale"] = strconv.Itoa(root(k.dim("upsampler.offset.weight", 0) / 8))
		case k.has("upsampler.in_to_k.weight"):
			f.params["upsampler"] = "gps"
			f.shuffled(k.dim("upsampler.in_to_k.weight", 0)/8, in, "out_ch", "upscale")
		default:
			f.shuffled(k.dim("upsampler.0.weight", 0), in, "out_ch", "upscale")
		}
		return f
	},
	build: func(n *net, p *params) error {
		in, out, scale := p.number("in_ch", 1, 64), p.number("out_ch", 1, 64), p.number("upscale", 1, 8)
		blocks, dim, kernel := p.number("n_block", 0, 1024), p.number("dim", 1, 4096), p.number("kernel_size", 1, 255)
		hidden, single := p.share("expansion_ratio", dim), p.share("conv_ratio", dim)
		end := p.choice("upsampler", "ps", "gps", "dys")
		if kernel%2 == 0 {
			p.fail("kernel_size", "odd")
		}
		if single > hidden {
			p.fail("conv_ratio", "at most expansion_ratio")
		}
		if p.err != nil {
			return p.err
		}
		x := n.image(in, out, scale)
		h := n.conv("gblocks.0", x, in, dim, 3, 1, true)
		half := n.constant(graph.Scalar(float32(0.5)))
		minus := func(x string) string { return n.b.Node("Sub", []string{x, half}) }
		for i := range blocks {
			name := fmt.Sprintf("gblocks.%d.", i+1)
			c := n.conv(name+"fc1", n.layerNorm2d(name+"norm", h, dim), dim, 2*hidden, 3, 1, true)
			gate := n.mish(n.channels(c, 0, hidden))
			parts := []string{n.convWith(name+"conv", n.channels(c, 2*hidden-single, 2*hidden), single, single, square(kernel, single))}
			if single < hidden {
				parts = append([]string{n.channels(c, hidden, 2*hidden-single)}, parts...)
			}
			c = n.mish(n.conv(name+"fc2", n.mul(gate, n.concat(parts...)), hidden, dim, 3, 1, true))
			h = n.add(c, minus(h))
		}
		name := func(i int) string { return fmt.Sprintf("gblocks.%d", blocks+i) }
		h = n.mish(n.conv(name(1), h, dim, 2*dim, 3, 1, true))
		h = n.mish(n.conv(name(3), h, 2*dim, dim, 3, 1, true))
		h = n.conv(name(5), h, dim, dim, 1, 1, true)
		s := n.mish(n.conv("shortcut.block.0", x, in, dim, 3, 1, true))
		s = n.mish(n.conv("shortcut.block.2", s, dim, dim, 3, 1, true))
		h = n.add(h, minus(n.add(s, n.conv("shortcut.conv11", x, in, dim, 1, 1, true))))
		rows := out * scale * scale
		switch end {
		case "ps":
			h = n.shuffle(n.conv("upsampler.0", h, dim, rows, 3, 1, true), scale)
		case "gps":
			h = n.conv("upsampler.in_to_k", h, dim, 8*rows, 3, 1, true)
			shape := n.b.Node("Concat", []string{n.constant(graph.Ints(0, 8, rows)), n.size(h)}, attr("axis", 0))
			h = n.b.Node("ReduceMean", []string{n.b.Node("Reshape", []string{h, shape})}, attr("axes", []int{1}), attr("keepdims", 0))
			h = n.shuffle(h, scale)
		case "dys":
			h = n.dySample("upsampler", h, dim, out, scale, 4, true)
		}
		n.output(h, out)
		return nil
	},
}
