package onnxio

import (
	"slices"

	"github.com/gansr/gansr/graph"
)

// The operators of this file are ONNX Runtime's own: those that it writes when it quantises a network. They compute on the numbers that integers
// stand for, in float32.

// real returns the numbers that input i stands for by the scale and the zero point that follow it.
func (c *call) real(i int) *graph.Value {
	zero := c.opt(i + 2)
	if zero != nil {
		zero = c.reshape(zero)
	}
	return c.apply(graph.Mul{}, c.dequantized(c.value(i), zero), c.cast(c.reshape(c.value(i+1)), graph.Float32))
}

// quantizedBy rounds v to integers by the scale in input i and the zero point after it.
func (c *call) quantizedBy(i int, v *graph.Value) []*graph.Value {
	to, zero := c.value(dataOperand[c.Operator()]).Type().DType, c.opt(i+1)
	if zero != nil {
		to, zero = zero.Type().DType, c.reshape(zero)
	}
	return one(c.quantized(c.apply(graph.Div{}, v, c.cast(c.reshape(c.value(i)), graph.Float32)), zero, to))
}

// opQLinearBinary: QLinearAdd and QLinearMul, with numpy's broadcasting.
func opQLinearBinary(c *call) []*graph.Value {
	op := map[string]graph.Operator{"QLinearAdd": graph.Add{}, "QLinearMul": graph.Mul{}}[c.Name]
	return c.quantizedBy(6, c.apply(op, c.real(0), c.real(3)))
}

// opQLinearActivation: QLinearLeakyRelu and QLinearSigmoid.
func opQLinearActivation(c *call) []*graph.Value {
	v := c.real(0)
	if c.Name == "QLinearSigmoid" {
		v = c.apply(graph.Sigmoid{}, v)
	} else {
		v = c.apply(graph.PRelu{}, v, c.scalar(graph.Float32, float64(c.float("alpha", 0.01))))
	}
	return c.quantizedBy(3, v)
}

// opQLinearSoftmax: as the Softmax of the version in the attribute opset, which is at hand in Version.
func opQLinearSoftmax(c *call) []*graph.Value {
	n := *c.Node
	n.Version = c.int("opset", 13)
	return c.quantizedBy(3, opSoftmax(&call{Node: &n, t: c.t, scope: c.scope, in: one(c.real(0))})[0])
}

// opQLinearConcat: the scale and zero point of the result come first.
func opQLinearConcat(c *call) []*graph.Value {
	if len(c.in) < 5 || (len(c.in)-2)%3 != 0 {
		c.failf("%d inputs, which should be a scale and a zero point, and three for each part", len(c.in))
	}
	var parts []*graph.Value
	for i := 2; i < len(c.in); i += 3 {
		parts = append(parts, c.real(i))
	}
	return c.quantizedBy(0, c.apply(graph.Concat{Axis: c.axis(c.int("axis", 0), len(parts[0].Type().Shape))}, parts...))
}

// channelsFirst calls op with v for input 0, and with its channels moved to the front and back again where the node says that they are the last.
func (c *call) channelsFirst(v *graph.Value, last bool, op operator) *graph.Value {
	rank := len(v.Type().Shape)
	in := slices.Clone(c.in)
	if in[0] = v; !last {
		return op(&call{Node: c.Node, t: c.t, scope: c.scope, in: in})[0]
	}
	if rank < 3 {
		c.failf("input %v should have a batch, spatial axes and channels", v.Type())
	}
	in[0] = c.transpose(v, slices.Concat([]int{0, rank - 1}, allAxes(rank - 1)[1:])...)
	out := op(&call{Node: c.Node, t: c.t, scope: c.scope, in: in})[0]
	return c.transpose(out, slices.Concat([]int{0}, allAxes(rank)[2:], []int{1})...)
}

