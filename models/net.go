package models

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
)

const (
	opset = 17
	// The most parameters a network may have: 1 GiB of them, half of what an ONNX file can hold.
	maxParameters = 1 << 28
)

// net builds a network layer by layer, with PyTorch's names. Values are the names of tensors. Its weights are those of a state dictionary, or
// drawn as PyTorch draws initial values; a net with neither only declares them.
type net struct {
	b          *onnxio.Builder
	rng        *rand.Rand
	state      map[string]*graph.Tensor
	key        func(name string) string // what the state dictionary calls a tensor
	merged     bool                     // weights that derived makes are themselves in the state dictionary
	declared   []declared
	parameters int
	constants  map[string]string // names by type and value
	metadata   [][2]string
	err        error
}

// declared is a weight that a network has.
type declared struct {
	name  string
	shape []int
	// derive, if not nil, makes the weight of others, whose names are in sources.
	sources []string
	derive  func(sources []*graph.Tensor) (*graph.Tensor, error)
}

// from lists the names of tensors in a state dictionary that a weight comes from.
func (d declared) from(f *found) []string {
	if d.derive == nil {
		return []string{f.name(d.name)}
	}
	var names []string
	for _, s := range d.sources {
		names = append(names, f.name(s))
	}
	return names
}

func newNet(name string, rng *rand.Rand) *net {
	return &net{b: onnxio.NewBuilder(name, opset), rng: rng, constants: map[string]string{}}
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

// weight adds a parameter. fill gives its initial values, one after the other. A name that is there already is that parameter, shared.
func (n *net) weight(name string, fill func() float32, shape ...int) string {
	if slices.ContainsFunc(n.declared, func(d declared) bool { return d.name == name && slices.Equal(d.shape, shape) }) {
		if n.state != nil {
			return n.key(name)
		}
		return name
	}
	n.declare(declared{name: name, shape: shape})
	switch {
	case n.state != nil:
		name = n.key(name)
		return n.take(name, n.state[name], shape)
	case n.rng == nil:
		return name
	}
	t := graph.NewTensor(graph.Float32, shape...)
	for i, d := 0, graph.Data[float32](t); i < len(d); i++ {
		d[i] = fill()
	}
	return n.b.Init(name, t)
}

// derived adds a weight that derive makes of others of the state dictionary, such as a convolution of several branches in one. Of a net
// without a state dictionary it is a weight like others.
func (n *net) derived(name string, fill func() float32, derive func(sources []*graph.Tensor) (*graph.Tensor, error), sources []string, shape ...int) string {
	if n.rng != nil || n.merged {
		return n.weight(name, fill, shape...)
	}
	n.declare(declared{name, shape, sources, derive})
	if n.state == nil {
		return name
	}
	var tensors []*graph.Tensor
	for _, s := range sources {
		tensors = append(tensors, n.state[n.key(s)].Converted(graph.Float32))
	}
	t, err := derive(tensors)
	if err != nil {
		n.fail(err)
		return name
	}
	return n.take(n.key(name), t, shape)
}

func (n *net) declare(d declared) {
	count, ok := graph.Numel(d.shape)
	if n.parameters += count; !ok || n.parameters > maxParameters {
		n.parameters = maxParameters
		n.fail(fmt.Errorf("the network has more than %d parameters", maxParameters))
	}
	n.declared = append(n.declared, d)
}

func (n *net) fail(err error) {
	if n.err == nil {
		n.err = err
	}
}

// take adds a tensor of a state dictionary.
func (n *net) take(name string, t *graph.Tensor, shape []int) string {
	switch {
	case t == nil:
		n.fail(fmt.Errorf("there is no tensor %q", name))
		return name
	case !t.DType().IsFloat():
		n.fail(fmt.Errorf("tensor %q is %v and should hold floating-point numbers", name, t.DType()))
		return name
	case t.DType() != graph.Float32:
		t = t.Converted(graph.Float32)
	}
	if !slices.Equal(t.Shape(), shape) {
		r, err := t.Reshaped(shape...)
		if err != nil {
			n.fail(fmt.Errorf("tensor %q: %w", name, err))
			return name
		}
		t = r
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
	return n.convolve(inputs, kernel, stride, kernel/2)
}

// norm is nn.BatchNorm2d, as in inference.
func (n *net) norm(name, x string, channels int) string { return n.normWith(name, x, channels, 1e-5) }

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
		n.fail(err)
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
