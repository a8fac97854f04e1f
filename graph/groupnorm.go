package graph

import (
	"fmt"
	"math"
	"slices"

	"github.com/gansr/gansr/internal/kernel"
)

// GroupNorm is (x - mean) / sqrt(variance + Epsilon) * scale + bias, with mean and variance over each of Groups groups of neighbouring
// channels of x (N x C x spatial), and scale and bias (C each) for each channel (Wu and He, arXiv:1803.08494). With as many groups as
// channels it is instance normalisation (Ulyanov et al., arXiv:1607.08022).
type GroupNorm struct {
	Groups  int
	Epsilon float64
}

func (GroupNorm) Name() string { return "GroupNorm" }

func (g GroupNorm) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("GroupNorm", in, 3, 3); err != nil {
		return nil, err
	}
	x := in[0]
	if x.Rank() < 2 || !x.DType.IsFloat() {
		return nil, fmt.Errorf("GroupNorm of %v: it should be floating-point and N x C x spatial", x)
	}
	if g.Groups < 1 || x.Shape[1]%g.Groups != 0 {
		return nil, fmt.Errorf("GroupNorm of %v: %d groups should divide the %d channels", x, g.Groups, x.Shape[1])
	}
	for _, t := range in[1:] {
		if t.DType != x.DType || !slices.Equal(t.Shape, x.Shape[1:2]) {
			return nil, fmt.Errorf("GroupNorm of %v: scale and bias should be %v[%d], not %v", x, x.DType, x.Shape[1], t)
		}
	}
	return []Type{x}, nil
}

func (g GroupNorm) Eval(x *Exec, out, in []*Tensor) error {
	switch out[0].dtype {
	case Float32:
		groupNorm(x, g, out[0], in, moments32, standardize32)
	case Float64:
		groupNorm(x, g, out[0], in, moments64, standardize64)
	}
	return nil
}

func (GroupNorm) inPlace() []int { return []int{0} }

func groupNorm[T float](x *Exec, g GroupNorm, out *Tensor, in []*Tensor, moments func([]T) (mean, square float64), standardize func(dst, a []T, mean, scale, bias float64)) {
	channels := in[0].shape[1]
	area, _ := Numel(in[0].shape[2:])
	n := channels / g.Groups * area // of a group
	dst, a, scale, bias := Data[T](out), Data[T](in[0]), Data[T](in[1]), Data[T](in[2])
	x.parallel(in[0].shape[0]*g.Groups, max(1, grain/max(n, 1)), func(lo, hi int) {
		for r := lo; r < hi; r++ {
			mean, square := moments(a[r*n : (r+1)*n])
			factor := inverseRoot(square-mean*mean, g.Epsilon)
			for at := r * n; at < (r+1)*n; at += area {
				c := at / area % channels
				standardize(dst[at:at+area], a[at:at+area], mean, factor*float64(scale[c]), float64(bias[c]))
			}
		}
	})
}

func moments32(a []float32) (mean, square float64) {
	n := float64(len(a))
	return kernel.Sum(a) / n, kernel.SumSquares(a) / n
}

func moments64(a []float64) (mean, square float64) {
	for _, v := range a {
		mean += v
		square += v * v
	}
	return mean / float64(len(a)), square / float64(len(a))
}

func inverseRoot(variance, epsilon float64) float64 { return 1 / math.Sqrt(max(variance, 0)+epsilon) }

// standardize32 sets dst = (a - mean)*scale + bias. The difference comes first, because it is exact where the mean is
// large; what rounding takes from the mean goes into the bias.
func standardize32(dst, a []float32, mean, scale, bias float64) {
	m := float32(mean)
	s, b := float32(scale), float32(bias+(float64(m)-mean)*scale)
	for len(dst) > 0 {
		n := min(len(dst), chunk)
		kernel.SubScalar(dst[:n], a[:n], m)
		kernel.ScaleShift(dst[:n], dst[:n], s, b)
		dst, a = dst[n:], a[n:]
	}
}

func standardize64(dst, a []float64, mean, scale, bias float64) {
	for i, v := range a {
		dst[i] = (v-mean)*scale + bias
	}
}

func (n GroupNorm) gradient(d *derivation) []*Value {
	x, g := d.in[0], d.grad(0)
	shape := x.typ.Shape
	grouped := []int{shape[0], n.Groups, x.typ.Len() / max(1, shape[0]*n.Groups)}
	s := d.standardize(d.reshape(x, grouped...), []int{2}, n.Epsilon)
	gs := make([]*Value, 3)
	if d.wants[0] {
		scaled := d.mul(g, d.channels(d.in[1], len(shape)))
		gs[0] = d.reshape(s.gradient(d.composer, d.reshape(scaled, grouped...)), shape...)
	}
	if d.wants[1] {
		gs[1] = d.channelSums(d.mul(g, d.reshape(s.value(d.composer), shape...)))
	}
	if d.wants[2] {
		gs[2] = d.channelSums(g)
	}
	return gs
}

// standardized is (x - mean) / sqrt(variance + epsilon) over some axes.
type standardized struct {
	centered, inverse *Value // x - mean, and 1/sqrt(variance + epsilon)
	axes              []int
}

func (c composer) standardize(x *Value, axes []int, epsilon float64) standardized {
	m := c.applyAll(Moments{Axes: axes}, x)
	return standardized{c.sub(x, m[0]), c.inverseRoot(m[1], epsilon), axes}
}

func (s standardized) value(c composer) *Value { return c.mul(s.centered, s.inverse) }

// gradient returns that of x, from g, that of the standardized value.
func (s standardized) gradient(c composer, g *Value) *Value {
	y := s.value(c)
	mean := func(v *Value) *Value { return c.apply(Reduce{By: ReduceMean, Axes: s.axes}, v) }
	return c.mul(s.inverse, c.sub(c.sub(g, mean(g)), c.mul(y, mean(c.mul(g, y)))))
}
