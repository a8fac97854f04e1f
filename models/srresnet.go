package models

import (
	"fmt"
	"strconv"
	"strings"
)

// srStyle is how a code base writes SRResNet: names of its tensors, and what differs in its layers. In names {i} counts from 0, {3i} in steps of
// three and so on, {i+2} from 2; {m} and {u} are the number of blocks plus 2 and 3.
type srStyle struct {
	head, headAct, block, conv1, norm1, act, conv2, norm2, mid, midNorm, up, upNorm, upAct, tail string

	edgeBias, blockBias, upBias bool    // of the first and last convolution, those of blocks and behind them, and those that enlarge
	norm                        string  // batch, instance or affine (an instance norm with parameters)
	eps                         float64 // of batch norms of the blocks and behind them
	leaky                       bool    // leaky ReLU with slope 0.2 in place of PReLU
	final                       string  // tanh01 ((tanh+1)/2), tanh, clamp (to 0..1) or none
	metadata                    [][2]string
}

var imageNet = [][2]string{{"gansr.mean", "0.485,0.456,0.406"}, {"gansr.std", "0.229,0.224,0.225"}}

// srStyles are the ways of SRResNet that are common in PyTorch.
var srStyles = map[string]srStyle{
	"blocks": {head: "block1.0", headAct: "block1.1", block: "block{i+2}.", conv1: "conv1", norm1: "bn1", act: "prelu", conv2: "conv2", norm2: "bn2",
		mid: "block{m}.0", midNorm: "block{m}.1", up: "block{u}.{i}.conv", upAct: "block{u}.{i}.prelu", tail: "block{u}.{n}",
		edgeBias: true, blockBias: true, upBias: true, norm: "batch", eps: 1e-5, final: "tanh01"},
	"trunk": {head: "conv1.0", headAct: "conv1.1", block: "trunk.{i}.rcb.", conv1: "0", norm1: "1", act: "2", conv2: "3", norm2: "4",
		mid: "conv2.0", midNorm: "conv2.1", up: "upsampling.{i}.upsample_block.0", upAct: "upsampling.{i}.upsample_block.2", tail: "conv3",
		edgeBias: true, upBias: true, norm: "batch", eps: 1e-5, final: "clamp"},
	"conv_block": {head: "conv_block1.conv_block.0", headAct: "conv_block1.conv_block.1", block: "residual_blocks.{i}.", conv1: "conv_block1.conv_block.0",
		norm1: "conv_block1.conv_block.1", act: "conv_block1.conv_block.2", conv2: "conv_block2.conv_block.0", norm2: "conv_block2.conv_block.1",
		mid: "conv_block2.conv_block.0", midNorm: "conv_block2.conv_block.1", up: "subpixel_convolutional_blocks.{i}.conv",
		upAct: "subpixel_convolutional_blocks.{i}.prelu", tail: "conv_block3.conv_block.0", edgeBias: true, blockBias: true, upBias: true,
		norm: "batch", eps: 1e-5, final: "tanh", metadata: append([][2]string{{"gansr.output_range", "-1,1"}}, imageNet...)},
	"res_blocks": {head: "conv1.0", headAct: "conv1.1", block: "res_blocks.{i}.conv_block.", conv1: "0", norm1: "1", act: "2", conv2: "3", norm2: "4",
		mid: "conv2.0", midNorm: "conv2.1", up: "upsampling.{4i}", upNorm: "upsampling.{4i+1}", upAct: "upsampling.{4i+3}", tail: "conv3.0",
		edgeBias: true, blockBias: true, upBias: true, norm: "batch", eps: 0.8, final: "tanh", metadata: imageNet},
	"residual": {head: "conv_input", block: "residual.{i}.", conv1: "conv1", norm1: "in1", conv2: "conv2", norm2: "in2",
		mid: "conv_mid", midNorm: "bn_mid", up: "upscale4x.{3i}", tail: "conv_output", norm: "affine", leaky: true, final: "none"},
	"stem": {head: "neck.0", headAct: "neck.1", block: "stem.{i}.", conv1: "conv1", act: "relu1", conv2: "conv2", mid: "bottleneck.0",
		up: "upsampling.{i}.conv", upAct: "upsampling.{i}.relu", tail: "head.0", edgeBias: true, upBias: true, norm: "instance", final: "tanh",
		metadata: [][2]string{{"gansr.range", "-1,1"}}},
}

// at completes a name of the i-th part.
func (s srStyle) at(name string, i, blocks, ups int) string {
	return strings.NewReplacer("{i}", strconv.Itoa(i), "{i+2}", strconv.Itoa(i+2), "{3i}", strconv.Itoa(3*i), "{4i}", strconv.Itoa(4*i),
		"{4i+1}", strconv.Itoa(4*i+1), "{4i+3}", strconv.Itoa(4*i+3), "{m}", strconv.Itoa(blocks+2), "{u}", strconv.Itoa(blocks+3), "{n}", strconv.Itoa(ups)).Replace(name)
}

