package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func BenchmarkConv(b *testing.B) {
	same := func(c, oc, size, k, groups int) ConvShape {
		return ConvShape{1, c, size, size, oc, k, k, 1, 1, 1, 1, k / 2, k / 2, k / 2, k / 2, groups}
	}
	for _, l := range []struct {
		name string
		s    ConvShape
	}{
		{"64-64_3x3@128", same(64, 64, 128, 3, 1)},
		{"64-32_3x3@128", same(64, 32, 128, 3, 1)},
		{"64-3_3x3@512", same(64, 3, 512, 3, 1)},
		{"256-256_7x7@64", same(256, 256, 64, 7, 1)},
		{"256-256_7x7@128", same(256, 256, 128, 7, 1)},
		{"3-16_7x7@128", same(3, 16, 128, 7, 1)},
		{"16-16_7x7@128", same(16, 16, 128, 7, 1)},
		{"3-64_3x3@128", same(3, 64, 128, 3, 1)},
		{"256-256_1x1@64", same(256, 256, 64, 1, 1)},
		{"64-64_3x3@24", same(64, 64, 24, 3, 1)},
		{"64-64_3x3@33", same(64, 64, 33, 3, 1)},
		{"512-512_3x3@8", same(512, 512, 8, 3, 1)},
		{"64-128_5x5s2@128", ConvShape{1, 64, 128, 128, 128, 5, 5, 2, 2, 1, 1, 2, 2, 2, 2, 1}},
		{"depthwise64_3x3@128", same(64, 64, 128, 3, 64)},
		{"depthwise64_7x7@128", same(64, 64, 128, 7, 64)},
	} {
		for _, threads := range []int{1, 2} {
			b.Run(fmt.Sprintf("%s/threads=%d", l.name, threads), func(b *testing.B) {
				s := l.s
				r := rand.New(rand.NewPCG(1, 2))
				src, weight := random(r, s.N*s.C*s.H*s.W), random(r, s.OC*s.C/s.Groups*s.KH*s.KW)
				shift, slope := random(r, s.OC), random(r, s.OC)
				c, err := PrepareConv(s, weight, Epilogue{{Kind: StageAffine, Shift: shift}, {Kind: StagePRelu, Slope: slope}})
				if err != nil {
					b.Fatal(err)
				}
				dst := make([]float32, s.N*s.OC*s.OutH()*s.OutW())
				ws := make([]float32, c.Workspace(threads))
				p := NewPool(threads)
				defer p.Close()
				c.Run(p, dst, src, nil, ws)
				b.ResetTimer()
				for b.Loop() {
					c.Run(p, dst, src, nil, ws)
				}
				flops := 2 * float64(len(dst)) * float64(len(weight)/s.OC)
				b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GF/s")
			})
		}
	}
}
