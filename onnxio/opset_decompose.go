package onnxio

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio/internal/onnxpb"
)

// decompositions write an operator with older ones, as ONNX defines it, for versions that do not have it yet.
var decompositions = map[string]func(*steps) error{
	"Celu":               (*steps).celu,
	"Gelu":               (*steps).gelu,
	"GreaterOrEqual":     (*steps).negated,
	"GroupNormalization": (*steps).groupNorm,
	"HardSwish":          (*steps).hardSwish,
	"LayerNormalization": (*steps).layerNorm,
	"LessOrEqual":        (*steps).negated,
	"Mish":               (*steps).mish,
	"RMSNormalization":   (*steps).rmsNorm,
	"Swish":              (*steps).swish,
}

// steps are the nodes that take the place of one.
type steps struct {
	c     *opsetConverter
	of    *onnxpb.NodeProto
	x     string      // its first operand
	dtype graph.DType // of x
	nodes []*onnxpb.NodeProto
}

// decomposed returns what takes the place of n.
func (c *opsetConverter) decomposed(n *onnxpb.NodeProto, how func(*steps) error) ([]*onnxpb.NodeProto, error) {
	s := &steps{c: c, of: n}
	if len(n.Input) == 0 || len(n.Output) == 0 {
		return nil, errors.New("it has no operand or result")
	}
	s.x = n.Input[0]
	s.dtype = c.types[s.x]
	if err := how(s); err != nil {
		return nil, err
	}
	s.nodes[len(s.nodes)-1].Output[0] = n.Output[0]
	return s.nodes, nil
}

// op adds a node of one result and returns the result's name.
func (s *steps) op(op string, in ...string) string { return s.with(op, nil, in...) }

func (s *steps) with(op string, attrs []*onnxpb.AttributeProto, in ...string) string {
	out := s.c.fresh("value")
	name := fmt.Sprintf("%s/%s_%d", nodeName(s.of), op, len(s.nodes))
	s.nodes = append(s.nodes, &onnxpb.NodeProto{Name: &name, OpType: &op, Input: in, Output: []string{out}, Attribute: attrs})
	return out
}

// reduce adds a node that reduces axes and keeps them.
func (s *steps) reduce(op, x string, axes []int64) string {
	if s.c.to >= axesInputs[op] {
		return s.op(op, x, s.c.ints(axes))
	}
	return s.with(op, []*onnxpb.AttributeProto{intsAttribute("axes", axes)}, x)
}

// num returns a constant number of the operand's type.
func (s *steps) num(v float64) string { return s.c.constant(graph.Scalar(v).Converted(s.dtype)) }

func (s *steps) knowType() error {
	if !s.dtype.IsFloat() {
		return errors.New("the element type of its operand is not known")
	}
	return nil
}

func (s *steps) gelu() error {
	if err := s.knowType(); err != nil {
		return err
	}
	x := s.x
	var y string
	if stringOf(s.of, "approximate") == "tanh" {
		cubic := s.op("Mul", s.op("Mul", s.op("Mul", x, x), x), s.num(0.044715))
		y = s.op("Tanh", s.op("Mul", s.op("Add", x, cubic), s.num(math.Sqrt(2/math.Pi))))
	} else {
		y = s.op("Erf", s.op("Div", x, s.num(math.Sqrt2)))
	}
	s.op("Mul", s.op("Mul", x, s.op("Add", y, s.num(1))), s.num(0.5))
	return nil
}

func (s *steps) mish() error {
	s.op("Mul", s.x, s.op("Tanh", s.op("Softplus", s.x)))
	return nil
}

func (s *steps) swish() error {
	z := s.x
	if alpha := takeFloat(s.of, "alpha", 1); alpha != 1 {
		if err := s.knowType(); err != nil {
			return err
		}
		z = s.op("Mul", z, s.num(float64(alpha)))
	}
	s.op("Mul", s.x, s.op("Sigmoid", z))
	return nil
}

func (s *steps) hardSwish() error {
	gate := s.with("HardSigmoid", []*onnxpb.AttributeProto{floatAttribute("alpha", 1.0/6), floatAttribute("beta", 0.5)}, s.x)
	s.op("Mul", s.x, gate)
	return nil
}

// celu: the exponential linear unit of x/alpha, times alpha.
func (s *steps) celu() error {
	if err := s.knowType(); err != nil {
		return err
	}
	alpha := s.num(float64(takeFloat(s.of, "alpha", 1)))
	s.op("Mul", s.op("Elu", s.op("Div", s.x, alpha)), alpha)
	return nil
}

