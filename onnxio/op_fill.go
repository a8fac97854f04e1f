package onnxio

import (
	"math"

	"github.com/gansr/gansr/graph"
)

// opConstantOfShape: one element repeated, float32 zero by default.
func opConstantOfShape(c *call) []*graph.Value {
	v := graph.Scalar(float32(0))
	if c.Has("value") {
		v = must(c.Tensor("value"))
		if v.Len() != 1 {
			c.failf("value %v should be one element", v.Type())
		}
	}
	shape := c.constInts(0)
	if n, ok := graph.Numel(shape); !ok || n > maxFill {
		c.failf("a constant of shape %v is not possible", shape)
	}
	return one(c.expand(c.reshape(c.constant(v)), shape...))
}

// maxFill bounds the elements that a few bytes of a model can ask for: they are constants of the graph.
const maxFill = 1 << 26

// opRange: opset 27 added float16 and bfloat16, computed in float32.
func opRange(c *call) []*graph.Value {
	dt := c.value(0).Type().DType
	bounds := make([]*graph.Tensor, 3)
	for i := range bounds {
		v := c.value(i)
		if v.Type().DType != dt || v.Type().Len() != 1 {
			c.failf("start, limit and delta should be one element of the same type each, not %v", v.Type())
		}
		if dt.IsHalf() {
			v = c.apply(graph.Cast{To: graph.Float32}, v)
		}
		bounds[i] = must(c.t.pin(v))
	}
	var t *graph.Tensor
	switch bounds[0].Data().(type) {
	case []float32:
		t = floatRange[float32](c, bounds)
	case []float64:
		t = floatRange[float64](c, bounds)
	case []int16:
		t = intRange[int16](c, bounds)
	case []int32:
		t = intRange[int32](c, bounds)
	case []int64:
		t = intRange[int64](c, bounds)
	default:
		c.failf("a range of %v is not defined", dt)
	}
	v := c.constant(t)
	if dt.IsHalf() {
		v = c.apply(graph.Cast{To: dt}, v)
	}
	return one(v)
}

func floatRange[T float32 | float64](c *call, bounds []*graph.Tensor) *graph.Tensor {
	start, limit, delta := graph.Data[T](bounds[0])[0], graph.Data[T](bounds[1])[0], graph.Data[T](bounds[2])[0]
	n := math.Ceil(float64(limit-start) / float64(delta))
	if !(n <= maxFill) {
		c.failf("a range from %v to %v in steps of %v would have %v elements", start, limit, delta, n)
	}
	t := make([]T, int(max(n, 0)))
	for i := range t {
		t[i] = start + T(i)*delta
	}
	return must(graph.FromSlice(t, len(t)))
}

func intRange[T int16 | int32 | int64](c *call, bounds []*graph.Tensor) *graph.Tensor {
	start, limit, delta := graph.Data[T](bounds[0])[0], graph.Data[T](bounds[1])[0], graph.Data[T](bounds[2])[0]
	var n uint64 // differences of int64 fit uint64
	switch {
	case delta == 0:
		c.failf("a range in steps of 0 has no end")
	case delta > 0 && start < limit:
		n = (uint64(limit)-uint64(start)-1)/uint64(delta) + 1
	case delta < 0 && start > limit:
		n = (uint64(start)-uint64(limit)-1)/-uint64(delta) + 1
	}
	if n > maxFill {
		c.failf("a range from %v to %v in steps of %v would have %v elements", start, limit, delta, n)
	}
	t := make([]T, n)
	for i := range t {
		t[i] = start + T(i)*delta
	}
	return must(graph.FromSlice(t, len(t)))
}
