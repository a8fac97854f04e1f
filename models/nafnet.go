package models

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// nafnet is the restorer without activation functions (L. Chen et al., "Simple Baselines for Image Restoration", 2022): a U-net whose blocks
// multiply one half of the channels by the other. It weighs channels by their mean over the whole image.
var nafnet = Architecture{
	Name:    "NAFNet",
	Summary: "restorer without activation functions, a U-net: denoising and deblurring at the input's size",
	Params: []Param{
		{"img_channel", "3", "channels of the input and of the output"},
		{"width", "32", "channels at the input's size; each level doubles them"},
		{"middle_blk_num", "1", "blocks at the smallest size"},
		{"enc_blk_nums", "1,1,1,28", "blocks of each level on the way down"},
		{"dec_blk_nums", "1,1,1,1", "blocks of each level on the way up, as many levels"},
		{"dw_expand", "2", "channels of a block's first half, as a multiple"},
		{"ffn_expand", "2", "channels of its second half, as a multiple"},
	},
	detect: func(k keys) *found {
		if !k.has("intro.weight", "ending.weight", "middle_blks.0.beta", "encoders.0.0.beta", "downs.0.weight") {
			return nil
		}
		blocks := func(part string) string {
			var counts []string
			for i := 0; k.has(fmt.Sprintf("%s.%d.0.beta", part, i)); i++ {
				counts = append(counts, strconv.Itoa(k.count(part+"."+strconv.Itoa(i)+".%d.beta")))
			}
			return strings.Join(counts, ",")
		}
		width := max(1, k.dim("intro.weight", 0))
		return &found{params: map[string]string{"img_channel": strconv.Itoa(k.dim("intro.weight", 1)), "width": strconv.Itoa(width),
			"middle_blk_num": strconv.Itoa(k.count("middle_blks.%d.beta")), "enc_blk_nums": blocks("encoders"), "dec_blk_nums": blocks("decoders"),
			"dw_expand": strconv.Itoa(k.dim("encoders.0.0.conv1.weight", 0) / width), "ffn_expand": strconv.Itoa(k.dim("encoders.0.0.conv4.weight", 0) / width)}}
	},
	build: func(n *net, p *params) error {
		ch, width, middle := p.number("img_channel", 1, 64), p.number("width", 1, 4096), p.number("middle_blk_num", 0, 256)
		down, up := p.numbers("enc_blk_nums", 256), p.numbers("dec_blk_nums", 256)
		first, second := p.number("dw_expand", 1, 16), p.number("ffn_expand", 1, 16)
		if len(down) != len(up) || len(down) > 6 {
			p.fail("dec_blk_nums", "as many numbers as enc_blk_nums, at most 6")
		}
		if width*first%2+width*second%2 != 0 {
			p.fail("width", "such that the channels of a block are even in number")
		}
		if p.err != nil {
			return p.err
		}
		image := n.image(ch, ch, 1)
		multiple := 1 << len(down)
		n.set("gansr.multiple", "%d", multiple)
		x := n.padded(image, multiple, "constant")
		chain := func(name, h string, width, count int) string {
			for i := range count {
				h = n.nafBlock(fmt.Sprintf("%s.%d.", name, i), h, width, width*first, width*second)
			}
			return h
		}
		h := n.conv("intro", x, ch, width, 3, 1, true)
		var skips []string
		for i, count := range down {
			h = chain(fmt.Sprintf("encoders.%d", i), h, width, count)
			skips = append(skips, h)
			h = n.convWith(fmt.Sprintf("downs.%d", i), h, width, 2*width, valid(2, 2))
			width *= 2
		}
		h = chain("middle_blks", h, width, middle)
		slices.Reverse(skips)
		for i, count := range up {
			h = n.shuffle(n.conv(fmt.Sprintf("ups.%d.0", i), h, width, 2*width, 1, 1, false), 2)
			width /= 2
			h = chain(fmt.Sprintf("decoders.%d", i), n.add(h, skips[i]), width, count)
		}
		h = n.add(n.conv("ending", h, width, ch, 3, 1, true), x)
		n.output(n.cropped(h, image, 1), ch)
		return nil
	},
}

// nafBlock is a block of a depthwise convolution and one of a linear layer, each with a gate.
func (n *net) nafBlock(name, x string, width, first, second int) string {
	gate := func(x string, channels int) string {
		return n.mul(n.channels(x, 0, channels/2), n.channels(x, channels/2, channels))
	}
	weighed := func(kind, x string) string { return n.mul(x, n.weight(name+kind, constant(0), 1, width, 1, 1)) }
	h := n.conv(name+"conv1", n.layerNorm2d(name+"norm1", x, width), width, first, 1, 1, true)
	h = gate(n.convWith(name+"conv2", h, first, first, square(3, first)), first)
	h = n.mul(h, n.conv(name+"sca.1", n.globalMean(h), first/2, first/2, 1, 1, true))
	y := n.add(x, weighed("beta", n.conv(name+"conv3", h, first/2, width, 1, 1, true)))
	h = n.conv(name+"conv4", n.layerNorm2d(name+"norm2", y, width), width, second, 1, 1, true)
	return n.add(y, weighed("gamma", n.conv(name+"conv5", gate(h, second), second/2, width, 1, 1, true)))
}
