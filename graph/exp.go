package graph

import (
	"math"

	"github.com/gansr/gansr/internal/kernel"
)

// Exp is e to the power x.
type Exp struct{}

var expLoops = loops{Float32: kernel.Exp, Float64: each[float64](math.Exp)}

func (Exp) Name() string                          { return "Exp" }
func (Exp) Infer(in []Type) ([]Type, error)       { return inferUnary("Exp", &expLoops, in) }
func (Exp) Eval(x *Exec, out, in []*Tensor) error { return evalUnary(x, &expLoops, out[0], in[0]) }
func (Exp) inPlace() []int                        { return []int{0} }

func (Exp) gradient(d *derivation) []*Value { return d.times(d.outs[0]) }
