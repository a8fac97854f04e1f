package models

import (
	"math"
	"regexp"

	"github.com/gansr/gansr/graph"
)

const rgtUpsamplers = "pixelshuffle"

// rpeBuffers matches what DAT and RGT store of their windows beside their weights.
var rpeBuffers = regexp.MustCompile(`\.rpe_biases$`)

// rgt is the recursive generalisation transformer (Z. Chen et al., 2024): blocks that attend to windows alternate with blocks that attend to
// a small picture of the whole image.
var rgt = Architecture{
	Name:    "RGT",
	Summary: "recursive generalisation transformer: attention to windows and to a small picture of all in turn",
	Params: frameParams(rgtUpsamplers, datConnections, append(stripeParams("8,32", "mlp_ratio"),
		Param{"c_ratio", "0.5", "channels that attend to all, as a share of embed_dim"})...),
	detect: func(k keys) *found {
		f := k.frame()
		if f == nil || !k.has("before_RG.1.weight", "layers.0.blocks.0.gamma") || !k.stripes(f, "mlp", "mlp_ratio") {
			return nil
		}
		f.ignored = rpeBuffers
		if narrow := k.dim("layers.0.blocks.1.attn.conv.weight", 0); narrow > 0 {
			f.params["c_ratio"] = ratio(narrow, k.dim("layers.0.blocks.1.attn.conv.weight", 1))
		}
		return f
	},
	build: func(n *net, p *params) error {
		f, s := readFrame(p, rgtUpsamplers, datConnections), readStripes(p, "mlp_ratio")
		narrow, share := p.share("c_ratio", s.embed), p.real("c_ratio")
		for _, h := range s.head {
			if narrow%h != 0 {
				p.fail("c_ratio", "such that the heads divide the channels")
			}
		}
		if s.embed < 32 {
			p.fail("embed_dim", "at least 32")
		}
		if p.err != nil {
			return p.err
		}
		f.around(n, 1, func(g *grid, x string) string {
			return s.build(n, f, x, func(name, x string, group, block int) string {
				normed, start := n.layerNorm(name+".norm1", x, s.embed), x
				heads := s.head[group]
				var h string
				if block%2 == 0 {
					tokens, values := s.attention(n, g, name+".attn", normed, heads, s.moved(group, block))
					local := n.convWith(name+".attn.get_v", values, s.embed, s.embed, square(3, s.embed))
					h = n.linear(name+".attn.proj", n.add(tokens, n.tokensOf(local)), s.embed, s.embed, true)
				} else {
					h = s.toAll(n, g, name+".attn", normed, heads, narrow, share)
				}
				x = n.add(x, h)
				x = n.add(x, s.perceptron(n, name+".mlp", n.layerNorm(name+".norm2", x, s.embed)))
				return n.add(x, n.mul(start, n.weight(name+".gamma", constant(1e-4), s.embed)))
			})
		})
		return nil
	},
}

// toAll lets every token attend to a picture of the image that a convolution of stride 4 makes in two rounds. Its authors' code has a third
// round for images of 1024 pixels and more in height or width, which is left out: the network is for parts of such images.
func (s *stripes) toAll(n *net, g *grid, name, x string, heads, narrow int, share float32) string {
	embed, dim := s.embed, s.embed/heads
	init := n.uniform(16)
	weight, bias := n.weight(name+".reduction1.weight", init, embed, 1, 4, 4), n.weight(name+".reduction1.bias", init, embed)
	small := n.imageOf(x)
	for range 2 {
		small = n.b.Node("Conv", []string{small, weight, bias}, attr("kernel_shape", []int{4, 4}), attr("strides", []int{4, 4}), attr("group", embed))
	}
	small = n.conv(name+".conv", n.convWith(name+".dwconv", small, embed, embed, square(3, embed)), embed, narrow, 1, 1, true)
	small = n.gelu(n.layerNorm(name+".norm_act.0", n.tokensOf(small), narrow))
	flat := func(x string, channels int) string { return n.reshaped(x, 0, -1, channels) }
	q := n.heads(flat(n.linear(name+".q", x, embed, narrow, s.qkvBias), narrow), heads, narrow/heads)
	k := n.keyHeads(flat(n.linear(name+".k", small, narrow, narrow, s.qkvBias), narrow), heads, narrow/heads)
	v := n.linear(name+".v", small, narrow, embed, s.qkvBias)
	v = n.add(v, n.tokensOf(n.convWith(name+".cpe", n.imageOf(v), embed, embed, square(3, embed))))
	scale := float32(1 / math.Sqrt(float64(dim)*float64(share)))
	logits := n.mul(n.matMul(q, k), n.constant(graph.Scalar(scale)))
	y := n.attended(logits, n.heads(flat(v, embed), heads, dim), heads, dim)
	return n.linear(name+".proj", n.reshapedTo(y, n.ints(-1), g.size, n.ints(embed)), embed, embed, true)
}
