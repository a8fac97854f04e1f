package onnxio

import (
	"fmt"
	"slices"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio/internal/onnxpb"
)

// typesSince are the versions that element types came with, for those after 11.
var typesSince = map[graph.DType]int{
	graph.BFloat16: 13, graph.Float8E4M3FN: 19, graph.Float8E4M3FNUZ: 19, graph.Float8E5M2: 19, graph.Float8E5M2FNUZ: 19, graph.Uint4: 21, graph.Int4: 21,
	graph.Float4E2M1: 23, graph.Float8E8M0: 24, graph.Uint2: 25, graph.Int2: 25, graph.Float6E2M3: 28, graph.Float6E3M2: 28,
}

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
	case to < MinWritten || to > MaxOpset:
		return nil, fmt.Errorf("operators of version %d cannot be written: %d to %d can", to, MinWritten, MaxOpset)
	case from < minOpset || from > MaxOpset:
		return nil, fmt.Errorf("the model's operators are of version %d, and %d to %d are known", from, minOpset, MaxOpset)
	case len(m.functions) > 0:
		return nil, fmt.Errorf("the model has functions of its own")
	}
	pb, err := copyOf(m.pb)
	if err != nil {
		return nil, err
	}
	c := &opsetConverter{main: pb.Graph, from: from, to: to, constants: map[string]*onnxpb.TensorProto{}, shapes: map[string][]Dim{}, types: map[string]graph.DType{}, names: map[string]bool{}}
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
	shapes    map[string][]Dim
	types     map[string]graph.DType
	names     map[string]bool // of all values
}

// collect finds the constants, shapes and types that a graph states, and the types that follow.
func (c *opsetConverter) collect(g *onnxpb.GraphProto) {
	for _, t := range g.Initializer {
		c.constants[t.GetName()] = t
		c.types[t.GetName()] = elemType(t.GetDataType()).dtype
		c.names[t.GetName()] = true
	}
	for _, v := range slices.Concat(g.Input, g.ValueInfo, g.Output) {
		info := valueInfo(v)
		if info.HasShape {
			c.shapes[info.Name] = info.Dims
		}
		if info.DType != graph.Invalid {
			c.types[info.Name] = info.DType
		}
		c.names[info.Name] = true
	}
	c.infer(g.Node)
	for _, n := range g.Node {
		for _, o := range n.Output {
			c.names[o] = true
		}
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
	var nodes []*onnxpb.NodeProto
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
		now := []*onnxpb.NodeProto{n}
		if normDomain(n.GetDomain()) == "" {
			var err error
			if now, err = c.node(n); err != nil {
				return fmt.Errorf("node %q (%s) cannot be written with operators of version %d: %w", nodeName(n), n.GetOpType(), c.to, err)
			}
		}
		nodes = append(nodes, now...)
	}
	g.Node = nodes
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

// node changes n, or returns others that take its place.
func (c *opsetConverter) node(n *onnxpb.NodeProto) ([]*onnxpb.NodeProto, error) {
	how, err := c.other(n)
	switch {
	case err != nil:
		return nil, err
	case how != nil:
		return c.decomposed(n, how)
	}
	return []*onnxpb.NodeProto{n}, c.change(n)
}

// other returns how to write n with other operators, nil if it stays.
func (c *opsetConverter) other(n *onnxpb.NodeProto) (func(*steps) error, error) {
	op := n.GetOpType()
	e, known := registry[op]
	if !known {
		return nil, errUnknownOperator
	}
	for _, name := range slices.Concat(n.Input, n.Output) {
		if dt := c.types[name]; typesSince[dt] > c.to {
			return nil, fmt.Errorf("elements of %v came with version %d", dt, typesSince[dt])
		}
	}
	if v := e.first; v > c.to {
		if how := decompositions[op]; how != nil {
			return how, nil
		}
		return nil, fmt.Errorf("it came with version %d", v)
	}
	switch op {
	case "GroupNormalization":
		if c.up(21) || c.down(21) {
			return decompositions[op], nil
		}
	case "Shape":
		if c.down(15) && (attributeOf(n, "start") != nil || attributeOf(n, "end") != nil) {
			return (*steps).slicedShape, nil
		}
	case "Softmax", "LogSoftmax", "Hardmax":
		if c.up(13) || c.down(13) {
			return c.softmax(n), nil
		}
	}
	return nil, nil
}

// constantInts returns an input that is constant and int64, and false otherwise.
func (c *opsetConverter) constantInts(n *onnxpb.NodeProto, i int) ([]int64, bool) {
	if i >= len(n.Input) || c.constants[n.Input[i]] == nil {
		return nil, false
	}
	x, err := toTensor(c.constants[n.Input[i]], source{}, false)
	if err != nil {
		return nil, false
	}
	v, ok := x.Data().([]int64)
	return v, ok
}

// constant adds an initialiser to the main graph and returns its name.
func (c *opsetConverter) constant(t *graph.Tensor) string {
	name := c.fresh("constant")
	pb := &onnxpb.TensorProto{Name: &name}
	if setTensor(pb, t) == nil { // fails for types that cannot be written, which no caller has
		c.main.Initializer = append(c.main.Initializer, pb)
	}
	return name
}

// fresh returns a name that no value has.
func (c *opsetConverter) fresh(kind string) string {
	for i := len(c.names); ; i++ {
		if name := fmt.Sprintf("opset_%d_%s_%d", c.to, kind, i); !c.names[name] {
			c.names[name] = true
			return name
		}
	}
}

func (c *opsetConverter) ints(v []int64) string {
	t := graph.NewTensor(graph.Int64, len(v))
	copy(graph.Data[int64](t), v)
	return c.constant(t)
}
