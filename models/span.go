package models

import (
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"

	"github.com/gansr/gansr/graph"
)

// span is the swift parameter-free attention network (C. Wan et al., 2024): six blocks of three convolutions, whose result a symmetric
// sigmoid of itself gates. Each convolution was trained as a chain of three and a skip, which are merged.
var span = Architecture{
	Name:    "SPAN",
	Summary: "swift parameter-free attention network: six blocks of 3x3 convolutions that gate themselves",
	Params: []Param{
		{"num_in_ch", "3", "channels of the input"},
		{"num_out_ch", "3", "channels of the output"},
		{"feature_channels", "48", "channels between the blocks"},
		{"upscale", "4", "how much larger the output is, 1 to 8"},
		{"norm", "true", "true: subtract rgb_mean from the input and multiply it by img_range; false: do not"},
		{"img_range", "255", "what the input is multiplied by"},
		{"rgb_mean", "0.4488,0.4371,0.4040", "what is subtracted from the input's channels"},
	},
	detect: func(k keys) *found {
		f := &found{merged: k.has("block_1.c1_r.eval_conv.weight") && !k.has("block_1.c1_r.sk.weight")}
		first := "conv_1.sk.weight"
		if f.merged {
			first, f.ignored = "conv_1.eval_conv.weight", regexp.MustCompile(`^no_norm$`)
		} else {
			f.ignored = regexp.MustCompile(`\.eval_conv\.(weight|bias)$|^no_norm$`)
		}
		if !k.has(first, "conv_cat.weight", "upsampler.0.weight") {
			return nil
		}
		in, feat, rows := k.dim(first, 1), k.dim(first, 0), k.dim("upsampler.0.weight", 0)
		f.params = map[string]string{"num_in_ch": strconv.Itoa(in), "feature_channels": strconv.Itoa(feat), "norm": "true"}
		if k.has("no_norm") || in != 3 {
			maps.Copy(f.params, map[string]string{"norm": "false", "img_range": "1", "rgb_mean": "0"})
		}
		f.shuffled(rows, in, "num_out_ch", "upscale")
		return f
	},
	build: func(n *net, p *params) error {
		in, out, feat := p.number("num_in_ch", 1, 64), p.number("num_out_ch", 1, 64), p.number("feature_channels", 1, 4096)
		scale, norm := p.number("upscale", 1, 8), p.flag("norm")
		factor, mean := p.real("img_range"), p.reals("rgb_mean")
		if norm && len(mean) != in {
			p.fail("rgb_mean", fmt.Sprintf("%d numbers, one for each channel of the input", in))
		}
		if p.err != nil {
			return p.err
		}
		x := n.image(in, out, scale)
		if norm {
			x = n.scaled(n.b.Node("Sub", []string{x, n.perChannel(mean)}), factor)
		}
		first := n.conv3XC("conv_1", x, in, feat)
		h := first
		var kept []string
		for i := range 6 {
			name := fmt.Sprintf("block_%d.c", i+1)
			a := n.silu(n.conv3XC(name+"1_r", h, feat, feat))
			c := n.silu(n.conv3XC(name+"2_r", a, feat, feat))
			c = n.conv3XC(name+"3_r", c, feat, feat)
			gate := n.b.Node("Sub", []string{n.sigmoid(c), n.constant(graph.Scalar(float32(0.5)))})
			h = n.mul(n.add(c, h), gate)
			switch i {
			case 0:
				kept = append(kept, h)
			case 5:
				kept = append(kept, a)
			}
		}
		h = n.conv3XC("conv_2", h, feat, feat)
		h = n.conv("conv_cat", n.concat(first, h, kept[0], kept[1]), 4*feat, feat, 1, 1, true)
		h = n.conv("upsampler.0", h, feat, out*scale*scale, 3, 1, true)
		n.output(n.shuffle(h, scale), out)
		return nil
	},
}

// conv3XC is a 3x3 convolution that was trained as three convolutions of sizes 1, 3 and 1 (name.conv) with a 1x1 convolution beside
// them (name.sk). The merged one that training stored (name.eval_conv) may be older than these and is not used.
func (n *net) conv3XC(name, x string, in, out int) string {
	var sources []string
	for _, part := range strings.Fields("conv.0 conv.1 conv.2 sk") {
		sources = append(sources, name+"."+part+".weight", name+"."+part+".bias")
	}
	return n.convMerged(name+".eval_conv", x, in, out, 3, sources, func(t []*graph.Tensor) (*kernel, error) {
		var parts []*kernel
		for i := 0; i < len(t); i += 2 {
			k, err := kernelOf(t[i], t[i+1], 1)
			if err != nil {
				return nil, err
			}
			parts = append(parts, k)
		}
		chain, err := parts[0].then(parts[1])
		if err != nil {
			return nil, err
		}
		if chain, err = chain.then(parts[2]); err != nil {
			return nil, err
		}
		return chain.plus(parts[3])
	})
}
