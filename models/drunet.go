package models

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gansr/gansr/graph"
)

// drunet is the denoiser of plug-and-play restoration (K. Zhang et al., 2021): a residual U-net without biases, whose last input channel
// is the level of the noise.
var drunet = Architecture{
	Name:    "DRUNet",
	Summary: "denoiser, a residual U-net: the last channel of its input is the level of the noise",
	Params: []Param{
		{"in_nc", "4", "channels of the input, with that of the noise"},
		{"out_nc", "3", "channels of the output"},
		{"nc", "64,128,256,512", "channels of the four levels"},
		{"nb", "4", "residual blocks of each level"},
		{"noise", "input", "input: a channel of the input is the level, of 0..1; a number: the graph adds that channel, and the number is of 0..255"},
	},
	detect: func(k keys) *found {
		f := &found{}
		if k.has("m_body.res.0.weight") { // a single block is no sequence
			f.key = func(name string) string { return strings.Replace(name, "m_body.0.", "m_body.", 1) }
		}
		body := f.name("m_body.0.res.0.weight")
		if !k.has("m_head.weight", "m_down1.0.res.0.weight", body, "m_up3.0.weight", "m_tail.weight") {
			return nil
		}
		var widths []string
		for _, name := range []string{"m_head.weight", "m_down2.0.res.0.weight", "m_down3.0.res.0.weight", body} {
			widths = append(widths, strconv.Itoa(k.dim(name, 0)))
		}
		f.params = map[string]string{"in_nc": strconv.Itoa(k.dim("m_head.weight", 1)), "out_nc": strconv.Itoa(k.dim("m_tail.weight", 0)),
			"nc": strings.Join(widths, ","), "nb": strconv.Itoa(k.count("m_down1.%d.res.0.weight"))}
		return f
	},
	build: func(n *net, p *params) error {
		in, out, widths, blocks := p.number("in_nc", 1, 64), p.number("out_nc", 1, 64), p.numbers("nc", 4096), p.number("nb", 1, 256)
		if len(widths) != 4 {
			p.fail("nc", "four numbers")
		}
		level, given := float32(0), p.values["noise"] != "input"
		if given {
			level = p.real("noise") / 255
			if in < 2 {
				p.fail("in_nc", "at least 2, one of them for the noise")
			}
		}
		if p.err != nil {
			return p.err
		}
		colours := in
		if given {
			colours--
		}
		image := n.image(colours, out, 1)
		n.set("gansr.multiple", "8")
		x := n.padded(image, 8, "edge")
		if given {
			first := n.channels(x, 0, 1)
			x = n.concat(x, n.add(n.scaled(first, 0), n.constant(graph.Scalar(level))))
		}
		chain := func(name, h string, from, width int) string {
			for i := range blocks {
				part := fmt.Sprintf("%s.%d.res.", name, from+i)
				h = n.add(n.conv(part+"2", n.relu(n.conv(part+"0", h, width, width, 3, 1, false)), width, width, 3, 1, false), h)
			}
			return h
		}
		h := n.conv("m_head", x, in, widths[0], 3, 1, false)
		skips := []string{h}
		half := valid(2, 2)
		half.unbiased = true
		for i := range 3 {
			name := fmt.Sprintf("m_down%d", i+1)
			h = n.convWith(fmt.Sprintf("%s.%d", name, blocks), chain(name, h, 0, widths[i]), widths[i], widths[i+1], half)
			skips = append(skips, h)
		}
		h = chain("m_body", h, 0, widths[3])
		for i := 2; i >= 0; i-- {
			name := fmt.Sprintf("m_up%d", i+1)
			h = chain(name, n.upconv(name+".0", n.add(h, skips[i+1]), widths[i+1], widths[i], 2, 2, 0, false), 1, widths[i])
		}
		h = n.conv("m_tail", n.add(h, skips[0]), widths[0], out, 3, 1, false)
		n.output(n.cropped(h, image, 1), out)
		return nil
	},
}
