package graph

import "math"

// Elu is x where x >= 0 and Alpha*(exp(x)-1) elsewhere (Clevert et al., arXiv:1511.07289).
type Elu struct{ Alpha float64 }

func (e Elu) loops() *loops {
	l := floatLoops(func(v float64) float64 {
		if v < 0 {
			return e.Alpha * math.Expm1(v)
		}
		return v
	})
	return &l
}

func (Elu) Name() string                            { return "Elu" }
func (e Elu) Infer(in []Type) ([]Type, error)       { return inferUnary("Elu", e.loops(), in) }
func (e Elu) Eval(x *Exec, out, in []*Tensor) error { return evalUnary(x, e.loops(), out[0], in[0]) }
func (Elu) inPlace() []int                          { return []int{0} }

// gradient: below zero the derivative is the result plus Alpha.
func (e Elu) gradient(d *derivation) []*Value {
	below := d.less(d.in[0], d.num(0))
	return d.times(d.apply(Where{}, below, d.add(d.outs[0], d.num(e.Alpha)), d.num(1)))
}
