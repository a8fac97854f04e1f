package onnxio

import (
	"context"
	"fmt"
	"slices"

	"github.com/gansr/gansr/graph"
)

// Part is how a model becomes part of a graph that holds more, such as losses and other networks.
type Part struct {
	// Inputs are the values of the model's inputs, in its order, the optional ones included.
	Inputs []*graph.Value
	// Weights take the place of those initialisers of the main graph that they are named after. They are of the same types, but float32
	// for 16-bit floating-point ones.
	Weights map[string]*graph.Value
	// Batch says of a BatchNormalization whose running mean and variance are these initialisers whether it uses the statistics of the
	// batch, as in training. Nil stands for none.
	Batch func(mean, variance string) bool
	// Unbiased lets running variances learn from the unbiased variance of a batch, as PyTorch does and ONNX does not.
	Unbiased bool
	// Taps are names of values in the main graph to return beside the outputs.
	Taps []string
}

// Placed is a model in a graph.
type Placed struct {
	Outputs []*graph.Value // in the model's order
	Taps    []*graph.Value // in the order of Part.Taps
	// Running are the running statistics after a batch, by the initialisers that held them before.
	Running map[string]*graph.Value
}

// Place adds the model to the graph of b.
func (p *Program) Place(ctx context.Context, b *graph.Builder, part Part) (*Placed, error) {
	placed, err := p.place(ctx, b, part)
	if err != nil {
		return nil, p.model.src.wrap(err)
	}
	return placed, nil
}

func (p *Program) place(ctx context.Context, b *graph.Builder, use Part) (*Placed, error) {
	infos := slices.Concat(p.model.graph.Inputs, p.model.graph.Optional)
	if len(use.Inputs) != len(infos) {
		return nil, fmt.Errorf("%d inputs are given, and the model has %d", len(use.Inputs), len(infos))
	}
	for i, info := range infos {
		if err := info.check(use.Inputs[i].Type()); err != nil {
			return nil, err
		}
	}
	t := p.translator(ctx, b)
	t.part = &part{Part: use, running: map[string]*graph.Value{}}
	outs, s, err := t.main(use.Inputs, use.Weights)
	if err != nil {
		return nil, err
	}
	placed := &Placed{Outputs: outs, Running: t.part.running}
	for _, name := range use.Taps {
		v, err := t.lookup(s, name)
		if err != nil {
			return nil, err
		}
		placed.Taps = append(placed.Taps, v)
	}
	return placed, nil
}

// part is a Part in the making.
type part struct {
	Part
	running map[string]*graph.Value
}

// trainedBatchNorm returns the results of a BatchNormalization that uses the statistics of the batch, nil if it does not.
func (c *call) trainedBatchNorm() []*graph.Value {
	p := c.t.part
	if p == nil || p.Batch == nil || len(c.Inputs) != 5 {
		return nil
	}
	mean, variance := c.t.initializerOf(c.scope, c.Inputs[3]), c.t.initializerOf(c.scope, c.Inputs[4])
	if mean == "" || variance == "" || !p.Batch(mean, variance) {
		return nil
	}
	if p.running[mean] != nil || p.running[variance] != nil {
		c.failf("the running statistics %q and %q are those of another node too, so both cannot learn them", mean, variance)
	}
	y, newMean, newVariance := c.batchNormOfBatch(p.Unbiased)
	p.running[mean], p.running[variance] = newMean, newVariance
	return []*graph.Value{y, newMean, newVariance, nil, nil}[:max(1, len(c.Outputs))]
}

// initializerOf returns the initialiser of the main graph that a value is or is a copy of, "" if it is neither.
func (t *translator) initializerOf(s *env, name string) string {
	if s.graph != t.model.graph {
		return ""
	}
	for range s.graph.Nodes {
		i := slices.IndexFunc(s.graph.Nodes, func(n *Node) bool { return n.Name == "Identity" && n.Domain == "" && n.Outputs[0] == name })
		if i < 0 {
			break
		}
		name = s.graph.Nodes[i].Inputs[0]
	}
	if _, ok := s.graph.InitializerInfo(name); !ok {
		return ""
	}
	return name
}

