package models

import (
	"fmt"
	"slices"
	"strconv"
)

const omniHeads = 4

// omniSR is the omni aggregation network (H. Wang et al., 2023): attention to windows and to grids of distant pixels, each followed by
// attention between channels.
var omniSR = Architecture{
	Name:    "OmniSR",
	Summary: "omni aggregation network: attention to windows, to grids, and between channels",
	Params: []Param{
		{"num_in_ch", "3", "channels of the input"},
		{"num_out_ch", "3", "channels of the output"},
		{"num_feat", "64", "channels between the blocks, a multiple of 4"},
		{"block_num", "1", "blocks of each group"},
		{"res_num", "5", "groups"},
		{"pe", "true", "whether positions have a bias"},
		{"window_size", "8", "size of the windows"},
		{"up_scale", "4", "how much larger the output is, 1 to 8"},
		{"bias", "true", "whether the convolutions outside of blocks have a bias"},
	},
	detect: func(k keys) *found {
		in, feat, rows := k.dim("input.weight", 1), k.dim("input.weight", 0), k.dim("up.0.weight", 0)
		if in == 0 || rows == 0 || !k.has("residual_layer.0.residual_layer.0.layer.0.fn.0.weight") {
			return nil
		}
		table := "residual_layer.0.residual_layer.0.layer.2.fn.rel_pos_bias.weight"
		f := &found{params: map[string]string{"num_in_ch": strconv.Itoa(in), "num_feat": strconv.Itoa(feat),
			"res_num":   strconv.Itoa(k.count("residual_layer.%d.esa.conv1.weight")),
			"block_num": strconv.Itoa(k.count("residual_layer.0.residual_layer.%d.layer.0.fn.0.weight")),
			"pe":        strconv.FormatBool(k.has(table)), "bias": strconv.FormatBool(k.has("input.bias"))}}
		if side := root(k.dim(table, 0)); side > 0 {
			f.params["window_size"] = strconv.Itoa((side + 1) / 2)
		}
		f.shuffled(rows, in, "num_out_ch", "up_scale")
		return f
	},
	build: func(n *net, p *params) error {
		in, out, feat := p.number("num_in_ch", 1, 64), p.number("num_out_ch", 1, 64), p.number("num_feat", 4, 4096)
		blocks, groups, window := p.number("block_num", 1, 64), p.number("res_num", 1, 256), p.number("window_size", 2, 64)
		scale, pe, bias := p.number("up_scale", 1, 8), p.flag("pe"), p.flag("bias")
		if feat%omniHeads != 0 {
			p.fail("num_feat", "a multiple of 4")
		}
		if p.err != nil {
			return p.err
		}
		x := n.image(in, out, scale)
		first := n.conv("input", n.padded(x, window, "constant"), in, feat, 3, 1, bias)
		h := first
		o := &omni{n: n, grid: n.gridOf(first), feat: feat, window: window, pe: pe}
		o.across = n.b.Node("Div", []string{o.size, n.ints(window)})
		o.down = n.b.Node("Slice", []string{o.across, n.ints(0), n.ints(1)})
		o.across = n.b.Node("Slice", []string{o.across, n.ints(1), n.ints(2)})
		for i := range groups {
			name, start := fmt.Sprintf("residual_layer.%d.", i), h
			for j := range blocks {
				h = o.block(fmt.Sprintf("%sresidual_layer.%d.layer.", name, j), h)
			}
			h = n.conv(fmt.Sprintf("%sresidual_layer.%d", name, blocks), h, feat, feat, 1, 1, bias)
			h = o.spatial(name+"esa.", n.add(h, start))
		}
		h = n.add(n.conv("output", h, feat, feat, 3, 1, bias), first)
		h = n.shuffle(n.conv("up.0", h, feat, out*scale*scale, 3, 1, bias), scale)
		n.output(n.cropped(h, x, scale), out)
		return nil
	},
}

// omni builds the blocks of OmniSR.
type omni struct {
	n *net
	*grid
	feat, window int
	pe           bool
	down, across string // windows in each direction
}

func (o *omni) block(name, x string) string {
	n := o.n
	h := n.gelu(n.conv(name+"0.fn.0", x, o.feat, o.feat, 1, 1, true))
	h = n.gelu(n.convWith(name+"0.fn.2", h, o.feat, o.feat, square(3, o.feat)))
	w := n.tokensOf(n.globalMean(h))
	w = n.silu(n.linear(name+"0.fn.4.gate.1", w, o.feat, o.feat/4, false))
	w = n.imageOf(n.sigmoid(n.linear(name+"0.fn.4.gate.3", w, o.feat/4, o.feat, false)))
	x = n.add(x, n.conv(name+"0.fn.5", n.mul(h, w), o.feat, o.feat, 1, 1, true))
	for i, far := range []bool{false, true} {
		at := func(j int) string { return fmt.Sprintf("%s%d.", name, 6*i+j) }
		x = o.attention(at(2), x, far)
		x = o.feedForward(at(4), x)
		x = o.channelAttention(at(5), x, far)
		x = o.feedForward(at(6), x)
	}
	return x
}

