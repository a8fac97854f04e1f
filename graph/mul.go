package graph

import "github.com/gansr/gansr/internal/kernel"

// Mul is a * b with numpy's broadcasting; integers wrap.
type Mul struct{}

var mulLoops = loops{Float32: kernel.Mul, Float64: mul[float64],
	Int8: mul[int8], Int16: mul[int16], Int32: mul[int32], Int64: mul[int64],
	Uint8: mul[uint8], Uint16: mul[uint16], Uint32: mul[uint32], Uint64: mul[uint64]}

func mul[T number](dst, a, b []T) {
	for i := range dst {
		dst[i] = a[i] * b[i]
	}
}

func (Mul) Name() string                    { return "Mul" }
func (Mul) Infer(in []Type) ([]Type, error) { return inferBinary("Mul", &mulLoops, in) }
func (Mul) Eval(x *Exec, out, in []*Tensor) error {
	return evalBinary(x, &mulLoops, out[0], in[0], in[1])
}
func (Mul) inPlace() []int { return []int{0, 1} }

// stage multiplies by a constant for each channel.
func (Mul) stage(in []*Value, i int) (kernel.Stage, int, bool) {
	scale, ok := perChannel(in[i], in[1-i])
	return kernel.Stage{Kind: kernel.StageAffine, Scale: scale}, -1, ok
}

func (Mul) gradient(d *derivation) []*Value {
	return d.operands(
		func() *Value { return d.mul(d.thin(0), d.in[1]) },
		func() *Value { return d.mul(d.thin(0), d.in[0]) })
}
