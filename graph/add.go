package graph

import "github.com/gansr/gansr/internal/kernel"

// Add is a + b with numpy's broadcasting; integers wrap.
type Add struct{}

var addLoops = loops{Float32: kernel.Add, Float64: add[float64],
	Int8: add[int8], Int16: add[int16], Int32: add[int32], Int64: add[int64],
	Uint8: add[uint8], Uint16: add[uint16], Uint32: add[uint32], Uint64: add[uint64]}

func add[T number](dst, a, b []T) {
	for i := range dst {
		dst[i] = a[i] + b[i]
	}
}

func (Add) Name() string                    { return "Add" }
func (Add) Infer(in []Type) ([]Type, error) { return inferBinary("Add", &addLoops, in) }
func (Add) Eval(x *Exec, out, in []*Tensor) error {
	return evalBinary(x, &addLoops, out[0], in[0], in[1])
}
func (Add) inPlace() []int { return []int{0, 1} }

// stage adds a residual of the same shape, or a constant for each channel.
func (Add) stage(in []*Value, i int) (kernel.Stage, int, bool) {
	other := in[1-i]
	if shift, ok := perChannel(in[i], other); ok {
		return kernel.Stage{Kind: kernel.StageAffine, Shift: shift}, -1, true
	}
	if other.Known() == nil && other.Type().Equal(in[i].Type()) && other != in[i] {
		return kernel.Stage{Kind: kernel.StageAdd}, 1 - i, true
	}
	return kernel.Stage{}, -1, false
}

func (Add) gradient(d *derivation) []*Value {
	g := func() *Value { return d.thin(0) }
	return d.operands(g, g)
}
