package graph

import (
	"fmt"
	"math"

	"github.com/gansr/gansr/internal/kernel"
)

// BatchNorm is (x - mean) / sqrt(variance + Epsilon) * scale + bias with the four statistics given, as after training (Ioffe and Szegedy,
// arXiv:1502.03167). Operands: x (N x C x spatial), then scale, bias, mean and variance (C each). The statistics may
// be of other floating-point types than x.
type BatchNorm struct{ Epsilon float64 }

func (BatchNorm) Name() string { return "BatchNorm" }

func (BatchNorm) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("BatchNorm", in, 5, 5); err != nil {
		return nil, err
	}
	x := in[0]
	if x.Rank() < 2 || !x.DType.IsFloat() {
		return nil, fmt.Errorf("BatchNorm of %v: it should be floating-point and N x C x spatial", x)
	}
	for _, t := range in[1:] {
		if !t.DType.IsFloat() || t.Rank() != 1 || t.Shape[0] != x.Shape[1] {
			return nil, fmt.Errorf("BatchNorm of %v: scale, bias, mean and variance should be floating-point [%d], not %v", x, x.Shape[1], t)
		}
	}
	return []Type{x}, nil
}

// affine returns the operator as a factor and a term for each channel. params are scale, bias, mean and variance.
func (b BatchNorm) affine(params []*Tensor) (factor, term []float64, err error) {
	var p [4][]float64
	for i, t := range params {
		if p[i], err = Floats(t); err != nil {
			return nil, nil, err
		}
	}
	factor, term = p[0], p[1]
	for c := range factor {
		factor[c] /= math.Sqrt(p[3][c] + b.Epsilon)
		term[c] -= p[2][c] * factor[c]
	}
	return factor, term, nil
}

func (b BatchNorm) Eval(x *Exec, out, in []*Tensor) error {
	factor, term, err := b.affine(in[1:])
	if err != nil {
		return err
	}
	inner, _ := Numel(in[0].shape[2:])
	perRow := max(1, grain/max(inner, 1))
	rows := in[0].shape[0] * len(factor)
	switch d := out[0].data.(type) {
	case []float32:
		a := Data[float32](in[0])
		x.parallel(rows, perRow, func(lo, hi int) {
			for r := lo; r < hi; r++ {
				c := r % len(factor)
				kernel.ScaleShift(d[r*inner:(r+1)*inner], a[r*inner:(r+1)*inner], float32(factor[c]), float32(term[c]))
			}
		})
	case []float64:
		for i, v := range Data[float64](in[0]) {
			c := i / inner % len(factor)
			d[i] = v*factor[c] + term[c]
		}
	}
	return nil
}

func (BatchNorm) inPlace() []int { return []int{0} }

func (b BatchNorm) stage(in []*Value, i int) (kernel.Stage, int, bool) {
	params := knownTensors(in[1:])
	for _, t := range params {
		if t == nil || i != 0 {
			return kernel.Stage{}, -1, false
		}
	}
	factor, term, err := b.affine(params)
	if err != nil {
		return kernel.Stage{}, -1, false
	}
	s := kernel.Stage{Kind: kernel.StageAffine, Scale: make([]float32, len(factor)), Shift: make([]float32, len(term))}
	number2number(s.Scale, factor)
	number2number(s.Shift, term)
	return s, -1, true
}
