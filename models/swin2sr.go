package models

import (
	"math"
	"regexp"
	"strconv"

	"github.com/gansr/gansr/graph"
)

const swin2Upsamplers = "pixelshuffle pixelshuffle_aux pixelshuffledirect nearest+conv none"

// swin2SR is SwinIR with the attention of Swin's second version (M. Conde et al., 2022): cosines instead of products, normalisation after the
// layers, and biases that a small network makes of relative positions.
var swin2SR = Architecture{
	Name:    "Swin2SR",
	Summary: "SwinIR with the scaled cosine attention of Swin's second version",
	Params:  frameParams(swin2Upsamplers, swinConnections, swinParams("8")...),
	detect: func(k keys) *found {
		f := k.frame()
		attn := "layers.0.residual_group.blocks.0.attn."
		if f == nil || !k.has(attn+"cpb_mlp.2.weight") || !k.swinLayers(f, "layers.%d.residual_group.blocks.0.attn.logit_scale", 0) {
			return nil
		}
		if side := k.dim(attn+"relative_coords_table", 1); side > 0 {
			f.params["window_size"] = strconv.Itoa((side + 1) / 2)
		} else if window := root(k.dim(attn+"relative_position_index", 0)); window > 0 {
			f.params["window_size"] = strconv.Itoa(window)
		}
		f.ignored = regexp.MustCompile(`\.relative_coords_table$`)
		return f
	},
	build: func(n *net, p *params) error {
		f, l := readFrame(p, swin2Upsamplers, swinConnections), readLayers(p)
		if p.err != nil {
			return p.err
		}
		l.patchProjs = true
		f.around(n, l.window, func(g *grid, x string) string {
			return l.build(n, f, g, x, func(name, x string, heads int, shift bool) string {
				h := g.shifted(x, l.window, f.embed, shift, func(h, mask string) string {
					return l.cosineAttention(g, name+".attn", h, mask, f.embed, heads)
				})
				x = n.add(x, n.layerNorm(name+".norm1", h, f.embed))
				return n.add(x, n.layerNorm(name+".norm2", n.mlp(name+".mlp", x, f.embed, l.hidden), f.embed))
			}, nil)
		})
		return nil
	},
}

// cosineAttention is the attention of windows x [B, window², embed].
func (l *swinLayers) cosineAttention(g *grid, name, x, mask string, embed, heads int) string {
	n, dim, tokens := g.n, embed/heads, l.window*l.window
	h := n.linear(name+".qkv", x, embed, 3*embed, false)
	if l.qkvBias { // keys have none
		bias := func(kind string) string { return n.weight(name+kind, constant(0), embed) }
		parts := []string{bias(".q_bias"), n.constant(graph.NewTensor(graph.Float32, embed)), bias(".v_bias")}
		h = n.add(h, n.b.Node("Concat", parts, attr("axis", 0)))
	}
	qkv := n.parts(h, 3, 2)
	q, k := n.unit(n.heads(qkv[0], heads, dim)), n.unit(n.heads(qkv[1], heads, dim))
	scale := n.weight(name+".logit_scale", constant(float32(math.Log(10))), heads, 1, 1)
	scale = n.b.Node("Exp", []string{n.b.Node("Min", []string{scale, n.constant(graph.Scalar(float32(math.Log(100))))})})
	logits := n.mul(n.matMul(q, n.transposed(k, 0, 1, 3, 2)), scale)

	var places []float32
	side := 2*l.window - 1
	for i := range side * side {
		for _, at := range []int{i / side, i % side} {
			v := 8 * float64(at-l.window+1) / float64(l.window-1)
			places = append(places, float32(math.Copysign(math.Log2(math.Abs(v)+1)/3, v)))
		}
	}
	table := n.relu(n.linear(name+".cpb_mlp.0", n.constantTable(places, side*side, 2), 2, 512, true))
	bias := n.positionBias(n.linear(name+".cpb_mlp.2", table, 512, heads, false), relativePositions(l.window, l.window))
	logits = n.add(logits, n.scaled(n.sigmoid(bias), 16))
	if mask != "" {
		logits = g.masked(logits, mask, heads, tokens)
	}
	return n.linear(name+".proj", n.attended(logits, n.heads(qkv[2], heads, dim), heads, dim), embed, embed, true)
}
