package onnxio

import (
	"math"
	"slices"

	"github.com/gansr/gansr/graph"
)

// quantRange returns the least and the largest number of an integer type that tensors are quantised to, and false for other types.
func quantRange(dt graph.DType) (lo, hi float64, ok bool) {
	switch dt {
	case graph.Uint8:
		return 0, math.MaxUint8, true
	case graph.Int8:
		return math.MinInt8, math.MaxInt8, true
	case graph.Uint16:
		return 0, math.MaxUint16, true
	case graph.Int16:
		return math.MinInt16, math.MaxInt16, true
	case graph.Uint4:
		return 0, 15, true
	case graph.Int4:
		return -8, 7, true
	case graph.Uint2:
		return 0, 3, true
	case graph.Int2:
		return -2, 1, true
	}
	return 0, 0, false
}

// perElement returns a scale or zero point in a form that broadcasts to input 0: it is one number, one for each position of an axis, or
// one for each block of positions of the axis.
func (c *call) perElement(v *graph.Value) *graph.Value {
	x, shape := c.shape(0), v.Type().Shape
	if v.Type().Len() == 1 {
		return c.reshape(v)
	}
	axis, block := c.axis(c.int("axis", 1), len(x)), c.int("block_size", 0)
	if block == 0 {
		if len(shape) != 1 || shape[0] != x[axis] {
			c.failf("%v should be one number, or %d for the positions of axis %d", v.Type(), x[axis], axis)
		}
		to := slices.Repeat([]int{1}, len(x))
		to[axis] = shape[0]
		return c.reshape(v, to...)
	}
	want := slices.Clone(x)
	if block > 0 {
		want[axis] = (x[axis] + block - 1) / block
	}
	if block < 0 || !slices.Equal(shape, want) {
		c.failf("%v does not fit blocks of %d along axis %d of %v", v.Type(), block, axis, c.value(0).Type())
	}
	v = c.repeatEach(v, axis, block)
	s := wholeSlice(v)
	s.Sizes[axis] = x[axis]
	return c.slice(v, s)
}

// repeatEach repeats each position of an axis n times.
func (c *call) repeatEach(v *graph.Value, axis, n int) *graph.Value {
	shape := v.Type().Shape
	split, joined := slices.Insert(slices.Clone(shape), axis+1, 1), slices.Clone(shape)
	repeated := slices.Clone(split)
	repeated[axis+1] = n
	joined[axis] *= n
	return c.reshape(c.expand(c.reshape(v, split...), repeated...), joined...)
}

// quantized rounds v, floating-point numbers in steps of the scale, to the type to, whose number zero stands for 0.
func (c *call) quantized(v, zero *graph.Value, to graph.DType) *graph.Value {
	lo, hi, isInt := quantRange(to)
	if !isInt {
		return c.castNarrow(v, to)
	}
	v = c.cast(c.apply(graph.Round{}, v), graph.Float32)
	if zero != nil {
		v = c.apply(graph.Add{}, v, c.cast(zero, graph.Float32))
	}
	v = c.apply(graph.Clip{}, v, c.scalar(graph.Float32, lo), c.scalar(graph.Float32, hi))
	return c.cast(v, to)
}

// opQuantizeLinear: opset 13 added axis, opset 19 float8 types, opset 21 blocks, output_dtype and 4 and 16 bits, opset 23 float4 and
// precision, opset 25 two bits.
func opQuantizeLinear(c *call) []*graph.Value {
	x, scale := c.value(0), c.perElement(c.value(1))
	to := graph.Uint8
	if n := c.int("output_dtype", 0); n != 0 {
		to = must(DType(int64(n)))
	}
	zero := c.opt(2)
	if zero != nil {
		to = zero.Type().DType
		zero = c.perElement(zero)
	}
	in := x.Type().DType
	if !in.IsFloat() {
		in = graph.Float32 // int32, until opset 20
	}
	if n := c.int("precision", 0); n != 0 {
		in = must(DType(int64(n)))
		if in.IsHalf() && !c.t.rounding {
			in = graph.Float32
		}
	}
	steps := c.apply(graph.Div{}, c.cast(x, in), c.cast(scale, in))
	if _, _, isInt := quantRange(to); !isInt && !to.IsNarrow() {
		c.failf("quantisation to %v is not defined", to)
	}
	return one(c.quantized(steps, zero, to))
}

