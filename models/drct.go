package models

import (
	"fmt"
	"maps"
	"strconv"
)

// drct is the dense residual connected transformer (C. Hsu et al., 2024): groups of five blocks of SwinIR's, each of which takes what those
// before it made.
var drct = Architecture{
	Name:    "DRCT",
	Summary: "dense residual connected transformer: densely connected blocks of attention to shifted windows",
	Params: frameParams(hatUpsamplers, hatConnections,
		Param{"embed_dim", "180", "channels between the groups"},
		Param{"num_heads", "6,6,6,6,6,6", "heads of attention of each group"},
		Param{"gc", "32", "channels that each block of a group adds"},
		Param{"window_size", "16", "size of the windows"},
		Param{"mlp_ratio", "2", "hidden channels of the first three perceptrons of a group, as multiples of their channels"},
		Param{"qkv_bias", "true", "whether queries, keys and values have a bias"},
		Param{"patch_norm", "true", "whether the first tokens are normalised"}),
	detect: func(k keys) *found {
		f, groups := k.frame(), k.count("layers.%d.swin1.norm1.weight")
		side := root(k.dim("layers.0.swin1.attn.relative_position_bias_table", 0))
		if f == nil || groups == 0 || side == 0 {
			return nil
		}
		maps.Copy(f.params, map[string]string{
			"num_heads": numbersOf(groups, func(i int) int {
				return k.dim(fmt.Sprintf("layers.%d.swin1.attn.relative_position_bias_table", i), 1)
			}),
			"gc": strconv.Itoa(k.dim("layers.0.adjust1.weight", 0)), "window_size": strconv.Itoa((side + 1) / 2),
			"mlp_ratio":  ratio(k.dim("layers.0.swin1.mlp.fc1.weight", 0), k.dim("layers.0.swin1.mlp.fc1.weight", 1)),
			"qkv_bias":   strconv.FormatBool(k.has("layers.0.swin1.attn.qkv.bias")),
			"patch_norm": strconv.FormatBool(k.has("patch_embed.norm.weight"))})
		return f
	},
	build: func(n *net, p *params) error {
		f := readFrame(p, hatUpsamplers, hatConnections)
		heads, grow := p.numbers("num_heads", 4096), p.number("gc", 1, 4096)
		l := swinLayers{window: p.number("window_size", 2, 64), qkvBias: p.flag("qkv_bias")}
		patchNorm := p.flag("patch_norm")
		headsOf := func(group, channels int) int { return heads[group] - channels%heads[group] }
		for i := range heads {
			for j := range 5 {
				if c := f.embed + j*grow; c%headsOf(i, c) != 0 {
					p.fail("num_heads", fmt.Sprintf("such that the heads divide %d channels", c))
				}
			}
		}
		hidden := []int{p.share("mlp_ratio", f.embed), p.share("mlp_ratio", f.embed+grow), p.share("mlp_ratio", f.embed+2*grow),
			f.embed + 3*grow, f.embed + 4*grow}
		if p.err != nil {
			return p.err
		}
		f.around(n, l.window, func(g *grid, x string) string {
			if patchNorm {
				x = n.layerNorm("patch_embed.norm", x, f.embed)
			}
			for i := range heads {
				parts := []string{x}
				for j := range 5 {
					name, channels, h := fmt.Sprintf("layers.%d.swin%d", i, j+1), f.embed+j*grow, x
					if j > 0 {
						h = n.b.Node("Concat", parts, attr("axis", 3))
					}
					h = l.block(g, name, h, channels, headsOf(i, channels), hidden[j], j%2 == 1)
					adjust := fmt.Sprintf("layers.%d.adjust%d", i, j+1)
					if j == 4 {
						h = n.tokensOf(n.conv(adjust, n.imageOf(h), channels, f.embed, 1, 1, true))
						x = n.add(n.scaled(h, 0.2), x)
						break
					}
					parts = append(parts, n.tokensOf(n.leaky(n.conv(adjust, n.imageOf(h), channels, grow, 1, 1, true), 0.2)))
				}
			}
			return n.layerNorm("norm", x, f.embed)
		})
		return nil
	},
}
