package graph

import (
	"fmt"
	"slices"

	"github.com/gansr/gansr/internal/kernel"
)

// Gate is a times the slope where x <= 0, and a elsewhere: the gradient of PRelu, and with slope 0 of Relu. Operands: a, x of its type,
// and the slope, which is broadcast to them.
type Gate struct{}

func (Gate) Name() string { return "Gate" }

func (Gate) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("Gate", in, 3, 3); err != nil {
		return nil, err
	}
	a, slope := in[0], in[2]
	shape, err := BroadcastShape(a.Shape, slope.Shape)
	if err != nil || !a.DType.IsFloat() || !in[1].Equal(a) || slope.DType != a.DType || !slices.Equal(shape, a.Shape) {
		return nil, fmt.Errorf("Gate of %v by %v with slope %v is not defined", a, in[1], slope)
	}
	return []Type{a}, nil
}

func (Gate) Eval(x *Exec, out, in []*Tensor) error {
	switch out[0].dtype {
	case Float32:
		gate(x, out[0], in, kernel.Gate)
	case Float64:
		gate(x, out[0], in, func(dst, a, by []float64, slope float64) {
			for i, v := range by {
				dst[i] = a[i]
				if v <= 0 {
					dst[i] *= slope
				}
			}
		})
	}
	return nil
}

// gate calls run for elements that have one slope.
func gate[T float](x *Exec, out *Tensor, in []*Tensor, run func(dst, a, by []T, slope T)) {
	dst, a, by, slope := Data[T](out), Data[T](in[0]), Data[T](in[1]), Data[T](in[2])
	dims, _, stride := broadcastStrides(out.shape, out.shape, in[2].shape)
	inner := len(dims) - 1
	n := dims[inner]
	if len(dst) == 0 {
		return
	}
	parts := (n + grain - 1) / grain
	x.parallel(len(dst)/n*parts, max(1, grain/n), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			at := walk{dims: dims[:inner], strides: stride[:inner]}.offset(i / parts)
			from, to := i/parts*n+i%parts*grain, min(i/parts*n+(i%parts+1)*grain, (i/parts+1)*n)
			if stride[inner] == 0 {
				run(dst[from:to], a[from:to], by[from:to], slope[at])
				continue
			}
			for k := from; k < to; k++ {
				run(dst[k:k+1], a[k:k+1], by[k:k+1], slope[at+k%n*stride[inner]])
			}
		}
	})
}

// stage is that of a constant slope.
func (Gate) stage(in []*Value, i int) (kernel.Stage, int, bool) {
	slope, ok := perChannel(in[0], in[2])
	if i != 0 || !ok || in[1].Known() != nil || in[1] == in[0] {
		return kernel.Stage{}, -1, false
	}
	return kernel.Stage{Kind: kernel.StageGate, Slope: slope}, 1, true
}

func (Gate) inPlace() []int { return []int{0, 1} }

// gradient: that of x is zero but where x is.
func (Gate) gradient(d *derivation) []*Value {
	return d.operands(
		func() *Value { return d.apply(Gate{}, d.grad(0), d.in[1], d.in[2]) },
		nil,
		func() *Value {
			return d.keep(d.apply(Compare{Is: IsLessOrEqual}, d.in[1], d.num(0)), d.mul(d.thin(0), d.in[0]))
		})
}
