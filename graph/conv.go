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
	if err := inferWeights("Conv", in, c.Groups, 1); err != nil {
		return nil, err
	}
	x, w := in[0], in[1]
	out, err := Sliding{w.Shape[2:], c.Strides, c.Dilations, c.Pads, false}.out("Conv", x)
	if err != nil {
		return nil, err
	}
	return []Type{{x.DType, slices.Concat([]int{x.Shape[0], w.Shape[0]}, out)}}, nil
}

// inferWeights checks the operands x, w and bias of a convolution whose weights have the input's channels, split into groups,
// on axis splitAxis: 1 for Conv, 0 for its transpose, which has C x OC/groups.
func inferWeights(op string, in []Type, groups, splitAxis int) error {
	if err := wantOperands(op, in, 2, 3); err != nil {
		return err
	}
	x, w := in[0], in[1]
	switch {
	case x.Rank() < 3 || x.Rank() > 5:
		return fmt.Errorf("%s of %v: one to three spatial axes are supported", op, x)
	case !x.DType.IsFloat():
		return fmt.Errorf("%s of %v is not defined", op, x.DType)
	case w.Rank() != x.Rank() || groups < 1 || groups > maxExtent || w.Shape[0]%groups != 0 ||
		splitAxis == 1 && w.Shape[1]*groups != x.Shape[1] || splitAxis == 0 && w.Shape[0] != x.Shape[1]:
		return fmt.Errorf("%s of %v: weights %v do not fit %d groups", op, x, w, groups)
	}
	for _, t := range in[1:] {
		if t.DType != x.DType {
			return fmt.Errorf("%s of %v with %v: the types differ", op, x.DType, t.DType)
		}
	}
	outChannels := w.Shape[0]
	if splitAxis == 0 {
		outChannels = w.Shape[1] * groups
	}
	if len(in) == 3 && !slices.Equal(in[2].Shape, []int{outChannels}) {
		return fmt.Errorf("%s with weights %v: bias %v should be [%d]", op, w, in[2], outChannels)
	}
	return nil
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
		k, err := kernel.PrepareConvOnce(s, Data[float32](in[1]), biasEpilogue(in[2:], nil))
		if err != nil {
			return err
		}
		runOnce(x, k, out[0], in[0])
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
	s, ok := shape2D(x, w, w.Shape[0], c.Strides, c.Dilations, c.Pads, c.Groups)
	return s, ok && s.Validate() == nil
}

func shape2D(x, w Type, outChannels int, strides, dilations, pads []int, groups int) (kernel.ConvShape, bool) {
	s := kernel.ConvShape{H: 1, KH: 1, StrideH: 1, DilationH: 1, Groups: groups}
	last := x.Rank() - 3
	switch last {
	case 0:
	case 1:
		s.H, s.KH, s.StrideH, s.DilationH, s.PadTop, s.PadBottom = x.Shape[2], w.Shape[2], strides[0], dilations[0], pads[0], pads[2]
	default:
		return s, false
	}
	s.N, s.C, s.OC = x.Shape[0], x.Shape[1], outChannels
	s.W, s.KW, s.StrideW, s.DilationW = x.Shape[last+2], w.Shape[last+2], strides[last], dilations[last]
	s.PadLeft, s.PadRight = pads[last], pads[2*last+1]
	return s, true
}

func (c Conv) prepares(in []*Value) bool {
	s, ok := c.shape2D(in[0].typ, in[1].typ)
	return ok && (knownWeights(in[1:]) || in[0].typ.DType == Float32 && s.Groups == 1)
}

func (c Conv) prepare(w *Weights, in []*Value, out []Type, ep kernel.Epilogue) (prepared, error) {
	s, _ := c.shape2D(in[0].typ, in[1].typ)
	if !knownWeights(in[1:]) {
		k, err := kernel.PrepareConvLive(s, ep)
		return liveConv{k}, err
	}
	k, err := w.PrepareConv(s, Data[float32](widen(in[1].known)), biasEpilogue(knownTensors(in[2:]), ep))
	return prepareConv(k, in[0].typ, out[0], ep), err
}

// knownWeights reports whether weights and bias are constants that the fast kernels can use.
func knownWeights(vs []*Value) bool {
	return !slices.ContainsFunc(vs, func(v *Value) bool { return v.known == nil || v.typ.DType == Float64 })
}

func knownTensors(vs []*Value) []*Tensor {
	ts := make([]*Tensor, len(vs))
	for i, v := range vs {
		ts[i] = v.known
	}
	return ts
}

// biasEpilogue puts a bias, if there is one, before the other stages.
func biasEpilogue(bias []*Tensor, ep kernel.Epilogue) kernel.Epilogue {
	if len(bias) == 0 {
		return ep
	}
	return slices.Insert(ep, 0, kernel.Stage{Kind: kernel.StageAffine, Shift: Data[float32](widen(bias[0]))})
}

// convKernel is a convolution, or its transpose, made ready for its weights and shape.
type convKernel interface {
	Workspace(threads int) int
	Run(p *kernel.Pool, dst, src []float32, residuals [][]float32, ws []float32)
}

func runOnce(x *Exec, k convKernel, out, in *Tensor) {
	k.Run(x.Pool, Data[float32](out), Data[float32](in), nil, make([]float32, k.Workspace(x.Pool.Threads())))
}

// preparedConv runs a kernel. Operands and results of the 16-bit floating-point types are float32 in between, in the
// workspace.
type preparedConv struct {
	k        convKernel
	in, out  int // elements to convert; 0 for float32
	residual int // how many residuals there are
}

