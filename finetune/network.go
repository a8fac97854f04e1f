package finetune

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
)

// network is a model with weights that change.
type network struct {
	name    string
	model   *onnxio.Model
	program *onnxio.Program
	base    string    // digest of the model before it changes
	learned []*weight // parameters that are not frozen
	running []*weight // statistics of batch normalisation that follow the batches, and spectral's vectors
	// spectral are weights that are learned and divided by their spectral norm.
	spectral []onnxio.SpectralNorm
	taps     []string // what activations give
}

// weight is a parameter or statistic.
type weight struct {
	name        string
	dtype       graph.DType   // in the file; values are float32
	value, next *graph.Tensor // next: the gradient of a parameter, or what a statistic becomes
}

// Value and Grad make a weight a gorgonia.ValueGrad.
func (w *weight) Value() gorgonia.Value { return dense(w.value) }

func (w *weight) Grad() (gorgonia.Value, error) { return dense(w.next), nil }

// dense returns a tensor of Gorgonia's over the same elements.
func dense(t *graph.Tensor) *tensor.Dense {
	return tensor.New(tensor.WithShape(t.Len()), tensor.WithBacking(graph.Data[float32](t)))
}

func (w *weight) floats() []float32   { return graph.Data[float32](w.value) }
func (w *weight) gradient() []float32 { return graph.Data[float32](w.next) }

// newNetwork prepares a model. Its batch normalisation uses and changes the statistics of batches if batch is set.
func newNetwork(name string, m *onnxio.Model, workers *graph.Workers, batch bool, frozen func(name string) bool) (*network, error) {
	p, err := onnxio.NewProgram(m, workers)
	if err != nil {
		return nil, err
	}
	if err := suits(name, m); err != nil {
		return nil, err
	}
	n := &network{name: name, model: m, program: p}
	if n.base, err = digest(m); err != nil {
		return nil, err
	}
	parameters, running := m.Trainable()
	load := func(names []string) (list []*weight, err error) {
		for _, name := range names {
			if frozen(name) {
				continue
			}
			t, _, err := m.Graph().Initializer(name)
			if err != nil {
				return nil, err
			}
			if t.Len() > 0 {
				list = append(list, &weight{name, t.DType(), t.Converted(graph.Float32), graph.NewTensor(graph.Float32, t.Shape()...)})
			}
		}
		return list, nil
	}
	if n.learned, err = load(parameters); err != nil {
		return nil, err
	}
	if len(n.learned) == 0 {
		return nil, fmt.Errorf("finetune: the %s has no parameter to learn: %d of its constants are parameters and all are frozen", name, len(parameters))
	}
	for _, s := range m.SpectralNorms() {
		if !frozen(s.Weight) && !frozen(s.U) && !frozen(s.V) {
			n.spectral = append(n.spectral, s)
		}
	}
	running = slices.DeleteFunc(running, func(name string) bool {
		return !batch && !slices.ContainsFunc(n.spectral, func(s onnxio.SpectralNorm) bool { return name == s.U || name == s.V })
	})
	if n.running, err = load(running); err != nil {
		return nil, err
	}
	for _, node := range m.Graph().Nodes {
		switch node.Name {
		case "Relu", "LeakyRelu", "PRelu", "Elu", "Gelu", "Silu", "Swish":
			n.taps = append(n.taps, node.Outputs[0])
		}
	}
	return n, nil
}

// suits returns an error if steps cannot give a model pictures, or take those that it makes, whatever their size.
func suits(name string, m *onnxio.Model) error {
	g := m.Graph()
	if len(g.Inputs) != 1 || len(g.Optional) > 0 {
		return fmt.Errorf("finetune: the %s should have one input, not %v", name, slices.Concat(g.Inputs, g.Optional))
	}
	if in := g.Inputs[0]; in.DType != graph.Float32 {
		return fmt.Errorf("finetune: the %s should take float32, not %v: export it without the conversion from %v", name, in, in.DType)
	}
	images := slices.Clone(g.Inputs)
	if name == "generator" { // what others make are scores
		images = append(images, g.Outputs...)
	}
	for _, v := range images {
		channels := func(i int) bool { return v.Dims[i].Value == 1 || v.Dims[i].Value == 3 }
		if len(v.Dims) == 4 && !channels(1) && channels(3) {
			return fmt.Errorf("finetune: the %s should have the channels of pictures first, not last as in %v: export it so (tf2onnx: --inputs-as-nchw, --outputs-as-nchw)", name, v)
		}
	}
	return nil
}

// weights lists parameters and statistics.
func (n *network) weights() []*weight { return slices.Concat(n.learned, n.running) }

// seesBatch reports whether a picture's result depends on the others of its batch: by statistics of normalisation.
func (n *network) seesBatch() bool {
	return slices.ContainsFunc(n.running, func(w *weight) bool {
		return !slices.ContainsFunc(n.spectral, func(s onnxio.SpectralNorm) bool { return w.name == s.U || w.name == s.V })
	})
}

