package kernel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// BenchmarkFast times each transform that fits a layer and the direct algorithm by turns, and reports medians: the time
// taken, the direct algorithm's operations over that time, and how many times faster than it the transform is.
func BenchmarkFast(b *testing.B) {
	for _, l := range []struct{ c, oc, k, size int }{
		{64, 64, 3, 128}, {256, 256, 7, 64}, {64, 64, 7, 64}, {128, 128, 7, 128}, {16, 16, 7, 128}, {64, 64, 5, 128}, {192, 64, 3, 128},
	} {
		for _, threads := range []int{1, 2} {
			s := ConvShape{1, l.c, l.size, l.size, l.oc, l.k, l.k, 1, 1, 1, 1, l.k / 2, l.k / 2, l.k / 2, l.k / 2, 1}
			r := rand.New(rand.NewPCG(1, 2))
			src, weight := random(r, s.C*s.H*s.W), random(r, s.OC*s.C*s.KH*s.KW)
			ep := Epilogue{{Kind: StageAffine, Shift: random(r, s.OC)}, {Kind: StagePRelu, Slope: random(r, s.OC)}}
			dst := make([]float32, s.OC*s.OutH()*s.OutW())
			for i := range cpu.transforms {
				tr := &cpu.transforms[i]
				if !tr.fits(s.KH, s.KW) {
					continue
				}
				b.Run(fmt.Sprintf("%d-%d_%dx%d@%d/threads=%d/%s", l.c, l.oc, l.k, l.k, l.size, threads, tr.name), func(b *testing.B) {
					p := NewPool(threads)
					defer p.Close()
					var run [2]func()
					for i, name := range []string{"direct", tr.name} {
						b.Setenv("GANSR_CONV", name)
						c, err := PrepareConv(s, weight, ep)
						if err != nil {
							b.Fatal(err)
						}
						ws := make([]float32, c.Workspace(threads))
						run[i] = func() { c.Run(p, dst, src, nil, ws) }
						run[i]()
					}
					var times [2][]time.Duration
					for b.Loop() {
						for i, f := range run {
							start := time.Now()
							f()
							times[i] = append(times[i], time.Since(start))
						}
					}
					var median [2]float64
					for i, t := range times {
						slices.Sort(t)
						median[i] = t[len(t)/2].Seconds()
					}
					b.ReportMetric(0, "ns/op")
					b.ReportMetric(1e3*median[1], "ms")
					b.ReportMetric(2e-9*float64(len(dst)*len(weight)/s.OC)/median[1], "GF/s")
					b.ReportMetric(2e-9*float64(len(dst)*len(weight)/s.OC)/median[0], "direct-GF/s")
					b.ReportMetric(median[0]/median[1], "times")
				})
			}
		}
	}
}
