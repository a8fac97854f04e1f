package graph

import "math"

// Floor is the next integer towards -Inf.
type Floor struct{ stationary }

var floorLoops = floatLoops(math.Floor)

func (Floor) Name() string                          { return "Floor" }
func (Floor) Infer(in []Type) ([]Type, error)       { return inferUnary("Floor", &floorLoops, in) }
func (Floor) Eval(x *Exec, out, in []*Tensor) error { return evalUnary(x, &floorLoops, out[0], in[0]) }
func (Floor) inPlace() []int                        { return []int{0} }