// negated: a >= b is not a < b. That holds for all numbers, but not for NaN.
func (s *steps) negated() error {
	op := "Less"
	if s.of.GetOpType() == "LessOrEqual" {
		op = "Greater"
	}
	s.op("Not", s.op(op, s.of.Input...))
	return nil
}

// normalized returns the axes of a normalisation from its attribute on, and the name of the values that it computes with.
func (s *steps) normalized() (axes []int64, x string, err error) {
	if err := s.knowType(); err != nil {
		return nil, "", err
	}
	from := int64(-1)
	if a := attributeOf(s.of, "axis"); a != nil {
		from = a.GetI()
	}
	if from >= 0 {
		shape, known := s.c.shapes[s.x]
		if !known {
			return nil, "", fmt.Errorf("the rank of its operand, which its axis %d counts from the left of, is not known", from)
		}
		from -= int64(len(shape))
	}
	if from >= 0 || from < -64 {
		return nil, "", fmt.Errorf("its axis is outside of its operand")
	}
	for a := from; a < 0; a++ {
		axes = append(axes, a)
	}
	return axes, s.x, nil
}

// stash computes what follows in float32, as normalisations do where they have 16-bit operands, until unstash.
func (s *steps) stash(x string) (wide string, unstash func(string) string) {
	was := s.dtype
	if !was.IsHalf() || attributeOf(s.of, "stash_type") != nil && attributeOf(s.of, "stash_type").GetI() != 1 {
		return x, func(y string) string { return y }
	}
	s.dtype = graph.Float32
	return s.cast(x, graph.Float32), func(y string) string {
		s.dtype = was
		return s.cast(y, was)
	}
}

func (s *steps) cast(x string, to graph.DType) string {
	n, _ := elemNumber(to)
	return s.with("Cast", []*onnxpb.AttributeProto{intAttribute("to", int64(n))}, x)
}

// inverse returns one by the root of the mean of squares and epsilon.
func (s *steps) inverse(x string, axes []int64) string {
	epsilon := float64(takeFloat(s.of, "epsilon", 1e-5))
	mean := s.reduce("ReduceMean", s.op("Mul", x, x), axes)
	return s.op("Reciprocal", s.op("Sqrt", s.op("Add", mean, s.num(epsilon))))
}

func (s *steps) layerNorm() error {
	axes, x, err := s.normalized()
	if err != nil {
		return err
	}
	wide, unstash := s.stash(x)
	mean := s.reduce("ReduceMean", wide, axes)
	further := func(i int, value string) {
		if len(s.of.Output) > i && s.of.Output[i] != "" {
			s.nodes = append(s.nodes, &onnxpb.NodeProto{OpType: ptr("Identity"), Input: []string{value}, Output: []string{s.of.Output[i]}})
		}
	}
	further(1, mean)
	centered := s.op("Sub", wide, mean)
	inverse := s.inverse(centered, axes)
	further(2, inverse)
	y := s.op("Mul", unstash(s.op("Mul", centered, inverse)), s.of.Input[1])
	if len(s.of.Input) > 2 && s.of.Input[2] != "" {
		s.op("Add", y, s.of.Input[2])
	}
	return nil
}

func (s *steps) rmsNorm() error {
	axes, x, err := s.normalized()
	if err != nil {
		return err
	}
	wide, unstash := s.stash(x)
	y := unstash(s.op("Mul", wide, s.inverse(wide, axes)))
	if to := s.c.types[s.of.Input[1]]; to != graph.Invalid && to != s.dtype {
		y = s.cast(y, to)
	}
	s.op("Mul", y, s.of.Input[1])
	return nil
}

