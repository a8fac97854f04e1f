package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func weightShapes() []ConvShape {
	shape := func(n, c, h, w, oc, k, stride, dilation, pad, groups int) ConvShape {
		return ConvShape{N: n, C: c, H: h, W: w, OC: oc, KH: k, KW: k, StrideH: stride, StrideW: stride, DilationH: dilation, DilationW: dilation,
			PadTop: pad, PadLeft: pad, PadBottom: pad, PadRight: pad, Groups: groups}
	}
	uneven := shape(2, 5, 9, 14, 7, 3, 1, 1, 0, 1)
	uneven.KW, uneven.StrideW, uneven.DilationH, uneven.PadTop, uneven.PadRight = 5, 3, 2, 3, 1
	return []ConvShape{
		shape(1, 1, 1, 1, 1, 1, 1, 1, 0, 1), shape(2, 3, 19, 17, 16, 7, 1, 1, 3, 1), shape(3, 3, 20, 20, 8, 9, 2, 1, 4, 1),
		shape(2, 64, 8, 8, 20, 5, 2, 1, 2, 1), shape(1, 128, 5, 6, 13, 3, 1, 1, 1, 1), shape(2, 16, 9, 9, 32, 1, 1, 1, 0, 1),
		shape(2, 8, 10, 11, 8, 3, 1, 1, 1, 8), shape(1, 12, 9, 8, 18, 3, 1, 2, 2, 3), shape(1, 2, 3, 3, 2, 3, 1, 1, 4, 1), shape(5, 4, 33, 31, 6, 3, 1, 1, 1, 2),
		shape(3, 40, 200, 190, 1, 3, 1, 1, 1, 1), // several times of packing
		shape(2, 9, 21, 18, 10, 5, 2, 1, 2, 1), shape(2, 20, 4, 4, 40, 5, 2, 1, 2, 1), shape(1, 70, 3, 2, 80, 3, 1, 2, 2, 1), shape(1, 4, 17, 19, 9, 4, 3, 1, 1, 1), shape(1, 8, 9, 9, 8, 2, 2, 1, 0, 1),
		shape(2, 40, 33, 29, 50, 3, 1, 1, 1, 1), shape(1, 200, 17, 16, 150, 3, 1, 1, 1, 1), // several chunks, and groups of channels
		uneven, shape(0, 2, 4, 4, 3, 3, 1, 1, 1, 1),
	}
}

// On every path, the gradient is that of float64, and the same whatever the number of threads.
func TestConvWeights(t *testing.T) {
	defer func(f *functions) { cpu = f }(cpu)
	pool := NewPool(3)
	defer pool.Close()
	tried := map[string]bool{}
	r := rand.New(rand.NewPCG(1, 2))
	random := func(n int) ([]float32, []float64) {
		a, b := make([]float32, n), make([]float64, n)
		for i := range a {
			a[i] = r.Float32()*2 - 1
			b[i] = float64(a[i])
		}
		return a, b
	}
	for i := range paths {
		cpu = &paths[i]
		names := []string{"direct"}
		for _, tr := range cpu.transforms {
			names = append(names, tr.name)
		}
		for i, s := range slices.Repeat(weightShapes(), len(names)) {
			t.Setenv("GANSR_CONV", names[i/len(weightShapes())])
			if i >= len(weightShapes()) && (len(fastWeightPlans(s)) == 0 || s.H > 100) {
				continue
			}
			// In plain Go it takes long, and the other paths share all but the kernels.
			if testing.Short() && cpu.path == "generic" && len(paths) > 1 && (i >= len(weightShapes()) || s.H > 100) {
				continue
			}
			src, src64 := random(s.N * s.C * s.H * s.W)
			g, g64 := random(s.N * s.OC * s.OutH() * s.OutW())
			want := make([]float64, s.OC*s.C/s.Groups*s.KH*s.KW)
			RefConvWeights(s.nd(), want, src64, g64)
			plans := []weightGradient{noWeights{}}
			if s.N > 0 {
				plans = weightPlans(s)
			}
			for _, plan := range plans {
				if f, ok := plan.(*fastWeights); ok && f.tiles() > 2 {
					several := *f
					several.chunk, several.maxRows, several.atOnce = f.tiles()/3, cpu.lanes, 1
					plans = append(plans, &several)
				}
			}
			for _, plan := range plans {
				tried[strings.Fields(plan.name())[0]] = true
				w := WeightGradient{s: s, weightGradient: plan}
				got, same := make([]float32, len(want)), make([]float32, len(want))
				for _, run := range []struct {
					pool *Pool
					dw   []float32
				}{{nil, got}, {pool, same}} {
					ws, check := guarded(t, w.Workspace(run.pool.Threads()))
					fillNaN(ws)
					fillNaN(run.dw)
					if err := w.Run(run.pool, run.dw, src, g, ws); err != nil {
						t.Fatal(err)
					}
					check()
				}
				if !slices.Equal(got, same) {
					t.Errorf("%s: %s: %+v: threads change the result", cpu.path, plan.name(), s)
				}
				for _, l := range []Layout{{true, false}, {false, true}, {true, true}} {
					if !plan.blocks() {
						continue
					}
					blocked := func(a []float32, c, area int, really bool) []float32 {
						if !really {
							return a
						}
						to := make([]float32, s.N*roundUp(c, cpu.lanes)*area)
						Block(nil, to, a, s.N, c, area)
						for i := range to { // what fills blocks is anything finite
							if i/area/cpu.lanes%ceilDiv(c, cpu.lanes)*cpu.lanes+i%cpu.lanes >= c {
								to[i] = 1e6
							}
						}
						return to
					}
					w.SetBlocked(l)
					fillNaN(same)
					ws, check := guarded(t, w.Workspace(pool.Threads()))
					if err := w.Run(pool, same, blocked(src, s.C, s.H*s.W, l.Src), blocked(g, s.OC, s.OutH()*s.OutW(), l.Dst), ws); err != nil {
						t.Fatal(err)
					}
					check()
					if !slices.Equal(got, same) {
						t.Errorf("%s: %s: %+v: blocks %+v change the result", cpu.path, plan.name(), s, l)
					}
				}
				bound := 5e-6 * math.Sqrt(float64(1+s.N*s.OutH()*s.OutW()))
				if strings.HasSuffix(plan.name(), "winograd6") {
					bound *= 3 // as for convolutions
				}
				for k, w := range want {
					if !(math.Abs(float64(got[k])-w) <= bound) {
						t.Fatalf("%s: %s: %+v: element %d is %v, want %v", cpu.path, plan.name(), s, k, got[k], w)
					}
				}
			}
		}
	}
	for _, name := range []string{"direct", "blocks", "matrix", "2x2", "winograd2", "winograd4", "winograd6", "fft16", "fft24"} {
		if !tried[name] {
			t.Errorf("no gradient was computed by %q, only by %v", name, tried)
		}
	}
}

