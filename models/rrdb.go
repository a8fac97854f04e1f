package models

import "fmt"

// rrdbNet is the generator of ESRGAN (X. Wang et al., 2018) as Real-ESRGAN has it: residual-in-residual dense blocks, and two
// enlargements by repetition. Scales 2 and 1 fold pixels into channels first.
var rrdbNet = Architecture{
	Name:    "RRDBNet",
	Summary: "generator of ESRGAN and Real-ESRGAN: residual-in-residual dense blocks",
	Params: []Param{
		{"num_in_ch", "3", "channels of the input"},
		{"num_out_ch", "3", "channels of the output"},
		{"scale", "4", "how much larger the output is: 4, 2 or 1; sizes are multiples of 4/scale"},
		{"num_feat", "64", "channels between the blocks"},
		{"num_block", "23", "blocks of three dense blocks each"},
		{"num_grow_ch", "32", "channels that each convolution of a dense block adds"},
	},
	build: func(n *net, p *params) error {
		in, out := p.number("num_in_ch", 1, 64), p.number("num_out_ch", 1, 64)
		feat, blocks, grow := p.number("num_feat", 1, 4096), p.number("num_block", 0, 256), p.number("num_grow_ch", 1, 4096)
		p.choice("scale", "4", "2", "1")
		scale := p.number("scale", 1, 4)
		if p.err != nil {
			return p.err
		}
		fold := 4 / scale
		x := n.image(in, out, scale)
		if fold > 1 {
			n.set("gansr.multiple", "%d", fold)
		}
		conv := func(name, x string, from, to int) string { return n.conv(name, x, from, to, 3, 1, true) }
		first := conv("conv_first", n.unshuffle(x, in, fold), in*fold*fold, feat)
		h := first
		for i := range blocks {
			block := h
			for j := 1; j <= 3; j++ {
				name := fmt.Sprintf("body.%d.rdb%d.conv", i, j)
				parts := []string{block}
				for k := range 4 {
					c := conv(name+fmt.Sprint(k+1), n.concat(parts...), feat+k*grow, grow)
					parts = append(parts, n.leaky(c, 0.2))
				}
				block = n.add(n.scaled(conv(name+"5", n.concat(parts...), feat+4*grow, feat), 0.2), block)
			}
			h = n.add(n.scaled(block, 0.2), h)
		}
		h = n.add(first, conv("conv_body", h, feat, feat))
		h = n.leaky(conv("conv_up1", n.nearest(h, 2), feat, feat), 0.2)
		h = n.leaky(conv("conv_up2", n.nearest(h, 2), feat, feat), 0.2)
		h = n.leaky(conv("conv_hr", h, feat, feat), 0.2)
		n.output(conv("conv_last", h, feat, out), out)
		return nil
	},
}
