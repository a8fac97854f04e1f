package onnxio

import (
	"slices"

	"github.com/gansr/gansr/graph"
)

// opOneHot: opset 9; 11 added negative indices. Indices that are not within the depth have no place.
func opOneHot(c *call) []*graph.Value {
	depth := int(c.constFloat(1))
	if depth < 0 || depth > maxFill {
		c.failf("a depth of %d is not possible", depth)
	}
	shape := c.shape(0)
	axis := c.axis(c.int("axis", -1), len(shape)+1)
	index := c.reshape(c.cast(c.value(0), graph.Int64), slices.Insert(slices.Clone(shape), axis, 1)...)
	zero, n := c.scalar(graph.Int64, 0), c.scalar(graph.Int64, float64(depth))
	negative := c.apply(graph.Compare{Is: graph.IsLess}, index, zero)
	index = c.apply(graph.Where{}, negative, c.apply(graph.Add{}, index, n), index)
	places := slices.Repeat([]int{1}, len(shape)+1)
	places[axis] = depth
	hot := c.apply(graph.Compare{Is: graph.IsEqual}, index, c.constant(must(graph.FromSlice(counting(depth), places...))))
	values := c.value(2)
	if values.Type().Len() != 2 {
		c.failf("values %v should be two", values.Type())
	}
	value := func(i int) *graph.Value {
		return c.reshape(c.slice(values, graph.Slice{Starts: []int{i}, Sizes: []int{1}, Steps: []int{1}}))
	}
	return one(c.apply(graph.Where{}, hot, value(1), value(0)))
}

// counting returns 0, 1, … n-1.
func counting(n int) []int64 {
	v := make([]int64, n)
	for i := range v {
		v[i] = int64(i)
	}
	return v
}

// alongShape returns the numbers 0, 1, … along one axis of a shape, in a form that broadcasts to it.
func (c *call) alongShape(shape []int, axis int) *graph.Value {
	to := slices.Repeat([]int{1}, len(shape))
	to[axis] = shape[axis]
	return c.constant(must(graph.FromSlice(counting(shape[axis]), to...)))
}

// opTensorScatter: opset 24. The update lies at a position of the axis that each sample has its own of, and goes on at the front in circular mode.
func opTensorScatter(c *call) []*graph.Value {
	shape := c.shape(1)
	axis := c.axis(c.int("axis", -2), c.rank(0))
	if len(shape) != c.rank(0) || axis == 0 {
		c.failf("update %v does not fit %v along axis %d", c.value(1).Type(), c.value(0).Type(), axis)
	}
	at := c.alongShape(shape, axis)
	if c.has(2) {
		first := c.reshape(c.cast(c.value(2), graph.Int64), slices.Concat([]int{shape[0]}, slices.Repeat([]int{1}, len(shape)-1))...)
		at = c.apply(graph.Add{}, at, first)
	}
	switch mode := c.str("mode", "linear"); mode {
	case "linear":
	case "circular":
		at = c.apply(graph.Mod{}, at, c.scalar(graph.Int64, float64(c.shape(0)[axis])))
	default:
		c.failf("mode %q is unknown; it should be linear or circular", mode)
	}
	return one(c.apply(graph.ScatterElements{Axis: axis, Reduction: graph.ReduceNone}, c.value(0), c.expand(at, shape...), c.value(1)))
}

// opReverseSequence: opset 10. The first positions of each sample's time axis, as many as sequence_lens says, in reverse.
func opReverseSequence(c *call) []*graph.Value {
	batch, time := c.int("batch_axis", 1), c.int("time_axis", 0)
	shape := c.shape(0)
	if len(shape) < 2 || batch+time != 1 || batch*time != 0 {
		c.failf("batch_axis %d and time_axis %d of %v should be 0 and 1", batch, time, c.value(0).Type())
	}
	to := slices.Repeat([]int{1}, len(shape))
	to[batch] = shape[batch]
	n := c.reshape(c.cast(c.value(1), graph.Int64), to...)
	at := c.alongShape(shape, time)
	back := c.apply(graph.Sub{}, c.apply(graph.Sub{}, n, c.scalar(graph.Int64, 1)), at)
	at = c.apply(graph.Where{}, c.apply(graph.Compare{Is: graph.IsLess}, at, n), back, at)
	return one(c.apply(graph.GatherElements{Axis: time}, c.value(0), c.expand(at, shape...)))
}

// opMaxUnpool: opset 9. Elements go to where the largest ones of a MaxPool were; the size is what that pool is made of unless given.
func opMaxUnpool(c *call) []*graph.Value {
	shape := c.shape(0)
	w := c.window(c.ints("kernel_shape", nil))
	n := len(w.Kernel)
	size := slices.Clone(shape)
	for i := range n {
		size[2+i] = (shape[2+i]-1)*w.Strides[i] - w.Pads[i] - w.Pads[n+i] + w.Kernel[i]
	}
	index := c.reshape(c.value(1), c.value(1).Type().Len())
	total, ok := graph.Numel(size)
	if !ok || total > maxFill {
		c.failf("a result of shape %v is not possible", size)
	}
	x := c.value(0)
	zeros := c.expand(c.reshape(c.scalar(x.Type().DType, 0), 1), total)
	y := c.apply(graph.ScatterElements{Reduction: graph.ReduceNone}, zeros, index, c.reshape(x, x.Type().Len()))
	y = c.reshape(y, size...)
	if !c.has(2) {
		return one(y)
	}
	p := graph.Pad{Mode: graph.PadConstant, Begin: make([]int, len(size)), End: make([]int, len(size))} // indices are those without it
	whole := c.constInts(2)
	if len(whole) != len(size) {
		c.failf("output_shape %v should have %d axes", whole, len(size))
	}
	for k, d := range whole {
		if p.End[k] = d - size[k]; p.End[k] < 0 {
			c.failf("output_shape %v is smaller than %v", whole, size)
		}
	}
	return one(c.apply(p, y))
}

// opCompress: opset 9. Which elements are taken decides the result's shape.
func opCompress(c *call) []*graph.Value {
	x := c.value(0)
	axis := 0
	if c.Has("axis") {
		axis = c.axis(c.int("axis", 0), c.rank(0))
	} else {
		x = c.reshape(x, x.Type().Len())
	}
	condition := c.tensor(1)
	if condition.DType() != graph.Bool {
		c.failf("condition %v should be bool", condition.Type())
	}
	var at []int64
	for i, v := range graph.Data[bool](condition) {
		if v {
			at = append(at, int64(i))
		}
	}
	return one(c.apply(graph.Gather{Axis: axis}, x, c.constant(must(graph.FromSlice(at, len(at))))))
}
