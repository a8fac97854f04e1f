package kernel

import "fmt"

// ConvTransposeShape is a transposed convolution: source [N, C, H, W], weights [C, OC/Groups, KH, KW], output
// [N, OC, OutH(), OutW()]. Strides spread the source, pads crop the output, and OutPad adds rows and columns at the
// output's end.
type ConvTransposeShape struct {
	ConvShape
	OutPadH, OutPadW int
}

// OutH is the output's height.
func (s ConvTransposeShape) OutH() int {
	return (s.H-1)*s.StrideH - s.PadTop - s.PadBottom + (s.KH-1)*s.DilationH + 1 + s.OutPadH
}

// OutW is the output's width.
func (s ConvTransposeShape) OutW() int {
	return (s.W-1)*s.StrideW - s.PadLeft - s.PadRight + (s.KW-1)*s.DilationW + 1 + s.OutPadW
}

// Validate reports what is impossible about the shape. A batch of 0 is fine; an output without pixels is not.
func (s ConvTransposeShape) Validate() error {
	if err := s.validateSizes(); err != nil {
		return err
	}
	if s.OutPadH < 0 || s.OutPadW < 0 || s.OutPadH > maxElements || s.OutPadW > maxElements {
		return fmt.Errorf("kernel: transposed convolution with output pads %d and %d, must be 0 or more", s.OutPadH, s.OutPadW)
	}
	if s.H == 0 || s.W == 0 || s.OutH() < 1 || s.OutW() < 1 || !fits(s.H, s.StrideH) || !fits(s.W, s.StrideW) || !fits(s.N, s.OC, s.OutH(), s.OutW()) {
		return fmt.Errorf("kernel: transposed convolution of [%d %d] to [%d %d] pixels", s.H, s.W, s.OutH(), s.OutW())
	}
	return nil
}

// ConvTranspose is a transposed convolution prepared from its weights and shape, as Conv is.
type ConvTranspose struct {
	shape    ConvTransposeShape
	weight   []float32
	epilogue Epilogue
}

// PrepareConvTranspose packs the weights [C, OC/Groups, KH, KW] of a transposed convolution whose outputs go through
// the epilogue. It keeps no reference to weight.
func PrepareConvTranspose(s ConvTransposeShape, weight []float32, ep Epilogue) (*ConvTranspose, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if want := s.C * s.OC / s.Groups * s.KH * s.KW; len(weight) != want {
		return nil, fmt.Errorf("kernel: transposed convolution with %d weights, must be %d for [%d %d %d %d]", len(weight), want, s.C, s.OC/s.Groups, s.KH, s.KW)
	}
	if err := ep.validate(s.OC); err != nil {
		return nil, err
	}
	return &ConvTranspose{s, append([]float32(nil), weight...), ep}, nil
}

// Workspace is how many elements of scratch memory Run needs with a pool of the given number of threads.
func (c *ConvTranspose) Workspace(threads int) int { return 0 }

// Run convolves src [N, C, H, W] into dst [N, OC, OutH, OutW], as Conv.Run does.
func (c *ConvTranspose) Run(p *Pool, dst, src []float32, residuals [][]float32, ws []float32) {
	s := c.shape
	nd := ShapeND{
		N: s.N, C: s.C, OC: s.OC, Groups: s.Groups, In: []int{s.H, s.W}, Kernel: []int{s.KH, s.KW},
		Strides: []int{s.StrideH, s.StrideW}, Dilations: []int{s.DilationH, s.DilationW},
		PadsBegin: []int{s.PadTop, s.PadLeft}, PadsEnd: []int{s.PadBottom, s.PadRight}, OutPads: []int{s.OutPadH, s.OutPadW},
	}
	area := s.OutH() * s.OutW()
	out := make([]float32, s.N*s.OC*area)
	RefConvTranspose(nd, out, src, c.weight, nil)
	for i := range s.N * s.OC {
		c.epilogue.apply(dst[i*area:(i+1)*area], out[i*area:(i+1)*area], i%s.OC, i*area, residuals)
	}
}
