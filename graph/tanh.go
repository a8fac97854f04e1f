package graph

import (
	"math"

	"github.com/gansr/gansr/internal/kernel"
)

// Tanh is the hyperbolic tangent.
type Tanh struct{}

var tanhLoops = loops{Float32: kernel.Tanh, Float64: each[float64](math.Tanh)}

func (Tanh) Name() string                          { return "Tanh" }
func (Tanh) Infer(in []Type) ([]Type, error)       { return inferUnary("Tanh", &tanhLoops, in) }
func (Tanh) Eval(x *Exec, out, in []*Tensor) error { return evalUnary(x, &tanhLoops, out[0], in[0]) }
func (Tanh) inPlace() []int                        { return []int{0} }

func (Tanh) stage([]*Value, int) (kernel.Stage, int, bool) {
	return kernel.Stage{Kind: kernel.StageTanh}, -1, true
}

func (Tanh) gradient(d *derivation) []*Value {
	y := d.outs[0]
	return d.times(d.sub(d.num(1), d.mul(y, y)))
}
