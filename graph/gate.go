package graph

import (
	"fmt"
	"math"
	"slices"
)

// Gate is a where x > 0 and a times the slope elsewhere: the gradient of PRelu, and with slope 0 of Relu. Operands: a, x of its type,
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
		gate(x, out[0], in, func(v float32) uint32 {
			b := math.Float32bits(v)
			return (-b &^ b) >> 31
		})
	case Float64:
		gate(x, out[0], in, func(v float64) uint32 {
			b := math.Float64bits(v)
			return uint32((-b &^ b) >> 63)
		})
	}
	return nil
}

// gate needs positive to be 1 for numbers above zero and 0 for others: a branch would often be predicted wrong.
func gate[T float](x *Exec, out *Tensor, in []*Tensor, positive func(T) uint32) {
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
			from := i % parts * grain
			to := min(from+grain, n)
			d, a, by := dst[i/parts*n+from:i/parts*n+to], a[i/parts*n+from:], by[i/parts*n+from:]
			a, by = a[:len(d)], by[:len(d)]
			if stride[inner] == 0 {
				factor := [2]T{slope[at], 1}
				for j, v := range by {
					d[j] = a[j] * factor[positive(v)&1]
				}
				continue
			}
			for j, v := range by {
				d[j] = a[j] * [2]T{slope[at+(from+j)*stride[inner]], 1}[positive(v)&1]
			}
		}
	})
}

func (Gate) inPlace() []int { return []int{0, 1} }

// gradient: that of x is zero but where x is.
func (Gate) gradient(d *derivation) []*Value {
	return d.operands(
		func() *Value { return d.apply(Gate{}, d.grad(0), d.in[1], d.in[2]) },
		nil,
		func() *Value { return d.apply(Where{}, d.less(d.num(0), d.in[1]), d.num(0), d.mul(d.thin(0), d.in[0])) })
}
