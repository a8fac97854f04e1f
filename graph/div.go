package graph

import "github.com/gansr/gansr/internal/kernel"

// Div is a / b with numpy's broadcasting. Integers are divided towards zero; an integer divided by zero gives zero.
type Div struct{}

var divLoops = loops{Float32: kernel.Div, Float64: divideFloats,
	Int8: divide[int8], Int16: divide[int16], Int32: divide[int32], Int64: divide[int64],
	Uint8: divide[uint8], Uint16: divide[uint16], Uint32: divide[uint32], Uint64: divide[uint64]}

func divideFloats(dst, a, b []float64) {
	for i := range dst {
		dst[i] = a[i] / b[i]
	}
}

func divide[T integer](dst, a, b []T) {
	for i := range dst {
		if b[i] == 0 {
			dst[i] = 0
			continue
		}
		dst[i] = a[i] / b[i]
	}
}

func (Div) Name() string                    { return "Div" }
func (Div) Infer(in []Type) ([]Type, error) { return inferBinary("Div", &divLoops, in) }
func (Div) Eval(x *Exec, out, in []*Tensor) error {
	return evalBinary(x, &divLoops, out[0], in[0], in[1])
}
func (Div) inPlace() []int { return []int{0, 1} }

// stage divides by a constant for each channel.
func (Div) stage(in []*Value, i int) (kernel.Stage, int, bool) {
	c, ok := perChannel(in[i], in[1-i])
	if !ok || i != 0 {
		return kernel.Stage{}, -1, false
	}
	scale := make([]float32, len(c))
	kernel.ScalarDiv(scale, 1, c)
	return kernel.Stage{Kind: kernel.StageAffine, Scale: scale}, -1, true
}

func (Div) gradient(d *derivation) []*Value {
	return d.operands(
		func() *Value { return d.div(d.thin(0), d.in[1]) },
		func() *Value { return d.neg(d.mul(d.thin(0), d.div(d.outs[0], d.in[1]))) })
}
