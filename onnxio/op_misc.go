package onnxio

import (
	"slices"

	"github.com/gansr/gansr/graph"
)

// opTrigonometric: all functions that package graph has under one operator.
func opTrigonometric(c *call) []*graph.Value {
	name := map[string]string{"Tan": "tan", "Sinh": "sinh", "Cosh": "cosh", "Asin": "asin", "Acos": "acos", "Atan": "atan", "Asinh": "asinh", "Acosh": "acosh",
		"Atanh": "atanh"}[c.Name]
	return one(c.apply(graph.Trigonometric{Of: name}, c.value(0)))
}

// opHardmax: one where the largest element is, the first of equal ones, and zero elsewhere. Before opset 13 all axes from the given one on count as one.
func opHardmax(c *call) []*graph.Value {
	x, shape := c.value(0), c.shape(0)
	axis := c.int("axis", -1)
	if c.Version < 13 {
		axis = c.int("axis", 1)
		if axis != len(shape) {
			axis = c.axis(axis, len(shape))
		}
		rows, _ := graph.Numel(shape[:axis])
		cols, _ := graph.Numel(shape[axis:])
		x, axis = c.reshape(x, rows, cols), 1
	}
	axis = c.axis(axis, len(x.Type().Shape))
	hot := c.apply(graph.Compare{Is: graph.IsEqual}, c.apply(graph.ArgMax{Axis: axis}, x), c.alongShape(x.Type().Shape, axis))
	return one(c.reshape(c.cast(hot, x.Type().DType), shape...))
}

// opShrink: opset 9. Elements within lambd of zero become zero, and others come nearer to it by bias.
func opShrink(c *call) []*graph.Value {
	x := c.value(0)
	dt := x.Type().DType
	num := func(v float64) *graph.Value { return c.scalar(wide(dt), v) }
	lambda, bias := float64(c.float("lambd", 0.5)), float64(c.float("bias", 0))
	x = c.cast(x, wide(dt))
	if dt.IsInt() {
		x = c.cast(x, graph.Float64)
		num = func(v float64) *graph.Value { return c.scalar(graph.Float64, v) }
	}
	less := func(a, b *graph.Value) *graph.Value { return c.apply(graph.Compare{Is: graph.IsLess}, a, b) }
	y := c.apply(graph.Where{}, less(x, num(-lambda)), c.apply(graph.Add{}, x, num(bias)), num(0))
	y = c.apply(graph.Where{}, less(num(lambda), x), c.apply(graph.Sub{}, x, num(bias)), y)
	return one(c.cast(y, dt))
}

// opEyeLike: opset 9. Ones on diagonal k, in the shape of the input.
func opEyeLike(c *call) []*graph.Value {
	shape := c.shape(0)
	if len(shape) == 1 {
		shape = []int{shape[0], shape[0]}
	}
	n, ok := graph.Numel(shape)
	if len(shape) != 2 || !ok || n > maxFill {
		c.failf("a diagonal of %v is not possible", c.value(0).Type())
	}
	to := c.value(0).Type().DType
	if d := c.int("dtype", 0); d != 0 {
		to = must(DType(int64(d)))
	}
	eye := make([]float64, n)
	k := c.int("k", 0)
	for i := range shape[0] {
		if j := i + k; j >= 0 && j < shape[1] {
			eye[i*shape[1]+j] = 1
		}
	}
	return one(c.cast(c.constant(must(graph.FromSlice(eye, shape...))), to))
}

// opMeanVarianceNormalization: opset 9. ONNX adds 1e-9 to the deviation.
func opMeanVarianceNormalization(c *call) []*graph.Value {
	x := c.value(0)
	dt := x.Type().DType
	axes := c.axes(c.ints("axes", []int{0, 2, 3}), c.rank(0))
	x = c.cast(x, wide(dt))
	mean := func(v *graph.Value) *graph.Value { return c.apply(graph.Reduce{By: graph.ReduceMean, Axes: axes}, v) }
	x = c.apply(graph.Sub{}, x, mean(x))
	deviation := c.apply(graph.Sqrt{}, mean(c.apply(graph.Mul{}, x, x)))
	return one(c.cast(c.apply(graph.Div{}, x, c.apply(graph.Add{}, deviation, c.scalar(wide(dt), 1e-9))), dt))
}

// opGradient: of the preview domain for training. The derivatives of the value that y names with respect to those that xs names, which are this node's
// inputs.
func opGradient(c *call) []*graph.Value {
	xs := must(c.Strings("xs", nil))
	y := must(c.t.lookup(c.scope, c.str("y", "")))
	var targets []*graph.Value
	for _, name := range slices.Concat(xs, must(c.Strings("zs", nil))) {
		targets = append(targets, must(c.t.lookup(c.scope, name)))
	}
	if len(xs) == 0 || !slices.Equal(targets, c.in) {
		c.failf("inputs should be the values that xs and zs name")
	}
	return must(c.t.b.Gradients([]*graph.Value{y}, nil, targets[:len(xs)]))
}

// opDet: opset 11.
func opDet(c *call) []*graph.Value { return one(c.apply(graph.Det{}, c.value(0))) }
