package kernel

import "fmt"

// ConvShape is a two-dimensional convolution: source [N, C, H, W], weights [OC, C/Groups, KH, KW], output
// [N, OC, OutH(), OutW()]. Pads are zeros around the source. Strides, dilations and groups are 1 or more.
type ConvShape struct {
	N, C, H, W                           int
	OC, KH, KW                           int
	StrideH, StrideW                     int
	DilationH, DilationW                 int
	PadTop, PadLeft, PadBottom, PadRight int
	Groups                               int
}

// maxElements bounds what one tensor of a convolution may claim, so that products of sizes cannot overflow.
const maxElements = 1 << 40

// OutH is the output's height.
func (s ConvShape) OutH() int {
	return (s.H+s.PadTop+s.PadBottom-(s.KH-1)*s.DilationH-1)/s.StrideH + 1
}

// OutW is the output's width.
func (s ConvShape) OutW() int {
	return (s.W+s.PadLeft+s.PadRight-(s.KW-1)*s.DilationW-1)/s.StrideW + 1
}

// Validate reports what is impossible about the shape. A batch of 0 is fine; an output without pixels is not.
func (s ConvShape) Validate() error {
	if err := s.validateSizes(); err != nil {
		return err
	}
	if h, k := s.H+s.PadTop+s.PadBottom, (s.KH-1)*s.DilationH+1; h < k {
		return fmt.Errorf("kernel: convolution of height %d (dilated) over a padded height of %d", k, h)
	}
	if w, k := s.W+s.PadLeft+s.PadRight, (s.KW-1)*s.DilationW+1; w < k {
		return fmt.Errorf("kernel: convolution of width %d (dilated) over a padded width of %d", k, w)
	}
	if !fits(s.N, s.OC, s.OutH(), s.OutW()) {
		return fmt.Errorf("kernel: convolution output [%d %d %d %d] is too large", s.N, s.OC, s.OutH(), s.OutW())
	}
	return nil
}

// validateSizes checks what convolution and transposed convolution share.
func (s ConvShape) validateSizes() error {
	for _, v := range []struct {
		name       string
		value, min int
	}{
		{"batch", s.N, 0}, {"channels", s.C, 1}, {"height", s.H, 0}, {"width", s.W, 0},
		{"output channels", s.OC, 1}, {"kernel height", s.KH, 1}, {"kernel width", s.KW, 1},
		{"vertical stride", s.StrideH, 1}, {"horizontal stride", s.StrideW, 1},
		{"vertical dilation", s.DilationH, 1}, {"horizontal dilation", s.DilationW, 1},
		{"top pad", s.PadTop, 0}, {"left pad", s.PadLeft, 0}, {"bottom pad", s.PadBottom, 0}, {"right pad", s.PadRight, 0},
		{"groups", s.Groups, 1},
	} {
		if v.value < v.min || v.value > 1<<31 {
			return fmt.Errorf("kernel: convolution with %s %d, must be %d or more", v.name, v.value, v.min)
		}
	}
	if s.C%s.Groups != 0 || s.OC%s.Groups != 0 {
		return fmt.Errorf("kernel: convolution of %d to %d channels in %d groups, which must divide both", s.C, s.OC, s.Groups)
	}
	if !fits(s.N, s.C, s.H, s.W) || !fits(s.OC, s.C, s.KH, s.KW) || !fits(s.KH, s.DilationH) || !fits(s.KW, s.DilationW) {
		return fmt.Errorf("kernel: convolution of [%d %d %d %d] to %d channels with a %dx%d kernel is too large", s.N, s.C, s.H, s.W, s.OC, s.KH, s.KW)
	}
	return nil
}

// fits reports whether the product of sizes is below maxElements, without overflow.
func fits(sizes ...int) bool {
	p := 1
	for _, v := range sizes {
		if v > 0 && p > maxElements/v {
			return false
		}
		p *= max(v, 1)
	}
	return true
}
