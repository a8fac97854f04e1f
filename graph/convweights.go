package graph

import (
	"fmt"
	"slices"

	"github.com/gansr/gansr/internal/kernel"
)

// ConvWeights is the gradient of Conv's weights: what <Conv(x, w), g> multiplies each weight by, for x (N x C x spatial) and the gradient
// g of the result (N x OC x spatial). Its result has the weights' shape, OC x C/Groups x Kernel.
type ConvWeights struct {
	Of     Conv
	Kernel []int
}

func (ConvWeights) Name() string { return "ConvWeights" }

func (c ConvWeights) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("ConvWeights", in, 2, 2); err != nil {
		return nil, err
	}
	x, g := in[0], in[1]
	if x.Rank() < 3 || g.Rank() != x.Rank() || c.Of.Groups < 1 {
		return nil, fmt.Errorf("ConvWeights of %v and %v in %d groups is not defined", x, g, c.Of.Groups)
	}
	w := Type{x.DType, slices.Concat([]int{g.Shape[1], x.Shape[1] / c.Of.Groups}, c.Kernel)}
	y, err := c.Of.Infer([]Type{x, w})
	if err != nil {
		return nil, err
	}
	if !y[0].Equal(g) {
		return nil, fmt.Errorf("ConvWeights of %v: the gradient should be %v, not %v", x, y[0], g)
	}
	return []Type{w}, nil
}

// FLOPs are those of the convolution.
func (c ConvWeights) FLOPs(in, out []Type) int64 {
	return c.Of.FLOPs([]Type{in[0], out[0]}, in[1:])
}

func (c ConvWeights) Eval(x *Exec, out, in []*Tensor) error {
	if s, ok := c.Of.shape2D(in[0].Type(), out[0].Type()); ok && out[0].dtype == Float32 {
		k, err := kernel.PrepareWeightGradient(s)
		if err != nil {
			return err
		}
		return k.Run(x.Pool, Data[float32](out[0]), Data[float32](in[0]), Data[float32](in[1]), make([]float32, k.Workspace(x.Pool.Threads())))
	}
	switch out[0].dtype {
	case Float32:
		refConvWeights[float32](c, out, in)
	case Float64:
		refConvWeights[float64](c, out, in)
	}
	return nil
}

// prepares is for float32 alone; the results have no epilogue.
func (c ConvWeights) prepares(in []*Value) bool {
	s, ok := c.of2D(in)
	if !ok || in[0].typ.DType != Float32 {
		return false
	}
	_, err := kernel.PrepareWeightGradient(s)
	return err == nil
}

// of2D is the convolution, if it has one or two spatial axes.
func (c ConvWeights) of2D(in []*Value) (kernel.ConvShape, bool) {
	x, g := in[0].typ, in[1].typ
	return c.Of.shape2D(x, Type{x.DType, slices.Concat([]int{g.Shape[1], x.Shape[1] / c.Of.Groups}, c.Kernel)})
}

func (c ConvWeights) prepare(_ *Weights, in []*Value, _ []Type, _ kernel.Epilogue) (prepared, error) {
	s, _ := c.of2D(in)
	k, err := kernel.PrepareWeightGradient(s)
	return preparedWeights{k}, err
}

// preparedWeights runs a kernel.
type preparedWeights struct{ k *kernel.WeightGradient }

func (p preparedWeights) workspace(threads int) int       { return p.k.Workspace(threads) }
func (p preparedWeights) algorithm() (name string, n int) { return p.k.Algorithm(), 0 }

func (p preparedWeights) eval(x *Exec, out, in, _ []*Tensor) error {
	return p.k.Run(x.Pool, Data[float32](out[0]), Data[float32](in[0]), Data[float32](in[1]), x.Scratch)
}

func refConvWeights[T float](c ConvWeights, out, in []*Tensor) {
	s := shapeND(in[0].shape, c.Kernel, in[1].shape[1], c.Of.Strides, c.Of.Dilations, c.Of.Pads, c.Of.Groups)
	kernel.RefConvWeights(s, Data[T](out[0]), Data[T](in[0]), Data[T](in[1]))
}

// gradient: the operator is linear in both operands, and <ConvWeights(x, g), v> is <Conv(x, v), g>.
func (c ConvWeights) gradient(d *derivation) []*Value {
	x, g, v := d.in[0], d.in[1], d.grad(0)
	gs := make([]*Value, 2)
	if d.wants[0] {
		gs[0] = d.apply(c.Of.transposed(g.typ.Shape[2:], x.typ.Shape[2:], c.Kernel), g, v)
	}
	if d.wants[1] {
		gs[1] = d.apply(c.Of, x, v)
	}
	return gs
}
