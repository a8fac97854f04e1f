package graph

import (
	"fmt"
	"math"
	"slices"
)

// Det is the determinant of matrices on the last two axes, by elimination with pivots. It has no gradient.
type Det struct{}

func (Det) Name() string { return "Det" }

func (Det) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("Det", in, 1, 1); err != nil {
		return nil, err
	}
	n := in[0].Rank() - 2
	if n < 0 || in[0].Shape[n] != in[0].Shape[n+1] || !in[0].DType.IsFloat() {
		return nil, fmt.Errorf("Det of %v is not defined: square matrices are needed", in[0])
	}
	return []Type{{in[0].DType, slices.Clone(in[0].Shape[:n])}}, nil
}

func (Det) Eval(_ *Exec, out, in []*Tensor) error {
	n := in[0].shape[len(in[0].shape)-1]
	wide := in[0].Converted(Float64)
	res := NewTensor(Float64, out[0].shape...)
	for i := range Data[float64](res) {
		Data[float64](res)[i] = determinant(Data[float64](wide)[i*n*n:][:n*n], n)
	}
	convert(out[0], res)
	return nil
}

// determinant destroys a, n x n.
func determinant(a []float64, n int) float64 {
	det := 1.0
	for k := range n {
		p := k
		for i := k + 1; i < n; i++ {
			if math.Abs(a[i*n+k]) > math.Abs(a[p*n+k]) {
				p = i
			}
		}
		if a[p*n+k] == 0 {
			return 0
		}
		if p != k {
			det = -det
			for j := range n {
				a[p*n+j], a[k*n+j] = a[k*n+j], a[p*n+j]
			}
		}
		det *= a[k*n+k]
		for i := k + 1; i < n; i++ {
			f := a[i*n+k] / a[k*n+k]
			for j := k; j < n; j++ {
				a[i*n+j] -= f * a[k*n+j]
			}
		}
	}
	return det
}
