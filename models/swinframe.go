package models

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/gansr/gansr/graph"
)

// swinFrame is what SwinIR and the networks after it have around their attention: a first convolution, one that closes the residual, and
// one of several ways to enlarge.
type swinFrame struct {
	in, embed, feat, scale, fold int
	upsampler, connection        string
	factor                       float32
	mean                         []float32
}

// frameParams are a frame's hyper-parameters with their defaults for an architecture.
func frameParams(upsamplers, connections string, own ...Param) []Param {
	return append(own,
		Param{"in_chans", "3", "channels of the input and the output"},
		Param{"upscale", "4", "how much larger the output is: 1, 2, 3, 4 or 8"},
		Param{"upsampler", "pixelshuffle", "one of " + upsamplers},
		Param{"resi_connection", "1conv", "one of " + connections},
		Param{"num_feat", "64", "channels while enlarging"},
		Param{"start_unshuffle", "1", "pixels that are folded into channels first, in each direction"},
		Param{"img_range", "1", "what the input is multiplied by and the output divided by"},
		Param{"rgb_mean", "0.4488,0.4371,0.4040", "what is subtracted from the input's channels and added to the output's; 0: nothing"})
}

func readFrame(p *params, upsamplers, connections string) *swinFrame {
	p.choice("upscale", "1", "2", "3", "4", "8")
	f := &swinFrame{in: p.number("in_chans", 1, 64), embed: p.number("embed_dim", 1, 4096), feat: p.number("num_feat", 1, 4096),
		scale: p.number("upscale", 1, 8), fold: p.number("start_unshuffle", 1, 4), factor: p.real("img_range"), mean: p.reals("rgb_mean"),
		upsampler: p.choice("upsampler", strings.Fields(upsamplers)...), connection: p.choice("resi_connection", strings.Fields(connections)...)}
	switch {
	case f.factor == 0:
		p.fail("img_range", "other than 0")
	case len(f.mean) != 1 && len(f.mean) != f.in:
		p.fail("rgb_mean", fmt.Sprintf("one number, or %d, one for each channel", f.in))
	case f.upsampler == "none" && (f.scale != 1 || f.fold != 1):
		p.fail("upsampler", "another one for networks that enlarge or fold")
	case f.upsampler == "nearest+conv" && (f.scale*f.fold)&(f.scale*f.fold-1) != 0:
		p.fail("upscale", "a power of 2 for nearest+conv")
	}
	return f
}

// frame finds a frame's hyper-parameters; it returns nil if there is none.
func (k keys) frame() *found {
	f := &found{params: map[string]string{}}
	first := "conv_first"
	if k.has("conv_first.1.weight") {
		first = "conv_first.1"
		f.key = func(name string) string {
			if rest, ok := strings.CutPrefix(name, "conv_first."); ok {
				return "conv_first.1." + rest
			}
			return name
		}
	}
	in, embed := k.dim(first+".weight", 1), k.dim(first+".weight", 0)
	if in == 0 {
		return nil
	}
	fold, out := 1, k.dim("conv_last.weight", 0)
	if out == 0 && first != "conv_first" {
		out = 3
	}
	if out > 0 && in%out == 0 {
		fold = max(1, root(in/out))
		in /= fold * fold
	}
	up, feat, upsampler := 1, k.dim("conv_before_upsample.0.weight", 0), "none"
	switch {
	case k.has("conv_up1.weight"):
		upsampler = "nearest+conv"
		for k.has(fmt.Sprintf("conv_up%d.weight", up)) && up < 8 {
			up++
		}
		up = 1 << (up - 1)
	case feat > 0:
		upsampler = "pixelshuffle"
		if k.has("conv_aux.weight") {
			upsampler = "pixelshuffle_aux"
		}
		for i := 0; k.has(fmt.Sprintf("upsample.%d.weight", i)) && i < 8; i += 2 {
			up *= root(k.dim(fmt.Sprintf("upsample.%d.weight", i), 0) / feat)
		}
	case k.has("upsample.0.weight"):
		upsampler, up = "pixelshuffledirect", root(k.dim("upsample.0.weight", 0)/in)
	}
	if feat > 0 {
		f.params["num_feat"] = strconv.Itoa(feat)
	}
	maps.Copy(f.params, map[string]string{"in_chans": strconv.Itoa(in), "embed_dim": strconv.Itoa(embed), "upscale": strconv.Itoa(up / fold),
		"upsampler": upsampler, "start_unshuffle": strconv.Itoa(fold), "resi_connection": "identity"})
	switch {
	case k.has("conv_after_body.weight"):
		f.params["resi_connection"] = "1conv"
	case k.has("conv_after_body.0.weight"):
		f.params["resi_connection"] = "3conv"
	}
	if in != 3 {
		f.params["rgb_mean"] = "0"
		f.assumed = append(f.assumed, "rgb_mean")
	}
	return f
}

