package kernel

import "os"

// forced is the algorithm that every convolution uses if it can, "direct" or the name of a transform; none if empty. Only
// tests change it later.
var forced = os.Getenv("GANSR_CONV")

// chooseTransform returns the transform that is the fastest for the shape, or nil if the direct algorithm is.
func chooseTransform(s ConvShape) *transform {
	if s.StrideH != 1 || s.StrideW != 1 || s.DilationH != 1 || s.DilationW != 1 || s.Groups != 1 || s.N == 0 {
		return nil
	}
	for i := range cpu.transforms {
		if tr := &cpu.transforms[i]; tr.name == forced && tr.fits(s.KH, s.KW) {
			return tr
		}
	}
	return nil
}
