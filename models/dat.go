package models

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/gansr/gansr/graph"
)

const (
	datUpsamplers  = "pixelshuffle pixelshuffledirect"
	datConnections = "1conv 3conv"
)

// stripes is the attention of DAT and RGT to windows of two shapes, one for each half of the channels.
type stripes struct {
	split        []int // height and width of the first half's windows; the other's are turned
	embed        int
	hidden       int
	qkvBias      bool
	depths, head []int
}

func stripeParams(split, ratio string) []Param {
	return []Param{
		{"embed_dim", "180", "channels between the blocks"},
		{"depth", "6,6,6,6,6,6", "blocks of each group"},
		{"num_heads", "6,6,6,6,6,6", "heads of attention of each group, even"},
		{"split_size", split, "height and width of the windows of half of the channels; the other half's are turned"},
		{ratio, "2", "hidden channels of the perceptrons, as multiples of embed_dim"},
		{"qkv_bias", "true", "whether queries, keys and values have a bias"},
	}
}

func readStripes(p *params, ratio string) *stripes {
	embed := p.number("embed_dim", 1, 4096)
	s := &stripes{split: p.numbers("split_size", 64), embed: embed, hidden: p.share(ratio, embed), qkvBias: p.flag("qkv_bias"),
		depths: p.numbers("depth", 64), head: p.numbers("num_heads", 4096)}
	switch {
	case len(s.split) != 2 || max(s.split[0], s.split[1])%min(s.split[0], s.split[1]) != 0 || min(s.split[0], s.split[1]) < 2:
		p.fail("split_size", "two numbers from 2, one a multiple of the other")
		s.split = []int{2, 2}
	case len(s.head) != len(s.depths):
		p.fail("num_heads", fmt.Sprintf("as many numbers as depth, which are %d", len(s.depths)))
	case slices.ContainsFunc(s.head, func(h int) bool { return h%2 != 0 || embed%h != 0 }):
		p.fail("num_heads", fmt.Sprintf("even numbers that divide embed_dim, which is %d", embed))
	case s.hidden%2 != 0:
		p.fail(ratio, "such that the hidden channels are even")
	}
	return s
}

// stripes finds the hyper-parameters of DAT and RGT; perceptron is their name for it.
func (k keys) stripes(f *found, perceptron, ratioName string) bool {
	groups, attn := k.count("layers.%d.blocks.0.norm1.weight"), "layers.0.blocks.0.attn."
	if groups == 0 {
		return false
	}
	maps.Copy(f.params, map[string]string{
		"depth": numbersOf(groups, func(i int) int { return k.count(fmt.Sprintf("layers.%d.blocks.%%d.norm1.weight", i)) }),
		"num_heads": numbersOf(groups, func(i int) int {
			return 2 * k.dim(fmt.Sprintf("layers.%d.blocks.0.attn.attns.0.pos.pos3.2.weight", i), 0)
		}),
		ratioName:  ratio(k.dim("layers.0.blocks.0."+perceptron+".fc1.weight", 0), k.dim("layers.0.blocks.0."+perceptron+".fc1.weight", 1)),
		"qkv_bias": strconv.FormatBool(k.has(attn + "qkv.bias")),
	})
	if biases := k.state[attn+"attns.0.rpe_biases"]; biases != nil && biases.DType().IsFloat() { // from 1-size to size-1
		if d := graph.Data[float32](biases.Converted(graph.Float32)); len(d) > 1 {
			f.params["split_size"] = fmt.Sprintf("%d,%d", 1-int(d[0]), 1-int(d[1]))
		}
	}
	return true
}

// moved says whether the windows of a block are shifted.
func (s *stripes) moved(group, block int) bool {
	return group%2 == 0 && block%4 == 2 || group%2 != 0 && block%4 == 0
}

