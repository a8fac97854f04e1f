package onnxio

import (
	"fmt"
	"math"
	"slices"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio/internal/onnxpb"
	"google.golang.org/protobuf/proto"
)

// Half returns a copy of the model that computes in float16, with weights in it. Inputs and outputs stay as they are, with casts behind and
// before them, and so do the factors of Resize. It is an error if a weight is too large, or if the model is quantised or has functions (see Simplified).
func (m *Model) Half() (*Model, error) {
	c, err := m.half()
	if err != nil {
		return nil, m.src.wrap(err)
	}
	return c, nil
}

func (m *Model) half() (*Model, error) {
	if len(m.functions) > 0 {
		return nil, fmt.Errorf("the model has functions of its own")
	}
	pb, err := copyOf(m.pb)
	if err != nil {
		return nil, err
	}
	if err := embedExternal(pb, m.src); err != nil {
		return nil, err
	}
	g := pb.Graph
	names := map[string]string{} // of inputs and outputs in float16
	var before, after []*onnxpb.NodeProto
	float := func(v *onnxpb.ValueInfoProto) bool { return valueInfo(v).DType == graph.Float32 }
	for _, in := range g.Input {
		if float(in) {
			names[in.GetName()] = in.GetName() + "_float16"
			before = append(before, cast(in.GetName(), names[in.GetName()], graph.Float16))
		}
	}
	for _, out := range g.Output {
		if float(out) {
			names[out.GetName()] = out.GetName() + "_float16"
			after = append(after, cast(names[out.GetName()], out.GetName(), graph.Float32))
		}
	}
	h := &halver{names: names, singles: map[string]string{}}
	if err := h.graph(g); err != nil {
		return nil, err
	}
	g.Node = slices.Concat(before, g.Node, after)
	prune(g)
	return newModel(pb, source{file: m.src.file})
}

func cast(from, to string, dt graph.DType) *onnxpb.NodeProto {
	num, _ := elemNumber(dt)
	return &onnxpb.NodeProto{Name: ptr(to + "_cast"), OpType: ptr("Cast"), Input: []string{from}, Output: []string{to}, Attribute: []*onnxpb.AttributeProto{intAttribute("to", int64(num))}}
}

type halver struct {
	names   map[string]string
	singles map[string]string // values in float32 of those in float16 that Resize takes
}

func (h *halver) name(s string) string {
	if to, ok := h.names[s]; ok {
		return to
	}
	return s
}

func (h *halver) graph(g *onnxpb.GraphProto) error {
	constants := map[string]*onnxpb.TensorProto{}
	for _, t := range g.Initializer {
		constants[t.GetName()] = t
	}
	var nodes []*onnxpb.NodeProto
	for _, n := range g.Node {
		switch op := n.GetOpType(); op {
		case "QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger":
			return fmt.Errorf("node %q (%s): a quantised model is not written in float16", nodeName(n), op)
		}
		for i, in := range n.Input {
			if in != "" && i > 0 && i < 3 && (n.GetOpType() == "Resize" || n.GetOpType() == "Upsample") {
				single := h.singles[in]
				if single == "" {
					single = in + "_float32"
					h.singles[in] = single
					if t := constants[in]; t != nil {
						c, ok := proto.Clone(t).(*onnxpb.TensorProto)
						if !ok {
							return fmt.Errorf("initialiser %q cannot be copied", in)
						}
						c.Name = ptr(single)
						g.Initializer = append(g.Initializer, c)
					} else {
						nodes = append(nodes, cast(h.name(in), single, graph.Float32))
					}
				}
				n.Input[i] = single
				continue
			}
			n.Input[i] = h.name(in)
		}
		for i, out := range n.Output {
			n.Output[i] = h.name(out)
		}
		for _, a := range n.Attribute {
			if err := h.attribute(n, a); err != nil {
				return err
			}
		}
		nodes = append(nodes, n)
	}
	g.Node = nodes
	for _, t := range g.Initializer {
		if constants[t.GetName()] == nil {
			continue // a factor of Resize
		}
		if err := halve(t); err != nil {
			return fmt.Errorf("initialiser %q: %w", t.GetName(), err)
		}
	}
	for _, v := range g.ValueInfo {
		if t := v.GetType().GetTensorType(); t.GetElemType() == 1 {
			t.ElemType = ptr(int32(10))
		}
		v.Name = ptr(h.name(v.GetName()))
	}
	return nil
}

func (h *halver) attribute(n *onnxpb.NodeProto, a *onnxpb.AttributeProto) error {
	switch {
	case a.GetName() == "to" && n.GetOpType() == "Cast" && a.GetI() == 1, a.GetName() == "dtype" && a.GetI() == 1:
		a.I = ptr(int64(10))
	case a.T != nil && (n.GetOpType() == "Constant" || n.GetOpType() == "ConstantOfShape"):
		if err := halve(a.T); err != nil {
			return fmt.Errorf("node %q: %w", nodeName(n), err)
		}
	case n.GetOpType() == "Constant" && (a.GetName() == "value_float" || a.GetName() == "value_floats"):
		return fmt.Errorf("node %q: a constant that is no tensor is not written in float16", nodeName(n))
	}
	for _, sub := range slices.Concat([]*onnxpb.GraphProto{a.G}, a.Graphs) {
		if sub == nil {
			continue
		}
		for _, v := range slices.Concat(sub.Input, sub.Output) {
			if t := v.GetType().GetTensorType(); t.GetElemType() == 1 {
				t.ElemType = ptr(int32(10))
			}
		}
		if err := h.graph(sub); err != nil {
			return err
		}
		for _, v := range sub.Output {
			v.Name = ptr(h.name(v.GetName()))
		}
	}
	return nil
}

// halve rounds a tensor of float32 to float16.
func halve(t *onnxpb.TensorProto) error {
	if t.GetDataType() != 1 {
		return nil
	}
	x, err := toTensor(t, source{}, true)
	if err != nil {
		return err
	}
	const largest = 65504
	for _, v := range graph.Data[float32](x) {
		if math.Abs(float64(v)) > largest && !math.IsInf(float64(v), 0) {
			if math.Abs(float64(v)) < 1e30 { // larger ones stand for no bound
				return fmt.Errorf("the value %g is beyond float16", v)
			}
		}
	}
	return setTensor(t, x.Converted(graph.Float16))
}