func prepareConv(k convKernel, in, out Type, ep kernel.Epilogue) preparedConv {
	p := preparedConv{k: k}
	if in.DType.IsHalf() {
		p.in, p.out = in.Len(), out.Len()
	}
	for _, s := range ep {
		if s.HasResidual() {
			p.residual = max(p.residual, s.Residual+1)
		}
	}
	return p
}

func (p preparedConv) blocks() kernel.Blocking {
	if k, ok := p.k.(*kernel.Conv); ok && p.in == 0 {
		return k.Blocks()
	}
	return kernel.NotBlocked
}

func (p preparedConv) setBlocked(l kernel.Layout) {
	if k, ok := p.k.(*kernel.Conv); ok {
		k.SetBlocked(l)
	}
}

func (p preparedConv) workspace(threads int) int {
	return p.k.Workspace(threads) + p.in + p.out*(1+p.residual)
}

func (p preparedConv) eval(x *Exec, out, in, res []*Tensor) error {
	scratch := x.Scratch
	float := func(t *Tensor) []float32 {
		if t.dtype == Float32 {
			return Data[float32](t)
		}
		n := t.Len()
		f := scratch[:n:n]
		scratch = scratch[n:]
		x.parallel(n, grain, func(lo, hi int) { widenInto(f[lo:hi], t, lo) })
		return f
	}
	residuals := make([][]float32, len(res))
	for i, t := range res {
		residuals[i] = float(t)
	}
	src := float(in[0])
	dst, half := out[0].data.([]float32)
	if half = !half; half {
		n := out[0].Len()
		dst, scratch = scratch[:n], scratch[n:]
	}
	p.k.Run(x.Pool, dst, src, residuals, scratch)
	if half {
		x.parallel(len(dst), grain, func(lo, hi int) { narrowFrom(out[0], lo, dst[lo:hi]) })
	}
	return nil
}

// liveConv runs a convolution, or its transpose, of float32 whose weights and bias are operands that change.
type liveConv struct{ k *kernel.LiveConv }

func (c liveConv) workspace(threads int) int       { return c.k.Workspace(threads) }
func (c liveConv) blocks() kernel.Blocking         { return c.k.Blocks() }
func (c liveConv) setBlocked(l kernel.Layout)      { c.k.SetBlocked(l) }
func (c liveConv) algorithm() (name string, n int) { return c.k.Algorithm(), c.k.Products() }

func (c liveConv) eval(x *Exec, out, in, res []*Tensor) error {
	var bias []float32
	if len(in) == 3 {
		bias = Data[float32](in[2])
	}
	residuals := make([][]float32, len(res))
	for i, t := range res {
		residuals[i] = Data[float32](t)
	}
	c.k.Run(x.Pool, Data[float32](out[0]), Data[float32](in[0]), Data[float32](in[1]), bias, residuals, x.Scratch)
	return nil
}

// widenInto sets dst to t's elements from at on. t is of a 16-bit floating-point type.
func widenInto(dst []float32, t *Tensor, at int) {
	switch d := t.data.(type) {
	case []Half:
		for i, v := range d[at : at+len(dst)] {
			dst[i] = v.Float32()
		}
	case []Brain:
		for i, v := range d[at : at+len(dst)] {
			dst[i] = v.Float32()
		}
	}
}

// narrowFrom sets t's elements from at on. t is of a 16-bit floating-point type.
func narrowFrom(t *Tensor, at int, src []float32) {
	switch d := t.data.(type) {
	case []Half:
		for i, v := range src {
			d[at+i] = HalfFrom(v)
		}
	case []Brain:
		for i, v := range src {
			d[at+i] = BrainFrom(v)
		}
	}
}

func (c Conv) gradient(d *derivation) []*Value {
	x, w, g := d.in[0], d.in[1], d.grad(0)
	gs := make([]*Value, len(d.in))
	if d.wants[0] {
		gs[0] = d.apply(c.transposed(g.typ.Shape[2:], x.typ.Shape[2:], w.typ.Shape[2:]), g, w)
	}
	if d.wants[1] {
		gs[1] = d.apply(ConvWeights{c, w.typ.Shape[2:]}, x, g)
	}
	if len(d.in) == 3 && d.wants[2] {
		gs[2] = d.channelSums(g)
	}
	return gs
}

// transposed returns the transpose of c, as a map of what has the size in to what has the size out.
func (c Conv) transposed(in, out, kernelShape []int) ConvTranspose {
	n := len(in)
	t := ConvTranspose{Strides: c.Strides, Dilations: c.Dilations, Pads: slices.Clone(c.Pads), OutputPads: make([]int, n), Groups: c.Groups}
	for i := range n {
		missing := out[i] - ((in[i]-1)*c.Strides[i] + (kernelShape[i]-1)*c.Dilations[i] + 1 - c.Pads[i] - c.Pads[n+i])
		t.OutputPads[i] = max(missing, 0)
		t.Pads[n+i] -= min(missing, 0)
	}
	return t
}

// channelSums returns the sum of N x C x spatial for each channel.
func (c composer) channelSums(x *Value) *Value {
	return c.reshape(c.sum(x, allBut(x.typ.Rank(), 1)...), x.typ.Shape[1])
}

// allBut returns the axes of a rank without one.
func allBut(rank, axis int) []int {
	var axes []int
	for k := range rank {
		if k != axis {
			axes = append(axes, k)
		}
	}
	return axes
}
