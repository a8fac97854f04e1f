package models

import (
	"fmt"
	"maps"
	"strconv"
)

// scunet is the Swin-Conv-UNet (K. Zhang et al., 2022), which removes noise: a U-Net whose blocks convolve half of the channels and let the
// other half attend to shifted windows.
var scunet = Architecture{
	Name:    "SCUNet",
	Summary: "Swin-Conv-UNet against noise: convolutions and attention to shifted windows side by side",
	Params: []Param{
		{"in_nc", "3", "channels of the input and the output"},
		{"config", "4,4,4,4,4,4,4", "blocks of the seven levels: three down, the middle, three up"},
		{"dim", "64", "channels of the first level"},
		{"head_dim", "32", "channels of each head of attention; divides dim/2"},
		{"window_size", "8", "size of the windows"},
	},
	detect: func(k keys) *found {
		in, dim := k.dim("m_head.0.weight", 1), k.dim("m_head.0.weight", 0)
		table := "m_down1.0.trans_block.msa.relative_position_params"
		if in == 0 || !k.has(table, "m_tail.0.weight") {
			return nil
		}
		names := []string{"m_down1", "m_down2", "m_down3", "m_body", "m_up3", "m_up2", "m_up1"}
		f := &found{params: map[string]string{}}
		maps.Copy(f.params, map[string]string{"in_nc": strconv.Itoa(in), "dim": strconv.Itoa(dim),
			"head_dim":    strconv.Itoa(dim / 2 / max(1, k.dim(table, 0))),
			"window_size": strconv.Itoa((k.dim(table, 1) + 1) / 2),
			"config": numbersOf(len(names), func(i int) int {
				last := k.highest(names[i] + ".%d.conv1_1.weight")
				if i > 3 { // the first enlarges
					return last
				}
				return last + 1
			})})
		return f
	},
	build: func(n *net, p *params) error {
		in, config, dim := p.number("in_nc", 1, 64), p.numbers("config", 64), p.number("dim", 2, 2048)
		head, window := p.number("head_dim", 1, 1024), p.number("window_size", 2, 8)
		switch {
		case len(config) != 7:
			p.fail("config", "seven numbers")
		case dim%2 != 0 || dim/2%head != 0:
			p.fail("head_dim", fmt.Sprintf("a number that divides half of dim, which is %d", dim/2))
		case 8%window != 0:
			p.fail("window_size", "8, 4 or 2")
		}
		if p.err != nil {
			return p.err
		}
		x := n.image(in, in, 1)
		u := &swinConv{n: n, head: head, window: window}
		h := n.conv("m_head.0", n.padded(x, 64, "reflect"), in, dim, 3, 1, false)
		var skips []string
		for i := range 3 {
			name, channels := fmt.Sprintf("m_down%d", i+1), dim<<i
			skips = append(skips, h)
			h = u.blocks(name, h, channels, 0, config[i])
			w := n.weight(fmt.Sprintf("%s.%d.weight", name, config[i]), n.uniform(4*channels), 2*channels, channels, 2, 2)
			h = n.b.Node("Conv", []string{h, w}, attr("kernel_shape", []int{2, 2}), attr("strides", []int{2, 2}))
		}
		skips = append(skips, h)
		h = u.blocks("m_body", h, 8*dim, 0, config[3])
		for i := 3; i >= 1; i-- {
			name, channels := fmt.Sprintf("m_up%d", i), dim<<(i-1)
			w := n.weight(name+".0.weight", n.uniform(4*channels), 2*channels, channels, 2, 2)
			h = n.b.Node("ConvTranspose", []string{n.add(h, skips[i]), w}, attr("kernel_shape", []int{2, 2}), attr("strides", []int{2, 2}))
			h = u.blocks(name, h, channels, 1, config[7-i])
		}
		n.output(n.cropped(n.conv("m_tail.0", n.add(h, skips[0]), dim, in, 3, 1, false), x, 1), in)
		return nil
	},
}

// swinConv builds the blocks of SCUNet.
type swinConv struct {
	n            *net
	head, window int
}

// blocks adds count blocks, whose names are numbered from first. The windows of every other one are shifted.
func (u *swinConv) blocks(name, x string, channels, first, count int) string {
	n, half := u.n, channels/2
	g := n.gridOf(x)
	for i := range count {
		at := fmt.Sprintf("%s.%d.", name, first+i)
		parts := n.parts(n.conv(at+"conv1_1", x, channels, channels, 1, 1, true), 2, 1)
		c := n.relu(n.conv(at+"conv_block.0", parts[0], half, half, 3, 1, false))
		c = n.add(n.conv(at+"conv_block.2", c, half, half, 3, 1, false), parts[0])
		t := n.tokensOf(parts[1])
		at += "trans_block."
		t = n.add(t, g.shifted(n.layerNorm(at+"ln1", t, half), u.window, half, i%2 == 1, func(h, mask string) string {
			return u.attention(g, at+"msa.", h, mask, half)
		}))
		m := n.gelu(n.linear(at+"mlp.0", n.layerNorm(at+"ln2", t, half), half, 4*half, true))
		t = n.add(t, n.linear(at+"mlp.2", m, 4*half, half, true))
		x = n.add(x, n.conv(fmt.Sprintf("%s.%d.conv1_2", name, first+i), n.concat(c, n.imageOf(t)), channels, channels, 1, 1, true))
	}
	return x
}

func (u *swinConv) attention(g *grid, name, x, mask string, channels int) string {
	n, heads, side := u.n, channels/u.head, 2*u.window-1
	qkv := n.parts(n.linear(name+"embedding_layer", x, channels, 3*channels, true), 3, 2)
	table := n.reshaped(n.weight(name+"relative_position_params", n.normal(0.02), heads, side, side), heads, side*side)
	bias := n.b.Node("Gather", []string{table, n.constant(relativePositions(u.window, u.window))}, attr("axis", 1))
	q, k := n.scaled(n.heads(qkv[0], heads, u.head), scaleOf(u.head)), n.keyHeads(qkv[1], heads, u.head)
	logits := n.add(n.matMul(q, k), bias)
	if mask != "" {
		logits = g.masked(logits, mask, heads, u.window*u.window)
	}
	return n.linear(name+"linear", n.attended(logits, n.heads(qkv[2], heads, u.head), heads, u.head), channels, channels, true)
}