// numbersOf joins whole numbers with commas, for a parameter.
func numbersOf(count int, number func(i int) int) string {
	var list []string
	for i := range count {
		list = append(list, strconv.Itoa(number(i)))
	}
	return strings.Join(list, ",")
}

// connect is the convolution that closes a residual.
func (f *swinFrame) connect(n *net, name, x string) string {
	switch f.connection {
	case "identity":
		return x
	case "1conv":
		return n.conv(name, x, f.embed, f.embed, 3, 1, true)
	}
	narrow := f.embed / 4
	x = n.leaky(n.conv(name+".0", x, f.embed, narrow, 3, 1, true), 0.2)
	x = n.leaky(n.conv(name+".2", x, narrow, narrow, 1, 1, true), 0.2)
	return n.conv(name+".4", x, narrow, f.embed, 3, 1, true)
}

// around builds the network around body, which works on tokens of an image whose sizes are multiples of a number. The image is reflected
// below and on the right to get there, and the result cut.
func (f *swinFrame) around(n *net, multiple int, body func(g *grid, x string) string) {
	x := n.image(f.in, f.in, f.scale)
	h := x
	if multiple*f.fold > 1 {
		h = n.padded(x, multiple*f.fold, "reflect")
	}
	shifted := len(f.mean) > 1 || f.mean[0] != 0
	if shifted {
		h = n.b.Node("Sub", []string{h, n.perChannel(f.mean)})
	}
	if f.factor != 1 {
		h = n.scaled(h, f.factor)
	}
	start := h
	first := n.conv("conv_first", n.unshuffle(h, f.in, f.fold), f.in*f.fold*f.fold, f.embed, 3, 1, true)
	h = n.imageOf(body(n.gridOf(first), n.tokensOf(first)))
	h = f.enlarge(n, n.add(f.connect(n, "conv_after_body", h), first), start, x)
	if f.factor != 1 {
		h = n.scaled(h, 1/f.factor)
	}
	if shifted {
		h = n.add(h, n.perChannel(f.mean))
	}
	n.output(n.cropped(h, x, f.scale), f.in)
}

// enlarge makes the output of features h; start is the image that they were made of, and x the one before it was extended.
func (f *swinFrame) enlarge(n *net, h, start, x string) string {
	conv := func(name, x string, in, out int) string { return n.conv(name, x, in, out, 3, 1, true) }
	up := f.scale * f.fold
	switch f.upsampler {
	case "none":
		return n.add(start, conv("conv_last", h, f.embed, f.in))
	case "pixelshuffledirect":
		return n.shuffle(conv("upsample.0", h, f.embed, up*up*f.in), up)
	}
	h = n.leaky(conv("conv_before_upsample.0", h, f.embed, f.feat), 0.01)
	switch f.upsampler {
	case "nearest+conv":
		for i := 1; 1<<i <= up; i++ {
			h = n.leaky(conv(fmt.Sprintf("conv_up%d", i), n.nearest(h, 2), f.feat, f.feat), 0.2)
		}
		h = n.leaky(conv("conv_hr", h, f.feat, f.feat), 0.2)
	case "pixelshuffle":
		h = f.shuffles(n, h, up)
	case "pixelshuffle_aux":
		h = n.leaky(conv("conv_after_aux.0", conv("conv_aux", h, f.feat, f.in), f.in, f.feat), 0.01)
		h = n.cropped(f.shuffles(n, h, up), x, f.scale)
		shape := n.b.Node("Slice", []string{n.b.Node("Shape", []string{start}), n.ints(0), n.ints(2)})
		sizes := n.b.Node("Concat", []string{shape, n.mul(n.size(x), n.ints(up))}, attr("axis", 0))
		cubic := n.b.Node("Resize", []string{start, "", "", sizes}, attr("mode", "cubic"), attr("cubic_coeff_a", -0.75),
			attr("coordinate_transformation_mode", "half_pixel"))
		h = n.add(h, conv("conv_bicubic", cubic, f.in, f.feat))
	}
	return conv("conv_last", h, f.feat, f.in)
}

// shuffles enlarges by convolutions and pixel shuffles of 2 or 3.
func (f *swinFrame) shuffles(n *net, h string, up int) string {
	for i, step := 0, 2; up > 1; i, up = i+2, up/step {
		if up == 3 {
			step = 3
		}
		h = n.shuffle(n.conv(fmt.Sprintf("upsample.%d", i), h, f.feat, step*step*f.feat, 3, 1, true), step)
	}
	return h
}

// swinLayers is what the layers of SwinIR and the networks after it have in common.
type swinLayers struct {
	depths, heads                  []int
	window                         int
	hidden                         int // of the perceptrons
	qkvBias, patchNorm, patchProjs bool
}

