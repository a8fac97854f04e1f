package graph

import "math"

// Cos is the cosine of an angle in radians.
type Cos struct{}

var cosLoops = floatLoops(math.Cos)

func (Cos) Name() string                          { return "Cos" }
func (Cos) Infer(in []Type) ([]Type, error)       { return inferUnary("Cos", &cosLoops, in) }
func (Cos) Eval(x *Exec, out, in []*Tensor) error { return evalUnary(x, &cosLoops, out[0], in[0]) }
func (Cos) inPlace() []int                        { return []int{0} }

func (Cos) gradient(d *derivation) []*Value { return d.times(d.neg(d.apply(Sin{}, d.in[0]))) }