// groups divides tokens in those of windows, or of pixels that are far from each other: as many as a window has, or one of each window
// if all says so. It returns [B, T, feat] and what puts such tokens back.
func (o *omni) groups(x string, far, all bool) (string, func(x string) string) {
	n, w := o.n, o.window
	if !far {
		return n.windows(x, w, w, o.feat), func(x string) string { return o.joined(x, w, w, o.feat) }
	}
	side := n.ints(w)
	split, count, inside, outside := []string{side, o.down, side, o.across}, n.ints(w*w), []string{side, side}, []string{o.down, o.across}
	if all {
		split, count, inside, outside = []string{o.down, side, o.across, side}, n.mul(o.down, o.across), outside, inside
	}
	parts := func(middle ...string) []string {
		return append(append([]string{n.ints(-1)}, middle...), n.ints(o.feat))
	}
	y := n.transposed(n.reshapedTo(x, parts(split...)...), 0, 2, 4, 1, 3, 5)
	y = n.reshapedTo(y, n.ints(-1), count, n.ints(o.feat))
	return y, func(x string) string {
		x = n.transposed(n.reshapedTo(x, parts(append(slices.Clone(outside), inside...)...)...), 0, 3, 1, 4, 2, 5)
		return n.reshapedTo(x, n.ints(-1), o.size, n.ints(o.feat))
	}
}

func (o *omni) attention(name, x string, far bool) string {
	n, dim := o.n, o.feat/omniHeads
	h, back := o.groups(n.tokensOf(x), far, false)
	qkv := n.parts(n.linear(name+"fn.to_qkv", n.layerNorm(name+"norm", h, o.feat), o.feat, 3*o.feat, false), 3, 2)
	logits := n.matMul(n.scaled(n.heads(qkv[0], omniHeads, dim), scaleOf(dim)), n.keyHeads(qkv[1], omniHeads, dim))
	if o.pe {
		side := 2*o.window - 1
		table := n.weight(name+"fn.rel_pos_bias.weight", n.normal(1), side*side, omniHeads)
		logits = n.add(logits, n.positionBias(table, relativePositions(o.window, o.window)))
	}
	y := n.linear(name+"fn.to_out.0", n.attended(logits, n.heads(qkv[2], omniHeads, dim), omniHeads, dim), o.feat, o.feat, false)
	return n.imageOf(back(n.add(y, h)))
}

// channelAttention is attention between the channels of each head, for each window or for each place in windows.
func (o *omni) channelAttention(name, x string, far bool) string {
	n, dim := o.n, o.feat/omniHeads
	h := n.conv(name+"fn.qkv", n.layerNorm2d(name+"norm", x, o.feat), o.feat, 3*o.feat, 1, 1, false)
	h = n.depthwise(name+"fn.qkv_dwconv", h, 3*o.feat)
	var qkv []string
	var back func(x string) string
	for _, part := range n.parts(h, 3, 1) {
		y, b := o.groups(n.tokensOf(part), far, true)
		qkv, back = append(qkv, n.keyHeads(y, omniHeads, dim)), b
	}
	logits := n.mul(n.matMul(n.unit(qkv[0]), n.transposed(n.unit(qkv[1]), 0, 1, 3, 2)), n.weight(name+"fn.temperature", constant(1), omniHeads, 1, 1))
	y := n.transposed(n.matMul(n.softmax(logits), qkv[2]), 0, 3, 1, 2)
	y = n.imageOf(back(n.reshaped(y, 0, 0, o.feat)))
	return n.add(x, n.conv(name+"fn.project_out", y, o.feat, o.feat, 1, 1, false))
}

func (o *omni) feedForward(name, x string) string {
	n := o.n
	h := n.conv(name+"fn.project_in", n.layerNorm2d(name+"norm", x, o.feat), o.feat, 2*o.feat, 1, 1, false)
	parts := n.parts(n.depthwise(name+"fn.dwconv", h, 2*o.feat), 2, 1)
	return n.add(x, n.conv(name+"fn.project_out", n.mul(n.gelu(parts[0]), parts[1]), o.feat, o.feat, 1, 1, false))
}

// depthwise is a 3x3 convolution of each channel on its own, without a bias.
func (n *net) depthwise(name, x string, channels int) string {
	w := n.weight(name+".weight", n.uniform(9), channels, 1, 3, 3)
	return n.b.Node("Conv", []string{x, w}, attr("kernel_shape", []int{3, 3}), attr("pads", []int{1, 1, 1, 1}), attr("group", channels))
}

// spatial weighs pixels by a small picture of the image: enhanced spatial attention (J. Liu et al., "Residual Feature Aggregation Network", 2020).
func (o *omni) spatial(name, x string) string {
	n, narrow := o.n, max(o.feat/4, 16)
	first := n.conv(name+"conv1", x, o.feat, narrow, 1, 1, true)
	h := n.convWith(name+"conv2", first, narrow, narrow, valid(3, 2))
	h = n.b.Node("MaxPool", []string{h}, attr("kernel_shape", []int{7, 7}), attr("strides", []int{3, 3}))
	h = n.conv(name+"conv3", h, narrow, narrow, 3, 1, true)
	shape := n.b.Node("Slice", []string{n.b.Node("Shape", []string{h}), n.ints(0), n.ints(2)})
	sizes := n.b.Node("Concat", []string{shape, o.size}, attr("axis", 0))
	h = n.b.Node("Resize", []string{h, "", "", sizes}, attr("mode", "linear"), attr("coordinate_transformation_mode", "half_pixel"))
	h = n.add(h, n.conv(name+"conv_f", first, narrow, narrow, 1, 1, true))
	return n.mul(x, n.sigmoid(n.conv(name+"conv4", h, narrow, o.feat, 1, 1, true)))
}
