package graph

import "github.com/gansr/gansr/internal/kernel"

// Relu is max(x, 0); NaN stays NaN.
type Relu struct{}

var reluLoops = loops{Float32: kernel.Relu, Float64: relu[float64], Int8: relu[int8], Int16: relu[int16], Int32: relu[int32], Int64: relu[int64]}

func relu[T number](dst, a []T) {
	for i, v := range a {
		if v < 0 {
			v = 0
		}
		dst[i] = v
	}
}

func (Relu) Name() string                          { return "Relu" }
func (Relu) Infer(in []Type) ([]Type, error)       { return inferUnary("Relu", &reluLoops, in) }
func (Relu) Eval(x *Exec, out, in []*Tensor) error { return evalUnary(x, &reluLoops, out[0], in[0]) }
func (Relu) inPlace() []int                        { return []int{0} }

func (Relu) stage([]*Value, int) (kernel.Stage, int, bool) {
	return kernel.Stage{Kind: kernel.StagePRelu, Slope: []float32{0}}, -1, true
}

// gradient looks at the result, which is positive where the operand is, so that a fused operand need not be kept.
func (Relu) gradient(d *derivation) []*Value {
	return []*Value{d.apply(Gate{}, d.grad(0), d.outs[0], d.num(0))}
}