// groupNorm normalises groups as if they were channels of one axis. Up to version 20 scale and bias are those of groups, from 21 on of channels.
func (s *steps) groupNorm() error {
	if err := s.knowType(); err != nil {
		return err
	}
	groups := attributeOf(s.of, "num_groups").GetI()
	if groups < 1 || groups > 1<<20 || len(s.of.Input) < 3 {
		return fmt.Errorf("num_groups %d is not possible", groups)
	}
	ofGroups := s.c.from < 21
	scale, bias := s.of.Input[1], s.of.Input[2]
	if !ofGroups {
		one, zero := graph.NewTensor(graph.Float32, int(groups)), graph.NewTensor(graph.Float32, int(groups))
		for i := range graph.Data[float32](one) {
			graph.Data[float32](one)[i] = 1
		}
		scale, bias = s.c.constant(one.Converted(s.dtype)), s.c.constant(zero.Converted(s.dtype))
	}
	y := s.op("Reshape", s.x, s.c.ints([]int64{0, groups, -1}))
	y = s.with("InstanceNormalization", []*onnxpb.AttributeProto{floatAttribute("epsilon", takeFloat(s.of, "epsilon", 1e-5))}, y, scale, bias)
	if !ofGroups {
		w := s.c.constants[s.of.Input[1]]
		if w == nil || len(w.Dims) != 1 {
			return errors.New("its scale is not a constant")
		}
		column := s.c.ints([]int64{-1, 1})
		y = s.op("Reshape", y, s.c.ints([]int64{0, w.Dims[0], -1}))
		y = s.op("Mul", y, s.op("Reshape", s.of.Input[1], column))
		y = s.op("Add", y, s.op("Reshape", s.of.Input[2], column))
	}
	s.op("Reshape", y, s.op("Shape", s.x))
	return nil
}

// slicedShape is Shape with start and end.
func (s *steps) slicedShape() error {
	start, end := int64(0), int64(math.MaxInt64)
	if a := attributeOf(s.of, "start"); a != nil {
		start = a.GetI()
	}
	if a := attributeOf(s.of, "end"); a != nil {
		end = a.GetI()
	}
	s.op("Slice", s.op("Shape", s.x), s.c.ints([]int64{start}), s.c.ints([]int64{end}))
	return nil
}

// flattened is an operator of all axes from one on, as it was up to version 12, by one of the last axis.
func (s *steps) flattened(axis int64) error {
	flat := s.with("Flatten", []*onnxpb.AttributeProto{intAttribute("axis", axis)}, s.x)
	y := s.with(s.of.GetOpType(), []*onnxpb.AttributeProto{intAttribute("axis", 1)}, flat)
	s.op("Reshape", y, s.op("Shape", s.x))
	return nil
}

// softmax is that over any one axis, by operators that have been the same since long.
func (s *steps) softmax(axis int64) error {
	axes := []int64{axis}
	x := s.op("Sub", s.x, s.reduce("ReduceMax", s.x, axes))
	exp := s.op("Exp", x)
	sum := s.reduce("ReduceSum", exp, axes)
	switch s.of.GetOpType() {
	case "Softmax":
		s.op("Div", exp, sum)
	case "LogSoftmax":
		s.op("Sub", x, s.op("Log", sum))
	default:
		return fmt.Errorf("its axis %d changed its meaning with version 13", axis)
	}
	return nil
}

// infer adds the element types of the values that nodes make. It knows what it needs to: most operators have results of their first operand's type.
func (c *opsetConverter) infer(nodes []*onnxpb.NodeProto) {
	boolean := []string{"And", "Equal", "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less", "LessOrEqual", "Not", "Or", "Xor"}
	integer := []string{"ArgMax", "ArgMin", "NonMaxSuppression", "NonZero", "Shape", "Size"}
	for _, n := range nodes {
		dt := graph.Invalid
		if i := dataOperand[n.GetOpType()]; i < len(n.Input) {
			dt = c.types[n.Input[i]]
		}
		switch op := n.GetOpType(); {
		case slices.Contains(boolean, op):
			dt = graph.Bool
		case slices.Contains(integer, op):
			dt = graph.Int64
		case op == "Cast":
			dt = elemType(int32(attributeOf(n, "to").GetI())).dtype
		case op == "CastLike", op == "DequantizeLinear":
			dt = graph.Invalid
			if len(n.Input) > 1 {
				dt = c.types[n.Input[1]]
			}
		case op == "ConstantOfShape":
			dt = graph.Float32
			if a := attributeOf(n, "value"); a != nil {
				dt = elemType(a.T.GetDataType()).dtype
			}
		case op == "Constant":
			dt = elemType(attributeOf(n, "value").GetT().GetDataType()).dtype
		case op == "QuantizeLinear", op == "DynamicQuantizeLinear", normDomain(n.GetDomain()) != "", attributeHasGraph(n):
			dt = graph.Invalid
		}
		for i, o := range n.Output {
			if _, known := c.types[o]; !known && dt != graph.Invalid && (i == 0 || n.GetOpType() == "Split") {
				c.types[o] = dt
			}
		}
	}
}

func attributeHasGraph(n *onnxpb.NodeProto) bool {
	return slices.ContainsFunc(n.Attribute, func(a *onnxpb.AttributeProto) bool { return a.G != nil })
}
