package models

import (
	"fmt"
)

// imdn is the information multi-distillation network (Z. Hui et al., 2019).
var imdn = Architecture{
	Name:    "IMDN",
	Summary: "information multi-distillation network: blocks that keep a part of the channels after each convolution",
	Params: []Param{
		{"in_nc", "3", "channels of the input"},
		{"out_nc", "3", "channels of the output"},
		{"nf", "64", "channels between the blocks"},
		{"distilled", "16", "channels that each convolution of a block keeps"},
		{"num_modules", "6", "blocks"},
		{"squeezed", "4", "channels of the gates' inner layer"},
		{"upscale", "4", "how much larger the output is, 1 to 8"},
	},
	detect: func(k keys) *found {
		blocks := 0
		for k.has(fmt.Sprintf("IMDB%d.c1.weight", blocks+1)) {
			blocks++
		}
		if blocks == 0 || !k.has("fea_conv.weight", "upsampler.0.weight", "IMDB1.cca.conv_du.0.weight") {
			return nil
		}
		in := k.dim("fea_conv.weight", 1)
		f := &found{params: told("in_nc", in, "nf", k.dim("fea_conv.weight", 0), "num_modules", blocks, "distilled", k.dim("IMDB1.c4.weight", 0),
			"squeezed", k.dim("IMDB1.cca.conv_du.0.weight", 0))}
		f.shuffled(k.dim("upsampler.0.weight", 0), in, "out_nc", "upscale")
		return f
	},
	build: func(n *net, p *params) error {
		in, out, feat, kept := p.number("in_nc", 1, 64), p.number("out_nc", 1, 64), p.number("nf", 2, 4096), p.number("distilled", 1, 4096)
		blocks, squeezed, scale := p.number("num_modules", 1, 256), p.number("squeezed", 1, 4096), p.number("upscale", 1, 8)
		if kept >= feat {
			p.fail("distilled", "less than nf")
		}
		if p.err != nil {
			return p.err
		}
		first := n.conv("fea_conv", n.image(in, out, scale), in, feat, 3, 1, true)
		h := first
		var all []string
		for i := range blocks {
			name := fmt.Sprintf("IMDB%d.", i+1)
			rest, channels := h, feat
			var parts []string
			for j := 1; j <= 3; j++ {
				c := n.leaky(n.conv(fmt.Sprintf("%sc%d", name, j), rest, channels, feat, 3, 1, true), 0.05)
				parts, rest, channels = append(parts, n.channels(c, 0, kept)), n.channels(c, kept, feat), feat-kept
			}
			parts = append(parts, n.conv(name+"c4", rest, channels, kept, 3, 1, true))
			g := n.gatedByMean(name+"cca.conv_du.0", name+"cca.conv_du.2", n.concat(parts...), 4*kept, squeezed, true)
			h = n.add(n.conv(name+"c5", g, 4*kept, feat, 1, 1, true), h)
			all = append(all, h)
		}
		h = n.leaky(n.conv("c.0", n.concat(all...), blocks*feat, feat, 1, 1, true), 0.05)
		h = n.add(n.conv("LR_conv", h, feat, feat, 3, 1, true), first)
		n.output(n.shuffle(n.conv("upsampler.0", h, feat, out*scale*scale, 3, 1, true), scale), out)
		return nil
	},
}

// rgbRange is the parameter of networks that work in another range than 0..1.
var rgbRange = Param{"rgb_range", "255", "the value of white in the input and in the output; it goes into the file's metadata"}

func (n *net) whiteIs(v float32) { n.set("gansr.range", "0,%v", v) }

