package graph

import (
	"math"

	"github.com/gansr/gansr/internal/kernel"
)

// Gelu is the Gaussian error linear unit, x/2 * (1 + erf(x/sqrt(2))) (https://arxiv.org/abs/1606.08415).
type Gelu struct{}

var geluLoops = loops{Float32: kernel.Gelu, Float64: each[float64](func(v float64) float64 { return v / 2 * math.Erfc(-v/math.Sqrt2) })}

func (Gelu) Name() string                          { return "Gelu" }
func (Gelu) Infer(in []Type) ([]Type, error)       { return inferUnary("Gelu", &geluLoops, in) }
func (Gelu) Eval(x *Exec, out, in []*Tensor) error { return evalUnary(x, &geluLoops, out[0], in[0]) }
func (Gelu) inPlace() []int                        { return []int{0} }

// gradient is that of x*P(x), where P is the normal distribution function.
func (Gelu) gradient(d *derivation) []*Value {
	x := d.in[0]
	density := d.scale(d.apply(Exp{}, d.scale(d.mul(x, x), -0.5)), 1/math.Sqrt(2*math.Pi))
	p := d.scale(d.add(d.apply(Erf{}, d.scale(x, 1/math.Sqrt2)), d.num(1)), 0.5)
	return d.times(d.add(p, d.mul(x, density)))
}