// dequantized returns the numbers that v stands for in float32, without the scale.
func (c *call) dequantized(v, zero *graph.Value) *graph.Value {
	v = c.cast(v, graph.Float32)
	if zero != nil {
		v = c.apply(graph.Sub{}, v, c.cast(zero, graph.Float32))
	}
	return v
}

// opDequantizeLinear: the counterpart of QuantizeLinear, with the same history. It is computed in float32.
func opDequantizeLinear(c *call) []*graph.Value {
	scale := c.value(1)
	to := scale.Type().DType
	if n := c.int("output_dtype", 0); n != 0 {
		to = must(DType(int64(n)))
	}
	if to.IsHalf() && !c.t.rounding {
		to = graph.Float32
	}
	zero := c.opt(2)
	if zero != nil {
		zero = c.perElement(zero)
	}
	v := c.apply(graph.Mul{}, c.dequantized(c.value(0), zero), c.cast(c.perElement(scale), graph.Float32))
	return one(c.cast(v, to))
}

// opDynamicQuantizeLinear: opset 11. The range of the numbers, with 0 in it, becomes 0 to 255.
func opDynamicQuantizeLinear(c *call) []*graph.Value {
	x := c.value(0)
	num := func(v float64) *graph.Value { return c.scalar(graph.Float32, v) }
	extreme := func(r graph.Reduction, op graph.Operator) *graph.Value {
		return c.apply(op, num(0), c.reshape(c.apply(graph.Reduce{By: r, Axes: allAxes(c.rank(0))}, x)))
	}
	hi, lo := extreme(graph.ReduceMax, graph.Max{}), extreme(graph.ReduceMin, graph.Min{})
	span := c.apply(graph.Sub{}, hi, lo)
	none := c.apply(graph.Compare{Is: graph.IsEqual}, span, num(0))
	scale := c.apply(graph.Div{}, c.apply(graph.Where{}, none, num(1), span), num(255))
	zero := c.apply(graph.Clip{}, c.apply(graph.Neg{}, c.apply(graph.Div{}, lo, scale)), num(0), num(255))
	zero = c.cast(c.apply(graph.Round{}, zero), graph.Uint8)
	return []*graph.Value{c.quantized(c.apply(graph.Div{}, x, scale), zero, graph.Uint8), scale, zero}
}

// allAxes lists the axes of a value with so many of them.
func allAxes(rank int) []int {
	axes := make([]int, rank)
	for i := range axes {
		axes[i] = i
	}
	return axes
}

// alongAxis brings a vector into the form that broadcasts to a value of the given rank along one of its axes. One number, and what has as many
// axes already, stays as it is.
func (c *call) alongAxis(v *graph.Value, axis, rank int) *graph.Value {
	if v == nil || len(v.Type().Shape) != 1 {
		return v
	}
	if v.Type().Shape[0] == 1 {
		return c.reshape(v)
	}
	if axis < 0 || axis >= rank {
		c.failf("%v does not fit %d axes", v.Type(), rank)
	}
	to := slices.Repeat([]int{1}, rank)
	to[axis] = v.Type().Shape[0]
	return c.reshape(v, to...)
}

// convInts is the convolution of integers in inputs x and w, less their zero points, in float32: sums are exact up to 2^24, and have the
// precision of float32 beyond, or where the algorithm of the convolution transforms its operands.
func (c *call) convInts(x, w int, zeroX, zeroW, bias *graph.Value) *graph.Value {
	if c.rank(x) < 3 || c.rank(x) != c.rank(w) {
		c.failf("input %v and weights %v do not fit together", c.value(x).Type(), c.value(w).Type())
	}
	in := []*graph.Value{c.dequantized(c.value(x), zeroX), c.dequantized(c.value(w), c.alongAxis(zeroW, 0, c.rank(w)))}
	if bias != nil {
		in = append(in, c.cast(bias, graph.Float32))
	}
	conv := &call{Node: c.Node, t: c.t, scope: c.scope, in: in}
	return opConv(conv)[0]
}

