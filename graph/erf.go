package graph

import (
	"math"

	"github.com/gansr/gansr/internal/kernel"
)

// Erf is the error function.
type Erf struct{}

var erfLoops = loops{Float32: kernel.Erf, Float64: each[float64](math.Erf)}

func (Erf) Name() string                          { return "Erf" }
func (Erf) Infer(in []Type) ([]Type, error)       { return inferUnary("Erf", &erfLoops, in) }
func (Erf) Eval(x *Exec, out, in []*Tensor) error { return evalUnary(x, &erfLoops, out[0], in[0]) }
func (Erf) inPlace() []int                        { return []int{0} }

func (Erf) gradient(d *derivation) []*Value {
	x := d.in[0]
	return d.times(d.scale(d.apply(Exp{}, d.neg(d.mul(x, x))), 2/math.Sqrt(math.Pi)))
}
