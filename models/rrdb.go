package models

import (
	"fmt"
	"math/bits"
	"regexp"
	"strconv"
)

// rrdbNet is the generator of ESRGAN (X. Wang et al., 2018) as Real-ESRGAN has it: residual-in-residual dense blocks, and
// enlargements by repetition. Real-ESRGAN's scales 2 and 1 fold pixels into channels first.
var rrdbNet = Architecture{
	Name:    "RRDBNet",
	Summary: "generator of ESRGAN and Real-ESRGAN: residual-in-residual dense blocks",
	Params: []Param{
		{"num_in_ch", "3", "channels of the input"},
		{"num_out_ch", "3", "channels of the output"},
		{"scale", "4", "how much larger the output is: 1, 2, 3, 4, 8 or 16"},
		{"num_feat", "64", "channels between the blocks"},
		{"num_block", "23", "blocks of three dense blocks each"},
		{"num_grow_ch", "32", "channels that each convolution of a dense block adds"},
		{"unshuffle", "auto", "how many pixels of each axis are folded into channels first, 1, 2 or 4; auto: 2 for scale 2 and 4 for scale 1"},
		{"plus", "false", "true: the dense blocks of ESRGAN+ (N. Rakotonirina and A. Rasoanaivo, 2020), which have two more sums"},
	},
	detect: func(k keys) *found {
		var f *found
		var ups int
		switch {
		case k.has("conv_first.weight", "conv_body.weight", "conv_last.weight"):
			f, ups = &found{}, k.highest("conv_up%d.weight")
		case k.has("conv_first.weight", "trunk_conv.weight", "HRconv.weight"):
			f, ups = &found{key: rrdbOfBSRGAN}, k.highest("upconv%d.weight")
		case k.has("model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight"):
			ups = (k.highest("model.%d.weight") - 4) / 3
			f = &found{key: rrdbOfESRGAN(k.highest("model.1.sub.%d.weight"), ups)}
		default:
			return nil
		}
		first, dense := f.name("conv_first.weight"), f.name("body.0.rdb1.conv1.weight")
		in, out, enlarged := k.dim(first, 1), k.dim(f.name("conv_last.weight"), 0), 1<<max(0, min(ups, 8))
		fold := 1
		for _, s := range []int{2, 4} { // pixels folded into channels
			if ch := in / (s * s); in%(s*s) == 0 && (ch == out || ch == 1 && s == 4) && enlarged%s == 0 {
				in, fold = ch, s
				break
			}
		}
		blocks := 0
		for k.has(f.name(fmt.Sprintf("body.%d.rdb1.conv1.weight", blocks))) {
			blocks++
		}
		f.params = map[string]string{"num_in_ch": strconv.Itoa(in), "num_out_ch": strconv.Itoa(out), "scale": strconv.Itoa(enlarged / fold),
			"num_feat": strconv.Itoa(k.dim(first, 0)), "num_block": strconv.Itoa(blocks), "unshuffle": strconv.Itoa(fold)}
		if fold == rrdbFold(enlarged/fold) {
			f.params["unshuffle"] = "auto"
		}
		if blocks > 0 {
			f.params["num_grow_ch"] = strconv.Itoa(k.dim(dense, 0))
			f.params["plus"] = strconv.FormatBool(k.has(f.name("body.0.rdb1.conv1x1.weight")))
		}
		return f
	},
	build: func(n *net, p *params) error {
		in, out := p.number("num_in_ch", 1, 64), p.number("num_out_ch", 1, 64)
		feat, blocks, grow := p.number("num_feat", 1, 4096), p.number("num_block", 0, 256), p.number("num_grow_ch", 1, 4096)
		p.choice("scale", "1", "2", "3", "4", "8", "16")
		scale, plus := p.number("scale", 1, 16), p.flag("plus")
		fold := rrdbFold(scale)
		if p.choice("unshuffle", "auto", "1", "2", "4") != "auto" {
			fold = p.number("unshuffle", 1, 4)
		}
		if scale == 3 && fold > 1 {
			p.fail("unshuffle", "1 for scale 3")
		}
		if p.err != nil {
			return p.err
		}
		steps, step := bits.Len(uint(scale*fold))-1, 2
		if scale == 3 {
			steps, step = 1, 3
		}
		x := n.image(in, out, scale)
		h := x
		if fold > 1 {
			n.set("gansr.multiple", "%d", fold)
			h = n.unshuffle(n.padded(x, fold, "reflect"), in, fold)
		}
		conv := func(name, x string, from, to int) string { return n.conv(name, x, from, to, 3, 1, true) }
		first := conv("conv_first", h, in*fold*fold, feat)
		h = first
		for i := range blocks {
			block := h
			for j := 1; j <= 3; j++ {
				block = n.denseBlock(fmt.Sprintf("body.%d.rdb%d.", i, j), block, feat, grow, plus)
			}
			h = n.add(n.scaled(block, 0.2), h)
		}
		h = n.add(first, conv("conv_body", h, feat, feat))
		for i := range steps {
			h = n.leaky(conv(fmt.Sprintf("conv_up%d", i+1), n.nearest(h, step), feat, feat), 0.2)
		}
		h = n.leaky(conv("conv_hr", h, feat, feat), 0.2)
		h = conv("conv_last", h, feat, out)
		if fold > 1 {
			h = n.cropped(h, x, scale)
		}
		n.output(h, out)
		return nil
	},
}

