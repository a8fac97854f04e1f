package graph

import "math"

// Log is the natural logarithm: NaN below zero, -Inf at zero.
type Log struct{}

var logLoops = floatLoops(math.Log)

func (Log) Name() string                          { return "Log" }
func (Log) Infer(in []Type) ([]Type, error)       { return inferUnary("Log", &logLoops, in) }
func (Log) Eval(x *Exec, out, in []*Tensor) error { return evalUnary(x, &logLoops, out[0], in[0]) }
func (Log) inPlace() []int                        { return []int{0} }

func (Log) gradient(d *derivation) []*Value { return []*Value{d.div(d.thin(0), d.in[0])} }
