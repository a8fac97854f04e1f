package models

import (
	"fmt"
	"math"
	"strconv"

	"github.com/gansr/gansr/graph"
)

// unetDiscriminator is the critic of Real-ESRGAN (X. Wang et al., arXiv:2107.10833): a U-Net whose convolutions are divided by their spectral norm
// (Miyato et al., arXiv:1802.05957). Its output is a score for each pixel, [N, 1, H, W], unbounded; height and width are multiples of 8.
var unetDiscriminator = Architecture{
	Name:    "UNetDiscriminatorSN",
	Summary: "critic of Real-ESRGAN: U-Net with spectral normalisation, one score for each pixel",
	Params: []Param{
		{"num_in_ch", "3", "channels of the input"},
		{"num_feat", "64", "channels at full size; twice as many at each halving"},
		{"skip_connection", "true", "true or false: add what went down to what comes up"},
	},
	detect: func(k keys) *found {
		if !k.has("conv0.weight", "conv1.weight_orig", "conv8.weight_orig", "conv9.weight") {
			return nil
		}
		return &found{params: map[string]string{"num_in_ch": strconv.Itoa(k.dim("conv0.weight", 1)), "num_feat": strconv.Itoa(k.dim("conv0.weight", 0))}}
	},
	build: func(n *net, p *params) error {
		in, feat := p.number("num_in_ch", 1, 64), p.number("num_feat", 1, 1024)
		skip := p.flag("skip_connection")
		if p.err != nil {
			return p.err
		}
		act := func(x string) string { return n.leaky(x, 0.2) }
		h := act(n.conv("conv0", n.b.Input("input", graph.Float32, "n", in, "h", "w"), in, feat, 3, 1, true))
		levels := []string{h}
		for i := range 3 {
			h = act(n.spectralConv(fmt.Sprintf("conv%d", i+1), h, feat<<i, feat<<(i+1), 4, 2))
			levels = append(levels, h)
		}
		for i := range 3 {
			h = n.resize(h, 2, attr("mode", "linear"), attr("coordinate_transformation_mode", "half_pixel"))
			h = act(n.spectralConv(fmt.Sprintf("conv%d", i+4), h, feat<<(3-i), feat<<(2-i), 3, 1))
			if skip {
				h = n.add(h, levels[2-i])
			}
		}
		for _, name := range []string{"conv7", "conv8"} {
			h = act(n.spectralConv(name, h, feat, feat, 3, 1))
		}
		n.b.Output("output", n.conv("conv9", h, feat, 1, 3, 1, true), graph.Float32, "n", 1, "h", "w")
		return nil
	},
}

// spectralConv is spectral_norm(nn.Conv2d(in, out, kernel, stride, padding=1, bias=False)) in inference: the weights, name.weight_orig, divided by
// the product uᵀ·W·v with the estimates of the first singular vectors, name.weight_u and name.weight_v, that training keeps.
func (n *net) spectralConv(name, x string, in, out, kernel, stride int) string {
	fan := in * kernel * kernel
	w := n.weight(name+".weight_orig", n.uniform(fan), out, in, kernel, kernel)
	u := n.weight(name+".weight_u", n.direction(out), out)
	v := n.weight(name+".weight_v", n.direction(fan), fan)
	matrix := n.b.Node("Reshape", []string{w, n.constant(graph.Ints(out, fan))})
	sigma := n.b.Node("MatMul", []string{u, n.b.Node("MatMul", []string{matrix, v})})
	return n.convolve([]string{x, n.b.Node("Div", []string{w, sigma})}, kernel, stride, 1)
}

// direction gives the elements of a random vector of length 1.
func (n *net) direction(size int) func() float32 {
	if n.rng == nil {
		return nil
	}
	vector, sum := make([]float64, size), 0.0
	for i := range vector {
		vector[i] = n.rng.NormFloat64()
		sum += vector[i] * vector[i]
	}
	next := 0
	return func() float32 {
		next++
		return float32(vector[next-1] / math.Sqrt(sum))
	}
}
