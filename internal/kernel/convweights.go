package kernel

import "fmt"

// RefConvWeights is the gradient of RefConv's weights: dw[OC, C/Groups, Kernel...] is the sum, over all outputs, of the gradient g
// [N, OC, Out()...] times the element of src [N, C, In...] that the weight multiplies there.
func RefConvWeights[T Number](s ShapeND, dw, src, g []T) {
	out := s.Out()
	small, large := product(out), product(s.In)
	ci, co, taps := s.C/s.Groups, s.OC/s.Groups, product(s.Kernel)
	clear(dw)
	s.eachTap(out, s.In, func(tap, from, to, count, stride int) {
		for i := range s.N * s.OC {
			n, oc := i/s.OC, i%s.OC
			g := g[i*small+from:][:count]
			for c := range ci {
				x := src[(n*s.C+oc/co*ci+c)*large+to:]
				var sum T
				for j, v := range g {
					sum += v * x[j*stride]
				}
				dw[(oc*ci+c)*taps+tap] += sum
			}
		}
	})
}

// ConvWeights is the gradient of a convolution's weights.
func ConvWeights(p *Pool, s ConvShape, dw, src, g []float32) error {
	if err := s.Validate(); err != nil {
		return err
	}
	if len(src) != s.N*s.C*s.H*s.W || len(g) != s.N*s.OC*s.OutH()*s.OutW() || len(dw) != s.OC*s.C/s.Groups*s.KH*s.KW {
		return fmt.Errorf("kernel: gradient of %d weights from %d and %d elements does not fit %+v", len(dw), len(src), len(g), s)
	}
	RefConvWeights(ShapeND{N: s.N, C: s.C, OC: s.OC, Groups: s.Groups, In: []int{s.H, s.W}, Kernel: []int{s.KH, s.KW},
		Strides: []int{s.StrideH, s.StrideW}, Dilations: []int{s.DilationH, s.DilationW},
		PadsBegin: []int{s.PadTop, s.PadLeft}, PadsEnd: []int{s.PadBottom, s.PadRight}}, dw, src, g)
	return nil
}
