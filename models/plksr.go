package models

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gansr/gansr/graph"
)

// plksr is the network of partial large kernels (D. Lee et al., 2024): large convolutions of a part of the channels.
var plksr = Architecture{
	Name:    "PLKSR",
	Summary: "partial large kernels: blocks with a large convolution of some of the channels",
	Params: []Param{
		{"channels", "3", "channels of the input and of the output"},
		{"dim", "64", "channels between the blocks"},
		{"n_blocks", "28", "blocks"},
		{"upscaling_factor", "4", "how much larger the output is, 1 to 8"},
		{"ccm_type", "CCM", "sizes of a block's small convolutions: CCM 3 and 1, ICCM 1 and 3, DCCM 3 and 3"},
		{"kernel_size", "17", "size of the large convolutions"},
		{"split_ratio", "0.25", "share of the channels that the large convolutions take"},
		{"lk_type", "PLK", "PLK: one large convolution; SparsePLK: several dilated ones; RectSparsePLK: two long ones and a small one"},
		{"sparse_kernels", "5,5,5,5", "sizes of the convolutions of SparsePLK"},
		{"sparse_dilations", "1,2,3,4", "their dilations"},
		{"with_idt", "false", "true: what goes into the large convolution is added to its result"},
		{"use_ea", "true", "true: a sigmoid of a convolution weighs every element"},
	},
	detect: func(k keys) *found {
		if !k.has("feats.0.weight", "feats.1.channe_mixer.0.weight", "feats.1.refine.weight") {
			return nil
		}
		last := k.highest("feats.%d.weight")
		f := &found{params: plksrParams(k, last, last-1)}
		first, second := k.dim("feats.1.channe_mixer.0.weight", 2), k.dim("feats.1.channe_mixer.2.weight", 2)
		f.params["ccm_type"] = map[[2]int]string{{3, 1}: "CCM", {1, 3}: "ICCM", {3, 3}: "DCCM"}[[2]int{first, second}]
		large := "feats.1.lk.conv.weight"
		switch {
		case k.has("feats.1.lk.convs.0.weight"):
			large = "feats.1.lk.convs.0.weight"
			var kernels, dilations []string
			for i := range k.count("feats.1.lk.convs.%d.weight") {
				kernels = append(kernels, strconv.Itoa(k.dim(fmt.Sprintf("feats.1.lk.convs.%d.weight", i), 2)))
				dilations = append(dilations, strconv.Itoa(i%4+1)) // a fifth one has the largest kernel and no dilation
			}
			f.params["lk_type"] = "SparsePLK"
			f.params["sparse_kernels"], f.params["sparse_dilations"] = strings.Join(kernels, ","), strings.Join(dilations, ",")
			f.assumed = append(f.assumed, "sparse_dilations")
		case k.has("feats.1.lk.mn_conv.weight"):
			large, f.params["lk_type"] = "feats.1.lk.mn_conv.weight", "RectSparsePLK"
		default:
			f.params["lk_type"] = "PLK"
		}
		if f.params["lk_type"] != "SparsePLK" { // they are not used
			f.params["sparse_kernels"], f.params["sparse_dilations"] = "5,5,5,5", "1,2,3,4"
		}
		f.params["kernel_size"] = strconv.Itoa(k.dim(large, 2))
		f.params["split_ratio"] = ratio(k.dim(large, 0), k.dim("feats.0.weight", 0))
		return f
	},
	build: func(n *net, p *params) error {
		ch, dim, blocks, scale := p.number("channels", 1, 64), p.number("dim", 1, 4096), p.number("n_blocks", 0, 1024), p.number("upscaling_factor", 1, 8)
		kinds := map[string][2]int{"CCM": {3, 1}, "ICCM": {1, 3}, "DCCM": {3, 3}}
		sizes := kinds[p.choice("ccm_type", "CCM", "ICCM", "DCCM")]
		large := largeKernel{kind: p.choice("lk_type", "PLK", "SparsePLK", "RectSparsePLK"), size: p.number("kernel_size", 1, 255), same: p.flag("with_idt"),
			channels: p.share("split_ratio", dim), kernels: p.numbers("sparse_kernels", 255), dilations: p.numbers("sparse_dilations", 64)}
		ea := p.flag("use_ea")
		if large.channels > dim {
			p.fail("split_ratio", "at most 1")
		}
		if len(large.dilations) != len(large.kernels) {
			p.fail("sparse_dilations", "as many as sparse_kernels")
		}
		if p.err != nil {
			return p.err
		}
		x := n.image(ch, ch, scale)
		h := n.conv("feats.0", x, ch, dim, 3, 1, true)
		for i := range blocks {
			name := fmt.Sprintf("feats.%d", i+1)
			c := n.gelu(n.conv(name+".channe_mixer.0", h, dim, 2*dim, sizes[0], 1, true))
			c = n.conv(name+".channe_mixer.2", c, 2*dim, dim, sizes[1], 1, true)
			h = n.add(n.plkRest(name, large.apply(n, name+".lk.", c, dim), dim, ea), h)
		}
		h = n.conv(fmt.Sprintf("feats.%d", blocks+1), h, dim, ch*scale*scale, 3, 1, true)
		n.output(n.add(n.shuffle(h, scale), n.nearest(x, scale)), ch)
		return nil
	},
}

