package graph

import "fmt"

// CumProd is the product of the elements along an axis up to each one; integers wrap.
type CumProd struct {
	Axis      int  // not negative
	Exclusive bool // without the element itself
	Reverse   bool // from the end
}

func (CumProd) Name() string { return "CumProd" }

func (c CumProd) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("CumProd", in, 1, 1); err != nil {
		return nil, err
	}
	if t := in[0].DType; c.Axis < 0 || c.Axis >= in[0].Rank() || !t.IsFloat() && !t.IsInt() {
		return nil, fmt.Errorf("CumProd of %v along axis %d is not defined", in[0], c.Axis)
	}
	return []Type{in[0]}, nil
}

func (c CumProd) Eval(_ *Exec, out, in []*Tensor) error {
	switch a := in[0].data.(type) {
	case []float32:
		cumProd(c, Data[float32](out[0]), a, in[0].shape)
	case []float64:
		cumProd(c, Data[float64](out[0]), a, in[0].shape)
	case []int8:
		cumProd(c, Data[int8](out[0]), a, in[0].shape)
	case []int16:
		cumProd(c, Data[int16](out[0]), a, in[0].shape)
	case []int32:
		cumProd(c, Data[int32](out[0]), a, in[0].shape)
	case []int64:
		cumProd(c, Data[int64](out[0]), a, in[0].shape)
	case []uint8:
		cumProd(c, Data[uint8](out[0]), a, in[0].shape)
	case []uint16:
		cumProd(c, Data[uint16](out[0]), a, in[0].shape)
	case []uint32:
		cumProd(c, Data[uint32](out[0]), a, in[0].shape)
	case []uint64:
		cumProd(c, Data[uint64](out[0]), a, in[0].shape)
	}
	return nil
}

func cumProd[T number](c CumProd, dst, a []T, shape []int) {
	outer, n, inner := split(shape, c.Axis)
	for i := range outer * inner {
		at, step := i/inner*n*inner+i%inner, inner
		if c.Reverse {
			at, step = at+(n-1)*inner, -inner
		}
		product := T(1)
		for range n {
			before := product
			product *= a[at]
			dst[at] = product
			if c.Exclusive {
				dst[at] = before
			}
			at += step
		}
	}
}

// gradient: products of twice as many elements at a time, so that there are no divisions and zeros do no harm.
func (c CumProd) gradient(d *derivation) []*Value {
	n := d.in[0].typ.Shape[c.Axis]
	shift := func(x *Value, by int) *Value { // what lies by positions before, one where there is nothing
		rank := x.typ.Rank()
		p := Pad{Mode: PadConstant, Begin: make([]int, rank), End: make([]int, rank)}
		start := 0
		if c.Reverse {
			start, p.End[c.Axis] = by, by
		} else {
			p.Begin[c.Axis] = by
		}
		return d.apply(p, d.slice(x, c.Axis, start, n-by), d.num(1))
	}
	return d.through(func(in []*Value) *Value {
		x := in[0]
		if c.Exclusive && n > 0 {
			x = shift(x, 1)
		}
		for by := 1; by < n; by *= 2 {
			x = d.mul(x, shift(x, by))
		}
		return x
	})
}
