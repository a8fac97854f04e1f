package onnxio

import "github.com/gansr/gansr/graph"

// opBitShift: opset 11.
func opBitShift(c *call) []*graph.Value {
	op := graph.Bitwise{}
	switch d := c.str("direction", ""); d {
	case "LEFT":
		op.Op = graph.ShiftLeft
	case "RIGHT":
		op.Op = graph.ShiftRight
	default:
		c.failf("direction %q is unknown; it should be LEFT or RIGHT", d)
	}
	return one(c.apply(op, c.value(0), c.value(1)))
}

// opBitwiseNot: opset 18. All bits differ from those of x where they are combined with ones.
func opBitwiseNot(c *call) []*graph.Value {
	x := c.value(0)
	dt := x.Type().DType
	if !dt.IsInt() {
		c.failf("BitwiseNot of %v is not defined", dt)
	}
	ones := c.apply(graph.Cast{To: dt}, c.constant(graph.Scalar(int64(-1)))) // keeps the low bits
	return one(c.apply(graph.Bitwise{Op: graph.BitXor}, x, ones))
}

// opBitCast: opset 26.
func opBitCast(c *call) []*graph.Value {
	return one(c.apply(graph.BitCast{To: must(DType(int64(c.int("to", 0))))}, c.value(0)))
}