var srParams = []Param{
	{"num_in_ch", "3", "channels of the input and of the output"},
	{"num_feat", "64", "channels between the blocks"},
	{"num_block", "16", "residual blocks"},
	{"scale", "4", "how much larger the output is: 1, 2, 3, 4 or 8"},
	{"kernel", "9", "size of the first convolution, odd"},
	{"last_kernel", "9", "size of the last convolution, odd"},
}

// srResNet is the generator of SRGAN (C. Ledig et al., 2017) as several code bases write it.
var srResNet = Architecture{
	Name:    "SRResNet",
	Summary: "generator of SRGAN: residual blocks with batch normalisation, as several code bases write it",
	Params: append([]Param{{"style", "blocks", "whose names and details: blocks (in and out from 0 to 1), trunk (the same without tanh), conv_block " +
		"(ImageNet-normalised in, -1 to 1 out), res_blocks (ImageNet-normalised) or residual (instance norms)"}}, srParams...),
	detect: func(k keys) *found {
		for _, style := range strings.Fields("blocks trunk conv_block res_blocks residual") {
			for _, prefix := range []string{"", "net."} {
				if f := srDetect(k, srStyles[style], prefix); f != nil {
					f.params["style"] = style
					return f
				}
			}
		}
		return nil
	},
	build: func(n *net, p *params) error {
		return n.srResNet(p, srStyles[p.choice("style", "blocks", "trunk", "conv_block", "res_blocks", "residual")])
	},
}

// fastSRGAN is a small SRResNet with instance normalisation that works from -1 to 1 (Fast-SRGAN).
var fastSRGAN = Architecture{
	Name:    "FastSRGAN",
	Summary: "Fast-SRGAN: a small SRResNet with instance normalisation, from -1 to 1",
	Params: []Param{srParams[0], srParams[1], {"num_block", "8", "residual blocks"}, srParams[3],
		{"kernel", "3", "size of the first convolution, odd"}, {"last_kernel", "3", "size of the last convolution, odd"}},
	detect: func(k keys) *found { return srDetect(k, srStyles["stem"], "") },
	build:  func(n *net, p *params) error { return n.srResNet(p, srStyles["stem"]) },
}

// srDetect finds the parameters of srParams in tensors of a style whose names begin with a prefix.
func srDetect(k keys, s srStyle, prefix string) *found {
	blocks := 0
	for k.has(prefix + s.at(s.block+s.conv1, blocks, 0, 0) + ".weight") {
		blocks++
	}
	at := func(name string, i int) string { return prefix + s.at(name, i, blocks, 0) + ".weight" }
	feat := k.dim(at(s.head, 0), 0)
	ups := 0
	for name := at(s.up, ups); k.has(name) && name != at(s.tail, 0) && k.dim(name, 0) >= 4*feat; name = at(s.up, ups) {
		ups++
	}
	tail := prefix + s.at(s.tail, 0, blocks, ups) + ".weight"
	if blocks == 0 || !k.has(at(s.head, 0), tail) {
		return nil
	}
	scale := k.shuffled(feat, func(i int) string { return strings.TrimSuffix(at(s.up, i), ".weight") })
	f := &found{params: told("num_in_ch", k.dim(at(s.head, 0), 1), "num_feat", feat, "num_block", blocks, "scale", scale,
		"kernel", k.dim(at(s.head, 0), 2), "last_kernel", k.dim(tail, 2))}
	if prefix != "" {
		f.key = func(name string) string { return prefix + name }
	}
	return f
}

