package models

import (
	"fmt"
	"regexp"
	"slices"

	"github.com/gansr/gansr/graph"
)

// told makes the parameters of a found from names and values in turn.
func told(pairs ...any) map[string]string {
	m := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[fmt.Sprint(pairs[i])] = fmt.Sprint(pairs[i+1])
	}
	return m
}

// renamed makes a function for found.key: pairs are a pattern and what takes the place of its match, in turn; the first that matches counts.
func renamed(pairs ...string) func(string) string {
	var patterns []*regexp.Regexp
	for i := 0; i < len(pairs); i += 2 {
		patterns = append(patterns, regexp.MustCompile(pairs[i]))
	}
	return func(name string) string {
		for i, p := range patterns {
			if p.MatchString(name) {
				return p.ReplaceAllString(name, pairs[2*i+1])
			}
		}
		return name
	}
}

// convUp is nn.ConvTranspose2d(in, out, kernel, stride, pad, outPad, bias=bias).
func (n *net) convUp(name, x string, in, out, kernel, stride, pad, outPad int, bias bool) string {
	init := n.uniform(out * kernel * kernel)
	inputs := []string{x, n.weight(name+".weight", init, in, out, kernel, kernel)}
	if bias {
		inputs = append(inputs, n.weight(name+".bias", init, out))
	}
	return n.b.Node("ConvTranspose", inputs, attr("kernel_shape", []int{kernel, kernel}), attr("strides", []int{stride, stride}),
		attr("pads", []int{pad, pad, pad, pad}), attr("output_padding", []int{outPad, outPad}))
}

func (n *net) tanh(x string) string { return n.b.Node("Tanh", []string{x}) }

func (n *net) sub(a, b string) string { return n.b.Node("Sub", []string{a, b}) }

// shifted is x + term.
func (n *net) shifted(x string, term float32) string {
	return n.add(x, n.constant(graph.Scalar(term)))
}

// gatedByMean is the channel attention of RCAN: x times a gate for each channel, that two 1x1 convolutions (down and up) make of the means.
// With contrast, which IMDN has, the standard deviations add to the means.
func (n *net) gatedByMean(down, up, x string, channels, squeezed int, contrast bool) string {
	m := n.globalMean(x)
	if contrast {
		d := n.sub(x, m)
		m = n.add(n.b.Node("Sqrt", []string{n.globalMean(n.mul(d, d))}), m)
	}
	m = n.relu(n.conv(down, m, channels, squeezed, 1, 1, true))
	return n.mul(x, n.sigmoid(n.conv(up, m, squeezed, channels, 1, 1, true)))
}

// spatialGate is ESA, the enhanced spatial attention of RFDN (J. Liu et al., 2020): x times a gate that is computed at a sixth of the size.
// deep has three convolutions at the small size, RLFN's has one. Height and width are at least 15.
func (n *net) spatialGate(name, x string, channels, squeezed int, deep bool) string {
	conv := func(part, x string) string { return n.conv(name+"."+part, x, squeezed, squeezed, 3, 1, true) }
	first := n.conv(name+".conv1", x, channels, squeezed, 1, 1, true)
	beside := n.conv(name+".conv_f", first, squeezed, squeezed, 1, 1, true)
	h := n.convWith(name+".conv2", first, squeezed, squeezed, valid(3, 2))
	h = n.b.Node("MaxPool", []string{h}, attr("kernel_shape", []int{7, 7}), attr("strides", []int{3, 3}))
	if deep {
		h = n.relu(conv("conv_max", h))
		h = conv("conv3_", n.relu(conv("conv3", h)))
	} else {
		h = conv("conv3", h)
	}
	h = n.add(n.bilinearLike(h, x), beside)
	return n.mul(x, n.sigmoid(n.conv(name+".conv4", h, squeezed, channels, 1, 1, true)))
}

// bilinearLike is F.interpolate(x, like.shape[2:], mode="bilinear", align_corners=False).
func (n *net) bilinearLike(x, like string) string {
	sizes := n.b.Node("Concat", []string{n.b.Node("Shape", []string{x}, attr("start", 0), attr("end", 2)), n.size(like)}, attr("axis", 0))
	return n.b.Node("Resize", []string{x, "", "", sizes}, attr("mode", "linear"), attr("coordinate_transformation_mode", "half_pixel"))
}

// enlarged is F.interpolate(x, scale_factor=scale, mode=mode, align_corners=False), where mode is linear (PyTorch's bilinear) or cubic; the
// cubic's coefficient a is -0.5, that of MATLAB and Pillow.
func (n *net) enlarged(x string, scale int, mode string) string {
	if scale == 1 {
		return x
	}
	return n.resize(x, scale, attr("mode", mode), attr("coordinate_transformation_mode", "half_pixel"), attr("cubic_coeff_a", -0.5))
}

// shuffles returns the factors of the pixel shuffles that make up a scale as EDSR has it: twos, or one three.
func shuffles(scale int) []int {
	if scale == 3 {
		return []int{3}
	}
	var steps []int
	for ; scale > 1; scale /= 2 {
		steps = append(steps, 2)
	}
	return steps
}

