package graph

import "fmt"

// CumSum is the sum of the elements along an axis up to each one; integers wrap.
type CumSum struct {
	Axis      int  // not negative
	Exclusive bool // without the element itself
	Reverse   bool // from the end
}

func (CumSum) Name() string { return "CumSum" }

func (c CumSum) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("CumSum", in, 1, 1); err != nil {
		return nil, err
	}
	if c.Axis < 0 || c.Axis >= in[0].Rank() || in[0].DType == Bool {
		return nil, fmt.Errorf("CumSum of %v along axis %d is not defined", in[0], c.Axis)
	}
	return []Type{in[0]}, nil
}

func (c CumSum) Eval(_ *Exec, out, in []*Tensor) error {
	switch a := in[0].data.(type) {
	case []float32:
		cumSum[float32, float64](c, Data[float32](out[0]), a, in[0].shape)
	case []float64:
		cumSum[float64, float64](c, Data[float64](out[0]), a, in[0].shape)
	case []int8:
		cumSum[int8, int8](c, Data[int8](out[0]), a, in[0].shape)
	case []int16:
		cumSum[int16, int16](c, Data[int16](out[0]), a, in[0].shape)
	case []int32:
		cumSum[int32, int32](c, Data[int32](out[0]), a, in[0].shape)
	case []int64:
		cumSum[int64, int64](c, Data[int64](out[0]), a, in[0].shape)
	case []uint8:
		cumSum[uint8, uint8](c, Data[uint8](out[0]), a, in[0].shape)
	case []uint16:
		cumSum[uint16, uint16](c, Data[uint16](out[0]), a, in[0].shape)
	case []uint32:
		cumSum[uint32, uint32](c, Data[uint32](out[0]), a, in[0].shape)
	case []uint64:
		cumSum[uint64, uint64](c, Data[uint64](out[0]), a, in[0].shape)
	}
	return nil
}

// cumSum keeps the sum of elements T in S.
func cumSum[T, S number](c CumSum, dst, a []T, shape []int) {
	outer, n, inner := split(shape, c.Axis)
	for i := range outer * inner {
		at, step := i/inner*n*inner+i%inner, inner
		if c.Reverse {
			at, step = at+(n-1)*inner, -inner
		}
		sum := S(0)
		for range n {
			v := S(a[at])
			if c.Exclusive {
				dst[at] = T(sum)
			}
			sum += v
			if !c.Exclusive {
				dst[at] = T(sum)
			}
			at += step
		}
	}
}

func (c CumSum) gradient(d *derivation) []*Value {
	c.Reverse = !c.Reverse
	return []*Value{d.apply(c, d.grad(0))}
}
