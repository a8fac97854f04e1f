package graph

import (
	"fmt"
	"math"
)

// LRN is local response normalisation across channels (Krizhevsky et al., 2012): x / (Bias + Alpha/Size * s)**Beta, s being
// the sum of squares over Size neighbouring channels of x (N x C x spatial), with the odd one behind.
type LRN struct {
	Size              int
	Alpha, Beta, Bias float64
}

func (LRN) Name() string { return "LRN" }

func (l LRN) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("LRN", in, 1, 1); err != nil {
		return nil, err
	}
	if x := in[0]; x.Rank() < 2 || !x.DType.IsFloat() || l.Size < 1 || l.Size > maxExtent {
		return nil, fmt.Errorf("LRN of %v over %d channels: x should be floating-point and N x C x spatial, the size positive", x, l.Size)
	}
	return []Type{in[0]}, nil
}

func (l LRN) Eval(x *Exec, out, in []*Tensor) error {
	switch out[0].dtype {
	case Float32:
		lrn[float32](x, l, out[0], in[0])
	case Float64:
		lrn[float64](x, l, out[0], in[0])
	}
	return nil
}

func lrn[T float](x *Exec, l LRN, out, in *Tensor) {
	channels := in.shape[1]
	area, _ := Numel(in.shape[2:])
	dst, src := Data[T](out), Data[T](in)
	before := (l.Size - 1) / 2
	x.parallel(in.shape[0]*channels, max(1, grain/8/max(area, 1)), func(lo, hi int) {
		squares := make([]float64, area)
		for r := lo; r < hi; r++ {
			clear(squares)
			first := r - r%channels
			for c := max(0, r-first-before); c < min(channels, r-first-before+l.Size); c++ {
				for i, v := range src[(first+c)*area : (first+c+1)*area] {
					squares[i] += float64(v) * float64(v)
				}
			}
			for i, v := range src[r*area : (r+1)*area] {
				dst[r*area+i] = T(float64(v) / math.Pow(l.Bias+l.Alpha/float64(l.Size)*squares[i], l.Beta))
			}
		}
	})
}

func (l LRN) gradient(d *derivation) []*Value {
	return d.through(func(in []*Value) *Value {
		x := in[0]
		shape := x.typ.Shape
		square := d.reshape(d.mul(x, x), shape[0], 1, shape[1], x.typ.Len()/max(1, shape[0]*shape[1]))
		window := Sliding{[]int{l.Size, 1}, []int{1, 1}, []int{1, 1}, []int{(l.Size - 1) / 2, 0, l.Size / 2, 0}, false}
		mean := d.reshape(d.apply(AveragePool{window, true}, square), shape...)
		return d.mul(x, d.apply(Pow{}, d.add(d.scale(mean, l.Alpha), d.num(l.Bias)), d.num(-l.Beta)))
	})
}
