package graph

import "github.com/gansr/gansr/internal/kernel"

// Min is the smaller of a and b with numpy's broadcasting, NaN if either is.
type Min struct{}

var minLoops = loops{Float32: kernel.Min, Float64: smaller[float64],
	Int8: smaller[int8], Int16: smaller[int16], Int32: smaller[int32], Int64: smaller[int64],
	Uint8: smaller[uint8], Uint16: smaller[uint16], Uint32: smaller[uint32], Uint64: smaller[uint64]}

func smaller[T number](dst, a, b []T) {
	for i := range dst {
		dst[i] = min(a[i], b[i])
	}
}

func (Min) Name() string                    { return "Min" }
func (Min) Infer(in []Type) ([]Type, error) { return inferBinary("Min", &minLoops, in) }
func (Min) Eval(x *Exec, out, in []*Tensor) error {
	return evalBinary(x, &minLoops, out[0], in[0], in[1])
}
func (Min) inPlace() []int { return []int{0, 1} }

func (Min) gradient(d *derivation) []*Value { return d.chosen(d.in[0], d.in[1]) }
