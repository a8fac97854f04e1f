package graph

import (
	"math"

	"github.com/gansr/gansr/internal/kernel"
)

// Softplus is log(1 + exp(x)).
type Softplus struct{}

var softplusLoops = loops{Float32: kernel.Softplus,
	Float64: each[float64](func(v float64) float64 { return max(v, 0) + math.Log1p(math.Exp(-math.Abs(v))) })}

func (Softplus) Name() string                    { return "Softplus" }
func (Softplus) Infer(in []Type) ([]Type, error) { return inferUnary("Softplus", &softplusLoops, in) }
func (Softplus) Eval(x *Exec, out, in []*Tensor) error {
	return evalUnary(x, &softplusLoops, out[0], in[0])
}
func (Softplus) inPlace() []int { return []int{0} }

func (Softplus) gradient(d *derivation) []*Value { return d.times(d.apply(Sigmoid{}, d.in[0])) }
