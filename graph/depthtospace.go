package graph

import "fmt"

// DepthToSpace moves blocks of channels to pixels: N x C·B·B x H x W becomes N x C x H·B x W·B for B = Block. Channels are
// ordered (row, column, C), or (C, row, column) with ChannelsFirst, which is PixelShuffle (Shi et al. 2016). They are ONNX's modes
// DCR and CRD.
type DepthToSpace struct {
	mover
	Block         int
	ChannelsFirst bool
}

func (DepthToSpace) Name() string { return "DepthToSpace" }

func (d DepthToSpace) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("DepthToSpace", in, 1, 1); err != nil {
		return nil, err
	}
	if in[0].Rank() != 4 || d.Block < 1 || d.Block > maxBlock || in[0].Shape[1]%(d.Block*d.Block) != 0 {
		return nil, fmt.Errorf("DepthToSpace of %v with blocks of %d: the operand should be N x C x H x W with channels in multiples of %[2]d·%[2]d", in[0], d.Block)
	}
	s := in[0].Shape
	return []Type{{in[0].DType, []int{s[0], s[1] / d.Block / d.Block, s[2] * d.Block, s[3] * d.Block}}}, nil
}

func (d DepthToSpace) Eval(x *Exec, out, in []*Tensor) error {
	n, c, h, w, b := out[0].shape[0], out[0].shape[1], in[0].shape[2], in[0].shape[3], d.Block
	area := h * w
	row, col, channel := b*c*area, c*area, area
	if d.ChannelsFirst {
		row, col, channel = b*area, area, b*b*area
	}
	walk{dims: []int{n, c, h, b, w, b}, strides: []int{c * b * b * area, channel, w, row, 1, col}}.move(x, out[0], in[0])
	return nil
}

// maxBlock keeps the squares of block sizes within an int.
const maxBlock = 1 << 15

func (s DepthToSpace) gradient(d *derivation) []*Value {
	return []*Value{d.apply(SpaceToDepth(s), d.grad(0))}
}
