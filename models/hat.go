package models

import (
	"strconv"

	"github.com/gansr/gansr/graph"
)

const (
	hatUpsamplers  = "pixelshuffle"
	hatConnections = "1conv identity"
)

// hat is the hybrid attention transformer (X. Chen et al., 2023): SwinIR's blocks with attention to channels beside them, and after each
// group attention to the tokens of larger windows that overlap.
var hat = Architecture{
	Name:    "HAT",
	Summary: "hybrid attention transformer: shifted windows, channels, and windows that overlap",
	Params: frameParams(hatUpsamplers, hatConnections, append(swinParams("16"),
		Param{"compress_ratio", "3", "embed_dim divided by the channels within the attention to channels"},
		Param{"squeeze_factor", "30", "embed_dim divided by the channels that weigh channels"},
		Param{"conv_scale", "0.01", "how much the attention to channels counts"},
		Param{"overlap_ratio", "0.5", "how much larger the overlapping windows are, in windows"})...),
	detect: func(k keys) *found {
		f := k.frame()
		group := "layers.0.residual_group."
		side := root(k.dim(group+"blocks.0.attn.relative_position_bias_table", 0))
		larger := root(k.dim(group+"overlap_attn.relative_position_bias_table", 0))
		if f == nil || side == 0 || larger == 0 || !k.swinLayers(f, "layers.%d.residual_group.blocks.0.attn.relative_position_bias_table", 1) {
			return nil
		}
		window, embed := (side+1)/2, k.dim("conv_first.weight", 0)
		f.params["window_size"] = strconv.Itoa(window)
		f.params["overlap_ratio"] = ratio(larger+1-2*window, window)
		f.params["compress_ratio"] = strconv.Itoa(embed / max(1, k.dim(group+"blocks.0.conv_block.cab.0.weight", 0)))
		f.params["squeeze_factor"] = strconv.Itoa(embed / max(1, k.dim(group+"blocks.0.conv_block.cab.3.attention.1.weight", 0)))
		return f
	},
	build: func(n *net, p *params) error {
		f, l := readFrame(p, hatUpsamplers, hatConnections), readLayers(p)
		narrow, least := f.embed/p.number("compress_ratio", 1, f.embed), f.embed/p.number("squeeze_factor", 1, f.embed)
		factor, overlap := p.real("conv_scale"), p.share("overlap_ratio", l.window)
		if overlap%2 != 0 {
			p.fail("overlap_ratio", "such that the windows grow by an even number")
		}
		if p.err != nil {
			return p.err
		}
		block := func(g *grid) func(name, x string, heads int, shift bool) string {
			return func(name, x string, heads int, shift bool) string {
				normed := n.layerNorm(name+".norm1", x, f.embed)
				cab := name + ".conv_block.cab."
				c := n.gelu(n.conv(cab+"0", n.imageOf(normed), f.embed, narrow, 3, 1, true))
				c = n.conv(cab+"2", c, narrow, f.embed, 3, 1, true)
				w := n.relu(n.conv(cab+"3.attention.1", n.globalMean(c), f.embed, least, 1, 1, true))
				w = n.sigmoid(n.conv(cab+"3.attention.3", w, least, f.embed, 1, 1, true))
				c = n.scaled(n.tokensOf(n.mul(c, w)), factor)
				h := g.shifted(normed, l.window, f.embed, shift, func(h, mask string) string {
					return l.attention(g, name+".attn", h, mask, f.embed, heads)
				})
				x = n.add(n.add(x, h), c)
				return n.add(x, n.mlp(name+".mlp", n.layerNorm(name+".norm2", x, f.embed), f.embed, l.hidden))
			}
		}
		f.around(n, l.window, func(g *grid, x string) string {
			return l.build(n, f, g, x, block(g), func(name, x string, heads int) string {
				name += ".overlap_attn"
				x = n.add(x, l.overlapped(g, name, n.layerNorm(name+".norm1", x, f.embed), f.embed, heads, overlap))
				return n.add(x, n.mlp(name+".mlp", n.layerNorm(name+".norm2", x, f.embed), f.embed, l.hidden))
			})
		})
		return nil
	},
}

// overlapped lets the windows of tokens x attend to windows with the same centres that are larger by overlap tokens.
func (l *swinLayers) overlapped(g *grid, name, x string, embed, heads, overlap int) string {
	n, dim, larger := g.n, embed/heads, l.window+overlap
	qkv := n.parts(n.linear(name+".qkv", x, embed, 3*embed, l.qkvBias), 3, 3)
	q := n.scaled(n.heads(n.windows(qkv[0], l.window, l.window, embed), heads, dim), scaleOf(dim))
	k := n.windows(g.spread(qkv[1], l.window, overlap), larger, larger, embed)
	v := n.windows(g.spread(qkv[2], l.window, overlap), larger, larger, embed)
	side := l.window + larger - 1
	index := graph.NewTensor(graph.Int64, l.window*l.window, larger*larger)
	for a := range l.window * l.window {
		for b := range larger * larger {
			down, right := b/larger-a/l.window-overlap+1, b%larger-a%l.window-overlap+1
			at := down*side + right // counted from the end if negative
			graph.Data[int64](index)[a*larger*larger+b] = int64((at + side*side) % (side * side))
		}
	}
	table := n.weight(name+".relative_position_bias_table", n.normal(0.02), side*side, heads)
	logits := n.add(n.matMul(q, n.keyHeads(k, heads, dim)), n.positionBias(table, index))
	y := g.joined(n.attended(logits, n.heads(v, heads, dim), heads, dim), l.window, l.window, embed)
	return n.linear(name+".proj", y, embed, embed, true)
}

// spread repeats the tokens that windows share when they are larger by overlap, with zeros around the image: [N, H/window·larger, W/window·larger, C].
func (g *grid) spread(x string, window, overlap int) string {
	n, larger := g.n, window+overlap
	p := overlap / 2
	x = n.b.Node("Pad", []string{x, n.ints(0, p, p, 0, 0, p, p, 0)}, attr("mode", "constant"))
	offsets := graph.NewTensor(graph.Int64, 1, larger)
	for i := range larger {
		graph.Data[int64](offsets)[i] = int64(i)
	}
	zero, step := n.constant(graph.Scalar(int64(0))), n.constant(graph.Scalar(int64(window)))
	for axis := range 2 {
		length := n.b.Node("Gather", []string{g.size, n.constant(graph.Scalar(int64(axis)))})
		starts := n.b.Node("Unsqueeze", []string{n.b.Node("Range", []string{zero, length, step}), n.ints(1)})
		x = n.b.Node("Gather", []string{x, n.reshaped(n.add(starts, n.constant(offsets)), -1)}, attr("axis", axis+1))
	}
	return x
}
