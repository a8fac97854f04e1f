package graph

import (
	"math"

	"github.com/gansr/gansr/internal/kernel"
)

// Sqrt is the square root, NaN below zero.
type Sqrt struct{}

var sqrtLoops = loops{Float32: kernel.Sqrt, Float64: each[float64](math.Sqrt)}

func (Sqrt) Name() string                          { return "Sqrt" }
func (Sqrt) Infer(in []Type) ([]Type, error)       { return inferUnary("Sqrt", &sqrtLoops, in) }
func (Sqrt) Eval(x *Exec, out, in []*Tensor) error { return evalUnary(x, &sqrtLoops, out[0], in[0]) }
func (Sqrt) inPlace() []int                        { return []int{0} }

func (Sqrt) gradient(d *derivation) []*Value {
	return []*Value{d.div(d.scale(d.thin(0), 0.5), d.outs[0])}
}