// realPLKSR is PLKSR as neosr trains it for real photos: with normalisation, and perhaps DySample at the end.
var realPLKSR = Architecture{
	Name:    "RealPLKSR",
	Summary: "PLKSR for real photos: with group or layer normalisation",
	Params: []Param{
		{"channels", "3", "channels of the input and of the output"},
		{"dim", "64", "channels between the blocks"},
		{"n_blocks", "28", "blocks"},
		{"upscaling_factor", "4", "how much larger the output is, 1 to 8"},
		{"kernel_size", "17", "size of the large convolutions"},
		{"split_ratio", "0.25", "share of the channels that the large convolutions take"},
		{"use_ea", "true", "true: a sigmoid of a convolution weighs every element"},
		{"norm_groups", "4", "groups of the normalisation, unless layer_norm is true"},
		{"layer_norm", "false", "true: the channels of each pixel are normalised before a block, not groups of channels after it"},
		{"dysample", "0", "groups of channels that are sampled at learned places; 0: a pixel shuffle enlarges"},
	},
	detect: func(k keys) *found {
		if !k.has("feats.0.weight", "feats.1.channel_mixer.0.weight", "feats.1.lk.conv.weight", "feats.1.refine.weight") {
			return nil
		}
		last := k.highest("feats.%d.weight")
		f := &found{params: plksrParams(k, last, last-2)}
		f.params["kernel_size"] = strconv.Itoa(k.dim("feats.1.lk.conv.weight", 2))
		f.params["split_ratio"] = ratio(k.dim("feats.1.lk.conv.weight", 0), k.dim("feats.0.weight", 0))
		f.params["layer_norm"] = strconv.FormatBool(k.has("feats.1.layer_norm.weight"))
		if k.has("feats.1.layer_norm.weight") {
			f.params["norm_groups"] = "4" // it is not used
		}
		scale, _ := strconv.Atoi(f.params["upscaling_factor"])
		f.params["dysample"] = strconv.Itoa(k.dim("to_img.offset.weight", 0) / max(1, 2*scale*scale))
		return f
	},
	build: func(n *net, p *params) error {
		ch, dim, blocks, scale := p.number("channels", 1, 64), p.number("dim", 1, 4096), p.number("n_blocks", 0, 1024), p.number("upscaling_factor", 1, 8)
		large := largeKernel{kind: "PLK", size: p.number("kernel_size", 1, 255), channels: p.share("split_ratio", dim)}
		ea, groups, layerNorm, sampled := p.flag("use_ea"), p.number("norm_groups", 1, 4096), p.flag("layer_norm"), p.number("dysample", 0, 4096)
		if large.channels > dim {
			p.fail("split_ratio", "at most 1")
		}
		if !layerNorm && dim%groups != 0 {
			p.fail("norm_groups", fmt.Sprintf("such that dim, which is %d, is a multiple of it", dim))
		}
		if p.err != nil {
			return p.err
		}
		x := n.image(ch, ch, scale)
		h := n.conv("feats.0", x, ch, dim, 3, 1, true)
		for i := range blocks {
			name := fmt.Sprintf("feats.%d", i+1)
			c := h
			if layerNorm {
				c = n.layerNorm2d(name+".layer_norm", c, dim)
			}
			c = n.mish(n.conv(name+".channel_mixer.0", c, dim, 2*dim, 3, 1, true))
			c = n.conv(name+".channel_mixer.2", c, 2*dim, dim, 3, 1, true)
			c = n.plkRest(name, large.apply(n, name+".lk.", c, dim), dim, ea)
			if !layerNorm {
				c = n.groupNorm(name+".norm", c, dim, groups)
			}
			h = n.add(c, h)
		}
		rows := ch * scale * scale
		h = n.conv(fmt.Sprintf("feats.%d", blocks+2), h, dim, rows, 3, 1, true)
		if sampled == 0 {
			n.output(n.add(n.shuffle(h, scale), n.nearest(x, scale)), ch)
			return nil
		}
		var repeated []int
		for i := range rows {
			repeated = append(repeated, i/(scale*scale))
		}
		h = n.add(h, n.b.Node("Gather", []string{x, n.constant(graph.Ints(repeated...))}, attr("axis", 1)))
		n.output(n.dySample("to_img", h, rows, ch, scale, sampled, scale != 1), ch)
		return nil
	},
}