func fillNaN(a []float32) {
	for i := range a {
		a[i] = float32(math.NaN())
	}
}

func TestConvWeightsErrors(t *testing.T) {
	s := weightShapes()[1]
	w, err := PrepareWeightGradient(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Run(nil, nil, nil, nil, nil); err == nil {
		t.Error("no error for operands that are too short")
	}
	s.Groups = 5
	if _, err := PrepareWeightGradient(s); err == nil {
		t.Error("no error for groups that do not divide the channels")
	}
}

func BenchmarkConvWeights(b *testing.B) {
	for _, s := range []struct {
		n, c, size, oc, k, stride int
	}{{1, 3, 64, 16, 7, 1}, {1, 16, 64, 32, 7, 1}, {1, 64, 64, 128, 7, 1}, {1, 128, 64, 256, 7, 1}, {1, 16, 256, 3, 7, 1}, {1, 3, 256, 32, 9, 2}, {1, 64, 64, 128, 5, 2},
		{1, 512, 8, 1024, 5, 2}, {1, 64, 64, 64, 3, 1}, {1, 64, 64, 64, 1, 1}} {
		shape := ConvShape{N: s.n, C: s.c, H: s.size, W: s.size, OC: s.oc, KH: s.k, KW: s.k, StrideH: s.stride, StrideW: s.stride, DilationH: 1, DilationW: 1,
			PadTop: s.k / 2, PadLeft: s.k / 2, PadBottom: s.k / 2, PadRight: s.k / 2, Groups: 1}
		b.Run(fmt.Sprintf("%d-%d-k%d-s%d-%d", s.c, s.oc, s.k, s.stride, s.size), func(b *testing.B) {
			src, g := make([]float32, s.n*s.c*s.size*s.size), make([]float32, s.n*s.oc*shape.OutH()*shape.OutW())
			dw := make([]float32, s.oc*s.c*s.k*s.k)
			w, err := PrepareWeightGradient(shape)
			if err != nil {
				b.Fatal(err)
			}
			ws := make([]float32, w.Workspace(1))
			for b.Loop() {
				if err := w.Run(nil, dw, src, g, ws); err != nil {
					b.Fatal(err)
				}
			}
			flops := 2 * float64(len(g)) * float64(s.c*s.k*s.k)
			b.ReportMetric(flops*float64(b.N)/b.Elapsed().Seconds()/1e9, "GF/s")
		})
	}
}
