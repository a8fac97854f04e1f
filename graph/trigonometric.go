package graph

import (
	"fmt"
	"math"
)

// Trigonometric is a trigonometric or hyperbolic function that has no operator of its own.
type Trigonometric struct {
	Of string // "tan", "sinh", "cosh", "asin", "acos", "atan", "asinh", "acosh" or "atanh"
}

// trigonometric has a loop of each function, and its derivative at x.
var trigonometric = map[string]struct {
	loops      loops
	derivative func(d *derivation, x *Value) *Value
}{
	"tan":   {floatLoops(math.Tan), func(d *derivation, x *Value) *Value { return d.raised(d.apply(Cos{}, x), -2) }},
	"sinh":  {floatLoops(math.Sinh), func(d *derivation, x *Value) *Value { return d.apply(Trigonometric{"cosh"}, x) }},
	"cosh":  {floatLoops(math.Cosh), func(d *derivation, x *Value) *Value { return d.apply(Trigonometric{"sinh"}, x) }},
	"asin":  {floatLoops(math.Asin), func(d *derivation, x *Value) *Value { return d.raised(d.sub(d.num(1), d.mul(x, x)), -0.5) }},
	"acos":  {floatLoops(math.Acos), func(d *derivation, x *Value) *Value { return d.neg(d.raised(d.sub(d.num(1), d.mul(x, x)), -0.5)) }},
	"atan":  {floatLoops(math.Atan), func(d *derivation, x *Value) *Value { return d.raised(d.add(d.mul(x, x), d.num(1)), -1) }},
	"asinh": {floatLoops(math.Asinh), func(d *derivation, x *Value) *Value { return d.raised(d.add(d.mul(x, x), d.num(1)), -0.5) }},
	"acosh": {floatLoops(math.Acosh), func(d *derivation, x *Value) *Value { return d.raised(d.sub(d.mul(x, x), d.num(1)), -0.5) }},
	"atanh": {floatLoops(math.Atanh), func(d *derivation, x *Value) *Value { return d.raised(d.sub(d.num(1), d.mul(x, x)), -1) }},
}

// raised returns x to a power.
func (d *derivation) raised(x *Value, to float64) *Value { return d.apply(Pow{}, x, d.num(to)) }

func (t Trigonometric) Name() string { return "Trigonometric " + t.Of }

func (t Trigonometric) Infer(in []Type) ([]Type, error) {
	f, ok := trigonometric[t.Of]
	if !ok {
		return nil, fmt.Errorf("there is no function %q", t.Of)
	}
	return inferUnary(t.Name(), &f.loops, in)
}

func (t Trigonometric) Eval(x *Exec, out, in []*Tensor) error {
	f := trigonometric[t.Of]
	return evalUnary(x, &f.loops, out[0], in[0])
}

func (t Trigonometric) inPlace() []int { return []int{0} }

func (t Trigonometric) gradient(d *derivation) []*Value {
	return d.times(trigonometric[t.Of].derivative(d, d.in[0]))
}
