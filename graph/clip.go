package graph

import (
	"fmt"

	"github.com/gansr/gansr/internal/kernel"
)

// Clip is min(max(x, lo), hi): hi wins where lo is larger, and NaN stays NaN. Operands: x, then lo and hi of one
// element each.
type Clip struct{}

func (Clip) Name() string { return "Clip" }

func (Clip) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("Clip", in, 3, 3); err != nil {
		return nil, err
	}
	if in[0].DType == Bool {
		return nil, fmt.Errorf("Clip of %v is not defined", in[0].DType)
	}
	for _, t := range in[1:] {
		if t.DType != in[0].DType || t.Len() != 1 {
			return nil, fmt.Errorf("Clip of %v: a limit should be one %v, not %v", in[0], in[0].DType, t)
		}
	}
	return []Type{in[0]}, nil
}

func (Clip) Eval(x *Exec, out, in []*Tensor) error {
	switch in[0].dtype {
	case Float32:
		lo, hi := Data[float32](in[1])[0], Data[float32](in[2])[0]
		unary(x, func(dst, a []float32) { kernel.Clip(dst, a, lo, hi) }, out[0], in[0])
	case Float64:
		clip[float64](x, out[0], in)
	case Int8:
		clip[int8](x, out[0], in)
	case Int16:
		clip[int16](x, out[0], in)
	case Int32:
		clip[int32](x, out[0], in)
	case Int64:
		clip[int64](x, out[0], in)
	case Uint8:
		clip[uint8](x, out[0], in)
	case Uint16:
		clip[uint16](x, out[0], in)
	case Uint32:
		clip[uint32](x, out[0], in)
	case Uint64:
		clip[uint64](x, out[0], in)
	}
	return nil
}

func clip[T interface {
	number
	Element
}](x *Exec, out *Tensor, in []*Tensor) {
	lo, hi := Data[T](in[1])[0], Data[T](in[2])[0]
	unary(x, func(dst, a []T) {
		for i, v := range a {
			dst[i] = min(max(v, lo), hi)
		}
	}, out, in[0])
}

func (Clip) inPlace() []int { return []int{0} }

func (Clip) stage(in []*Value, i int) (kernel.Stage, int, bool) {
	lo, hi := in[1].known, in[2].known
	if i != 0 || lo == nil || hi == nil || lo.dtype != Float32 {
		return kernel.Stage{}, -1, false
	}
	return kernel.Stage{Kind: kernel.StageClip, Lo: Data[float32](lo)[0], Hi: Data[float32](hi)[0]}, -1, true
}

// gradient: a limit has the gradient of the elements that it replaces; an element that equals a limit counts as within.
func (Clip) gradient(d *derivation) []*Value {
	x, lo, hi := d.in[0], d.in[1], d.in[2]
	all := make([]int, x.typ.Rank())
	for k := range all {
		all[k] = k
	}
	collect := func(limit, replaced *Value) *Value {
		return d.reshape(d.sum(d.keep(replaced, d.grad(0)), all...), limit.typ.Shape...)
	}
	low := d.reshape(lo) // 0-d, which broadcasts to any shape
	below, above := d.less(x, low), d.less(d.reshape(hi), d.apply(Max{}, x, low))
	gs := []*Value{d.apply(Where{}, d.apply(Or{}, below, above), d.num(0), d.thin(0)), nil, nil}
	if d.wants[1] {
		gs[1] = collect(lo, d.apply(And{}, below, d.apply(Not{}, above)))
	}
	if d.wants[2] {
		gs[2] = collect(hi, above)
	}
	return gs
}