// opConvInteger: opset 10.
func opConvInteger(c *call) []*graph.Value {
	return one(c.cast(c.apply(graph.Round{}, c.convInts(0, 1, c.opt(2), c.opt(3), nil)), graph.Int32))
}

// opQLinearConv: opset 10.
func opQLinearConv(c *call) []*graph.Value {
	v := c.convInts(0, 3, c.opt(2), c.opt(5), c.opt(8))
	scale := c.apply(graph.Mul{}, c.cast(c.reshape(c.value(1)), graph.Float32), c.cast(c.alongAxis(c.value(4), 1, c.rank(0)), graph.Float32))
	scale = c.apply(graph.Div{}, scale, c.cast(c.reshape(c.value(6)), graph.Float32))
	zero := c.opt(7)
	to := c.value(0).Type().DType
	if zero != nil {
		to, zero = zero.Type().DType, c.reshape(zero)
	}
	return one(c.quantized(c.apply(graph.Mul{}, v, scale), zero, to))
}

// factors returns the integers of inputs a and b, less their zero points, as operands of a matrix product. A zero point may be one for each
// row of a or each column of b.
func (c *call) factors(a, b int, zeroA, zeroB *graph.Value) (x, y *graph.Value) {
	return c.dequantized(c.value(a), c.alongAxis(zeroA, max(0, c.rank(a)-2), c.rank(a))),
		c.dequantized(c.value(b), c.alongAxis(zeroB, c.rank(b)-1, c.rank(b)))
}

func (c *call) product(x, y *graph.Value) *graph.Value {
	return opMatMul(&call{Node: c.Node, t: c.t, scope: c.scope, in: []*graph.Value{x, y}})[0]
}

// opMatMulInteger: opset 10. The sums are exact in float32 as long as they are less than 2^24; for longer ones b is split into two numbers
// of four bits, and beyond 4112 summands it is float64.
func opMatMulInteger(c *call) []*graph.Value {
	a, b := c.factors(0, 1, c.opt(2), c.opt(3))
	n := 1
	if c.rank(0) > 0 {
		n = c.shape(0)[c.rank(0)-1]
	}
	whole := func(v *graph.Value) *graph.Value { return c.cast(v, graph.Int32) }
	switch {
	case n*255*255 <= 1<<24:
		return one(whole(c.product(a, b)))
	case n*255*16 <= 1<<24:
		sixteen := c.scalar(graph.Float32, 16)
		high := c.apply(graph.Floor{}, c.apply(graph.Div{}, b, sixteen))
		low := c.apply(graph.Sub{}, b, c.apply(graph.Mul{}, high, sixteen))
		scaled := c.apply(graph.Mul{}, whole(c.product(a, high)), c.scalar(graph.Int32, 16))
		return one(c.apply(graph.Add{}, scaled, whole(c.product(a, low))))
	}
	return one(whole(c.product(c.cast(a, graph.Float64), c.cast(b, graph.Float64))))
}

// opQLinearMatMul: opset 21 added the types of QuantizeLinear. The product is made in float32.
func opQLinearMatMul(c *call) []*graph.Value {
	a, b := c.factors(0, 3, c.opt(2), c.opt(5))
	v := c.product(a, b)
	rank := len(v.Type().Shape)
	scaleA := c.cast(c.alongAxis(c.value(1), max(0, rank-2), rank), graph.Float32)
	scaleB := c.cast(c.alongAxis(c.value(4), max(0, rank-1), rank), graph.Float32)
	scaleY, zero := c.cast(c.alongAxis(c.value(6), max(0, rank-2), rank), graph.Float32), c.alongAxis(c.opt(7), max(0, rank-2), rank)
	to := c.value(0).Type().DType
	if zero != nil {
		to = zero.Type().DType
	}
	scale := c.apply(graph.Div{}, c.apply(graph.Mul{}, scaleA, scaleB), scaleY)
	return one(c.quantized(c.apply(graph.Mul{}, v, scale), zero, to))
}
