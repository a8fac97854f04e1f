package kernel

import "os"

// forced names a transform that every convolution uses if it can; with none all are computed directly. The environment
// variable GANSR_CONV sets it. Only tests change it later.
var forced = os.Getenv("GANSR_CONV")

// chooseTransform returns the forced transform if the shape suits it, and nil for the direct algorithm otherwise.
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
