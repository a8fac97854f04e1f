package graph

import "github.com/gansr/gansr/internal/kernel"

// Sub is a - b with numpy's broadcasting; integers wrap.
type Sub struct{}

var subLoops = loops{Float32: kernel.Sub, Float64: sub[float64],
	Int8: sub[int8], Int16: sub[int16], Int32: sub[int32], Int64: sub[int64],
	Uint8: sub[uint8], Uint16: sub[uint16], Uint32: sub[uint32], Uint64: sub[uint64]}

func sub[T number](dst, a, b []T) {
	for i := range dst {
		dst[i] = a[i] - b[i]
	}
}

func (Sub) Name() string                    { return "Sub" }
func (Sub) Infer(in []Type) ([]Type, error) { return inferBinary("Sub", &subLoops, in) }
func (Sub) Eval(x *Exec, out, in []*Tensor) error {
	return evalBinary(x, &subLoops, out[0], in[0], in[1])
}
func (Sub) inPlace() []int { return []int{0, 1} }

// stage subtracts a constant for each channel, or subtracts from one.
func (Sub) stage(in []*Value, i int) (kernel.Stage, int, bool) {
	c, ok := perChannel(in[i], in[1-i])
	if !ok {
		return kernel.Stage{}, -1, false
	}
	if i == 1 {
		return kernel.Stage{Kind: kernel.StageAffine, Scale: []float32{-1}, Shift: c}, -1, true
	}
	shift := make([]float32, len(c))
	kernel.Neg(shift, c)
	return kernel.Stage{Kind: kernel.StageAffine, Shift: shift}, -1, true
}

func (Sub) gradient(d *derivation) []*Value {
	return d.operands(func() *Value { return d.thin(0) }, func() *Value { return d.neg(d.thin(0)) })
}
