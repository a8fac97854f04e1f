package models

import (
	"fmt"
	"strconv"
	"strings"
)

// waifu2x is the chain of 3x3 convolutions without padding that waifu2x (nagadomi, 2015) has: upconv_7, whose last layer doubles the size,
// and vgg_7, which keeps it. The output lacks 7 pixels of the input on each side, unless the graph adds them first.
var waifu2x = Architecture{
	Name:    "Waifu2x",
	Summary: "waifu2x's chains of convolutions for drawings, upconv_7 and vgg_7",
	Params: []Param{
		{"channels", "3", "channels of the input and of the output"},
		{"widths", "16,32,64,128,128,256", "channels of the layers before the last"},
		{"scale", "2", "2: upconv_7; 1: vgg_7"},
		{"pad", "0", "pixels that the graph adds on each side, copies of those at the edge: 7 keeps all of the image"},
	},
	detect: func(k keys) *found {
		last := k.highest("net.%d.weight")
		end := fmt.Sprintf("net.%d.weight", last)
		if last < 2 || last > 200 || last%2 != 0 || len(k.state[end].Shape()) != 4 || !k.has("net.0.bias") {
			return nil
		}
		var widths []string
		for i := 0; i < last; i += 2 {
			widths = append(widths, strconv.Itoa(k.dim(fmt.Sprintf("net.%d.weight", i), 0)))
		}
		scale := 1
		if k.dim(end, 2) == 4 {
			scale = 2
		}
		return &found{params: map[string]string{"channels": strconv.Itoa(k.dim("net.0.weight", 1)), "widths": strings.Join(widths, ","),
			"scale": strconv.Itoa(scale)}}
	},
	build: func(n *net, p *params) error {
		ch, widths, pad := p.number("channels", 1, 64), p.numbers("widths", 4096), p.number("pad", 0, 64)
		p.choice("scale", "1", "2")
		scale := p.number("scale", 1, 2)
		if p.err != nil {
			return p.err
		}
		h, in := n.image(ch, ch, scale), ch
		if pad > 0 {
			h = n.bordered(h, pad, 1, "edge")
		}
		for i, width := range widths {
			h = n.leaky(n.convWith(fmt.Sprintf("net.%d", 2*i), h, in, width, valid(3, 1)), 0.1)
			in = width
		}
		end := fmt.Sprintf("net.%d", 2*len(widths))
		if scale == 2 {
			h = n.upconv(end, h, in, ch, 4, 2, 3, true)
		} else {
			h = n.convWith(end, h, in, ch, valid(3, 1))
		}
		n.output(h, ch)
		return nil
	},
}
