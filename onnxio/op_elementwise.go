package onnxio

import (
	"math"
	"slices"

	"github.com/gansr/gansr/graph"
)

// unaryOperators are those without attributes that are one operator of package graph.
var unaryOperators = map[string]graph.Operator{
	"Abs":      graph.Abs{},
	"Ceil":     graph.Ceil{},
	"Cos":      graph.Cos{},
	"Erf":      graph.Erf{},
	"Exp":      graph.Exp{},
	"Floor":    graph.Floor{},
	"Log":      graph.Log{},
	"Neg":      graph.Neg{},
	"Not":      graph.Not{},
	"Relu":     graph.Relu{},
	"Round":    graph.Round{},
	"Sigmoid":  graph.Sigmoid{},
	"Sign":     graph.Sign{},
	"Sin":      graph.Sin{},
	"Softplus": graph.Softplus{},
	"Sqrt":     graph.Sqrt{},
	"Tanh":     graph.Tanh{},
}

func opUnary(c *call) []*graph.Value { return one(c.apply(unaryOperators[c.Name], c.value(0))) }

// binaryOperators are those without attributes that are one operator of package graph.
var binaryOperators = map[string]graph.Operator{
	"Add":         graph.Add{},
	"And":         graph.And{},
	"BitwiseAnd":  graph.Bitwise{Op: graph.BitAnd},
	"BitwiseOr":   graph.Bitwise{Op: graph.BitOr},
	"BitwiseXor":  graph.Bitwise{Op: graph.BitXor},
	"Div":         graph.Div{},
	"Equal":       graph.Compare{Is: graph.IsEqual},
	"Less":        graph.Compare{Is: graph.IsLess},
	"LessOrEqual": graph.Compare{Is: graph.IsLessOrEqual},
	"Mul":         graph.Mul{},
	"Or":          graph.Or{},
	"Sub":         graph.Sub{},
}

// opNumpyBinary: numpy's broadcasting since opset 7. Before, the attribute axis said where input 1 lies in input 0.
func opNumpyBinary(c *call) []*graph.Value {
	b := c.value(1)
	if c.Version < 7 && c.Has("axis") {
		b = c.alignedAt(1, c.axis(c.int("axis", 0), c.rank(0)))
	}
	return one(c.apply(binaryOperators[c.Name], c.value(0), b))
}

// alignedAt returns input i with axes appended so that broadcasting puts its first axis at the given one of input 0.
func (c *call) alignedAt(i, axis int) *graph.Value {
	ones := c.rank(0) - axis - c.rank(i)
	if ones < 0 {
		c.failf("input %v has too many dimensions to lie at axis %d of %v", c.value(i).Type(), axis, c.value(0).Type())
	}
	return c.reshape(c.value(i), slices.Concat(c.shape(i), slices.Repeat([]int{1}, ones))...)
}

// variadicOperators take any number of inputs, two at a time.
var variadicOperators = map[string]graph.Operator{
	"Max":  graph.Max{},
	"Mean": graph.Add{},
	"Min":  graph.Min{},
	"Sum":  graph.Add{},
}

// opVariadic: numpy's broadcasting since opset 8.
func opVariadic(c *call) []*graph.Value {
	dt := c.value(0).Type().DType
	v := c.cast(c.value(0), wide(dt))
	for i := 1; i < len(c.in); i++ {
		v = c.apply(variadicOperators[c.Name], v, c.cast(c.value(i), wide(dt)))
	}
	if c.Name == "Mean" {
		v = c.apply(graph.Div{}, v, c.scalar(wide(dt), float64(len(c.in))))
	}
	return one(c.cast(v, dt))
}

func opReciprocal(c *call) []*graph.Value {
	return one(c.apply(graph.Div{}, c.scalar(c.value(0).Type().DType, 1), c.value(0)))
}

// opMod: fmod chooses the sign of the dividend.
func opMod(c *call) []*graph.Value {
	return one(c.apply(graph.Mod{Truncated: c.bool("fmod", 0)}, c.value(0), c.value(1)))
}

// opPow: the exponent may be of another type (opset 12). The result is of the base's type.
func opPow(c *call) []*graph.Value {
	dt, exponent := c.value(0).Type().DType, c.value(1).Type().DType
	to := dt
	if dt.IsInt() && exponent.IsFloat() {
		to = graph.Float64
	}
	return one(c.cast(c.apply(graph.Pow{}, c.cast(c.value(0), to), c.cast(c.value(1), to)), dt))
}

func opWhere(c *call) []*graph.Value {
	return one(c.apply(graph.Where{}, c.value(0), c.value(1), c.value(2)))
}

// opClip: the limits are attributes before opset 11, then optional inputs.
func opClip(c *call) []*graph.Value {
	x := c.value(0)
	dt := x.Type().DType
	limit := func(i int, name string, sign float64) *graph.Value {
		switch {
		case c.has(i):
			return c.value(i)
		case c.Has(name):
			return c.scalar(dt, float64(c.float(name, 0)))
		}
		return c.scalar(dt, sign*greatest(dt))
	}
	return one(c.apply(graph.Clip{}, x, limit(1, "min", -1), limit(2, "max", 1)))
}

// greatest returns the largest finite number of a floating-point type, and for integers what saturates to the limits.
func greatest(dt graph.DType) float64 {
	switch dt {
	case graph.Float32:
		return math.MaxFloat32
	case graph.Float64:
		return math.MaxFloat64
	case graph.Float16:
		return 65504
	case graph.BFloat16:
		return 0x1.fep127
	}
	return math.Inf(1)
}

// wide returns the type in which a result of several operators is computed before it is rounded to dt.
func wide(dt graph.DType) graph.DType {
	if dt.IsHalf() {
		return graph.Float32
	}
	return dt
}

// cast adds a Cast unless v is of that type.
func (c *call) cast(v *graph.Value, to graph.DType) *graph.Value {
	if v.Type().DType == to {
		return v
	}
	return c.apply(graph.Cast{To: to}, v)
}

func opIdentity(c *call) []*graph.Value { return one(c.value(0)) }
