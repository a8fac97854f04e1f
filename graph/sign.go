package graph

// Sign is -1 below zero, 1 above, and 0 at zero; NaN stays NaN.
type Sign struct{ stationary }

var signLoops = loops{Float32: sign[float32], Float64: sign[float64],
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

func (Sign) Name() string                          { return "Sign" }
func (Sign) Infer(in []Type) ([]Type, error)       { return inferUnary("Sign", &signLoops, in) }
func (Sign) Eval(x *Exec, out, in []*Tensor) error { return evalUnary(x, &signLoops, out[0], in[0]) }
func (Sign) inPlace() []int                        { return []int{0} }
