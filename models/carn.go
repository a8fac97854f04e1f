package models

import (
	"fmt"
	"strconv"
	"strings"
)

// carn is the cascading residual network (N. Ahn et al., 2018) and its mobile form, CARN-M, in which convolutions are grouped and a
// block's three residual blocks are one.
var carn = Architecture{
	Name:    "CARN",
	Summary: "cascading residual network, and CARN-M with grouped convolutions",
	Params: []Param{
		{"n_feats", "64", "channels between the blocks"},
		{"group", "1", "groups of the convolutions"},
		{"mobile", "false", "true: CARN-M"},
		{"scales", "2,3,4", "scales that the network was trained for"},
		{"multi_scale", "true", "true: a part for each of scales; false: one part for scale"},
		{"scale", "4", "the one of scales to use"},
	},
	detect: func(k keys) *found {
		if !k.has("entry.weight", "exit.weight", "sub_mean.shifter.weight", "b1.b1.body.0.weight") {
			return nil
		}
		feats, multi := k.dim("entry.weight", 0), !k.has("upsample.up.body.0.weight")
		at := func(up string) int {
			return k.shuffled(feats, func(i int) string { return fmt.Sprintf("upsample.%s.body.%d", up, 3*i) })
		}
		f := &found{params: told("n_feats", feats, "group", feats/max(1, k.dim("b1.b1.body.0.weight", 1)), "mobile", !k.has("b1.b2.body.0.weight"),
			"multi_scale", multi, "scale", at("up"), "scales", at("up"))}
		if multi {
			var scales []string
			for s := 2; s <= 8; s++ {
				if k.has(fmt.Sprintf("upsample.up%d.body.0.weight", s)) {
					scales = append(scales, strconv.Itoa(s))
				}
			}
			if len(scales) == 0 {
				return nil
			}
			f.params["scales"], f.params["scale"], f.assumed = strings.Join(scales, ","), scales[len(scales)-1], []string{"scale"}
		}
		return f
	},
	build: func(n *net, p *params) error {
		feats, groups, mobile, multi := p.number("n_feats", 1, 4096), p.number("group", 1, 4096), p.flag("mobile"), p.flag("multi_scale")
		scales, scale := p.numbers("scales", 8), p.atScale("scale")
		if multi {
			p.choice("scale", strings.Split(p.values["scales"], ",")...)
		}
		if p.err != nil {
			return p.err
		}
		block := func(name, x string) string {
			h := n.relu(n.convWith(name+".body.0", x, feats, feats, square(3, groups)))
			h = n.convWith(name+".body.2", h, feats, feats, square(3, groups))
			if mobile {
				h = n.conv(name+".body.4", n.relu(h), feats, feats, 1, 1, true)
			}
			return n.relu(n.add(h, x))
		}
		// cascade is three blocks, each of whose results is joined to all before it and made feats channels again.
		cascade := func(name, x string, block func(name, x string) string, one bool) string {
			joined, h := []string{x}, x
			for i := 1; i <= 3; i++ {
				b := i
				if one {
					b = 1
				}
				joined = append(joined, block(fmt.Sprintf("%sb%d", name, b), h))
				h = n.relu(n.conv(fmt.Sprintf("%sc%d.body.0", name, i), n.concat(joined...), (i+1)*feats, feats, 1, 1, true))
			}
			return h
		}
		h := n.conv("sub_mean.shifter", n.image(3, 3, scale), 3, 3, 1, 1, true)
		h = n.conv("entry", h, 3, feats, 3, 1, true)
		h = cascade("", h, func(name, x string) string { return cascade(name+".", x, block, mobile) }, false)
		up := func(name string, scale int) string {
			return n.shuffleUp(h, feats, scale, groups, func(i int) string { return fmt.Sprintf("upsample.%s.body.%d", name, 3*i) }, n.relu)
		}
		y := ""
		if multi { // the weights of the other scales are kept, so that the state dictionary is complete; nothing uses their layers
			for _, s := range scales {
				if u := up(fmt.Sprintf("up%d", s), s); s == scale {
					y = u
				}
			}
		} else {
			y = up("up", scale)
		}
		y = n.conv("exit", y, feats, 3, 3, 1, true)
		n.output(n.conv("add_mean.shifter", y, 3, 3, 1, 1, true), 3)
		return nil
	},
}