func swinParams(window string) []Param {
	return []Param{
		{"embed_dim", "180", "channels between the blocks"},
		{"depths", "6,6,6,6,6,6", "blocks of each group"},
		{"num_heads", "6,6,6,6,6,6", "heads of attention of each group"},
		{"window_size", window, "size of the windows"},
		{"mlp_ratio", "2", "hidden channels of the perceptrons, as multiples of embed_dim"},
		{"qkv_bias", "true", "whether queries, keys and values have a bias"},
		{"patch_norm", "true", "whether the first tokens are normalised"},
	}
}

func readLayers(p *params) swinLayers {
	embed := p.number("embed_dim", 1, 4096)
	l := swinLayers{depths: p.numbers("depths", 64), heads: p.numbers("num_heads", 4096), window: p.number("window_size", 2, 64),
		hidden: p.share("mlp_ratio", embed), qkvBias: p.flag("qkv_bias"), patchNorm: p.flag("patch_norm")}
	if len(l.heads) != len(l.depths) {
		p.fail("num_heads", fmt.Sprintf("as many numbers as depths, which are %d", len(l.depths)))
	}
	for _, h := range l.heads {
		if embed%h != 0 {
			p.fail("num_heads", fmt.Sprintf("numbers that divide embed_dim, which is %d", embed))
		}
	}
	return l
}

// swinLayers finds the hyper-parameters of layers; heads names what tells the heads of a group, and axis its dimension.
func (k keys) swinLayers(f *found, heads string, axis int) bool {
	groups := k.count("layers.%d.residual_group.blocks.0.norm1.weight")
	block := "layers.0.residual_group.blocks.0."
	if groups == 0 {
		return false
	}
	maps.Copy(f.params, map[string]string{
		"depths": numbersOf(groups, func(i int) int {
			return k.count(fmt.Sprintf("layers.%d.residual_group.blocks.%%d.norm1.weight", i))
		}),
		"num_heads":  numbersOf(groups, func(i int) int { return k.dim(fmt.Sprintf(heads, i), axis) }),
		"mlp_ratio":  ratio(k.dim(block+"mlp.fc1.weight", 0), k.dim(block+"mlp.fc1.weight", 1)),
		"qkv_bias":   strconv.FormatBool(k.has(block+"attn.qkv.bias") || k.has(block+"attn.q_bias")),
		"patch_norm": strconv.FormatBool(k.has("patch_embed.norm.weight")),
	})
	return true
}

// build adds the groups of blocks; after adds what a group has behind its blocks, nil for nothing.
func (l *swinLayers) build(n *net, f *swinFrame, g *grid, x string, block func(name, x string, heads int, shift bool) string,
	after func(name, x string, heads int) string) string {
	project := func(name, x string) string {
		if !l.patchProjs {
			return x
		}
		return n.tokensOf(n.conv(name+".patch_embed.proj", n.imageOf(x), f.embed, f.embed, 1, 1, true))
	}
	if l.patchProjs {
		x = n.tokensOf(n.conv("patch_embed.proj", n.imageOf(x), f.embed, f.embed, 1, 1, true))
	}
	if l.patchNorm {
		x = n.layerNorm("patch_embed.norm", x, f.embed)
	}
	for i, depth := range l.depths {
		name := fmt.Sprintf("layers.%d", i)
		h := x
		for j := range depth {
			h = block(fmt.Sprintf("%s.residual_group.blocks.%d", name, j), h, l.heads[i], j%2 == 1)
		}
		if after != nil {
			h = after(name+".residual_group", h, l.heads[i])
		}
		h = n.tokensOf(f.connect(n, name+".conv", n.imageOf(h)))
		x = n.add(project(name, h), x)
	}
	return n.layerNorm("norm", x, f.embed)
}

// attention is the attention of windows x [B, window², embed] with a table of relative positions.
func (l *swinLayers) attention(g *grid, name, x, mask string, embed, heads int) string {
	n, dim, tokens := g.n, embed/heads, l.window*l.window
	qkv := n.parts(n.linear(name+".qkv", x, embed, 3*embed, l.qkvBias), 3, 2)
	q := n.scaled(n.heads(qkv[0], heads, dim), scaleOf(dim))
	side := 2*l.window - 1
	table := n.weight(name+".relative_position_bias_table", n.normal(0.02), side*side, heads)
	logits := n.add(n.matMul(q, n.keyHeads(qkv[1], heads, dim)), n.positionBias(table, relativePositions(l.window, l.window)))
	if mask != "" {
		logits = g.masked(logits, mask, heads, tokens)
	}
	y := n.attended(logits, n.heads(qkv[2], heads, dim), heads, dim)
	return n.linear(name+".proj", y, embed, embed, true)
}

// constantTable is a constant of two axes.
func (n *net) constantTable(values []float32, rows, columns int) string {
	t, err := graph.FromSlice(values, rows, columns)
	if err != nil {
		n.fail(err)
	}
	return n.constant(t)
}