// parameters lists what is learned for a solver.
func (n *network) parameters() []gorgonia.ValueGrad {
	list := make([]gorgonia.ValueGrad, len(n.learned))
	for i, w := range n.learned {
		list[i] = w
	}
	return list
}

// gradients lists the gradients of the parameters.
func (n *network) gradients() [][]float32 {
	list := make([][]float32, len(n.learned))
	for i, w := range n.learned {
		list[i] = w.gradient()
	}
	return list
}

// member is a network in a graph, where it may be used several times.
type member struct {
	*network
	inputs  []*graph.Value          // its weights
	current map[string]*graph.Value // weights, and statistics as they are after the last use
	used    bool
}

// join adds the weights of a network to a graph.
func (f formula) join(n *network) *member {
	m := &member{network: n, current: map[string]*graph.Value{}}
	for _, w := range n.weights() {
		v := f.input(n.name+"/"+w.name, w.value.Shape()...)
		m.inputs = append(m.inputs, v)
		m.current[w.name] = v
	}
	return m
}

// of applies the network to a picture.
func (m *member) of(ctx context.Context, f formula, x *graph.Value) (y *graph.Value, taps []*graph.Value) {
	follows := func(name string) bool {
		return slices.ContainsFunc(m.running, func(w *weight) bool { return w.name == name })
	}
	for _, s := range m.spectral { // a step of power iteration in each use, as in PyTorch
		var err error
		_, m.current[s.U], m.current[s.V], err = f.b.SpectralNorm(m.current[s.Weight], m.current[s.U], m.current[s.V], 1, 1e-12)
		f.check(err)
	}
	placed, err := m.program.Place(ctx, f.b, onnxio.Part{
		Inputs: []*graph.Value{x}, Weights: m.current, Unbiased: true, Taps: m.network.taps,
		Batch: func(mean, variance string) bool { return follows(mean) && follows(variance) },
	})
	if err != nil {
		f.check(fmt.Errorf("finetune: %s: %w", m.name, err))
	}
	for name, v := range placed.Running {
		m.current[name] = v
	}
	m.used = true
	return placed.Outputs[0], placed.Taps
}

// takes returns an error if the model's file says that it takes no pictures of a shape, which have so many pixels for one of a patch on each axis. Exports often have a fixed size.
func (n *network) takes(shape []int, scale int) error {
	in := n.model.Graph().Inputs[0]
	differs := func(i int) bool { return in.Dims[i].Known() && in.Dims[i].Value != shape[i] }
	if len(in.Dims) == 0 {
		return nil
	}
	var fit []string
	switch {
	case len(in.Dims) != 4 || differs(1):
		return SettingError{Err: fmt.Errorf("finetune: the %s takes %v, and not pictures of %d channels", n.name, in, shape[1])}
	case differs(2) || differs(3):
		h, w := in.Dims[2], in.Dims[3]
		if !h.Known() || !w.Known() || h.Value != w.Value || h.Value%scale != 0 {
			return SettingError{Err: fmt.Errorf("finetune: the %s takes %v alone, and no patch at scale %d is such a picture: a model without a fixed size is needed", n.name, in, scale)}
		}
		fit = append(fit, fmt.Sprintf("patch %d", h.Value/scale))
	}
	if differs(0) {
		fit = append(fit, fmt.Sprintf("micro-batch %d", in.Dims[0].Value))
	}
	if fit == nil {
		return nil
	}
	return SettingError{Err: fmt.Errorf("finetune: the %s takes %v alone, and not %v: %s would fit it, or a model without a fixed size these settings", n.name, in, shape, strings.Join(fit, " and "))}
}

// learnedValues are the members' parameters in the graph.
func (m *member) learnedValues() []*graph.Value { return m.inputs[:len(m.learned)] }

// differentiable returns an error if operators after parameters that are learned have no gradient. It looks at pictures of a usual size; if the network
// does not take them, the first batch will show it.
func (n *network) differentiable() error {
	err := write(graph.NewBuilder(n.name), func(f formula) error {
		m := f.join(n)
		y, _ := m.of(context.Background(), f, f.input("x", 1, 3, 64, 64))
		_, err := f.b.Gradients([]*graph.Value{y}, nil, m.learnedValues())
		return err
	})
	if lacking := (*graph.NoGradientError)(nil); errors.As(err, &lacking) {
		return n.explain(lacking)
	}
	return nil
}

// explain says of an error about gradients what helps.
func (n *network) explain(err error) error {
	if lacking := (*graph.NoGradientError)(nil); errors.As(err, &lacking) {
		return fmt.Errorf("finetune: the %s cannot learn: %w; freeze the parameters before these nodes", n.name, err)
	}
	return err
}
