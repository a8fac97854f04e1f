package onnxio

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio/internal/onnxpb"
)

// axesInputs are the operators whose axes became input 1, and since when.
var axesInputs = map[string]int{"Squeeze": 13, "Unsqueeze": 13, "ReduceSum": 13, "ReduceMean": 18, "ReduceMax": 18, "ReduceMin": 18, "ReduceProd": 18,
	"ReduceL1": 18, "ReduceL2": 18, "ReduceLogSum": 18, "ReduceLogSumExp": 18, "ReduceSumSquare": 18}

// ConvertedOpset returns a copy of the model whose nodes are operators of another version of ONNX's set, 11 to 28. The error names a node
// that the version does not have. The model must not have functions (see Simplified).
func (m *Model) ConvertedOpset(to int) (*Model, error) {
	c, err := m.convertedOpset(to)
	if err != nil {
		return nil, m.src.wrap(err)
	}
	return c, nil
}

func (m *Model) convertedOpset(to int) (*Model, error) {
	from := m.Opset("")
	switch {
	case to < 11 || to > MaxOpset:
		return nil, fmt.Errorf("operators of version %d cannot be written: 11 to %d can", to, MaxOpset)
	case from < minOpset || from > MaxOpset:
		return nil, fmt.Errorf("the model's operators are of version %d, and %d to %d are known", from, minOpset, MaxOpset)
	case len(m.functions) > 0:
		return nil, fmt.Errorf("the model has functions of its own")
	}
	pb, err := copyOf(m.pb)
	if err != nil {
		return nil, err
	}
	c := &opsetConverter{main: pb.Graph, from: from, to: to, constants: map[string]*onnxpb.TensorProto{}, ranks: map[string]int{}}
	c.collect(pb.Graph)
	if err := c.graph(pb.Graph); err != nil {
		return nil, err
	}
	for _, o := range pb.OpsetImport {
		if normDomain(o.GetDomain()) == "" {
			o.Version = ptr(int64(to))
		}
	}
	pb.IrVersion = ptr(max(irVersion(to), min(pb.GetIrVersion(), 8)))
	prune(pb.Graph)
	return newModel(pb, m.src)
}

type opsetConverter struct {
	main      *onnxpb.GraphProto
	from, to  int
	constants map[string]*onnxpb.TensorProto
	ranks     map[string]int
	added     int
}

// collect finds the constants and ranks that a graph states.
func (c *opsetConverter) collect(g *onnxpb.GraphProto) {
	for _, t := range g.Initializer {
		c.constants[t.GetName()] = t
		c.ranks[t.GetName()] = len(t.Dims)
	}
	for _, v := range slices.Concat(g.Input, g.ValueInfo, g.Output) {
		if info := valueInfo(v); info.HasShape {
			c.ranks[info.Name] = len(info.Dims)
		}
	}
	for _, n := range g.Node {
		for _, a := range n.Attribute {
			if n.GetOpType() == "Constant" && a.GetName() == "value" && a.T != nil && len(n.Output) == 1 {
				c.constants[n.Output[0]] = a.T
			}
			for _, sub := range slices.Concat([]*onnxpb.GraphProto{a.G}, a.Graphs) {
				if sub != nil {
					c.collect(sub)
				}
			}
		}
	}
}

func (c *opsetConverter) graph(g *onnxpb.GraphProto) error {
	for _, n := range g.Node {
		for _, a := range n.Attribute {
			for _, sub := range slices.Concat([]*onnxpb.GraphProto{a.G}, a.Graphs) {
				if sub != nil {
					if err := c.graph(sub); err != nil {
						return err
					}
				}
			}
		}
		if normDomain(n.GetDomain()) != "" {
			continue
		}
		if err := c.node(n); err != nil {
			return fmt.Errorf("node %q (%s) cannot be written with operators of version %d: %w", nodeName(n), n.GetOpType(), c.to, err)
		}
	}
	return nil
}

func nodeName(n *onnxpb.NodeProto) string {
	if n.GetName() != "" || len(n.Output) == 0 {
		return n.GetName()
	}
	return n.Output[0]
}

// up and down report whether a change of some version lies between the two, in this direction.
func (c *opsetConverter) up(version int) bool   { return c.from < version && version <= c.to }
func (c *opsetConverter) down(version int) bool { return c.to < version && version <= c.from }

