package models

import (
	"fmt"
)

// msrResNet is the modified SRResNet that ESRGAN is compared with (X. Wang et al., 2018), with the names of BasicSR, or of KAIR and BasicSR's
// first years.
var msrResNet = Architecture{
	Name:    "MSRResNet",
	Summary: "SRResNet without normalisation, as BasicSR and KAIR have it; the input enlarged bilinearly adds",
	Params: []Param{
		{"num_in_ch", "3", "channels of the input; the output has as many"},
		{"num_feat", "64", "channels between the blocks"},
		{"num_block", "16", "residual blocks"},
		{"upscale", "4", "how much larger the output is: 2, 3 or 4"},
		{"res_scale", "1", "what each block's result is multiplied by"},
	},
	detect: func(k keys) *found {
		f := &found{}
		block := "body.%d.conv1.weight"
		switch {
		case k.has("conv_first.weight", "upconv1.weight", "conv_hr.weight"):
		case k.has("conv_first.weight", "upconv1.weight", "HRconv.weight", "recon_trunk.0.conv1.weight"):
			f.key = renamed(`^body\.`, "recon_trunk.", `^conv_hr\.`, "HRconv.")
			block = "recon_trunk.%d.conv1.weight"
		default:
			return nil
		}
		feat := k.dim("conv_first.weight", 0)
		scale := k.shuffled(feat, func(i int) string { return fmt.Sprintf("upconv%d", i+1) })
		f.params = told("num_in_ch", k.dim("conv_first.weight", 1), "num_feat", feat, "num_block", k.count(block), "upscale", scale)
		return f
	},
	build: func(n *net, p *params) error {
		channels, feat, blocks := p.number("num_in_ch", 1, 64), p.number("num_feat", 1, 4096), p.number("num_block", 0, 1024)
		p.choice("upscale", "2", "3", "4")
		scale, factor := p.number("upscale", 2, 4), p.real("res_scale")
		if p.err != nil {
			return p.err
		}
		x := n.image(channels, channels, scale)
		h := n.leaky(n.conv("conv_first", x, channels, feat, 3, 1, true), 0.1)
		for i := range blocks {
			name := fmt.Sprintf("body.%d.conv", i)
			c := n.conv(name+"2", n.relu(n.conv(name+"1", h, feat, feat, 3, 1, true)), feat, feat, 3, 1, true)
			if factor != 1 {
				c = n.scaled(c, factor)
			}
			h = n.add(h, c)
		}
		for i, s := range shuffles(scale) {
			h = n.leaky(n.shuffle(n.conv(fmt.Sprintf("upconv%d", i+1), h, feat, feat*s*s, 3, 1, true), s), 0.1)
		}
		h = n.leaky(n.conv("conv_hr", h, feat, feat, 3, 1, true), 0.1)
		n.output(n.add(n.conv("conv_last", h, feat, channels, 3, 1, true), n.enlarged(x, scale, "linear")), channels)
		return nil
	},
}

// msrResNet0 is the same network in the form of nested sequences that KAIR calls MSRResNet0 and BasicSR's first year SRResNet: the first
// convolution's result adds behind the blocks, and nothing adds to the output.
var msrResNet0 = Architecture{
	Name:    "MSRResNet0",
	Summary: "SRResNet without normalisation, with numbered layers as in KAIR and the first BasicSR",
	Params: []Param{
		{"in_nc", "3", "channels of the input"},
		{"out_nc", "3", "channels of the output"},
		{"nc", "64", "channels between the blocks"},
		{"nb", "16", "residual blocks"},
		{"upscale", "4", "how much larger the output is: 1, 2, 3, 4 or 8"},
		{"act_mode", "R", "R: ReLU; L: leaky ReLU with slope 0.2"},
		{"upsample_mode", "upconv", "upconv (nearest neighbours, then a convolution), pixelshuffle or convtranspose"},
		{"res_scale", "1", "what each block's result is multiplied by"},
	},
	detect: func(k keys) *found {
		blocks := k.count("model.1.sub.%d.res.0.weight")
		feat, last, scale, mode := k.dim("model.0.weight", 0), k.highest("model.%d.weight"), 1, "upconv"
		if blocks == 0 || feat == 0 || last > 16 { // more layers than scale 8 has
			return nil
		}
		var ups []string // all but the last two convolutions
		for i := 2; i < last-2; i++ {
			if name := fmt.Sprintf("model.%d.weight", i); k.has(name) {
				ups = append(ups, name)
			}
		}
		for _, name := range ups {
			switch {
			case k.has("model.3.weight"):
				scale *= 2
			case k.dim(name, 2) < 3 || k.dim(name, 2) == 3 && k.dim(name, 0) == feat:
				mode = "convtranspose"
				scale *= k.dim(name, 2)
			default:
				mode = "pixelshuffle"
				scale *= max(1, root(k.dim(name, 0)/max(1, feat)))
			}
		}
		f := &found{params: told("in_nc", k.dim("model.0.weight", 1), "out_nc", k.dim(fmt.Sprintf("model.%d.weight", last), 0), "nc", feat,
			"nb", blocks, "upscale", scale, "upsample_mode", mode)}
		if mode == "upconv" && scale == 2 { // it may be 3
			f.assumed = []string{"upscale"}
		}
		return f
	},
	build: func(n *net, p *params) error {
		in, out, feat, blocks := p.number("in_nc", 1, 64), p.number("out_nc", 1, 64), p.number("nc", 1, 4096), p.number("nb", 0, 1024)
		scale, act, factor := p.atScale("upscale"), p.choice("act_mode", "R", "L"), p.real("res_scale")
		mode := p.choice("upsample_mode", "upconv", "pixelshuffle", "convtranspose")
		if p.err != nil {
			return p.err
		}
		active := n.relu
		if act == "L" {
			active = func(x string) string { return n.leaky(x, 0.2) }
		}
		first := n.conv("model.0", n.image(in, out, scale), in, feat, 3, 1, true)
		h := first
		for i := range blocks {
			name := fmt.Sprintf("model.1.sub.%d.res.", i)
			c := n.conv(name+"2", active(n.conv(name+"0", h, feat, feat, 3, 1, true)), feat, feat, 3, 1, true)
			if factor != 1 {
				c = n.scaled(c, factor)
			}
			h = n.add(h, c)
		}
		h = n.add(first, n.conv(fmt.Sprintf("model.1.sub.%d", blocks), h, feat, feat, 3, 1, true))
		at := 2
		for _, s := range shuffles(scale) {
			name := fmt.Sprintf("model.%d", at)
			switch mode {
			case "upconv":
				h = n.conv(fmt.Sprintf("model.%d", at+1), n.nearest(h, s), feat, feat, 3, 1, true)
			case "pixelshuffle":
				h = n.shuffle(n.conv(name, h, feat, feat*s*s, 3, 1, true), s)
			case "convtranspose":
				h, at = n.upconv(name, h, feat, feat, s, s, 0, true), at-1
			}
			h, at = active(h), at+3
		}
		h = active(n.conv(fmt.Sprintf("model.%d", at), h, feat, feat, 3, 1, true))
		n.output(n.conv(fmt.Sprintf("model.%d", at+2), h, feat, out, 3, 1, true), out)
		return nil
	},
}
