package graph

import (
	"cmp"
	"fmt"
	"slices"
)

// TopK takes the K largest elements along an axis, or the smallest, in order. The first result holds them and the second (int64)
// their positions. Of equal elements the first comes first; NaN counts as larger than all numbers.
type TopK struct {
	Axis, K  int // not negative
	Smallest bool
}

func (TopK) Name() string { return "TopK" }

func (t TopK) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("TopK", in, 1, 1); err != nil {
		return nil, err
	}
	if in[0].DType == Bool || t.Axis < 0 || t.Axis >= in[0].Rank() || t.K < 0 || t.K > in[0].Shape[t.Axis] {
		return nil, fmt.Errorf("TopK of %v: there are no %d largest elements along axis %d", in[0], t.K, t.Axis)
	}
	shape := slices.Clone(in[0].Shape)
	shape[t.Axis] = t.K
	return []Type{{in[0].DType, shape}, {Int64, shape}}, nil
}

func (t TopK) Eval(x *Exec, out, in []*Tensor) error {
	switch d := in[0].data.(type) {
	case []float32:
		topK(t, x, out, in[0].shape, d)
	case []float64:
		topK(t, x, out, in[0].shape, d)
	case []int8:
		topK(t, x, out, in[0].shape, d)
	case []int16:
		topK(t, x, out, in[0].shape, d)
	case []int32:
		topK(t, x, out, in[0].shape, d)
	case []int64:
		topK(t, x, out, in[0].shape, d)
	case []uint8:
		topK(t, x, out, in[0].shape, d)
	case []uint16:
		topK(t, x, out, in[0].shape, d)
	case []uint32:
		topK(t, x, out, in[0].shape, d)
	case []uint64:
		topK(t, x, out, in[0].shape, d)
	}
	return nil
}

func topK[T number](t TopK, x *Exec, out []*Tensor, shape []int, src []T) {
	values, places := Data[T](out[0]), Data[int64](out[1])
	if len(values) == 0 {
		return
	}
	n := shape[t.Axis]
	inner, _ := Numel(shape[t.Axis+1:])
	sign := -1
	if t.Smallest {
		sign = 1
	}
	x.parallel(len(src)/n, max(1, grain/n/16), func(lo, hi int) {
		order := make([]int, n)
		for line := lo; line < hi; line++ {
			first := line/inner*n*inner + line%inner
			for i := range order {
				order[i] = i
			}
			slices.SortFunc(order, func(a, b int) int {
				if c := cmp.Compare(src[first+a*inner], src[first+b*inner]); c != 0 {
					return sign * nanLast(c, src[first+a*inner], src[first+b*inner])
				}
				return a - b
			})
			to := line/inner*t.K*inner + line%inner
			for i, p := range order[:t.K] {
				values[to+i*inner], places[to+i*inner] = src[first+p*inner], int64(p)
			}
		}
	})
}

// nanLast corrects the order c of a and b, which differ: package cmp has NaN before all numbers.
func nanLast[T number](c int, a, b T) int {
	if a != a || b != b {
		return -c
	}
	return c
}

// gradient: each result's belongs to the element that it is.
func (t TopK) gradient(d *derivation) []*Value {
	return []*Value{d.apply(ScatterElementsSum{Axis: t.Axis, Shape: d.in[0].typ.Shape}, d.grad(0), d.outs[1])}
}
