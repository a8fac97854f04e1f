package models

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gansr/gansr/graph"
)

// courseGenerator is the generator of a course on adversarial losses: residual blocks of 7x7 convolutions at the size of the
// input, a pixel shuffle, and the input enlarged bilinearly added. It works in ImageNet-normalised RGB, in and out.
var courseGenerator = Architecture{
	Name:    "CourseGenerator",
	Summary: "generator of the course on adversarial losses: residual blocks of 7x7 convolutions",
	Params: []Param{
		{"widths", "16,32,64,128,256", "channels of the blocks; the last is a multiple of scale²"},
		{"kernel", "7", "size of the convolutions, odd"},
		{"scale", "4", "how much larger the output is, 1 to 8"},
	},
	detect: func(k keys) *found {
		blocks := k.count("model.%d.conv1.weight")
		end := fmt.Sprintf("model.%d.weight", blocks+1)
		if blocks == 0 || !k.has(end) {
			return nil
		}
		var widths []string
		for i := range blocks {
			widths = append(widths, strconv.Itoa(k.dim(fmt.Sprintf("model.%d.conv1.weight", i), 0)))
		}
		last := k.dim(fmt.Sprintf("model.%d.conv1.weight", blocks-1), 0)
		return &found{params: map[string]string{"widths": strings.Join(widths, ","), "kernel": strconv.Itoa(k.dim(end, 2)),
			"scale": strconv.Itoa(root(last / max(1, k.dim(end, 1))))}}
	},
	build: func(n *net, p *params) error {
		widths, kernel, scale := p.numbers("widths", 4096), p.number("kernel", 1, 31), p.number("scale", 1, 8)
		if kernel%2 == 0 {
			p.fail("kernel", "odd")
		}
		last := widths[len(widths)-1]
		if last%(scale*scale) != 0 {
			p.fail("widths", fmt.Sprintf("such that the last is a multiple of scale², which is %d", scale*scale))
		}
		if p.err != nil {
			return p.err
		}
		x := n.image(3, 3, scale)
		n.set("gansr.mean", "0.485,0.456,0.406")
		n.set("gansr.std", "0.229,0.224,0.225")
		h, in := x, 3
		for i, out := range widths {
			name := fmt.Sprintf("model.%d", i)
			c := n.norm(name+".bn1", n.relu(n.conv(name+".conv1", h, in, out, kernel, 1, false)), out)
			c = n.add(n.conv(name+".conv2", c, out, out, kernel, 1, false), n.conv(name+".shortcut.0", h, in, out, 1, 1, false))
			h, in = n.norm(name+".bn2", n.relu(c), out), out
		}
		h = n.shuffle(h, scale)
		h = n.conv(fmt.Sprintf("model.%d", len(widths)+1), h, last/(scale*scale), 3, kernel, 1, true)
		up := x
		if scale > 1 {
			up = n.bilinear(x, scale)
		}
		n.output(n.add(up, h), 3)
		return nil
	},
}

// courseCritic is the critic of the same course. Its input is [N, 3, S, S] in ImageNet-normalised RGB with S = pool·2^len(widths)
// (256 by default), its output [N, 1]: an unbounded score.
var courseCritic = Architecture{
	Name:    "CourseCritic",
	Summary: "critic of the course on adversarial losses: convolutions with stride 2 and one score",
	Params: []Param{
		{"widths", "32,64,128,256,512,1024", "channels of the convolutions"},
		{"pool", "4", "size of the average pool at the end"},
	},
	detect: func(k keys) *found {
		last := k.highest("model.%d.weight")
		if last < 4 || last > 40 || last%2 != 0 || k.dim("model.0.weight", 2) != 9 {
			return nil
		}
		var widths []string
		for i := 0; i < last-2; i += 2 {
			widths = append(widths, strconv.Itoa(k.dim(fmt.Sprintf("model.%d.weight", i), 0)))
		}
		return &found{params: map[string]string{"widths": strings.Join(widths, ",")}}
	},
	build: func(n *net, p *params) error {
		widths, pool := p.numbers("widths", 4096), p.number("pool", 1, 64)
		if len(widths) > 10 {
			p.fail("widths", "at most 10 numbers")
		}
		if p.err != nil {
			return p.err
		}
		size := pool << len(widths)
		h, in := n.b.Input("input", graph.Float32, "n", 3, size, size), 3
		for i, out := range widths {
			kernel := 5
			if i == 0 {
				kernel = 9
			}
			h = n.leaky(n.conv(fmt.Sprintf("model.%d", 2*i), h, in, out, kernel, 2, true), 0.01)
			in = out
		}
		h = n.b.Node("AveragePool", []string{h}, attr("kernel_shape", []int{pool, pool}), attr("strides", []int{pool, pool}))
		h = n.b.Node("Flatten", []string{h})
		w := n.weight(fmt.Sprintf("model.%d.weight", 2*len(widths)+2), n.uniform(in), 1, in)
		n.b.Output("output", n.b.Node("Gemm", []string{h, w}, attr("transB", 1)), graph.Float32, "n", 1)
		return nil
	},
}