func (c *opsetConverter) node(n *onnxpb.NodeProto) error {
	op := n.GetOpType()
	if v := registry[op].first; v > c.to {
		return fmt.Errorf("it came with version %d", v)
	}
	if v, ok := axesInputs[op]; ok {
		if err := c.intsInput(n, 1, "axes", v); err != nil {
			return err
		}
		if c.down(v) {
			dropAttribute(n, "noop_with_empty_axes")
		}
	}
	switch op {
	case "Clip":
		if c.up(11) {
			lo, hi := takeFloat(n, "min", -math.MaxFloat32), takeFloat(n, "max", math.MaxFloat32)
			n.Input = append(n.Input[:1:1], c.constant(graph.Scalar(lo)), c.constant(graph.Scalar(hi)))
		}
	case "Pad":
		if c.up(11) {
			value := takeFloat(n, "value", 0)
			if err := c.intsInput(n, 1, "pads", 11); err != nil {
				return err
			}
			n.Input = append(n.Input, c.constant(graph.Scalar(value)))
		}
		if c.down(18) && len(n.Input) > 3 && n.Input[3] != "" {
			return fmt.Errorf("its axes came with version 18")
		}
		if mode := stringOf(n, "mode"); mode == "wrap" && c.down(19) {
			return fmt.Errorf("its mode wrap came with version 19")
		}
	case "Slice":
		if c.up(10) {
			axes, given := takeInts(n, "axes")
			starts, _ := takeInts(n, "starts")
			ends, _ := takeInts(n, "ends")
			n.Input = append(n.Input[:1:1], c.ints(starts), c.ints(ends))
			if given {
				n.Input = append(n.Input, c.ints(axes))
			}
		}
	case "Dropout":
		if c.up(12) {
			dropAttribute(n, "ratio") // it does nothing in inference
		}
	case "Split":
		if err := c.intsInput(n, 1, "split", 13); err != nil {
			return err
		}
		even := len(n.Input) < 2 && attributeOf(n, "split") == nil
		if c.up(18) && even {
			n.Attribute = append(n.Attribute, intAttribute("num_outputs", int64(len(n.Output))))
		}
		if c.down(18) {
			dropAttribute(n, "num_outputs")
		}
	case "Softmax", "LogSoftmax", "Hardmax":
		if c.up(13) || c.down(13) {
			return c.softmax(n)
		}
	case "Upsample":
		if c.up(10) {
			return c.upsample(n)
		}
	case "Resize":
		return c.resize(n)
	case "TopK":
		if c.up(10) {
			return fmt.Errorf("its number of elements became an input with version 10")
		}
	case "GridSample":
		names := map[string]string{"bilinear": "linear", "bicubic": "cubic"}
		mode := stringOf(n, "mode")
		if c.up(20) {
			if mode == "" {
				mode = "bilinear"
			}
			if to := names[mode]; to != "" {
				setString(n, "mode", to)
			}
		}
		if c.down(20) {
			for old, now := range names {
				if mode == now || mode == "" && now == "linear" {
					setString(n, "mode", old)
				}
			}
		}
	case "GroupNormalization":
		if c.up(21) || c.down(21) {
			return fmt.Errorf("its scale and bias changed their meaning with version 21")
		}
	case "Cast", "CastLike":
		if c.down(19) {
			dropAttribute(n, "saturate")
		}
		if c.down(24) {
			dropAttribute(n, "round_mode")
		}
	case "Reshape":
		if c.down(14) {
			if a := attributeOf(n, "allowzero"); a.GetI() != 0 {
				return fmt.Errorf("allowzero came with version 14")
			}
			dropAttribute(n, "allowzero")
		}
	case "BatchNormalization":
		if c.down(14) {
			if attributeOf(n, "training_mode").GetI() != 0 {
				return fmt.Errorf("its training mode came with version 14")
			}
			dropAttribute(n, "training_mode")
		}
		if c.up(9) {
			dropAttribute(n, "spatial")
		}
	case "Shape":
		if c.down(15) && (attributeOf(n, "start") != nil || attributeOf(n, "end") != nil) {
			return fmt.Errorf("start and end came with version 15")
		}
	case "Constant":
		if c.down(12) && attributeOf(n, "value") == nil {
			return fmt.Errorf("values that are no tensors came with version 12")
		}
	case "AveragePool":
		if c.down(19) && attributeOf(n, "dilations") != nil {
			return fmt.Errorf("its dilations came with version 19")
		}
	case "QuantizeLinear", "DequantizeLinear":
		if c.down(21) && attributeOf(n, "block_size").GetI() != 0 {
			return fmt.Errorf("blocks came with version 21")
		}
		if c.down(13) && attributeOf(n, "axis") != nil {
			return fmt.Errorf("its axis came with version 13")
		}
	}
	return nil
}

// intsInput makes an attribute input i, or the other way round, as an operator has it from a version on.
func (c *opsetConverter) intsInput(n *onnxpb.NodeProto, i int, name string, version int) error {
	switch {
	case c.up(version):
		if v, ok := takeInts(n, name); ok {
			for len(n.Input) < i {
				n.Input = append(n.Input, "")
			}
			n.Input = append(n.Input[:i:i], c.ints(v))
		}
	case c.down(version) && len(n.Input) > i && n.Input[i] != "":
		t := c.constants[n.Input[i]]
		if t == nil {
			return fmt.Errorf("its %s are computed, which came with version %d", name, version)
		}
		x, err := toTensor(t, source{}, false)
		if err != nil {
			return err
		}
		v, ok := x.Data().([]int64)
		if !ok {
			return fmt.Errorf("its %s are not int64", name)
		}
		n.Input = n.Input[:i]
		if len(v) > 0 {
			n.Attribute = append(n.Attribute, &onnxpb.AttributeProto{Name: ptr(name), Ints: v, Type: onnxpb.AttributeProto_INTS.Enum()})
		}
	}
	return nil
}