// opQLinearPool: QLinearAveragePool and QLinearGlobalAveragePool.
func opQLinearPool(c *call) []*graph.Value {
	pool := opAveragePool
	if c.Name == "QLinearGlobalAveragePool" {
		pool = func(c *call) []*graph.Value {
			return one(c.apply(graph.Reduce{By: graph.ReduceMean, Axes: allAxes(c.rank(0))[min(2, c.rank(0)):]}, c.value(0)))
		}
	}
	return c.quantizedBy(3, c.channelsFirst(c.real(0), c.bool("channels_last", 0), pool))
}

// opMicrosoftQLinearConv: QLinearConv whose input and result may have the channels last.
func opMicrosoftQLinearConv(c *call) []*graph.Value {
	return one(c.channelsFirst(c.value(0), c.bool("channels_last", 0), opQLinearConv))
}

// opNhwcMaxPool: MaxPool with the channels last.
func opNhwcMaxPool(c *call) []*graph.Value {
	return one(c.channelsFirst(c.value(0), true, opMaxPool))
}

// opQGemm: Gemm of integers with a bias in steps of the product of the scales. Without a scale of the result it is floating-point.
func opQGemm(c *call) []*graph.Value {
	if c.rank(0) != 2 || c.rank(3) != 2 {
		c.failf("%v and %v should be matrices", c.value(0).Type(), c.value(3).Type())
	}
	transB := c.bool("transB", 0)
	columns := 1 // of b, along which its scale and zero point may be
	if transB {
		columns = 0
	}
	zeroA := c.opt(2)
	if zeroA != nil {
		zeroA = c.reshape(zeroA)
	}
	a, b := c.dequantized(c.value(0), zeroA), c.dequantized(c.value(3), c.alongAxis(c.opt(5), columns, 2))
	v := c.apply(graph.MatMul{TransA: c.bool("transA", 0), TransB: transB}, a, b)
	if c.has(6) {
		v = c.apply(graph.Add{}, v, c.cast(c.value(6), graph.Float32))
	}
	scale := c.apply(graph.Mul{}, c.cast(c.reshape(c.value(1)), graph.Float32), c.cast(c.alongAxis(c.value(4), 1, 2), graph.Float32))
	if alpha := c.float("alpha", 1); alpha != 1 {
		scale = c.apply(graph.Mul{}, scale, c.scalar(graph.Float32, float64(alpha)))
	}
	if v = c.apply(graph.Mul{}, v, scale); !c.has(7) {
		return one(v)
	}
	return c.quantizedBy(7, v)
}

// opMatMulIntegerToFloat: MatMulInteger, the scales of both operands, and a bias.
func opMatMulIntegerToFloat(c *call) []*graph.Value {
	a, b := c.factors(0, 1, c.opt(4), c.opt(5))
	return c.scaledProduct(a, b, c.value(2), c.value(3), c.opt(6))
}

// scaledProduct multiplies matrices of integers, their scales, and adds a bias. The scale of b may be one for each column.
func (c *call) scaledProduct(a, b, scaleA, scaleB, bias *graph.Value) []*graph.Value {
	v := c.product(a, b)
	rank := len(v.Type().Shape)
	v = c.apply(graph.Mul{}, v, c.apply(graph.Mul{}, c.reshape(scaleA), c.alongAxis(scaleB, max(0, rank-1), rank)))
	if bias != nil {
		v = c.apply(graph.Add{}, v, bias)
	}
	return one(v)
}

// opDynamicQuantizeMatMul: the first operand is quantised as DynamicQuantizeLinear does.
func opDynamicQuantizeMatMul(c *call) []*graph.Value {
	q := opDynamicQuantizeLinear(&call{Node: c.Node, t: c.t, scope: c.scope, in: one(c.value(0))})
	b := c.dequantized(c.value(1), c.alongAxis(c.opt(3), c.rank(1)-1, c.rank(1)))
	return c.scaledProduct(c.dequantized(q[0], q[2]), b, q[1], c.value(2), c.opt(4))
}