// plksrParams are the parameters that both networks have. last is the number of the last convolution.
func plksrParams(k keys, last, blocks int) map[string]string {
	in := k.dim("feats.0.weight", 1)
	return map[string]string{"channels": strconv.Itoa(in), "dim": strconv.Itoa(k.dim("feats.0.weight", 0)), "n_blocks": strconv.Itoa(blocks),
		"upscaling_factor": strconv.Itoa(root(k.dim(fmt.Sprintf("feats.%d.weight", last), 0) / max(1, in))),
		"use_ea":           strconv.FormatBool(k.has("feats.1.attn.f.0.weight"))}
}

// ratio is part/whole, so exactly that share finds the part again.
func ratio(part, whole int) string {
	return strconv.FormatFloat(float64(part)/float64(max(1, whole)), 'g', -1, 64)
}

// plkRest is the end of a block: every element weighed, and a 1x1 convolution.
func (n *net) plkRest(name, x string, dim int, ea bool) string {
	if ea {
		x = n.mul(x, n.sigmoid(n.conv(name+".attn.f.0", x, dim, dim, 3, 1, true)))
	}
	return n.conv(name+".refine", x, dim, dim, 1, 1, true)
}

// largeKernel is the large convolution of the first channels.
type largeKernel struct {
	kind               string
	size, channels     int
	same               bool // its input is added
	kernels, dilations []int
}

func (l largeKernel) apply(n *net, name, x string, dim int) string {
	first := x
	if l.channels < dim {
		first = n.channels(x, 0, l.channels)
	}
	var parts []string
	add := func(part string, w window) {
		parts = append(parts, n.convWith(name+part, first, l.channels, l.channels, w))
	}
	switch small := max(1, l.size/3); l.kind {
	case "PLK":
		add("conv", square(l.size, 1))
	case "SparsePLK":
		for i, size := range l.kernels {
			w := square(size, 1)
			w.dilation, w.vertical, w.horizontal = l.dilations[i], size/2*l.dilations[i], size/2*l.dilations[i]
			add(fmt.Sprintf("convs.%d", i), w)
		}
	case "RectSparsePLK":
		add("mn_conv", window{height: l.size, width: small, stride: 1, vertical: l.size / 2, horizontal: small / 2})
		add("nm_conv", window{height: small, width: l.size, stride: 1, vertical: small / 2, horizontal: l.size / 2})
		add("nn_conv", square(small, 1))
	}
	if l.same && l.kind != "RectSparsePLK" {
		parts = append(parts, first)
	}
	y := parts[0]
	for _, part := range parts[1:] {
		y = n.add(y, part)
	}
	if l.channels < dim {
		y = n.concat(y, n.channels(x, l.channels, dim))
	}
	return y
}
