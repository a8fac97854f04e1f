package models

import (
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
)

// patchGAN is the critic of pix2pix (Isola et al., arXiv:1611.07004): convolutions of 4x4 of which each score sees one patch. Its output is a
// map of scores, [N, 1, H', W'], unbounded.
var patchGAN = Architecture{
	Name:    "PatchGAN",
	Summary: "critic of pix2pix: convolutions of 4x4, one score for each patch",
	Params: []Param{
		{"ndf", "64", "channels of the first convolution; those that follow have up to eight times as many"},
		{"n_layers", "3", "convolutions with stride 2, 1 to 7"},
		{"norm", "none", "batch, instance or none: what is between convolutions"},
	},
	detect: func(k keys) *found {
		last := k.highest("model.%d.weight")
		if k.dim("model.0.weight", 2) != 4 || k.dim(fmt.Sprintf("model.%d.weight", last), 0) != 1 {
			return nil
		}
		norm := "none"
		switch {
		case k.has("model.3.running_mean"):
			norm = "batch"
		case k.has("model.2.bias"):
			norm = "instance"
		}
		return &found{params: map[string]string{"ndf": strconv.Itoa(k.dim("model.0.weight", 0)), "n_layers": strconv.Itoa((last - 2) / 3), "norm": norm}}
	},
	build: func(n *net, p *params) error {
		in, layers := p.number("ndf", 1, 4096), p.number("n_layers", 1, 7)
		norm := p.choice("norm", "batch", "instance", "none")
		if p.err != nil {
			return p.err
		}
		conv := func(at int, x string, in, out, stride int, bias bool) string {
			return n.conv4(fmt.Sprintf("model.%d", at), x, in, out, stride, bias)
		}
		ndf := in
		h := n.leaky(conv(0, n.b.Input("input", graph.Float32, "n", 3, "h", "w"), 3, in, 2, true), 0.2)
		for i := 1; i <= layers; i++ {
			out, stride, at := ndf*min(1<<i, 8), 2, 3*i-1
			if i == layers {
				stride = 1
			}
			h = conv(at, h, in, out, stride, norm == "instance")
			switch norm {
			case "batch":
				h = n.norm(fmt.Sprintf("model.%d", at+1), h, out)
			case "instance":
				h = n.instanceNorm(h, out)
			}
			h, in = n.leaky(h, 0.2), out
		}
		n.b.Output("output", conv(3*layers+2, h, in, 1, 1, true), graph.Float32, "n", 1, "h_out", "w_out")
		return nil
	},
}

// conv4 is nn.Conv2d(in, out, 4, stride, padding=1, bias).
func (n *net) conv4(name, x string, in, out, stride int, bias bool) string {
	init := n.uniform(in * 16)
	inputs := []string{x, n.weight(name+".weight", init, out, in, 4, 4)}
	if bias {
		inputs = append(inputs, n.weight(name+".bias", init, out))
	}
	return n.convolve(inputs, 4, stride, 1)
}

// convolve is a convolution of a picture with weights and perhaps a bias.
func (n *net) convolve(inputs []string, kernel, stride, pad int) string {
	return n.b.Node("Conv", inputs, attr("kernel_shape", []int{kernel, kernel}), attr("pads", []int{pad, pad, pad, pad}), attr("strides", []int{stride, stride}))
}

// instanceNorm is nn.InstanceNorm2d(channels), which has no parameters.
func (n *net) instanceNorm(x string, channels int) string {
	ones := graph.NewTensor(graph.Float32, channels)
	for i := range graph.Data[float32](ones) {
		graph.Data[float32](ones)[i] = 1
	}
	return n.b.Node("InstanceNormalization", []string{x, n.constant(ones), n.constant(graph.NewTensor(graph.Float32, channels))}, attr("epsilon", 1e-5))
}

// NewCritic is New for an architecture that scores pictures, for square ones of a size. Of parameters that are not given it chooses those
// that must fit the size: CourseCritic has six halvings where the size can be halved as often and leaves at least 3 to pool, and
// fewer otherwise. It is an error if the size does not suit the architecture.
func NewCritic(arch string, values map[string]string, size int, seed uint64) (*onnxio.Model, error) {
	a, err := find(arch)
	if err != nil {
		return nil, err
	}
	if size < 1 {
		return nil, fmt.Errorf("models: %s for pictures of size %d; the size should be positive", a.Name, size)
	}
	p, err := a.params(nil, values)
	if err != nil {
		return nil, err
	}
	fit := maps.Clone(values)
	if fit == nil {
		fit = map[string]string{}
	}
	switch a.Name {
	case courseCritic.Name:
		err = fitCourseCritic(p, fit, size)
	case patchGAN.Name:
		if layers := p.number("n_layers", 1, 7); size>>layers < 3 {
			err = fmt.Errorf("n_layers is %d, so pictures should be %d wide and high at least, not %d", layers, 3<<layers, size)
		}
	case unetDiscriminator.Name:
		if size%8 != 0 {
			err = fmt.Errorf("pictures should have a size that is a multiple of 8, not %d", size)
		}
	default:
		err = fmt.Errorf("it is no critic; there are %s, %s and %s", courseCritic.Name, patchGAN.Name, unetDiscriminator.Name)
	}
	if err != nil {
		return nil, fmt.Errorf("models: %s: %w", a.Name, err)
	}
	return New(arch, fit, seed)
}

// fitCourseCritic chooses widths and pool so that size is pool·2^len(widths).
func fitCourseCritic(p *params, fit map[string]string, size int) error {
	widths := p.numbers("widths", 4096)
	if p.err != nil {
		return p.err
	}
	depth := len(widths)
	if fit["widths"] == "" {
		for depth > 1 && (size%(1<<depth) != 0 || size>>depth < 3) {
			depth--
		}
		fit["widths"] = strings.ReplaceAll(list(widths[:depth], strconv.Itoa), " ", ",")
	}
	if fit["pool"] == "" {
		fit["pool"] = strconv.Itoa(max(1, size>>depth))
		p.values["pool"] = fit["pool"]
	}
	if pool := p.number("pool", 1, 64); p.err == nil && pool<<depth != size {
		return fmt.Errorf("with %d widths and pool %d it scores pictures of size %d, not %d", depth, pool, pool<<depth, size)
	}
	return p.err
}