// softmax: up to version 12 it was over all axes from one on, and by default from 1; since 13 it is over one axis, by default the last.
func (c *opsetConverter) softmax(n *onnxpb.NodeProto) error {
	a := attributeOf(n, "axis")
	axis := int64(-1)
	if a != nil {
		axis = a.GetI()
	} else if c.up(13) {
		axis = 1
	}
	rank, known := c.ranks[n.Input[0]]
	if axis == -1 || known && axis == int64(rank-1) {
		dropAttribute(n, "axis")
		n.Attribute = append(n.Attribute, intAttribute("axis", axis))
		return nil
	}
	return fmt.Errorf("its axis %d changed its meaning with version 13", axis)
}

// upsample becomes a Resize of version 11, which counts pixels as Upsample did.
func (c *opsetConverter) upsample(n *onnxpb.NodeProto) error {
	scales := ""
	if len(n.Input) > 1 {
		scales = n.Input[1]
	} else {
		a := attributeOf(n, "scales")
		x, err := graph.FromSlice(a.GetFloats(), len(a.GetFloats()))
		if err != nil {
			return err
		}
		scales = c.constant(x)
		dropAttribute(n, "scales")
	}
	n.OpType = ptr("Resize")
	c.asymmetric(n, scales)
	return nil
}

func (c *opsetConverter) asymmetric(n *onnxpb.NodeProto, scales string) {
	roi := ""
	if c.to < 13 { // not yet optional
		roi = c.constant(graph.NewTensor(graph.Float32, 0))
	}
	n.Input = []string{n.Input[0], roi, scales}
	setString(n, "coordinate_transformation_mode", "asymmetric")
	if m := stringOf(n, "mode"); m == "" || m == "nearest" {
		setString(n, "nearest_mode", "floor")
	}
}

func (c *opsetConverter) resize(n *onnxpb.NodeProto) error {
	if c.up(11) {
		c.asymmetric(n, n.Input[1])
		return nil
	}
	if c.down(13) {
		for i := 1; i < min(3, len(n.Input)); i++ {
			if n.Input[i] == "" {
				n.Input[i] = c.constant(graph.NewTensor(graph.Float32, 0))
			}
		}
	}
	if c.down(18) {
		switch {
		case attributeOf(n, "antialias").GetI() != 0:
			return fmt.Errorf("antialias came with version 18")
		case attributeOf(n, "axes") != nil:
			return fmt.Errorf("its axes came with version 18")
		case !slices.Contains([]string{"", "stretch"}, stringOf(n, "keep_aspect_ratio_policy")):
			return fmt.Errorf("keep_aspect_ratio_policy came with version 18")
		}
		dropAttribute(n, "antialias")
		dropAttribute(n, "keep_aspect_ratio_policy")
	}
	if c.down(19) && stringOf(n, "coordinate_transformation_mode") == "half_pixel_symmetric" {
		return fmt.Errorf("half_pixel_symmetric came with version 19")
	}
	return nil
}

// constant adds an initialiser to the main graph and returns its name.
func (c *opsetConverter) constant(t *graph.Tensor) string {
	name := fmt.Sprintf("opset_%d_constant_%d", c.to, c.added)
	c.added++
	pb := &onnxpb.TensorProto{Name: &name}
	if setTensor(pb, t) == nil { // fails for types that cannot be written, which no caller has
		c.main.Initializer = append(c.main.Initializer, pb)
	}
	return name
}

func (c *opsetConverter) ints(v []int64) string {
	t := graph.NewTensor(graph.Int64, len(v))
	copy(graph.Data[int64](t), v)
	return c.constant(t)
}

func attributeOf(n *onnxpb.NodeProto, name string) *onnxpb.AttributeProto {
	for _, a := range n.Attribute {
		if a.GetName() == name {
			return a
		}
	}
	return nil
}

func dropAttribute(n *onnxpb.NodeProto, name string) {
	n.Attribute = slices.DeleteFunc(n.Attribute, func(a *onnxpb.AttributeProto) bool { return a.GetName() == name })
}

func takeInts(n *onnxpb.NodeProto, name string) ([]int64, bool) {
	a := attributeOf(n, name)
	dropAttribute(n, name)
	return a.GetInts(), a != nil
}

func takeFloat(n *onnxpb.NodeProto, name string, def float32) float32 {
	if a := attributeOf(n, name); a != nil {
		def = a.GetF()
	}
	dropAttribute(n, name)
	return def
}

func stringOf(n *onnxpb.NodeProto, name string) string {
	return strings.TrimSpace(string(attributeOf(n, name).GetS()))
}

func setString(n *onnxpb.NodeProto, name, value string) {
	dropAttribute(n, name)
	n.Attribute = append(n.Attribute, &onnxpb.AttributeProto{Name: ptr(name), S: []byte(value), Type: onnxpb.AttributeProto_STRING.Enum()})
}

func intAttribute(name string, v int64) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: ptr(name), I: ptr(v), Type: onnxpb.AttributeProto_INT.Enum()}
}
