package models

import (
	"fmt"
	"strconv"
)

// srvggNetCompact is the compact generator of Real-ESRGAN (X. Wang et al., 2021): convolutions at the size of the
// input, a pixel shuffle, and the input enlarged by repetition added.
var srvggNetCompact = Architecture{
	Name:    "SRVGGNetCompact",
	Summary: "compact generator of Real-ESRGAN: a chain of 3x3 convolutions at the input's size",
	Params: []Param{
		{"num_in_ch", "3", "channels of the input"},
		{"num_out_ch", "3", "channels of the output; those of the input, unless that has one"},
		{"num_feat", "64", "channels between the convolutions"},
		{"num_conv", "16", "convolutions between the first and the last"},
		{"upscale", "4", "how much larger the output is, 1 to 8"},
		{"act_type", "prelu", "prelu, relu or leakyrelu (slope 0.1)"},
	},
	detect: func(k keys) *found {
		last := k.highest("body.%d.weight")
		in, feat, out := k.dim("body.0.weight", 1), k.dim("body.0.weight", 0), k.dim(fmt.Sprintf("body.%d.weight", last), 0)
		if in == 0 || last < 2 || last%2 != 0 || len(k.state["body.0.weight"].Shape()) != 4 {
			return nil
		}
		f := &found{params: map[string]string{"num_in_ch": strconv.Itoa(in), "num_feat": strconv.Itoa(feat), "num_conv": strconv.Itoa(last/2 - 1)}}
		f.shuffled(out, in, "num_out_ch", "upscale")
		f.params["act_type"] = "prelu"
		if !k.has("body.1.weight") { // ReLU has no parameter either, but is rare
			f.params["act_type"], f.assumed = "leakyrelu", []string{"act_type"}
		}
		return f
	},
	build: func(n *net, p *params) error {
		in, out := p.number("num_in_ch", 1, 64), p.number("num_out_ch", 1, 64)
		feat, convs := p.number("num_feat", 1, 4096), p.number("num_conv", 0, 1024)
		scale, act := p.number("upscale", 1, 8), p.choice("act_type", "prelu", "relu", "leakyrelu")
		if p.err != nil {
			return p.err
		}
		if in != out && in != 1 {
			return fmt.Errorf("num_out_ch is %d and should be num_in_ch, which is %d, because the output adds to the input", out, in)
		}
		x := n.image(in, out, scale)
		h, channels := x, in
		for i := range convs + 1 {
			h = n.conv("body."+strconv.Itoa(2*i), h, channels, feat, 3, 1, true)
			channels = feat
			switch act {
			case "prelu":
				h = n.prelu("body."+strconv.Itoa(2*i+1), h, feat)
			case "relu":
				h = n.relu(h)
			case "leakyrelu":
				h = n.leaky(h, 0.1)
			}
		}
		h = n.conv("body."+strconv.Itoa(2*convs+2), h, channels, out*scale*scale, 3, 1, true)
		n.output(n.add(n.shuffle(h, scale), n.nearest(x, scale)), out)
		return nil
	},
}
