package graph

import (
	"math"

	"github.com/gansr/gansr/internal/kernel"
)

// Abs is the absolute value; that of the least integer is itself.
type Abs struct{}

var absLoops = loops{Float32: kernel.Abs, Float64: each[float64](math.Abs),
	Int8: absolute[int8], Int16: absolute[int16], Int32: absolute[int32], Int64: absolute[int64],
	Uint8: absolute[uint8], Uint16: absolute[uint16], Uint32: absolute[uint32], Uint64: absolute[uint64]}

func absolute[T number](dst, a []T) {
	for i, v := range a {
		if v < 0 {
			v = -v
		}
		dst[i] = v
	}
}

func (Abs) Name() string                          { return "Abs" }
func (Abs) Infer(in []Type) ([]Type, error)       { return inferUnary("Abs", &absLoops, in) }
func (Abs) Eval(x *Exec, out, in []*Tensor) error { return evalUnary(x, &absLoops, out[0], in[0]) }
func (Abs) inPlace() []int                        { return []int{0} }

func (Abs) gradient(d *derivation) []*Value { return d.times(d.apply(Sign{}, d.in[0])) }
