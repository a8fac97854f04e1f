package graph

import "github.com/gansr/gansr/internal/kernel"

// Sign is -1 below zero, 1 above, and 0 at zero; NaN stays NaN.
type Sign struct{ stationary }

var signLoops = loops{Float32: signs, Float64: sign[float64],
	Int8: sign[int8], Int16: sign[int16], Int32: sign[int32], Int64: sign[int64],
	Uint8: sign[uint8], Uint16: sign[uint16], Uint32: sign[uint32], Uint64: sign[uint64]}

func sign[T number](dst, a []T) {
	for i, v := range a {
		switch {
		case v > 0:
			v = 1
		case v < 0:
			v = 0
			v--
		}
		dst[i] = v
	}
}

// signs scales the smallest number that is not 0 far beyond 1, and clips.
func signs(dst, a []float32) {
	const half = 1 << 127
	for i := 0; i < len(a); i += chunk {
		dst, a := dst[i:min(i+chunk, len(a))], a[i:min(i+chunk, len(a))]
		kernel.MulScalar(dst, a, half)
		kernel.MulScalar(dst, dst, half)
		kernel.Clip(dst, dst, -1, 1)
	}
}

func (Sign) Name() string                          { return "Sign" }
func (Sign) Infer(in []Type) ([]Type, error)       { return inferUnary("Sign", &signLoops, in) }
func (Sign) Eval(x *Exec, out, in []*Tensor) error { return evalUnary(x, &signLoops, out[0], in[0]) }
func (Sign) inPlace() []int                        { return []int{0} }
