package models

import (
	"math"
	"strconv"
)

const (
	swinUpsamplers  = "pixelshuffle pixelshuffledirect nearest+conv none"
	swinConnections = "1conv 3conv"
)

// scaleOf is what queries of dim channels are multiplied by.
func scaleOf(dim int) float32 { return float32(1 / math.Sqrt(float64(dim))) }

// swinIR restores images with attention in shifted windows (J. Liang et al., 2021).
var swinIR = Architecture{
	Name:    "SwinIR",
	Summary: "attention in shifted windows, for enlarging, denoising and the removal of JPEG's traces",
	Params:  frameParams(swinUpsamplers, swinConnections, swinParams("8")...),
	detect: func(k keys) *found {
		f := k.frame()
		table := "layers.%d.residual_group.blocks.0.attn.relative_position_bias_table"
		side := root(k.dim("layers.0.residual_group.blocks.0.attn.relative_position_bias_table", 0))
		if f == nil || side == 0 || !k.swinLayers(f, table, 1) {
			return nil
		}
		f.params["window_size"] = strconv.Itoa((side + 1) / 2)
		if side == 13 { // the networks against JPEG's traces, and only these, have such windows
			f.params["img_range"], f.assumed = "255", append(f.assumed, "img_range")
		}
		return f
	},
	build: func(n *net, p *params) error {
		f, l := readFrame(p, swinUpsamplers, swinConnections), readLayers(p)
		if p.err != nil {
			return p.err
		}
		f.around(n, l.window, func(g *grid, x string) string {
			return l.build(n, f, g, x, func(name, x string, heads int, shift bool) string {
				return l.block(g, name, x, f.embed, heads, l.hidden, shift)
			}, nil)
		})
		return nil
	},
}

// block is a block of SwinIR's: attention to windows, and a perceptron.
func (l *swinLayers) block(g *grid, name, x string, embed, heads, hidden int, shift bool) string {
	n := g.n
	h := g.shifted(n.layerNorm(name+".norm1", x, embed), l.window, embed, shift, func(h, mask string) string {
		return l.attention(g, name+".attn", h, mask, embed, heads)
	})
	x = n.add(x, h)
	return n.add(x, n.mlp(name+".mlp", n.layerNorm(name+".norm2", x, embed), embed, hidden))
}
