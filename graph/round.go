package graph

import "math"

// Round is the nearest integer, of two equally near ones the even one.
type Round struct{ stationary }

var roundLoops = floatLoops(math.RoundToEven)

func (Round) Name() string                          { return "Round" }
func (Round) Infer(in []Type) ([]Type, error)       { return inferUnary("Round", &roundLoops, in) }
func (Round) Eval(x *Exec, out, in []*Tensor) error { return evalUnary(x, &roundLoops, out[0], in[0]) }
func (Round) inPlace() []int                        { return []int{0} }
