package models

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
)

const (
	opset = 17
	// The most parameters a network may have: 1 GiB of them, half of what an ONNX file can hold.
	maxParameters = 1 << 28
)

// net builds a network layer by layer, with PyTorch's names and initial values. Values are the names of tensors.
type net struct {
	b          *onnxio.Builder
	rng        *rand.Rand
	parameters int
	constants  map[string]string // names by type and value
	metadata   [][2]string
	err        error
}

func newNet(name string, rng *rand.Rand) *net {
	return &net{b: onnxio.NewBuilder(name, opset), rng: rng, constants: map[string]string{}}
}

func (n *net) model() (*onnxio.Model, error) {
	m, err := n.b.Model()
	if err != nil {
		return nil, err
	}
	for _, kv := range n.metadata {
		m.SetMetadata(kv[0], kv[1])
	}
	return m, nil
}

func (n *net) set(key, format string, args ...any) {
	n.metadata = append(n.metadata, [2]string{key, fmt.Sprintf(format, args...)})
}

// image adds the input of a generator and says what the network is for. scale is how much larger the output is.
func (n *net) image(in, out, scale int) string {
	n.set("gansr.scale", "%d", scale)
	n.set("gansr.range", "0,1")
	switch {
	case in == 1 && out == 1:
		n.set("gansr.channels", "y")
	case in == 3 && out == 3:
		n.set("gansr.channels", "rgb")
	}
	return n.b.Input("input", graph.Float32, "n", in, "h", "w")
}

func (n *net) output(x string, channels int) {
	n.b.Output("output", x, graph.Float32, "n", channels, "h_out", "w_out")
}

func attr(name string, value any) onnxio.Attr { return onnxio.Attr{Name: name, Value: value} }

// weight adds a parameter whose values fill gives one after the other. A net without rng only counts them.
func (n *net) weight(name string, fill func() float32, shape ...int) string {
	count, ok := graph.Numel(shape)
	if n.parameters += count; !ok || n.parameters > maxParameters {
		n.parameters = maxParameters
		n.err = fmt.Errorf("the network has more than %d parameters", maxParameters)
	}
	if n.rng == nil {
		return name
	}
	t := graph.NewTensor(graph.Float32, shape...)
	for i, d := 0, graph.Data[float32](t); i < len(d); i++ {
		d[i] = fill()
	}
	return n.b.Init(name, t)
}

func constant(v float32) func() float32 { return func() float32 { return v } }

// uniform is what PyTorch draws the weights and biases of convolutions and linear layers from: kaiming_uniform_ with
// a = sqrt(5), and ±1/sqrt(fan_in), are the same distribution.
func (n *net) uniform(fanIn int) func() float32 {
	bound := 1 / math.Sqrt(float64(fanIn))
	return func() float32 { return float32(bound * (2*n.rng.Float64() - 1)) }
}

// conv is nn.Conv2d(in, out, kernel, stride, padding=kernel//2, bias).
func (n *net) conv(name, x string, in, out, kernel, stride int, bias bool) string {
	init := n.uniform(in * kernel * kernel)
	inputs := []string{x, n.weight(name+".weight", init, out, in, kernel, kernel)}
	if bias {
		inputs = append(inputs, n.weight(name+".bias", init, out))
	}
	p := kernel / 2
	return n.b.Node("Conv", inputs, attr("kernel_shape", []int{kernel, kernel}), attr("pads", []int{p, p, p, p}), attr("strides", []int{stride, stride}))
}

// norm is nn.BatchNorm2d, as in inference.
func (n *net) norm(name, x string, channels int) string {
	return n.b.Node("BatchNormalization", []string{x, n.weight(name+".weight", constant(1), channels), n.weight(name+".bias", constant(0), channels),
		n.weight(name+".running_mean", constant(0), channels), n.weight(name+".running_var", constant(1), channels)},
		attr("epsilon", 1e-5), attr("momentum", 0.9)) // ONNX's momentum is one minus PyTorch's
}

func (n *net) relu(x string) string { return n.b.Node("Relu", []string{x}) }

func (n *net) leaky(x string, slope float64) string {
	return n.b.Node("LeakyRelu", []string{x}, attr("alpha", slope))
}

// prelu is nn.PReLU(channels).
func (n *net) prelu(name, x string, channels int) string {
	// ONNX broadcasts a slope to the last axes, PyTorch's has the channels alone.
	slope := n.b.Node("Unsqueeze", []string{n.weight(name+".weight", constant(0.25), channels), n.constant(graph.Ints(1, 2))})
	return n.b.Node("PRelu", []string{x, slope})
}

func (n *net) add(a, b string) string { return n.b.Node("Add", []string{a, b}) }

// scaled is x·factor.
func (n *net) scaled(x string, factor float32) string {
	return n.b.Node("Mul", []string{x, n.constant(graph.Scalar(factor))})
}

func (n *net) concat(xs ...string) string { return n.b.Node("Concat", xs, attr("axis", 1)) }

// constant adds a value that is no parameter, once.
func (n *net) constant(t *graph.Tensor) string {
	key := fmt.Sprint(t.Type(), t.Data())
	if n.constants[key] == "" {
		n.constants[key] = n.b.Node("Constant", nil, attr("value", t))
	}
	return n.constants[key]
}

// resize enlarges height and width by a whole number.
func (n *net) resize(x string, scale int, attrs ...onnxio.Attr) string {
	f := float32(scale)
	scales, err := graph.FromSlice([]float32{1, 1, f, f}, 4)
	if err != nil {
		n.err = err
		return x
	}
	return n.b.Node("Resize", []string{x, "", n.constant(scales)}, attrs...)
}

// nearest is F.interpolate(x, scale_factor=scale, mode="nearest").
func (n *net) nearest(x string, scale int) string {
	if scale == 1 {
		return x
	}
	return n.resize(x, scale, attr("mode", "nearest"), attr("coordinate_transformation_mode", "asymmetric"), attr("nearest_mode", "floor"))
}

// bilinear is nn.Upsample(scale_factor=scale, mode="bilinear", align_corners=True).
func (n *net) bilinear(x string, scale int) string {
	return n.resize(x, scale, attr("mode", "linear"), attr("coordinate_transformation_mode", "align_corners"))
}

// shuffle is nn.PixelShuffle(scale).
func (n *net) shuffle(x string, scale int) string {
	if scale == 1 {
		return x
	}
	return n.b.Node("DepthToSpace", []string{x}, attr("blocksize", scale), attr("mode", "CRD"))
}

// unshuffle is nn.PixelUnshuffle(scale). SpaceToDepth puts channels last within a pixel, PyTorch first.
func (n *net) unshuffle(x string, channels, scale int) string {
	if scale == 1 {
		return x
	}
	var order []int
	for c := range channels {
		for p := range scale * scale {
			order = append(order, p*channels+c)
		}
	}
	deep := n.b.Node("SpaceToDepth", []string{x}, attr("blocksize", scale))
	return n.b.Node("Gather", []string{deep, n.constant(graph.Ints(order...))}, attr("axis", 1))
}
