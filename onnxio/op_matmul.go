package onnxio

import (
	"slices"

	"github.com/gansr/gansr/graph"
)

// opMatMul: as numpy's matmul, where an operand of one axis is a row or a column that the result lacks.
func opMatMul(c *call) []*graph.Value {
	a, b := c.value(0), c.value(1)
	row, column := c.rank(0) == 1, c.rank(1) == 1
	if row {
		a = c.reshape(a, 1, c.shape(0)[0])
	}
	if column {
		b = c.reshape(b, c.shape(1)[0], 1)
	}
	v := c.apply(graph.MatMul{}, a, b)
	shape := slices.Clone(v.Type().Shape)
	last := len(shape) - 1
	if column {
		shape = slices.Delete(shape, last, last+1)
	}
	if row {
		shape = slices.Delete(shape, last-1, last)
	}
	return one(c.reshape(v, shape...))
}

// opGemm: alpha·A·B + beta·C with A and B transposed on demand. C is optional from opset 11 on.
func opGemm(c *call) []*graph.Value {
	if c.rank(0) != 2 || c.rank(1) != 2 {
		c.failf("%v and %v should be matrices", c.value(0).Type(), c.value(1).Type())
	}
	scaled := func(v *graph.Value, by float32) *graph.Value {
		if by == 1 {
			return v
		}
		return c.apply(graph.Mul{}, v, c.scalar(v.Type().DType, float64(by)))
	}
	v := c.apply(graph.MatMul{TransA: c.bool("transA", 0), TransB: c.bool("transB", 0)}, c.value(0), c.value(1))
	v = scaled(v, c.float("alpha", 1))
	beta := c.float("beta", 1)
	if !c.has(2) || beta == 0 {
		return one(v)
	}
	sum := c.apply(graph.Add{}, v, scaled(c.value(2), beta))
	if !slices.Equal(sum.Type().Shape, v.Type().Shape) {
		c.failf("%v cannot be added to the product %v", c.value(2).Type(), v.Type())
	}
	return one(sum)
}