// rrdbFold is how many pixels of each axis Real-ESRGAN folds into channels.
func rrdbFold(scale int) int {
	if scale < 3 {
		return 4 / scale
	}
	return 1
}

// denseBlock is a dense block of five convolutions, whose result counts a fifth.
func (n *net) denseBlock(name, x string, feat, grow int, plus bool) string {
	parts := []string{x}
	for k := range 4 {
		c := n.leaky(n.conv(fmt.Sprintf("%sconv%d", name, k+1), n.concat(parts...), feat+k*grow, grow, 3, 1, true), 0.2)
		if plus && k == 1 {
			c = n.add(c, n.conv(name+"conv1x1", x, feat, grow, 1, 1, false))
		}
		if plus && k == 3 {
			c = n.add(c, parts[2])
		}
		parts = append(parts, c)
	}
	return n.add(n.scaled(n.conv(name+"conv5", n.concat(parts...), feat+4*grow, feat, 3, 1, true), 0.2), x)
}

var rrdbName = regexp.MustCompile(`^(conv_\w+?|body\.(\d+)\.rdb(\d)\.(\w+))(\d*)\.(weight|bias)$`)

// rrdbOfBSRGAN translates names of tensors into those of ESRGAN's second version, which BSRGAN has too.
func rrdbOfBSRGAN(name string) string {
	m := rrdbName.FindStringSubmatch(name)
	switch {
	case m == nil:
		return name
	case m[2] != "":
		return fmt.Sprintf("RRDB_trunk.%s.RDB%s.%s%s.%s", m[2], m[3], m[4], m[5], m[6])
	case m[1] == "conv_body":
		return "trunk_conv." + m[6]
	case m[1] == "conv_up":
		return "upconv" + m[5] + "." + m[6]
	case m[1] == "conv_hr":
		return "HRconv." + m[6]
	}
	return name
}

// rrdbOfESRGAN returns what translates names of tensors into those of ESRGAN's first version, a chain of numbered layers.
func rrdbOfESRGAN(blocks, ups int) func(name string) string {
	return func(name string) string {
		m := rrdbName.FindStringSubmatch(name)
		switch {
		case m == nil:
			return name
		case m[4]+m[5] == "conv1x1":
			return fmt.Sprintf("model.1.sub.%s.RDB%s.conv1x1.%s", m[2], m[3], m[6])
		case m[2] != "":
			return fmt.Sprintf("model.1.sub.%s.RDB%s.%s%s.0.%s", m[2], m[3], m[4], m[5], m[6])
		case m[1] == "conv_body":
			return fmt.Sprintf("model.1.sub.%d.%s", blocks, m[6])
		}
		layer := map[string]int{"conv_hr": 3*ups + 2, "conv_last": 3*ups + 4}[m[1]] // 0 for conv_first
		if m[1] == "conv_up" {
			layer, _ = strconv.Atoi(m[5])
			layer *= 3
		}
		return fmt.Sprintf("model.%d.%s", layer, m[6])
	}
}
