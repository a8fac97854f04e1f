package graph

import "fmt"

// SpaceToDepth is the inverse of DepthToSpace with the same attributes.
type SpaceToDepth struct {
	mover
	Block         int
	ChannelsFirst bool
}

func (SpaceToDepth) Name() string { return "SpaceToDepth" }

func (s SpaceToDepth) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("SpaceToDepth", in, 1, 1); err != nil {
		return nil, err
	}
	if in[0].Rank() != 4 || s.Block < 1 || s.Block > maxBlock || in[0].Shape[2]%s.Block != 0 || in[0].Shape[3]%s.Block != 0 {
		return nil, fmt.Errorf("SpaceToDepth of %v with blocks of %d: the operand should be N x C x H x W with H and W in multiples of %[2]d", in[0], s.Block)
	}
	d := in[0].Shape
	return []Type{{in[0].DType, []int{d[0], d[1] * s.Block * s.Block, d[2] / s.Block, d[3] / s.Block}}}, nil
}

func (s SpaceToDepth) Eval(x *Exec, out, in []*Tensor) error {
	n, c, h, w, b := in[0].shape[0], in[0].shape[1], out[0].shape[2], out[0].shape[3], s.Block
	line := w * b
	v := walk{dims: []int{n, b, b, c, h, w}, strides: []int{c * h * b * line, line, 1, h * b * line, b * line, b}}
	if s.ChannelsFirst {
		v = walk{dims: []int{n, c, b, b, h, w}, strides: []int{c * h * b * line, h * b * line, line, 1, b * line, b}}
	}
	v.move(x, out[0], in[0])
	return nil
}

func (s SpaceToDepth) gradient(d *derivation) []*Value {
	return []*Value{d.apply(DepthToSpace(s), d.grad(0))}
}