func (n *net) srResNet(p *params, s srStyle) error {
	channels, feat, blocks := p.number("num_in_ch", 1, 64), p.number("num_feat", 1, 4096), p.number("num_block", 0, 1024)
	scale, kernel, last := p.atScale("scale"), p.number("kernel", 1, 31), p.number("last_kernel", 1, 31)
	for _, key := range []string{"kernel", "last_kernel"} {
		if p.err == nil && p.number(key, 1, 31)%2 == 0 {
			p.fail(key, "odd")
		}
	}
	if p.err != nil {
		return p.err
	}
	ups := len(shuffles(scale))
	at := func(name string, i int) string { return s.at(name, i, blocks, ups) }
	act := func(name, x string) string {
		if s.leaky {
			return n.leaky(x, 0.2)
		}
		return n.prelu(name, x, 1)
	}
	norm := func(name, x string) string {
		switch s.norm {
		case "batch":
			return n.normWith(name, x, feat, s.eps)
		case "affine":
			return n.scaledPerChannel(name, n.instanceNorm(x, feat), feat)
		}
		return n.instanceNorm(x, feat)
	}
	x := n.image(channels, channels, scale)
	for _, kv := range s.metadata {
		if channels == 3 || kv[0] == "gansr.range" || kv[0] == "gansr.output_range" {
			n.set(kv[0], "%s", kv[1])
		}
	}
	first := act(s.headAct, n.conv(s.head, x, channels, feat, kernel, 1, s.edgeBias))
	h := first
	for i := range blocks {
		b := at(s.block, i)
		c := act(b+s.act, norm(b+s.norm1, n.conv(b+s.conv1, h, feat, feat, 3, 1, s.blockBias)))
		h = n.add(h, norm(b+s.norm2, n.conv(b+s.conv2, c, feat, feat, 3, 1, s.blockBias)))
	}
	h = n.add(first, norm(at(s.midNorm, 0), n.conv(at(s.mid, 0), h, feat, feat, 3, 1, s.blockBias)))
	for i, step := range shuffles(scale) {
		wide := feat * step * step
		h = n.conv(at(s.up, i), h, feat, wide, 3, 1, s.upBias)
		if s.upNorm != "" {
			h = n.norm(at(s.upNorm, i), h, wide) // with PyTorch's epsilon, whatever that of the blocks is
		}
		h = act(at(s.upAct, i), n.shuffle(h, step))
	}
	h = n.conv(at(s.tail, 0), h, feat, channels, last, 1, s.edgeBias)
	switch s.final {
	case "tanh01":
		h = n.scaled(n.shifted(n.tanh(h), 1), 0.5)
	case "tanh":
		h = n.tanh(h)
	case "clamp":
		h = n.clamped(h)
	}
	n.output(h, channels)
	return nil
}

// swiftSRGAN is the generator of Swift-SRGAN (K. Krishnan et al., 2021): SRResNet with depthwise separable convolutions. It gives back 0..1.
var swiftSRGAN = Architecture{
	Name:    "SwiftSRGAN",
	Summary: "generator of Swift-SRGAN: SRResNet with depthwise separable convolutions",
	Params: []Param{
		{"in_channels", "3", "channels of the input and of the output"},
		{"num_channels", "64", "channels between the blocks"},
		{"num_blocks", "16", "residual blocks"},
		{"upscale_factor", "4", "how much larger the output is: 1, 2, 4 or 8"},
	},
	detect: func(k keys) *found {
		if !k.has("initial.cnn.depthwise.weight", "final_conv.pointwise.weight") {
			return nil
		}
		return &found{params: told("in_channels", k.dim("initial.cnn.depthwise.weight", 0), "num_channels", k.dim("initial.cnn.pointwise.weight", 0),
			"num_blocks", k.count("residual.%d.block1.cnn.depthwise.weight"), "upscale_factor", 1<<min(8, k.count("upsampler.%d.conv.depthwise.weight")))}
	},
	build: func(n *net, p *params) error {
		channels, feat, blocks := p.number("in_channels", 1, 64), p.number("num_channels", 1, 4096), p.number("num_blocks", 0, 1024)
		p.choice("upscale_factor", "1", "2", "4", "8")
		scale := p.number("upscale_factor", 1, 8)
		if p.err != nil {
			return p.err
		}
		separable := func(name, x string, in, out, kernel int, bias bool) string {
			w := square(kernel, in)
			w.unbiased = !bias
			return n.conv(name+".pointwise", n.convWith(name+".depthwise", x, in, in, w), in, out, 1, 1, bias)
		}
		block := func(name, x string, active bool) string {
			y := n.norm(name+".bn", separable(name+".cnn", x, feat, feat, 3, false), feat)
			if active {
				return n.prelu(name+".act", y, feat)
			}
			n.weight(name+".act.weight", constant(0.25), feat) // it is there, and unused
			return y
		}
		first := n.prelu("initial.act", separable("initial.cnn", n.image(channels, channels, scale), channels, feat, 9, true), feat)
		h := first
		for i := range blocks {
			name := fmt.Sprintf("residual.%d.block", i)
			h = n.add(block(name+"2", block(name+"1", h, true), false), h)
		}
		h = n.add(block("convblock", h, false), first)
		for i := range shuffles(scale) {
			name := fmt.Sprintf("upsampler.%d", i)
			h = n.prelu(name+".act", n.shuffle(separable(name+".conv", h, feat, 4*feat, 3, true), 2), feat)
		}
		h = separable("final_conv", h, feat, channels, 9, true)
		n.output(n.scaled(n.shifted(n.tanh(h), 1), 0.5), channels)
		return nil
	},
}
