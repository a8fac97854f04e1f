package graph

import (
	"fmt"
	"slices"

	"github.com/gansr/gansr/internal/kernel"
)

// Conv is the cross-correlation of x (N x C x spatial) with weights w (OC x C/Groups x kernel) and an optional bias b (OC), for
// one to three spatial axes. Pads holds the beginnings of all axes, then the ends.
type Conv struct {
	Strides, Dilations, Pads []int
	Groups                   int
}

func (Conv) Name() string { return "Conv" }

func (c Conv) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("Conv", in, 2, 3); err != nil {
		return nil, err
	}
	x, w := in[0], in[1]
	n := x.Rank() - 2
	switch {
	case n < 1 || n > 3:
		return nil, fmt.Errorf("Conv of %v: one to three spatial axes are supported", x)
	case w.Rank() != x.Rank() || len(c.Strides) != n || len(c.Dilations) != n || len(c.Pads) != 2*n:
		return nil, fmt.Errorf("Conv of %v: weights %v, strides %v, dilations %v, pads %v do not fit", x, w, c.Strides, c.Dilations, c.Pads)
	case !x.DType.IsFloat():
		return nil, fmt.Errorf("Conv of %v is not defined", x.DType)
	case c.Groups < 1 || w.Shape[1]*c.Groups != x.Shape[1] || w.Shape[0]%c.Groups != 0:
		return nil, fmt.Errorf("Conv of %v: weights %v do not fit %d groups", x, w, c.Groups)
	}
	for _, t := range in[1:] {
		if t.DType != x.DType {
			return nil, fmt.Errorf("Conv of %v with %v: the types differ", x.DType, t.DType)
		}
	}
	if len(in) == 3 && !slices.Equal(in[2].Shape, w.Shape[:1]) {
		return nil, fmt.Errorf("Conv with weights %v: bias %v should be [%d]", w, in[2], w.Shape[0])
	}
	out := []int{x.Shape[0], w.Shape[0]}
	for i := range n {
		if c.Strides[i] < 1 || c.Dilations[i] < 1 {
			return nil, fmt.Errorf("Conv: strides %v and dilations %v should be positive", c.Strides, c.Dilations)
		}
		reach := (w.Shape[2+i]-1)*c.Dilations[i] + 1
		room := x.Shape[2+i] + c.Pads[i] + c.Pads[n+i] - reach
		if room < 0 {
			return nil, fmt.Errorf("Conv of %v: a kernel that reaches over %d positions does not fit with pads %v", x, reach, c.Pads)
		}
		out = append(out, room/c.Strides[i]+1)
	}
	return []Type{{x.DType, out}}, nil
}

// FLOPs counts a multiplication and an addition for each weight and output position.
func (c Conv) FLOPs(in, out []Type) int64 {
	per := 2
	for _, d := range in[1].Shape[1:] {
		per *= d
	}
	return int64(per) * int64(out[0].Len())
}

func (c Conv) Eval(x *Exec, out, in []*Tensor) error {
	if s, ok := c.shape2D(in[0].Type(), in[1].Type()); ok && in[0].dtype == Float32 {
		var ep kernel.Epilogue
		if len(in) == 3 {
			ep = kernel.Epilogue{{Kind: kernel.StageAffine, Shift: Data[float32](in[2])}}
		}
		k, err := kernel.PrepareConv(s, Data[float32](in[1]), ep)
		if err != nil {
			return err
		}
		threads := 1
		if x.Pool != nil {
			threads = x.Pool.Threads()
		}
		k.Run(x.Pool, Data[float32](out[0]), Data[float32](in[0]), nil, make([]float32, k.Workspace(threads)))
		return nil
	}
	switch out[0].dtype {
	case Float32:
		refConv[float32](c, out, in)
	case Float64:
		refConv[float64](c, out, in)
	}
	return nil
}

func refConv[T float](c Conv, out, in []*Tensor) {
	var bias []T
	if len(in) == 3 {
		bias = Data[T](in[2])
	}
	kernel.RefConv(shapeND(in[0].shape, in[1].shape[2:], in[1].shape[0], c.Strides, c.Dilations, c.Pads, c.Groups), Data[T](out[0]), Data[T](in[0]), Data[T](in[1]), bias)
}

// shapeND describes a convolution over any number of spatial axes for the reference kernels.
func shapeND(x, kernelShape []int, outChannels int, strides, dilations, pads []int, groups int) kernel.ShapeND {
	n := len(kernelShape)
	return kernel.ShapeND{N: x[0], C: x[1], OC: outChannels, Groups: groups, In: x[2:], Kernel: kernelShape,
		Strides: strides, Dilations: dilations, PadsBegin: pads[:n], PadsEnd: pads[n:]}
}

// shape2D describes one- and two-dimensional convolutions for the fast kernels.
func (c Conv) shape2D(x, w Type) (kernel.ConvShape, bool) {
	s := kernel.ConvShape{H: 1, KH: 1, StrideH: 1, DilationH: 1, Groups: c.Groups}
	switch x.Rank() {
	case 4:
		s.H, s.KH, s.StrideH, s.DilationH, s.PadTop, s.PadBottom = x.Shape[2], w.Shape[2], c.Strides[0], c.Dilations[0], c.Pads[0], c.Pads[2]
	case 3:
	default:
		return s, false
	}
	last := x.Rank() - 3
	s.N, s.C, s.OC = x.Shape[0], x.Shape[1], w.Shape[0]
	s.W, s.KW, s.StrideW, s.DilationW = x.Shape[last+2], w.Shape[last+2], c.Strides[last], c.Dilations[last]
	s.PadLeft, s.PadRight = c.Pads[last], c.Pads[2*last+1]
	return s, s.Validate() == nil
}

func (c Conv) prepares(in []*Value) bool {
	for _, v := range in[1:] {
		if v.known == nil || v.typ.DType != Float32 {
			return false
		}
	}
	_, ok := c.shape2D(in[0].typ, in[1].typ)
	return ok
}

func (c Conv) prepare(in []*Value, _ []Type, ep kernel.Epilogue) (prepared, error) {
	s, _ := c.shape2D(in[0].typ, in[1].typ)
	if len(in) == 3 {
		ep = slices.Insert(ep, 0, kernel.Stage{Kind: kernel.StageAffine, Shift: Data[float32](in[2].known)})
	}
	k, err := kernel.PrepareConv(s, Data[float32](in[1].known), ep)
	return preparedConv{k}, err
}

// convKernel is a convolution, or its transpose, made ready for its weights and shape.
type convKernel interface {
	Workspace(threads int) int
	Run(p *kernel.Pool, dst, src []float32, residuals [][]float32, ws []float32)
}

type preparedConv struct{ k convKernel }

func (p preparedConv) workspace(threads int) int { return p.k.Workspace(threads) }

func (p preparedConv) eval(x *Exec, out, in, res []*Tensor) error {
	residuals := make([][]float32, len(res))
	for i, t := range res {
		residuals[i] = Data[float32](t)
	}
	p.k.Run(x.Pool, Data[float32](out[0]), Data[float32](in[0]), residuals, x.Scratch)
	return nil
}
