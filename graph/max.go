package graph

import "github.com/gansr/gansr/internal/kernel"

// Max is the larger of a and b with numpy's broadcasting, NaN if either is.
type Max struct{}

var maxLoops = loops{Float32: kernel.Max, Float64: larger[float64],
	Int8: larger[int8], Int16: larger[int16], Int32: larger[int32], Int64: larger[int64],
	Uint8: larger[uint8], Uint16: larger[uint16], Uint32: larger[uint32], Uint64: larger[uint64]}

func larger[T number](dst, a, b []T) {
	for i := range dst {
		dst[i] = max(a[i], b[i])
	}
}

func (Max) Name() string                    { return "Max" }
func (Max) Infer(in []Type) ([]Type, error) { return inferBinary("Max", &maxLoops, in) }
func (Max) Eval(x *Exec, out, in []*Tensor) error {
	return evalBinary(x, &maxLoops, out[0], in[0], in[1])
}
func (Max) inPlace() []int { return []int{0, 1} }

func (Max) gradient(d *derivation) []*Value { return d.chosen(d.in[1], d.in[0]) }

// chosen returns the gradients of an operator that takes one of two operands: the first where less < more for (a, b) = (more, less), the
// second where it is the other way round. Where they are equal each gets one half, so that the gradient does not depend on their order.
func (d *derivation) chosen(less, more *Value) []*Value {
	share := func(less, more *Value) func() *Value {
		return func() *Value {
			half := d.keep(d.apply(Compare{Is: IsEqual}, less, more), d.num(0.5))
			return d.mul(d.thin(0), d.apply(Where{}, d.less(less, more), d.num(1), half))
		}
	}
	return d.operands(share(less, more), share(more, less))
}
