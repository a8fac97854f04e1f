package graph

import "math"

// Mod is the remainder of a / b with numpy's broadcasting. It has the sign of b, or, if Truncated, that of a like C's %
// and fmod. An integer modulo zero is zero.
type Mod struct{ Truncated bool }

var (
	floorModLoops = loops{Float32: floorModFloats[float32], Float64: floorModFloats[float64],
		Int8: floorMod[int8], Int16: floorMod[int16], Int32: floorMod[int32], Int64: floorMod[int64],
		Uint8: floorMod[uint8], Uint16: floorMod[uint16], Uint32: floorMod[uint32], Uint64: floorMod[uint64]}
	truncModLoops = loops{Float32: truncModFloats[float32], Float64: truncModFloats[float64],
		Int8: truncMod[int8], Int16: truncMod[int16], Int32: truncMod[int32], Int64: truncMod[int64],
		Uint8: truncMod[uint8], Uint16: truncMod[uint16], Uint32: truncMod[uint32], Uint64: truncMod[uint64]}
)

func floorMod[T integer](dst, a, b []T) {
	for i, n := range b {
		m := T(0)
		if n != 0 {
			m = a[i] % n
		}
		if m != 0 && (m < 0) != (n < 0) {
			m += n
		}
		dst[i] = m
	}
}

func truncMod[T integer](dst, a, b []T) {
	for i, n := range b {
		m := T(0)
		if n != 0 {
			m = a[i] % n
		}
		dst[i] = m
	}
}

func floorModFloats[T float](dst, a, b []T) {
	for i, n := range b {
		m := math.Mod(float64(a[i]), float64(n))
		if m != 0 && (m < 0) != (n < 0) {
			m += float64(n)
		}
		dst[i] = T(m)
	}
}

func truncModFloats[T float](dst, a, b []T) {
	for i, n := range b {
		dst[i] = T(math.Mod(float64(a[i]), float64(n)))
	}
}

func (m Mod) loops() *loops {
	if m.Truncated {
		return &truncModLoops
	}
	return &floorModLoops
}

func (Mod) Name() string                      { return "Mod" }
func (m Mod) Infer(in []Type) ([]Type, error) { return inferBinary("Mod", m.loops(), in) }
func (m Mod) Eval(x *Exec, out, in []*Tensor) error {
	return evalBinary(x, m.loops(), out[0], in[0], in[1])
}
func (Mod) inPlace() []int { return []int{0, 1} }

// gradient: the quotient, which is whole, does not change with small changes.
func (Mod) gradient(d *derivation) []*Value {
	a, b := d.in[0], d.in[1]
	return d.operands(
		func() *Value { return d.thin(0) },
		func() *Value { return d.neg(d.mul(d.thin(0), d.apply(Round{}, d.div(d.sub(a, d.outs[0]), b)))) })
}
