package graph

import (
	"fmt"
	"slices"

	"github.com/gansr/gansr/internal/kernel"
)

// ConvTranspose is the transpose of Conv, as a linear map of x: x (N x C x spatial) spread by Strides, with weights w
// (C x OC/Groups x kernel) and an optional bias b (OC), for one to three spatial axes. Pads (the beginnings of all axes, then the ends) crop
// the result, or widen it where negative; OutputPads widen it at the ends.
type ConvTranspose struct {
	Strides, Dilations, Pads, OutputPads []int
	Groups                               int
}

func (ConvTranspose) Name() string { return "ConvTranspose" }

func (c ConvTranspose) Infer(in []Type) ([]Type, error) {
	if err := inferWeights("ConvTranspose", in, c.Groups, 0); err != nil {
		return nil, err
	}
	x, w := in[0], in[1]
	if err := (Sliding{w.Shape[2:], c.Strides, c.Dilations, c.Pads, false}).check("ConvTranspose", x); err != nil {
		return nil, err
	}
	n := x.Rank() - 2
	if len(c.OutputPads) != n {
		return nil, fmt.Errorf("ConvTranspose of %v: output pads %v do not fit its %d spatial axes", x, c.OutputPads, n)
	}
	out := []int{x.Shape[0], w.Shape[1] * c.Groups}
	for i, d := range x.Shape[2:] {
		o := c.OutputPads[i]
		if o < 0 || o > maxExtent {
			return nil, fmt.Errorf("ConvTranspose: output pads %v should be from 0 to %d", c.OutputPads, maxExtent)
		}
		size := (d-1)*c.Strides[i] - c.Pads[i] - c.Pads[n+i] + (w.Shape[2+i]-1)*c.Dilations[i] + 1 + o
		if d == 0 || size < 0 {
			return nil, fmt.Errorf("ConvTranspose of %v: pads %v leave nothing of axis %d", x, c.Pads, 2+i)
		}
		out = append(out, size)
	}
	return []Type{{x.DType, out}}, nil
}

// FLOPs counts a multiplication and an addition for each weight and input position.
func (c ConvTranspose) FLOPs(in, _ []Type) int64 {
	per := 2
	for _, d := range in[1].Shape[1:] {
		per *= d
	}
	return int64(per) * int64(in[0].Len())
}

func (c ConvTranspose) Eval(x *Exec, out, in []*Tensor) error {
	if s, ok := c.shape2D(in[0].Type(), in[1].Type()); ok && in[0].dtype == Float32 {
		k, err := kernel.PrepareConvTranspose(s, Data[float32](in[1]), biasEpilogue(in[2:], nil))
		if err != nil {
			return err
		}
		runOnce(x, k, out[0], in[0])
		return nil
	}
	switch out[0].dtype {
	case Float32:
		refConvTranspose[float32](c, out, in)
	case Float64:
		refConvTranspose[float64](c, out, in)
	}
	return nil
}

func refConvTranspose[T float](c ConvTranspose, out, in []*Tensor) {
	var bias []T
	if len(in) == 3 {
		bias = Data[T](in[2])
	}
	s := shapeND(in[0].shape, in[1].shape[2:], out[0].shape[1], c.Strides, c.Dilations, c.Pads, c.Groups)
	s.OutPads = c.OutputPads
	kernel.RefConvTranspose(s, Data[T](out[0]), Data[T](in[0]), Data[T](in[1]), bias)
}

// shape2D describes one- and two-dimensional transposed convolutions for the fast kernels.
func (c ConvTranspose) shape2D(x, w Type) (kernel.ConvTransposeShape, bool) {
	n := x.Rank() - 2
	pads, outPads := slices.Clone(c.Pads), slices.Clone(c.OutputPads)
	for i := range n {
		if end := &pads[n+i]; *end < 0 { // widening is what output pads are for
			outPads[i] -= *end
			*end = 0
		}
	}
	s := kernel.ConvTransposeShape{OutPadW: outPads[n-1]}
	if n == 2 {
		s.OutPadH = outPads[0]
	}
	var ok bool
	s.ConvShape, ok = shape2D(x, w, w.Shape[1]*c.Groups, c.Strides, c.Dilations, pads, c.Groups)
	return s, ok && s.Validate() == nil
}

func (c ConvTranspose) prepares(in []*Value) bool {
	s, ok := c.shape2D(in[0].typ, in[1].typ)
	if !ok {
		return false
	}
	if !knownWeights(in[1:]) {
		_, err := kernel.PrepareConvTransposeLive(s, nil)
		return in[0].typ.DType == Float32 && err == nil
	}
	return true
}

func (c ConvTranspose) prepare(w *Weights, in []*Value, out []Type, ep kernel.Epilogue) (prepared, error) {
	s, _ := c.shape2D(in[0].typ, in[1].typ)
	if !knownWeights(in[1:]) {
		k, err := kernel.PrepareConvTransposeLive(s, ep)
		return liveConv{k}, err
	}
	if of, ok := s.Turned(); ok {
		k, err := w.PrepareTurned(of, Data[float32](widen(in[1].known)), biasEpilogue(knownTensors(in[2:]), ep))
		return prepareConv(k, in[0].typ, out[0], ep), err
	}
	k, err := kernel.PrepareConvTranspose(s, Data[float32](widen(in[1].known)), biasEpilogue(knownTensors(in[2:]), ep))
	return prepareConv(k, in[0].typ, out[0], ep), err
}

func (c ConvTranspose) gradient(d *derivation) []*Value {
	x, w, g := d.in[0], d.in[1], d.grad(0)
	conv := c.conv()
	gs := make([]*Value, len(d.in))
	if d.wants[0] {
		gs[0] = d.apply(conv, g, w)
	}
	if d.wants[1] {
		gs[1] = d.apply(ConvWeights{conv, w.typ.Shape[2:]}, g, x)
	}
	if len(d.in) == 3 && d.wants[2] {
		gs[2] = d.channelSums(g)
	}
	return gs
}

// conv returns the convolution that c is the transpose of.
func (c ConvTranspose) conv() Conv {
	pads := slices.Clone(c.Pads)
	for i, o := range c.OutputPads { // less than a stride is no further position
		pads[len(c.OutputPads)+i] -= o / c.Strides[i] * c.Strides[i]
	}
	return Conv{Strides: c.Strides, Dilations: c.Dilations, Pads: pads, Groups: c.Groups}
}
