package kernel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestStrided checks convolutions with strides or groups that are computed by transforms, by every one and with an epilogue.
func TestStrided(t *testing.T) {
	r := rand.New(rand.NewPCG(71, 72))
	for i, s := range []ConvShape{
		{2, 16, 20, 23, 16, 5, 5, 2, 2, 1, 1, 2, 2, 2, 2, 1},
		{2, 5, 31, 18, 9, 6, 5, 2, 2, 1, 1, 0, 3, 1, 0, 1},
		{2, 3, 40, 41, 24, 7, 9, 3, 3, 1, 1, 3, 4, 3, 4, 1},
		{2, 8, 33, 20, 8, 9, 3, 3, 1, 1, 1, 5, 1, 5, 1, 1}, // along one axis only
		{2, 8, 2, 2, 8, 9, 9, 3, 3, 1, 1, 8, 9, 8, 9, 1},   // hardly anything but pads
		{2, 24, 19, 30, 48, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 3},
		{2, 16, 20, 23, 24, 5, 5, 2, 2, 1, 1, 2, 2, 2, 2, 2},
	} {
		src, weight := random(r, s.N*s.C*s.H*s.W), random(r, s.OC*s.C/s.Groups*s.KH*s.KW)
		MulScalar(weight, weight, 0.02) // errors in proportion to what testEpilogue allows
		want := make([]float64, s.N*s.OC*s.OutH()*s.OutW())
		RefConv(s.nd(), want, widen(src), widen(weight), nil)
		t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
			transformsFor(t, ceilDiv(s.KH, s.StrideH), ceilDiv(s.KW, s.StrideW), func(t *testing.T, tr *transform) {
				c, err := PrepareConv(s, weight, nil)
				if err != nil {
					t.Fatal(err)
				}
				if _, ok := c.algorithm.(*direct); ok {
					t.Fatal("computed directly")
				}
				once := runGuarded(t, c, 1, len(want), src, nil)
				if e := rms(t, once, want); e > tr.accuracy() {
					t.Errorf("relative error %.2g", e)
				}
				for threads := 2; threads <= 3; threads++ {
					if got := runGuarded(t, c, threads, len(want), src, nil); !slices.Equal(got, once) {
						t.Errorf("%d threads change the result", threads)
					}
				}
				es := epilogues(r, s.OC)
				e := es[i%len(es)]
				if c, err = PrepareConv(s, weight, e); err != nil {
					t.Fatal(err)
				}
				testEpilogue(t, r, c, e, src, slices.Clone(want), s.OC)
			})
		})
	}
}