// attention returns the result of both halves for tokens that qkv makes of x, and the values as an image.
func (s *stripes) attention(n *net, g *grid, name, x string, heads int, shift bool) (tokens, values string) {
	qkv := n.linear(name+".qkv", x, s.embed, 3*s.embed, s.qkvBias)
	values = n.imageOf(n.parts(qkv, 3, 3)[2])
	half, dim := s.embed/2, s.embed/heads
	padded := n.tokensOf(n.padded(n.imageOf(qkv), max(s.split[0], s.split[1]), "constant"))
	large := n.gridOf(n.imageOf(padded))
	six := n.parts(padded, 6, 3) // both halves of queries, keys, values
	var out []string
	for i := range 2 {
		height, width, mask := s.split[i], s.split[1-i], ""
		down, right := 0, 0
		if shift {
			down, right = height/2, width/2
			mask = large.mask(height, width, down, right)
		}
		part := func(j int) string { return n.windows(n.rolled(six[j], -down, -right), height, width, half) }
		at := fmt.Sprintf("%s.attns.%d", name, i)
		q, k := n.scaled(n.heads(part(i), heads/2, dim), scaleOf(dim)), n.keyHeads(part(2+i), heads/2, dim)
		logits := n.add(n.matMul(q, k), n.positionBias(s.positions(n, at+".pos", height, width, heads), relativePositions(height, width)))
		if mask != "" {
			logits = large.masked(logits, mask, heads/2, height*width)
		}
		y := n.attended(logits, n.heads(part(4+i), heads/2, dim), heads/2, dim)
		out = append(out, n.rolled(large.joined(y, height, width, half), down, right))
	}
	y := n.b.Node("Concat", out, attr("axis", 3))
	return n.b.Node("Slice", []string{y, n.ints(0, 0), g.size, n.ints(1, 2)}), values
}

// positions is a small network's bias for each relative position: [(2·height-1)·(2·width-1), heads/2].
func (s *stripes) positions(n *net, name string, height, width, heads int) string {
	var places []float32
	for down := 1 - height; down < height; down++ {
		for right := 1 - width; right < width; right++ {
			places = append(places, float32(down), float32(right))
		}
	}
	narrow := s.embed / 2 / 4 / 4
	h := n.linear(name+".pos_proj", n.constantTable(places, len(places)/2, 2), 2, narrow, true)
	for i, out := range []int{narrow, narrow, heads / 2} {
		at := fmt.Sprintf("%s.pos%d", name, i+1)
		h = n.linear(at+".2", n.relu(n.layerNorm(at+".0", h, narrow)), narrow, out, true)
	}
	return h
}

// perceptron is a gated one: half of the hidden channels are convolved and multiply the other half.
func (s *stripes) perceptron(n *net, name, x string) string {
	half := s.hidden / 2
	h := n.parts(n.gelu(n.linear(name+".fc1", x, s.embed, s.hidden, true)), 2, 3)
	gate := n.convWith(name+".sg.conv", n.imageOf(n.layerNorm(name+".sg.norm", h[1], half)), half, half, square(3, half))
	return n.linear(name+".fc2", n.mul(h[0], n.tokensOf(gate)), half, s.embed, true)
}

// build adds the groups of blocks.
func (s *stripes) build(n *net, f *swinFrame, x string, block func(name, x string, group, block int) string) string {
	x = n.layerNorm("before_RG.1", x, s.embed)
	for i, depth := range s.depths {
		h := x
		for j := range depth {
			h = block(fmt.Sprintf("layers.%d.blocks.%d", i, j), h, i, j)
		}
		x = n.add(x, n.tokensOf(f.connect(n, fmt.Sprintf("layers.%d.conv", i), n.imageOf(h))))
	}
	return n.layerNorm("norm", x, s.embed)
}

