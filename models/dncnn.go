package models

import (
	"fmt"
	"strconv"

	"github.com/gansr/gansr/graph"
)

// dnCNN is the denoiser of K. Zhang et al. (2017) as KAIR has it, and its relatives FDnCNN, which takes a noise level, and IRCNN, whose convolutions
// are dilated.
var dnCNN = Architecture{
	Name:    "DnCNN",
	Summary: "denoiser: a chain of 3x3 convolutions, with or without batch normalisation, that finds the noise",
	Params: []Param{
		{"in_nc", "1", "channels of the image"},
		{"nc", "64", "channels between the convolutions"},
		{"nb", "17", "convolutions"},
		{"act_mode", "BR", "BR: batch normalisation and ReLU; R: ReLU"},
		{"mode", "DnCNN", "DnCNN; FDnCNN (finds the image, and takes a noise level as one more channel); IRCNN (dilated, 7 convolutions)"},
		{"bias", "all", "which convolutions have a bias: all, first or none"},
		{"eps", "1e-4", "epsilon of batch normalisation"},
		{"noise_level", "15", "for FDnCNN: the noise's standard deviation, of 255"},
	},
	detect: func(k keys) *found {
		f, prefix := &found{}, "model."
		if k.has("dncnn.0.weight") {
			prefix = "dncnn."
			f.key = renamed(`^model\.`, prefix)
		}
		name := func(i int) string { return prefix + strconv.Itoa(i) }
		last := k.highest(prefix + "%d.weight")
		in, out := k.dim(name(0)+".weight", 1), k.dim(name(last)+".weight", 0)
		if in == 0 || last < 4 || !k.has(name(2)+".weight") || len(k.state[name(2)+".weight"].Shape()) != 4 {
			return nil
		}
		act, convs, mode := "R", last/2+1, "DnCNN"
		if k.has(name(3) + ".running_mean") {
			act, convs = "BR", (last-2)/3+2
		}
		switch {
		case in == out+1:
			mode = "FDnCNN"
		case convs == 7 && act == "R":
			mode, f.assumed = "IRCNN", []string{"mode"}
		}
		bias, eps := "none", "1e-4"
		switch {
		case k.has(name(2) + ".bias"):
			bias = "all"
		case k.has(name(0) + ".bias"):
			bias = "first"
		default:
			eps = "1e-5"
		}
		f.params = told("in_nc", out, "nc", k.dim(name(0)+".weight", 0), "nb", convs, "act_mode", act, "mode", mode, "bias", bias, "eps", eps)
		if f.assumed = append(f.assumed, "eps"); act == "R" {
			f.moot = append(f.moot, "eps")
		}
		if mode != "FDnCNN" {
			f.moot = append(f.moot, "noise_level")
		}
		return f
	},
	build: func(n *net, p *params) error {
		channels, feat, convs := p.number("in_nc", 1, 64), p.number("nc", 1, 4096), p.number("nb", 3, 256)
		act, mode, bias := p.choice("act_mode", "BR", "R"), p.choice("mode", "DnCNN", "FDnCNN", "IRCNN"), p.choice("bias", "all", "first", "none")
		eps, noise := p.real("eps"), p.real("noise_level")
		if mode == "IRCNN" && convs != 7 {
			p.fail("nb", "7 for IRCNN")
		}
		if p.err != nil {
			return p.err
		}
		x, h, in := n.image(channels, channels, 1), "", channels
		if h = x; mode == "FDnCNN" {
			h, in = n.withNoise(x, noise), channels+1
		}
		at := 0
		for i := range convs {
			w, out := square(3, 1), feat
			if mode == "IRCNN" {
				w.dilation = []int{1, 2, 3, 4, 3, 2, 1}[i]
				w.vertical, w.horizontal = w.dilation, w.dilation
			}
			if i == convs-1 {
				out = channels
			}
			w.unbiased = bias == "none" || bias == "first" && i > 0
			h, in, at = n.convWith(fmt.Sprintf("model.%d", at), h, in, out, w), out, at+1
			if i > 0 && i < convs-1 && act == "BR" {
				h, at = n.normWith(fmt.Sprintf("model.%d", at), h, feat, float64(eps)), at+1
			}
			if i < convs-1 {
				h, at = n.relu(h), at+1
			}
		}
		if mode != "FDnCNN" {
			h = n.sub(x, h)
		}
		n.output(h, channels)
		return nil
	},
}

// withNoise adds a channel that says the standard deviation of the noise, of 255, to an image.
func (n *net) withNoise(x string, level float32) string {
	return n.concat(x, n.shifted(n.mul(n.channels(x, 0, 1), n.constant(graph.Scalar(float32(0)))), level/255))
}
