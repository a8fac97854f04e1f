package models

import (
	"fmt"
	"strconv"
)

// rcan is the residual channel attention network (Y. Zhang et al., 2018), with the names of its authors' code or of BasicSR.
var rcan = Architecture{
	Name:    "RCAN",
	Summary: "residual channel attention network: groups of residual blocks with a gate for each channel",
	Params: append([]Param{
		{"n_colors", "3", "channels of the input and of the output"},
		{"n_feats", "64", "channels between the blocks"},
		{"n_resgroups", "10", "groups of blocks"},
		{"n_resblocks", "20", "blocks of a group"},
		{"reduction", "16", "by how much fewer channels the gates' inner layer has"},
		{"scale", "4", "how much larger the output is: 1, 2, 3, 4 or 8"},
		{"res_scale", "1", "what each block's result is multiplied by"},
		{"unshuffle_mod", "false", "true: scales 1 and 2 fold pixels into channels first and enlarge by 4"},
	}, centredParams...),
	detect: func(k keys) *found {
		f := &found{}
		head, groups, blocks := "head.0.weight", "body.%d.body.0.body.0.weight", "body.0.body.%d.body.0.weight"
		squeeze, tail := "body.0.body.0.body.3.conv_du.0.weight", "tail.1.weight"
		up := func(i int) string { return fmt.Sprintf("tail.0.%d", 2*i) }
		switch {
		case k.has("head.1.weight", squeeze):
			head = "head.1.weight"
		case k.has(head, squeeze):
		case k.has("conv_first.weight", "body.0.residual_group.0.rcab.3.attention.1.weight"):
			f.key = rcanBasicSRNames
			head, groups, blocks = "conv_first.weight", "body.%d.residual_group.0.rcab.0.weight", "body.0.residual_group.%d.rcab.0.weight"
			squeeze, tail = "body.0.residual_group.0.rcab.3.attention.1.weight", "conv_last.weight"
			up = func(i int) string { return fmt.Sprintf("upsample.%d", 2*i) }
		default:
			return nil
		}
		feats, colours := k.dim(head, 0), k.dim(tail, 0)
		fold, scale := root(k.dim(head, 1)/max(1, colours)), k.shuffled(feats, up)
		if fold == 0 || scale%fold != 0 {
			return nil
		}
		f.params = told("n_colors", colours, "n_feats", feats, "n_resgroups", k.count(groups), "n_resblocks", k.count(blocks),
			"reduction", feats/max(1, k.dim(squeeze, 0)), "scale", scale/fold, "unshuffle_mod", strconv.FormatBool(fold > 1))
		if f.key == nil { // its blocks multiply by nothing
			f.params["res_scale"] = "1"
			f.centring(k)
		} else {
			f.basicSR(colours)
		}
		return f
	},
	build: func(n *net, p *params) error {
		colours, feats, scale := p.number("n_colors", 1, 64), p.number("n_feats", 1, 4096), p.atScale("scale")
		groups, blocks, reduction := p.number("n_resgroups", 0, 256), p.number("n_resblocks", 0, 256), p.number("reduction", 1, 4096)
		factor, mean, name, fold := p.real("res_scale"), p.centring(colours), "head.0", 1
		if reduction > feats {
			p.fail("reduction", "at most n_feats")
		}
		if p.flag("unshuffle_mod") {
			if name = "head.1"; scale > 2 {
				p.fail("unshuffle_mod", "false for scales above 2")
			}
			fold = 4 / scale
		}
		if p.err != nil {
			return p.err
		}
		h := n.centre(mean, n.image(colours, colours, scale), colours)
		if fold > 1 {
			n.set("gansr.multiple", "%d", fold)
		}
		first := n.conv(name, n.unshuffle(h, colours, fold), colours*fold*fold, feats, 3, 1, true)
		h = first
		for g := range groups {
			group := h
			for b := range blocks {
				block := fmt.Sprintf("body.%d.body.%d.body.", g, b)
				r := n.conv(block+"2", n.relu(n.conv(block+"0", group, feats, feats, 3, 1, true)), feats, feats, 3, 1, true)
				r = n.gatedByMean(block+"3.conv_du.0", block+"3.conv_du.2", r, feats, feats/reduction, false)
				if factor != 1 {
					r = n.scaled(r, factor)
				}
				group = n.add(r, group)
			}
			h = n.add(n.conv(fmt.Sprintf("body.%d.body.%d", g, blocks), group, feats, feats, 3, 1, true), h)
		}
		h = n.add(n.conv(fmt.Sprintf("body.%d", groups), h, feats, feats, 3, 1, true), first)
		h = n.shuffleUp(h, feats, scale*fold, 1, func(i int) string { return fmt.Sprintf("tail.0.%d", 2*i) }, nil)
		n.output(n.decentre(mean, n.conv("tail.1", h, feats, colours, 3, 1, true), colours), colours)
		return nil
	},
}

var rcanBasicSRNames = renamed(append([]string{
	`^body\.(\d+)\.body\.(\d+)\.body\.3\.conv_du\.0\.`, "body.${1}.residual_group.${2}.rcab.3.attention.1.",
	`^body\.(\d+)\.body\.(\d+)\.body\.3\.conv_du\.2\.`, "body.${1}.residual_group.${2}.rcab.3.attention.3.",
	`^body\.(\d+)\.body\.(\d+)\.body\.`, "body.${1}.residual_group.${2}.rcab.",
	`^body\.(\d+)\.body\.\d+\.(weight|bias)$`, "body.${1}.conv.${2}",
}, basicSREnds...)...)
