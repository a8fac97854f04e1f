package kernel

import "fmt"

// Conv is a convolution prepared from its weights and shape. It may be run by several goroutines at once, each with a
// workspace of its own.
type Conv struct {
	shape    ConvShape
	weight   []float32
	epilogue Epilogue
}

// PrepareConv packs the weights [OC, C/Groups, KH, KW] of a convolution whose outputs go through the epilogue.
// It keeps no reference to weight.
func PrepareConv(s ConvShape, weight []float32, ep Epilogue) (*Conv, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if want := s.OC * s.C / s.Groups * s.KH * s.KW; len(weight) != want {
		return nil, fmt.Errorf("kernel: convolution with %d weights, must be %d for [%d %d %d %d]", len(weight), want, s.OC, s.C/s.Groups, s.KH, s.KW)
	}
	if err := ep.validate(s.OC); err != nil {
		return nil, err
	}
	return &Conv{s, append([]float32(nil), weight...), ep}, nil
}

// Workspace is how many elements of scratch memory Run needs with a pool of the given number of threads.
func (c *Conv) Workspace(threads int) int { return 0 }

// Run convolves src [N, C, H, W] into dst [N, OC, OutH, OutW]. Each residual is of dst's shape and may be dst itself; src
// may not overlap dst. ws has at least Workspace(p.Threads()) elements, of any content.
func (c *Conv) Run(p *Pool, dst, src []float32, residuals [][]float32, ws []float32) {
	s := c.shape
	nd := ShapeND{
		N: s.N, C: s.C, OC: s.OC, Groups: s.Groups, In: []int{s.H, s.W}, Kernel: []int{s.KH, s.KW},
		Strides: []int{s.StrideH, s.StrideW}, Dilations: []int{s.DilationH, s.DilationW},
		PadsBegin: []int{s.PadTop, s.PadLeft}, PadsEnd: []int{s.PadBottom, s.PadRight},
	}
	area := s.OutH() * s.OutW()
	out := make([]float32, s.N*s.OC*area)
	RefConv(nd, out, src, c.weight, nil)
	for i := range s.N * s.OC {
		c.epilogue.apply(dst[i*area:(i+1)*area], out[i*area:(i+1)*area], i%s.OC, i*area, residuals)
	}
}
