package models

import (
	"fmt"
	"strconv"
	"strings"
)

// edsr is the enhanced deep residual network (B. Lim et al., 2017), with the names of its authors' PyTorch code or of BasicSR.
var edsr = Architecture{
	Name:    "EDSR",
	Summary: "enhanced deep residual network: residual blocks without normalisation, and pixel shuffles",
	Params: append([]Param{
		{"n_colors", "3", "channels of the input and of the output"},
		{"n_feats", "64", "channels between the blocks"},
		{"n_resblocks", "16", "residual blocks"},
		{"scale", "4", "how much larger the output is: 1, 2, 3, 4 or 8"},
		{"res_scale", "1", "what each block's result is multiplied by; 0.1 for 256 channels and without mean_shift"},
	}, centredParams...),
	detect: func(k keys) *found {
		up := func(i int) string { return fmt.Sprintf("tail.0.%d", 2*i) }
		f, old := &found{}, k.has("head.0.weight", "tail.1.weight", "body.0.body.0.weight")
		head, block, feats := "head.0.weight", "body.%d.body.0.weight", k.dim("head.0.weight", 0)
		if !old {
			if !k.has("conv_first.weight", "conv_after_body.weight", "body.0.conv1.weight") {
				return nil
			}
			f.key = edsrBasicSRNames
			head, block, feats = "conv_first.weight", "body.%d.conv1.weight", k.dim("conv_first.weight", 0)
			up = func(i int) string { return fmt.Sprintf("upsample.%d", 2*i) }
		}
		colours := k.dim(head, 1)
		f.params = told("n_colors", colours, "n_feats", feats, "n_resblocks", k.count(block), "scale", k.shuffled(feats, up), "res_scale", 1)
		f.assumed = []string{"res_scale"}
		if old {
			f.centring(k)
		} else {
			f.basicSR(colours)
		}
		if feats >= 256 || f.params["mean_shift"] == "none" { // the paper's factor
			f.params["res_scale"] = "0.1"
		}
		return f
	},
	build: func(n *net, p *params) error {
		colours, feats, blocks := p.number("n_colors", 1, 64), p.number("n_feats", 1, 4096), p.number("n_resblocks", 0, 1024)
		scale, factor, mean := p.atScale("scale"), p.real("res_scale"), p.centring(colours)
		if p.err != nil {
			return p.err
		}
		h := n.centre(mean, n.image(colours, colours, scale), colours)
		first := n.conv("head.0", h, colours, feats, 3, 1, true)
		h = n.add(first, n.edsrBody(first, feats, blocks, factor))
		h = n.shuffleUp(h, feats, scale, 1, func(i int) string { return fmt.Sprintf("tail.0.%d", 2*i) }, nil)
		n.output(n.decentre(mean, n.conv("tail.1", h, feats, colours, 3, 1, true), colours), colours)
		return nil
	},
}

// basicSREnds are BasicSR's names of the first and last tensors of EDSR and RCAN.
var basicSREnds = []string{
	`^head\.0\.`, "conv_first.",
	`^tail\.0\.`, "upsample.",
	`^tail\.1\.`, "conv_last.",
	`^body\.\d+\.(weight|bias)$`, "conv_after_body.${1}",
}

var edsrBasicSRNames = renamed(append([]string{`^body\.(\d+)\.body\.0\.`, "body.${1}.conv1.", `^body\.(\d+)\.body\.2\.`, "body.${1}.conv2."}, basicSREnds...)...)

// edsrBody is EDSR's body: residual blocks and one more convolution.
func (n *net) edsrBody(x string, feats, blocks int, factor float32) string {
	for i := range blocks {
		x = n.edsrBlock(fmt.Sprintf("body.%d", i), x, feats, 3, factor)
	}
	return n.conv(fmt.Sprintf("body.%d", blocks), x, feats, feats, 3, 1, true)
}

// edsrBlock is x + factor·conv(relu(conv(x))).
func (n *net) edsrBlock(name, x string, feats, kernel int, factor float32) string {
	h := n.conv(name+".body.2", n.relu(n.conv(name+".body.0", x, feats, feats, kernel, 1, true)), feats, feats, kernel, 1, true)
	if factor != 1 {
		h = n.scaled(h, factor)
	}
	return n.add(h, x)
}

// mdsr is EDSR for several scales at once, which share the body.
var mdsr = Architecture{
	Name:    "MDSR",
	Summary: "EDSR for several scales, which share the body",
	Params: append([]Param{
		{"n_colors", "3", "channels of the input and of the output"},
		{"n_feats", "64", "channels between the blocks"},
		{"n_resblocks", "16", "residual blocks"},
		{"scales", "2,3,4", "scales that the network was trained for"},
		{"scale", "4", "the one of scales to use"},
		{"res_scale", "1", "what each block's result is multiplied by"},
	}, centredParams...),
	detect: func(k keys) *found {
		feats, branches := k.dim("head.0.weight", 0), k.count("pre_process.%d.0.body.0.weight")
		if branches == 0 || !k.has("tail.0.weight", "upsample.0.0.weight") {
			return nil
		}
		var scales []string
		for b := range branches {
			scales = append(scales, strconv.Itoa(k.shuffled(feats, func(i int) string { return fmt.Sprintf("upsample.%d.%d", b, 2*i) })))
		}
		f := &found{params: told("n_colors", k.dim("head.0.weight", 1), "n_feats", feats, "n_resblocks", k.count("body.%d.body.0.weight"),
			"scales", strings.Join(scales, ","), "scale", scales[branches-1], "res_scale", 1), assumed: []string{"scale", "res_scale"}}
		f.centring(k)
		return f
	},
	build: func(n *net, p *params) error {
		colours, feats, blocks := p.number("n_colors", 1, 64), p.number("n_feats", 1, 4096), p.number("n_resblocks", 0, 1024)
		scales := p.numbers("scales", 8)
		p.choice("scale", strings.Split(p.values["scales"], ",")...)
		scale, factor, mean := p.atScale("scale"), p.real("res_scale"), p.centring(colours)
		if p.err != nil {
			return p.err
		}
		h := n.conv("head.0", n.centre(mean, n.image(colours, colours, scale), colours), colours, feats, 3, 1, true)
		// The weights of the other scales are kept, so that the state dictionary is complete; nothing uses their layers.
		first := h
		for i, s := range scales {
			b := h
			for j := range 2 {
				b = n.edsrBlock(fmt.Sprintf("pre_process.%d.%d", i, j), b, feats, 5, factor)
			}
			if s == scale {
				first = b
			}
		}
		body := n.add(first, n.edsrBody(first, feats, blocks, factor))
		for i, s := range scales {
			u := n.shuffleUp(body, feats, s, 1, func(j int) string { return fmt.Sprintf("upsample.%d.%d", i, 2*j) }, nil)
			if s == scale {
				h = u
			}
		}
		n.output(n.decentre(mean, n.conv("tail.0", h, feats, colours, 3, 1, true), colours), colours)
		return nil
	},
}
