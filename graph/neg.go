package graph

import "github.com/gansr/gansr/internal/kernel"

// Neg is -x; integers wrap.
type Neg struct{}

var negLoops = loops{Float32: kernel.Neg, Float64: negate[float64],
	Int8: negate[int8], Int16: negate[int16], Int32: negate[int32], Int64: negate[int64]}

func negate[T number](dst, a []T) {
	for i, v := range a {
		dst[i] = -v
	}
}

func (Neg) Name() string                          { return "Neg" }
func (Neg) Infer(in []Type) ([]Type, error)       { return inferUnary("Neg", &negLoops, in) }
func (Neg) Eval(x *Exec, out, in []*Tensor) error { return evalUnary(x, &negLoops, out[0], in[0]) }
func (Neg) inPlace() []int                        { return []int{0} }

func (Neg) gradient(d *derivation) []*Value { return []*Value{d.neg(d.thin(0))} }
