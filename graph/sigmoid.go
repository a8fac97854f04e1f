package graph

import (
	"math"

	"github.com/gansr/gansr/internal/kernel"
)

// Sigmoid is 1/(1+exp(-x)).
type Sigmoid struct{}

var sigmoidLoops = loops{Float32: kernel.Sigmoid, Float64: each[float64](func(v float64) float64 { return 1 / (1 + math.Exp(-v)) })}

func (Sigmoid) Name() string                    { return "Sigmoid" }
func (Sigmoid) Infer(in []Type) ([]Type, error) { return inferUnary("Sigmoid", &sigmoidLoops, in) }
func (Sigmoid) Eval(x *Exec, out, in []*Tensor) error {
	return evalUnary(x, &sigmoidLoops, out[0], in[0])
}
func (Sigmoid) inPlace() []int { return []int{0} }

func (Sigmoid) stage([]*Value, int) (kernel.Stage, int, bool) {
	return kernel.Stage{Kind: kernel.StageSigmoid}, -1, true
}

func (Sigmoid) gradient(d *derivation) []*Value {
	y := d.outs[0]
	return d.times(d.mul(y, d.sub(d.num(1), y)))
}
