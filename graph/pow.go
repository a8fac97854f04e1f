package graph

import (
	"math"
	"slices"

	"github.com/gansr/gansr/internal/kernel"
)

// Pow is a to the power b with numpy's broadcasting. Integers wrap; a negative power of an integer is rounded
// towards zero, that of zero is zero.
type Pow struct{}

var powLoops = loops{Float32: powFloats[float32], Float64: powFloats[float64],
	Int8: powInts[int8], Int16: powInts[int16], Int32: powInts[int32], Int64: powInts[int64],
	Uint8: powInts[uint8], Uint16: powInts[uint16], Uint32: powInts[uint32], Uint64: powInts[uint64]}

func powFloats[T float](dst, a, b []T) {
	for i, v := range a {
		if b[i] == 2 {
			dst[i] = v * v
			continue
		}
		dst[i] = T(math.Pow(float64(v), float64(b[i])))
	}
}

func powInts[T integer](dst, a, b []T) {
	for i, v := range a {
		e, p := b[i], T(1)
		if e < 0 { // only 1 and -1 have powers that are not 0
			if v != 1 && v+1 != 0 {
				p = 0
			}
			e = -(e % 2)
		}
		for ; e > 0; e /= 2 {
			if e%2 == 1 {
				p *= v
			}
			v *= v
		}
		dst[i] = p
	}
}

func (Pow) Name() string                    { return "Pow" }
func (Pow) Infer(in []Type) ([]Type, error) { return inferBinary("Pow", &powLoops, in) }
func (Pow) Eval(x *Exec, out, in []*Tensor) error {
	if e, ok := in[1].data.([]float32); ok && len(e) == 1 && e[0] == 2 && slices.Equal(in[0].shape, out[0].shape) { // as in norms
		unary(x, func(dst, a []float32) { kernel.Mul(dst, a, a) }, out[0], in[0])
		return nil
	}
	return evalBinary(x, &powLoops, out[0], in[0], in[1])
}
func (Pow) inPlace() []int { return []int{0, 1} }

// gradient: that of the exponent is 0 where the base is not positive and its logarithm does not exist.
func (Pow) gradient(d *derivation) []*Value {
	a, b := d.in[0], d.in[1]
	return d.operands(
		func() *Value { return d.mul(d.thin(0), d.mul(b, d.apply(Pow{}, a, d.sub(b, d.num(1))))) },
		func() *Value {
			positive := d.less(d.num(0), a)
			log := d.apply(Log{}, d.apply(Where{}, positive, a, d.num(1)))
			return d.mul(d.thin(0), d.mul(d.outs[0], log))
		})
}