// dat is the dual aggregation transformer (Z. Chen et al., 2023): blocks that attend to windows alternate with blocks that attend to
// channels, both with a convolution beside them.
var dat = Architecture{
	Name:    "DAT",
	Summary: "dual aggregation transformer: attention to windows and to channels in turn",
	Params:  frameParams(datUpsamplers, datConnections, stripeParams("8,16", "expansion_factor")...),
	detect: func(k keys) *found {
		f := k.frame()
		if f == nil || !k.has("before_RG.1.weight", "layers.0.blocks.0.attn.dwconv.0.weight") || !k.stripes(f, "ffn", "expansion_factor") {
			return nil
		}
		f.ignored = rpeBuffers
		return f
	},
	build: func(n *net, p *params) error {
		f, s := readFrame(p, datUpsamplers, datConnections), readStripes(p, "expansion_factor")
		if s.embed < 32 {
			p.fail("embed_dim", "at least 32")
		}
		if p.err != nil {
			return p.err
		}
		f.around(n, 1, func(g *grid, x string) string {
			return s.build(n, f, x, func(name, x string, group, block int) string {
				normed := n.layerNorm(name+".norm1", x, s.embed)
				heads := s.head[group]
				var h string
				if block%2 == 0 {
					h = s.withConv(n, g, name+".attn", normed, heads, s.moved(group, block))
				} else {
					h = s.channelAttention(n, g, name+".attn", normed, heads)
				}
				x = n.add(x, h)
				return n.add(x, s.perceptron(n, name+".ffn", n.layerNorm(name+".norm2", x, s.embed)))
			})
		})
		return nil
	},
}

// convBeside is the convolution beside an attention, of its values as an image.
func (s *stripes) convBeside(n *net, name, values string) string {
	return n.gelu(n.norm(name+".dwconv.1", n.convWith(name+".dwconv.0", values, s.embed, s.embed, square(3, s.embed)), s.embed))
}

// channelMap weighs the channels of an image by their means.
func (s *stripes) channelMap(n *net, name, x string) string {
	name += ".channel_interaction."
	h := n.conv(name+"1", n.globalMean(x), s.embed, s.embed/8, 1, 1, true)
	return n.sigmoid(n.conv(name+"4", n.gelu(n.norm(name+"2", h, s.embed/8)), s.embed/8, s.embed, 1, 1, true))
}

// spatialMap weighs the pixels of an image.
func (s *stripes) spatialMap(n *net, name, x string) string {
	name += ".spatial_interaction."
	h := n.conv(name+"0", x, s.embed, s.embed/16, 1, 1, true)
	return n.sigmoid(n.conv(name+"3", n.gelu(n.norm(name+"1", h, s.embed/16)), s.embed/16, 1, 1, 1, true))
}

// withConv is attention to windows with a convolution beside it, where each weighs the other.
func (s *stripes) withConv(n *net, g *grid, name, x string, heads int, shift bool) string {
	h, values := s.attention(n, g, name, x, heads, shift)
	c, image := s.convBeside(n, name, values), n.imageOf(h)
	h = n.add(n.mul(image, s.channelMap(n, name, c)), n.mul(c, s.spatialMap(n, name, image)))
	return n.linear(name+".proj", n.tokensOf(h), s.embed, s.embed, true)
}

// channelAttention is attention between the channels of each head with a convolution beside it, where each weighs the other.
func (s *stripes) channelAttention(n *net, g *grid, name, x string, heads int) string {
	qkv := n.parts(n.linear(name+".qkv", x, s.embed, 3*s.embed, s.qkvBias), 3, 3)
	flat := func(x string) string { return n.reshaped(n.imageOf(x), 0, heads, s.embed/heads, -1) } // [N, heads, dim, H·W]
	q, k := n.unit(flat(qkv[0])), n.unit(flat(qkv[1]))
	logits := n.mul(n.matMul(q, n.transposed(k, 0, 1, 3, 2)), n.weight(name+".temperature", constant(1), heads, 1, 1))
	y := n.matMul(n.softmax(logits), flat(qkv[2]))
	image := n.reshapedTo(y, n.ints(0, s.embed), g.size)
	c := s.convBeside(n, name, n.imageOf(qkv[2]))
	h := n.add(n.mul(image, s.spatialMap(n, name, c)), n.mul(c, s.channelMap(n, name, image)))
	return n.linear(name+".proj", n.tokensOf(h), s.embed, s.embed, true)
}