// shuffleUp enlarges by 3x3 convolutions with a pixel shuffle behind each, as EDSR does. name gives the convolutions' names; act, if not
// nil, comes before the shuffle.
func (n *net) shuffleUp(x string, feat, scale, groups int, name func(i int) string, act func(x string) string) string {
	for i, s := range shuffles(scale) {
		x = n.convWith(name(i), x, feat, feat*s*s, square(3, groups))
		if act != nil {
			x = act(x)
		}
		x = n.shuffle(x, s)
	}
	return x
}

// shuffled returns the scale that convolutions before pixel shuffles make, whose names are name(0), name(1), ... feat is the number of channels
// between them.
func (k keys) shuffled(feat int, name func(i int) string) int {
	scale := 1
	for i := 0; k.has(name(i) + ".weight"); i++ {
		scale *= max(1, root(k.dim(name(i)+".weight", 0)/max(1, feat)))
	}
	return scale
}

// atScale reads a scale that is made of pixel shuffles.
func (p *params) atScale(key string) int {
	p.choice(key, "1", "2", "3", "4", "8")
	return p.number(key, 1, 8)
}

// div2k is the mean colour of the DIV2K pictures, in 0..1, which EDSR and what follows it subtract.
const div2k = "0.4488,0.4371,0.4040"

// centred takes the mean colour from an image and gives it back: a 1x1 convolution, constants, or not at all.
type centred struct {
	mode   string // layer, constant or none
	factor float32
	mean   []float32
}

// centredParams are the hyper-parameters that centring reads.
var centredParams = []Param{
	{"rgb_range", "255", "what the image, from 0 to 1, is multiplied by inside the network"},
	{"mean_shift", "layer", "how the mean colour is taken from the image: layer (a convolution, sub_mean and add_mean), constant (rgb_mean) or none"},
	{"rgb_mean", div2k, "mean colour for mean_shift=constant, from 0 to 1"},
}

func (p *params) centring(channels int) centred {
	c := centred{p.choice("mean_shift", "layer", "constant", "none"), p.real("rgb_range"), p.reals("rgb_mean")}
	switch {
	case c.factor == 0:
		p.fail("rgb_range", "another number than 0")
	case c.mode == "constant" && len(c.mean) != channels:
		p.fail("rgb_mean", fmt.Sprintf("%d numbers, one for each channel", channels))
	}
	return c
}

func (n *net) centre(c centred, x string, channels int) string {
	if c.mode == "constant" {
		x = n.sub(x, n.perChannel(c.mean))
	}
	if c.factor != 1 {
		x = n.scaled(x, c.factor)
	}
	if c.mode == "layer" {
		x = n.conv("sub_mean", x, channels, channels, 1, 1, true)
	}
	return x
}

func (n *net) decentre(c centred, x string, channels int) string {
	if c.mode == "layer" {
		x = n.conv("add_mean", x, channels, channels, 1, 1, true)
	}
	if c.factor != 1 {
		x = n.scaled(x, 1/c.factor)
	}
	if c.mode == "constant" {
		x = n.add(x, n.perChannel(c.mean))
	}
	return x
}

// centring finds the parameters of centredParams. The bias of sub_mean is minus the mean colour in the network's range, unless training
// changed it.
func (f *found) centring(k keys) {
	f.params["mean_shift"], f.params["rgb_range"], f.params["rgb_mean"] = "layer", "255", div2k
	t := k.state["sub_mean.bias"]
	if t == nil || !t.DType().IsFloat() {
		f.params["mean_shift"], f.params["rgb_range"] = "none", "1"
		f.assumed = append(f.assumed, "rgb_range")
		return
	}
	bias := graph.Data[float32](t.Converted(graph.Float32))
	if len(bias) == 0 {
		return
	}
	switch least, most := slices.Min(bias), slices.Max(bias); {
	case least > -0.7 && most < -0.25:
		f.params["rgb_range"] = "1"
	case most > -50:
		f.assumed = append(f.assumed, "rgb_range")
	}
}

// basicSR finds the same for BasicSR's names, where the mean colour is no tensor.
func (f *found) basicSR(colours int) {
	if colours == 3 {
		f.params["mean_shift"], f.params["rgb_range"], f.params["rgb_mean"] = "constant", "255", div2k
	} else {
		f.params["mean_shift"], f.params["rgb_range"], f.params["rgb_mean"] = "constant", "255", "0"
	}
	f.assumed = append(f.assumed, "rgb_range", "rgb_mean")
}

// clamped is torch.clamp(x, 0, 1).
func (n *net) clamped(x string) string {
	return n.b.Node("Clip", []string{x, n.constant(graph.Scalar(float32(0))), n.constant(graph.Scalar(float32(1)))})
}

// normWith is nn.BatchNorm2d(channels, eps=eps), as in inference.
func (n *net) normWith(name, x string, channels int, eps float64) string {
	return n.b.Node("BatchNormalization", []string{x, n.weight(name+".weight", constant(1), channels), n.weight(name+".bias", constant(0), channels),
		n.weight(name+".running_mean", constant(0), channels), n.weight(name+".running_var", constant(1), channels)},
		attr("epsilon", eps), attr("momentum", 0.9)) // ONNX's momentum is one minus PyTorch's
}
