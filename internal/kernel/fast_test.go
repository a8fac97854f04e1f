package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// forceAlgorithm makes convolutions use an algorithm if they can, until the test ends.
func forceAlgorithm(t testing.TB, name string) {
	old := forced
	t.Cleanup(func() { forced = old })
	forced = name
}

// transformsFor runs a test for each transform of each path that fits a kernel.
func transformsFor(t *testing.T, kh, kw int, f func(t *testing.T, tr *transform)) {
	eachPath(t, func(t *testing.T) {
		for i := range cpu.transforms {
			if tr := &cpu.transforms[i]; tr.fits(kh, kw) {
				t.Run(tr.name, func(t *testing.T) {
					forceAlgorithm(t, tr.name)
					f(t, tr)
				})
			}
		}
	})
}

func TestFastConv(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, s := range []ConvShape{
		{1, 16, 20, 23, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
		{1, 5, 7, 6, 3, 3, 3, 1, 1, 1, 1, 0, 0, 0, 0, 1},     // less than a block, without pads
		{3, 20, 33, 61, 41, 3, 3, 1, 1, 1, 1, 2, 0, 1, 3, 1}, // an odd number of blocks, uneven pads, a batch
		{1, 8, 3, 3, 8, 3, 3, 1, 1, 1, 1, 0, 0, 0, 0, 1},     // one output
		{1, 8, 1, 1, 8, 3, 3, 1, 1, 1, 1, 5, 6, 7, 40, 1},    // hardly anything but pads
		{2, 24, 45, 50, 40, 5, 5, 1, 1, 1, 1, 2, 2, 2, 2, 1},
		{1, 16, 61, 130, 32, 7, 7, 1, 1, 1, 1, 3, 3, 3, 3, 1},
		{1, 17, 30, 31, 15, 9, 9, 1, 1, 1, 1, 4, 4, 4, 4, 1},
		{1, 9, 40, 41, 10, 4, 11, 1, 1, 1, 1, 1, 5, 2, 5, 1}, // not square, even
	} {
		src, weight := random(r, s.N*s.C*s.H*s.W), random(r, s.OC*s.C*s.KH*s.KW)
		want := make([]float64, s.N*s.OC*s.OutH()*s.OutW())
		RefConv(s.nd(), want, widen(src), widen(weight), nil)
		t.Run(fmt.Sprintf("%+v", s), func(t *testing.T) {
			transformsFor(t, s.KH, s.KW, func(t *testing.T, tr *transform) {
				c, err := PrepareConv(s, weight, nil)
				if err != nil {
					t.Fatal(err)
				}
				for threads := 1; threads <= 3; threads++ {
					if e := rms(t, runGuarded(t, c, threads, len(want), src, nil), want); e > tr.accuracy() {
						t.Errorf("relative error %.2g with %d threads", e, threads)
					}
				}
			})
		})
	}
}

// TestFastRepeatable checks that neither the number of threads nor the way in which they share work changes a bit.
func TestFastRepeatable(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, s := range []ConvShape{
		{2, 40, 50, 61, 70, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
		{1, 128, 33, 40, 130, 5, 5, 1, 1, 1, 1, 2, 2, 2, 2, 1},
	} {
		src, weight := random(r, s.N*s.C*s.H*s.W), random(r, s.OC*s.C*s.KH*s.KW)
		n := s.N * s.OC * s.OutH() * s.OutW()
		transformsFor(t, s.KH, s.KW, func(t *testing.T, tr *transform) {
			c, err := PrepareConv(s, weight, nil)
			if err != nil {
				t.Fatal(err)
			}
			want := runGuarded(t, c, 1, n, src, nil)
			for _, threads := range []int{2, 5} {
				for i, v := range runGuarded(t, c, threads, n, src, nil) {
					if math.Float32bits(v) != math.Float32bits(want[i]) {
						t.Fatalf("element %d is %v with %d threads, %v with 1", i, v, threads, want[i])
					}
				}
			}
		})
	}
}
