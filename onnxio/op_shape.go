package onnxio

import (
	"slices"

	"github.com/gansr/gansr/graph"
)

// opShape: shapes are known while a graph is built, so they are constants. Opset 15 added start and end.
func opShape(c *call) []*graph.Value {
	rank := c.rank(0)
	clamp := func(i int) int {
		if i < 0 {
			i += rank
		}
		return min(max(i, 0), rank)
	}
	start, end := clamp(c.int("start", 0)), clamp(c.int("end", rank))
	return one(c.constant(graph.Ints(c.shape(0)[start:max(start, end)]...)))
}

// opSize: the number of elements, a constant as shapes are.
func opSize(c *call) []*graph.Value {
	return one(c.constant(graph.Scalar(int64(c.value(0).Type().Len()))))
}

// opReshape: 0 copies a dimension unless allowzero (opset 14) is set, -1 is inferred.
func opReshape(c *call) []*graph.Value {
	from, asked := c.shape(0), c.constInts(1)
	to := slices.Clone(asked)
	infer := -1
	for i, d := range asked {
		switch {
		case d == 0 && !c.bool("allowzero", 0):
			if i >= len(from) {
				c.failf("shape %v copies dimension %d of %v, which it does not have", asked, i, from)
			}
			to[i] = from[i]
		case d < -1 || d == -1 && infer >= 0:
			c.failf("shape %v should have no negative dimensions but one -1", asked)
		case d == -1:
			infer = i
			to[i] = 1
		}
	}
	if infer >= 0 {
		n, _ := graph.Numel(from)
		known, ok := graph.Numel(to)
		if !ok || known == 0 || n%known != 0 {
			c.failf("shape %v does not fit %v", asked, from)
		}
		to[infer] = n / known
	}
	return one(c.reshape(c.value(0), to...))
}

// opFlatten: the axes before axis become one, and the others another. Opset 11 added negative axes.
func opFlatten(c *call) []*graph.Value {
	shape := c.shape(0)
	axis := c.int("axis", 1)
	if axis < 0 {
		axis += len(shape)
	}
	if axis < 0 || axis > len(shape) {
		c.failf("axis %d is outside of %d dimensions", c.int("axis", 1), len(shape))
	}
	rows, _ := graph.Numel(shape[:axis])
	columns, _ := graph.Numel(shape[axis:])
	return one(c.reshape(c.value(0), rows, columns))
}

// opSqueeze: axes was an attribute before opset 13. Without axes all of one position go.
func opSqueeze(c *call) []*graph.Value {
	from := c.shape(0)
	axes := c.intsOr(1, "axes")
	all := axes == nil
	axes = c.axes(axes, len(from))
	shape := []int{}
	for k, d := range from {
		switch {
		case all && d == 1:
		case slices.Contains(axes, k):
			if d != 1 {
				c.failf("axis %d of %v does not have one position", k, from)
			}
		default:
			shape = append(shape, d)
		}
	}
	return one(c.reshape(c.value(0), shape...))
}

// opUnsqueeze: axes was an attribute before opset 13.
func opUnsqueeze(c *call) []*graph.Value {
	axes := c.intsOr(1, "axes")
	if axes == nil {
		c.failf("axes are missing")
	}
	shape := slices.Clone(c.shape(0))
	for _, a := range c.axes(axes, len(shape)+len(axes)) {
		shape = slices.Insert(shape, a, 1)
	}
	return one(c.reshape(c.value(0), shape...))
}

// opExpand: the shape broadcasts with that of the operand, in both directions.
func opExpand(c *call) []*graph.Value {
	return one(c.expand(c.value(0), must(graph.BroadcastShape(c.shape(0), c.constInts(1)))...))
}

// expand adds an Expand unless v has that shape.
func (c *call) expand(v *graph.Value, shape ...int) *graph.Value {
	if slices.Equal(v.Type().Shape, shape) {
		return v
	}
	return c.apply(graph.Expand{Shape: shape}, v)
}

// opTile repeats the whole tensor along its axes: each becomes one for the repetitions and one for the positions.
func opTile(c *call) []*graph.Value {
	repeats, shape := c.constInts(1), c.shape(0)
	if len(repeats) != len(shape) {
		c.failf("repeats %v should have one value for each axis of %v", repeats, shape)
	}
	var split, repeated, joined []int
	for k, d := range shape {
		split, repeated, joined = append(split, 1, d), append(repeated, repeats[k], d), append(joined, repeats[k]*d)
	}
	return one(c.reshape(c.expand(c.reshape(c.value(0), split...), repeated...), joined...))
}