// Trainable sorts the floating-point initialisers of the main graph by what training does with them. Parameters can learn: what
// operators compute with, but neither numbers that decide shapes, such as the scales of a Resize, nor single numbers that are no
// layer's weight or bias; nor what shifts or scales the pixels of the input before any layer, masks of attention (0 and one number of -50 or
// less), and coordinates, which layers make positions of. Running are the statistics of batch normalisation, and the vectors of SpectralNorms. Both are in the order of
// the file.
func (m *Model) Trainable() (parameters, running []string) {
	const (
		fixed   = 1 << iota // decides a shape, or is the statistic or setting of an operator
		learned             // used otherwise
		layer               // the weight or bias of a layer
		statistic
	)
	use := map[string]int{}
	from := map[string][]string{} // what a value that is computed from constants alone is computed from
	pixels := map[string]bool{}   // values that are the input in another form
	for _, in := range m.graph.Inputs {
		pixels[in.Name] = true
	}
	for _, name := range m.graph.Initializers() {
		from[name] = []string{name}
	}
	for _, n := range m.graph.Nodes {
		var behind []string
		constant := len(n.Subgraphs) == 0
		rescales := n.Domain == "" && slices.Contains([]string{"Add", "Sub", "Mul", "Div"}, n.Name) && slices.ContainsFunc(n.Inputs, func(in string) bool { return pixels[in] })
		moves := n.Domain == "" && slices.Contains([]string{"Identity", "Cast", "Pad", "Slice", "Reshape", "Transpose"}, n.Name) && pixels[n.Inputs[0]]
		if rescales || moves {
			pixels[n.Outputs[0]] = true
		}
		for i, in := range n.Inputs {
			if in == "" {
				continue
			}
			names, ok := from[in]
			constant = constant && ok
			behind = append(behind, names...)
			as := learned
			switch {
			case n.Domain != "":
			case rescales:
				as = fixed
			case i == 0 && (n.Name == "MatMul" || n.Name == "Gemm") && from[n.Inputs[1]] != nil:
				if _, ok := m.graph.InitializerInfo(in); ok {
					as = fixed
				}
			case n.Name == "BatchNormalization" && i >= 3:
				as = statistic
			case i > 0 && slices.Contains([]string{"Conv", "ConvTranspose", "Gemm", "PRelu", "BatchNormalization", "InstanceNormalization", "GroupNormalization", "LayerNormalization"}, n.Name):
				as = layer
			case i > 0 && slices.Contains([]string{"Resize", "Upsample", "Clip", "Pad", "Dropout", "Range", "OneHot"}, n.Name):
				as = fixed
			case n.Name == "Identity" || n.Name == "Shape" || n.Name == "Constant":
				as = 0
			}
			for _, name := range names {
				use[name] |= as
			}
		}
		if constant {
			for _, out := range n.Outputs {
				from[out] = behind
			}
		}
	}
	for _, s := range m.SpectralNorms() {
		use[s.U], use[s.V] = statistic, statistic
	}
	for _, name := range m.graph.Initializers() {
		info, _ := m.graph.InitializerInfo(name)
		elements := 1
		for _, d := range info.Dims {
			elements *= d.Value
		}
		switch u := use[name]; {
		case u&(fixed|statistic|layer) == 0 && u&learned != 0 && elements > 1 && m.isMask(name):
		case !info.DType.IsFloat() || u&fixed != 0:
		case u&statistic != 0:
			running = append(running, name)
		case u&layer != 0 || u&learned != 0 && elements > 1:
			parameters = append(parameters, name)
		}
	}
	return parameters, running
}

// isMask reports whether an initialiser holds 0 and one number of -50 or less, as the masks that are added before a Softmax do.
func (m *Model) isMask(name string) bool {
	t, ok, err := m.graph.Initializer(name)
	if err != nil || !ok || t.DType() != graph.Float32 {
		return false
	}
	low := float32(0)
	for _, v := range graph.Data[float32](t) {
		switch {
		case v == 0 || v == low:
		case low == 0 && v <= -50:
			low = v
		default:
			return false
		}
	}
	return low != 0
}
