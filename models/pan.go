package models

import (
	"fmt"
)

// pan is the pixel attention network (H. Zhao et al., 2020).
var pan = Architecture{
	Name:    "PAN",
	Summary: "pixel attention network: small blocks with a gate for each value; the input enlarged bilinearly adds",
	Params: []Param{
		{"in_nc", "3", "channels of the input and of the output"},
		{"nf", "40", "channels between the blocks"},
		{"unf", "24", "channels while enlarging"},
		{"nb", "16", "blocks"},
		{"scale", "4", "how much larger the output is: 2, 3 or 4"},
	},
	detect: func(k keys) *found {
		if !k.has("SCPA_trunk.0.conv1_a.weight", "upconv1.weight", "conv_last.weight") {
			return nil
		}
		f := &found{params: told("in_nc", k.dim("conv_first.weight", 1), "nf", k.dim("conv_first.weight", 0), "unf", k.dim("upconv1.weight", 0),
			"nb", k.count("SCPA_trunk.%d.conv1_a.weight"), "scale", 4)}
		if !k.has("upconv2.weight") { // it may be 3
			f.params["scale"], f.assumed = "2", []string{"scale"}
		}
		return f
	},
	build: func(n *net, p *params) error {
		channels, feat, wide, blocks := p.number("in_nc", 1, 64), p.number("nf", 2, 4096), p.number("unf", 1, 4096), p.number("nb", 0, 256)
		p.choice("scale", "2", "3", "4")
		scale := p.number("scale", 2, 4)
		if p.err != nil {
			return p.err
		}
		x, half := n.image(channels, channels, scale), feat/2
		first := n.conv("conv_first", x, channels, feat, 3, 1, true)
		h := first
		for i := range blocks {
			name := fmt.Sprintf("SCPA_trunk.%d.", i)
			a := n.leaky(n.conv(name+"conv1_a", h, feat, half, 1, 1, false), 0.2)
			b := n.leaky(n.conv(name+"conv1_b", h, feat, half, 1, 1, false), 0.2)
			a = n.leaky(n.conv(name+"k1.0", a, half, half, 3, 1, false), 0.2)
			gate := n.sigmoid(n.conv(name+"PAConv.k2", b, half, half, 1, 1, true))
			b = n.mul(n.conv(name+"PAConv.k3", b, half, half, 3, 1, false), gate)
			b = n.leaky(n.conv(name+"PAConv.k4", b, half, half, 3, 1, false), 0.2)
			h = n.add(n.conv(name+"conv3", n.concat(a, b), 2*half, feat, 1, 1, false), h)
		}
		h, in := n.add(first, n.conv("trunk_conv", h, feat, feat, 3, 1, true)), feat
		for i, s := range shuffles(scale) {
			h = n.conv(fmt.Sprintf("upconv%d", i+1), n.nearest(h, s), in, wide, 3, 1, true)
			h = n.leaky(n.mul(h, n.sigmoid(n.conv(fmt.Sprintf("att%d.conv", i+1), h, wide, wide, 1, 1, true))), 0.2)
			h, in = n.leaky(n.conv(fmt.Sprintf("HRconv%d", i+1), h, wide, wide, 3, 1, true), 0.2), wide
		}
		h = n.conv("conv_last", h, wide, channels, 3, 1, true)
		n.output(n.add(h, n.enlarged(x, scale, "linear")), channels)
		return nil
	},
}
