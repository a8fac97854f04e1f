package models

import (
	"fmt"
	"strconv"
)

// safmn is the network of spatially-adaptive feature modulation (L. Sun et al., 2023): parts of the channels are pooled to smaller sizes
// and modulate the whole.
var safmn = Architecture{
	Name:    "SAFMN",
	Summary: "spatially-adaptive feature modulation: channels pooled to several sizes modulate the whole",
	Params: []Param{
		{"channels", "3", "channels of the input and of the output"},
		{"dim", "36", "channels between the blocks, a multiple of levels"},
		{"n_blocks", "8", "blocks"},
		{"ffn_scale", "2", "channels within a block, as a multiple of dim"},
		{"upscaling_factor", "4", "how much larger the output is, 1 to 8"},
		{"levels", "4", "sizes that channels are pooled to; each has half the height and width of the one before"},
	},
	detect: func(k keys) *found {
		if !k.has("to_feat.weight", "feats.0.safm.mfr.0.weight", "feats.0.ccm.ccm.0.weight", "to_img.0.weight") {
			return nil
		}
		in, dim := k.dim("to_feat.weight", 1), k.dim("to_feat.weight", 0)
		return &found{params: map[string]string{"channels": strconv.Itoa(in), "dim": strconv.Itoa(dim), "n_blocks": strconv.Itoa(k.count("feats.%d.safm.aggr.weight")),
			"ffn_scale": ratio(k.dim("feats.0.ccm.ccm.0.weight", 0), dim), "levels": strconv.Itoa(k.count("feats.0.safm.mfr.%d.weight")),
			"upscaling_factor": strconv.Itoa(root(k.dim("to_img.0.weight", 0) / max(1, in)))}}
	},
	build: func(n *net, p *params) error {
		ch, dim, blocks := p.number("channels", 1, 64), p.number("dim", 1, 4096), p.number("n_blocks", 0, 1024)
		hidden, scale, levels := p.share("ffn_scale", dim), p.number("upscaling_factor", 1, 8), p.number("levels", 1, 8)
		if dim%levels != 0 {
			p.fail("dim", fmt.Sprintf("a multiple of levels, which is %d", levels))
		}
		if p.err != nil {
			return p.err
		}
		image := n.image(ch, ch, scale)
		multiple := 1 << (levels - 1)
		n.set("gansr.multiple", "%d", multiple)
		// At other sizes PyTorch pools to sizes that are rounded down, over windows that are not alike.
		first := n.conv("to_feat", n.padded(image, multiple, "edge"), ch, dim, 3, 1, true)
		h := first
		for i := range blocks {
			name := fmt.Sprintf("feats.%d.", i)
			x := n.layerNorm2d(name+"norm1", h, dim)
			part := dim / levels
			var parts []string
			for l := range levels {
				c := n.channels(x, l*part, (l+1)*part)
				if l > 0 {
					c = n.b.Node("MaxPool", []string{c}, attr("kernel_shape", []int{1 << l, 1 << l}), attr("strides", []int{1 << l, 1 << l}))
				}
				c = n.convWith(fmt.Sprintf("%ssafm.mfr.%d", name, l), c, part, part, square(3, part))
				parts = append(parts, n.nearest(c, 1<<l))
			}
			c := n.gelu(n.conv(name+"safm.aggr", n.concat(parts...), dim, dim, 1, 1, true))
			h = n.add(n.mul(c, x), h)
			c = n.gelu(n.conv(name+"ccm.ccm.0", n.layerNorm2d(name+"norm2", h, dim), dim, hidden, 3, 1, true))
			h = n.add(n.conv(name+"ccm.ccm.2", c, hidden, dim, 1, 1, true), h)
		}
		h = n.shuffle(n.conv("to_img.0", n.add(h, first), dim, ch*scale*scale, 3, 1, true), scale)
		n.output(n.cropped(h, image, scale), ch)
		return nil
	},
}
