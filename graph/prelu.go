package graph

import (
	"fmt"
	"slices"

	"github.com/gansr/gansr/internal/kernel"
)

// PRelu is x where x >= 0 and x times the slope elsewhere (He et al., arXiv:1502.01852). Operands: x and the slope, which is
// broadcast to x. LeakyRelu is PRelu with one slope.
type PRelu struct{}

var preluLoops = loops{Float32: prelu[float32], Float64: prelu[float64],
	Int8: prelu[int8], Int16: prelu[int16], Int32: prelu[int32], Int64: prelu[int64],
	Uint8: prelu[uint8], Uint16: prelu[uint16], Uint32: prelu[uint32], Uint64: prelu[uint64]}

func prelu[T number](dst, a, slope []T) {
	for i, v := range a {
		if v < 0 {
			v *= slope[i]
		}
		dst[i] = v
	}
}

func (PRelu) Name() string { return "PRelu" }

func (PRelu) Infer(in []Type) ([]Type, error) {
	out, err := inferBinary("PRelu", &preluLoops, in)
	if err == nil && !slices.Equal(out[0].Shape, in[0].Shape) {
		return nil, fmt.Errorf("PRelu of %v: the slope %v cannot be broadcast to it", in[0], in[1])
	}
	return out, err
}

func (PRelu) Eval(x *Exec, out, in []*Tensor) error {
	dims, _, stride := broadcastStrides(out[0].shape, in[0].shape, in[1].shape)
	inner := len(dims) - 1
	if in[0].dtype != Float32 || stride[inner] != 0 || out[0].Len() == 0 {
		return evalBinary(x, &preluLoops, out[0], in[0], in[1])
	}
	d, a, slope := Data[float32](out[0]), Data[float32](in[0]), Data[float32](in[1])
	n := dims[inner]
	parts := (n + grain - 1) / grain
	x.parallel(len(d)/n*parts, max(1, grain/n), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			at := 0
			for r, k := i/parts, inner-1; k >= 0; k-- {
				at += r % dims[k] * stride[k]
				r /= dims[k]
			}
			from := i/parts*n + i%parts*grain
			to := min(from+grain, (i/parts+1)*n)
			kernel.PRelu(d[from:to], a[from:to], slope[at])
		}
	})
	return nil
}

func (PRelu) inPlace() []int { return []int{0} }

func (PRelu) stage(in []*Value, i int) (kernel.Stage, int, bool) {
	slope, ok := perChannel(in[0], in[1])
	return kernel.Stage{Kind: kernel.StagePRelu, Slope: slope}, -1, ok && i == 0
}

// gradient looks at the result if no slope is negative: see Relu.
func (PRelu) gradient(d *derivation) []*Value {
	x, slope := d.in[0], d.in[1]
	side := x
	if slope.known != nil {
		if s, err := Floats(slope.known); err == nil && len(s) > 0 && slices.Min(s) >= 0 {
			side = d.outs[0]
		}
	}
	return d.operands(
		func() *Value { return d.apply(Gate{}, d.grad(0), side, slope) },
		func() *Value { return d.mul(d.thin(0), d.apply(Min{}, x, d.num(0))) })
}
