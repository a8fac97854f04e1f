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

func (b BatchNorm) gradient(d *derivation) []*Value {
	x, g := d.in[0], d.grad(0)
	dt, rank := x.typ.DType, x.typ.Rank()
	param := func(i int) *Value { return d.cast(d.in[i], dt) }
	scale, mean, variance := param(1), param(3), param(4)
	inverse := d.inverseRoot(variance, b.Epsilon)
	factor := d.mul(scale, inverse)
	gs := make([]*Value, 5)
	give := func(i int, f func() *Value) {
		if d.wants[i] {
			gs[i] = d.cast(f(), d.in[i].typ.DType)
		}
	}
	give(0, func() *Value { return d.mul(g, d.channels(factor, rank)) })
	product := func() *Value { return d.channelSums(d.mul(g, d.sub(x, d.channels(mean, rank)))) }
	give(1, func() *Value { return d.mul(product(), inverse) })
	give(2, func() *Value { return d.channelSums(g) })
	give(3, func() *Value { return d.neg(d.mul(factor, d.channelSums(g))) })
	give(4, func() *Value {
		return d.scale(d.mul(product(), d.mul(factor, d.mul(inverse, inverse))), -0.5)
	})
	return gs
}

// inverseRoot returns 1/sqrt(variance + epsilon).
func (c composer) inverseRoot(variance *Value, epsilon float64) *Value {
	dt := variance.typ.DType
	return c.div(c.scalar(dt, 1), c.apply(Sqrt{}, c.add(variance, c.scalar(dt, epsilon))))
}

func (c composer) cast(x *Value, to DType) *Value {
	if x.typ.DType == to {
		return x
	}
	return c.apply(Cast{To: to}, x)
}

// BatchStatistics says how batch normalisation in training uses the statistics of a batch.
type BatchStatistics struct {
	Epsilon float64
	// Keep is how much of the running statistics stays: ONNX's momentum, one minus PyTorch's.
	Keep float64
	// Unbiased divides the variance that goes into the running one by one less than the number of elements, as PyTorch does and ONNX does not.
	Unbiased bool
}

// BatchNormTraining adds batch normalisation with the statistics of the batch: BatchNorm with the mean and the (biased) variance of each channel of
// x (N x C x spatial), of which it is differentiated too. It returns the result, and what the running mean and variance (C each) become.
func (b *Builder) BatchNormTraining(s BatchStatistics, x, scale, bias, mean, variance *Value) (y, newMean, newVariance *Value, err error) {
	err = b.compose(func(c composer) error {
		if x.typ.Rank() < 2 {
			return fmt.Errorf("graph: BatchNormTraining of %v: it should be N x C x spatial", x.typ)
		}
		channels := x.typ.Shape[1]
		m := c.applyAll(Moments{Axes: allBut(x.typ.Rank(), 1)}, x)
		batchMean, batchVariance := c.reshape(m[0], channels), c.reshape(m[1], channels)
		y = c.apply(BatchNorm{Epsilon: s.Epsilon}, x, scale, bias, batchMean, batchVariance)
		n := float64(x.typ.Len()) / float64(max(1, channels))
		unbias := 1.0
		if s.Unbiased && n > 1 {
			unbias = n / (n - 1)
		}
		newMean = c.add(c.scale(mean, s.Keep), c.scale(c.cast(batchMean, mean.typ.DType), 1-s.Keep))
		newVariance = c.add(c.scale(variance, s.Keep), c.scale(c.cast(batchVariance, variance.typ.DType), (1-s.Keep)*unbias))
		return nil
	})
	return y, newMean, newVariance, err
}
