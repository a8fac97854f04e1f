package graph

import "math"

// Ceil is the next integer towards +Inf.
type Ceil struct{ stationary }

var ceilLoops = floatLoops(math.Ceil)

func (Ceil) Name() string                          { return "Ceil" }
func (Ceil) Infer(in []Type) ([]Type, error)       { return inferUnary("Ceil", &ceilLoops, in) }
func (Ceil) Eval(x *Exec, out, in []*Tensor) error { return evalUnary(x, &ceilLoops, out[0], in[0]) }
func (Ceil) inPlace() []int                        { return []int{0} }
