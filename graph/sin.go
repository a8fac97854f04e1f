package graph

import "math"

// Sin is the sine of an angle in radians.
type Sin struct{}

var sinLoops = floatLoops(math.Sin)

func (Sin) Name() string                          { return "Sin" }
func (Sin) Infer(in []Type) ([]Type, error)       { return inferUnary("Sin", &sinLoops, in) }
func (Sin) Eval(x *Exec, out, in []*Tensor) error { return evalUnary(x, &sinLoops, out[0], in[0]) }
func (Sin) inPlace() []int                        { return []int{0} }

func (Sin) gradient(d *derivation) []*Value { return d.times(d.apply(Cos{}, d.in[0])) }