// rfdn is the residual feature distillation network (J. Liu et al., 2020), which won AIM 2020.
var rfdn = Architecture{
	Name:    "RFDN",
	Summary: "residual feature distillation network, with enhanced spatial attention",
	Params: []Param{
		{"in_nc", "3", "channels of the input"},
		{"out_nc", "3", "channels of the output"},
		{"nf", "50", "channels between the blocks"},
		{"distilled", "25", "channels that each step of a block keeps"},
		{"num_modules", "4", "blocks"},
		{"esa_channels", "12", "channels of the attention's inner layers"},
		{"upscale", "4", "how much larger the output is, 1 to 8"},
		rgbRange,
	},
	detect: func(k keys) *found {
		blocks := 0
		for k.has(fmt.Sprintf("B%d.c1_d.weight", blocks+1)) {
			blocks++
		}
		if blocks == 0 || !k.has("fea_conv.weight", "upsampler.0.weight") {
			return nil
		}
		in := k.dim("fea_conv.weight", 1)
		f := &found{params: told("in_nc", in, "nf", k.dim("fea_conv.weight", 0), "num_modules", blocks, "distilled", k.dim("B1.c1_d.weight", 0),
			"esa_channels", k.dim("B1.esa.conv1.weight", 0))}
		f.shuffled(k.dim("upsampler.0.weight", 0), in, "out_nc", "upscale")
		return f
	},
	build: func(n *net, p *params) error {
		in, out, feat, kept := p.number("in_nc", 1, 64), p.number("out_nc", 1, 64), p.number("nf", 1, 4096), p.number("distilled", 1, 4096)
		blocks, esa, scale := p.number("num_modules", 1, 256), p.number("esa_channels", 1, 4096), p.number("upscale", 1, 8)
		white := p.real("rgb_range")
		if white <= 0 {
			p.fail("rgb_range", "above 0")
		}
		if p.err != nil {
			return p.err
		}
		first := n.conv("fea_conv", n.image(in, out, scale), in, feat, 3, 1, true)
		n.whiteIs(white)
		h := first
		var all []string
		for i := range blocks {
			name := fmt.Sprintf("B%d.", i+1)
			var parts []string
			for j := 1; j <= 3; j++ {
				step := fmt.Sprintf("%sc%d_", name, j)
				parts = append(parts, n.leaky(n.conv(step+"d", h, feat, kept, 1, 1, true), 0.05))
				h = n.leaky(n.add(n.conv(step+"r", h, feat, feat, 3, 1, true), h), 0.05)
			}
			parts = append(parts, n.leaky(n.conv(name+"c4", h, feat, kept, 3, 1, true), 0.05))
			h = n.conv(name+"c5", n.concat(parts...), 4*kept, feat, 1, 1, true)
			h = n.spatialGate(name+"esa", h, feat, esa, true)
			all = append(all, h)
		}
		h = n.leaky(n.conv("c.0", n.concat(all...), blocks*feat, feat, 1, 1, true), 0.05)
		h = n.add(n.conv("LR_conv", h, feat, feat, 3, 1, true), first)
		n.output(n.shuffle(n.conv("upsampler.0", h, feat, out*scale*scale, 3, 1, true), scale), out)
		return nil
	},
}

// rlfn is the residual local feature network (F. Kong et al., 2022), with the names of its NTIRE 2022 entry or of its authors' repository.
var rlfn = Architecture{
	Name:    "RLFN",
	Summary: "residual local feature network: three convolutions a block, with enhanced spatial attention",
	Params: []Param{
		{"in_channels", "3", "channels of the input"},
		{"out_channels", "3", "channels of the output"},
		{"feature_channels", "46", "channels between the blocks"},
		{"mid_channels", "48", "channels between a block's convolutions"},
		{"num_block", "4", "blocks"},
		{"esa_channels", "16", "channels of the attention's inner layers"},
		{"upscale", "4", "how much larger the output is, 1 to 8"},
		rgbRange,
	},
	detect: func(k keys) *found {
		f, first, block := &found{}, "fea_conv.weight", "B%d."
		if k.has("conv_1.weight", "block_1.c1_r.weight", "block_1.esa.conv1.weight") {
			first, block = "conv_1.weight", "block_%d."
			f.key = renamed(`^fea_conv\.`, "conv_1.", `^LR_conv\.`, "conv_2.", `^B(\d+)\.`, "block_${1}.")
		}
		blocks, b := 0, fmt.Sprintf(block, 1)
		for k.has(fmt.Sprintf(block, blocks+1) + "c1_r.weight") {
			blocks++
		}
		if blocks == 0 || !k.has(first, b+"esa.conv1.weight", "upsampler.0.weight") {
			return nil
		}
		in := k.dim(first, 1)
		f.params = told("in_channels", in, "feature_channels", k.dim(first, 0), "mid_channels", k.dim(b+"c1_r.weight", 0), "num_block", blocks,
			"esa_channels", k.dim(b+"esa.conv1.weight", 0))
		f.shuffled(k.dim("upsampler.0.weight", 0), in, "out_channels", "upscale")
		return f
	},
	build: func(n *net, p *params) error {
		in, out, feat, mid := p.number("in_channels", 1, 64), p.number("out_channels", 1, 64), p.number("feature_channels", 1, 4096), p.number("mid_channels", 1, 4096)
		blocks, esa, scale := p.number("num_block", 1, 256), p.number("esa_channels", 1, 4096), p.number("upscale", 1, 8)
		white := p.real("rgb_range")
		if white <= 0 {
			p.fail("rgb_range", "above 0")
		}
		if p.err != nil {
			return p.err
		}
		first := n.conv("fea_conv", n.image(in, out, scale), in, feat, 3, 1, true)
		n.whiteIs(white)
		h := first
		for i := range blocks {
			name := fmt.Sprintf("B%d.", i+1)
			c := n.leaky(n.conv(name+"c1_r", h, feat, mid, 3, 1, true), 0.05)
			c = n.leaky(n.conv(name+"c2_r", c, mid, mid, 3, 1, true), 0.05)
			c = n.leaky(n.conv(name+"c3_r", c, mid, feat, 3, 1, true), 0.05)
			c = n.conv(name+"c5", n.add(c, h), feat, feat, 1, 1, true)
			h = n.spatialGate(name+"esa", c, feat, esa, false)
		}
		h = n.add(n.conv("LR_conv", h, feat, feat, 3, 1, true), first)
		n.output(n.shuffle(n.conv("upsampler.0", h, feat, out*scale*scale, 3, 1, true), scale), out)
		return nil
	},
}
