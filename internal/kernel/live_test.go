package kernel

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// Every way to convolve with weights that come with a run, for convolutions and transposed ones, gives what the reference gives, with a bias
// and an epilogue, whatever is in the workspace and however many threads there are.
func TestLive(t *testing.T) {
	defer func(f *functions) { cpu = f }(cpu)
	pool := NewPool(3)
	defer pool.Close()
	r := rand.New(rand.NewPCG(5, 6))
	shape := func(n, c, h, w, oc, k, stride, pad int) ConvShape {
		return ConvShape{N: n, C: c, H: h, W: w, OC: oc, KH: k, KW: k, StrideH: stride, StrideW: stride, DilationH: 1, DilationW: 1,
			PadTop: pad, PadLeft: pad, PadBottom: pad, PadRight: pad, Groups: 1}
	}
	uneven := shape(1, 9, 13, 17, 11, 3, 1, 1)
	uneven.KW, uneven.PadLeft, uneven.PadTop, uneven.PadRight = 5, 3, 0, 1
	dilated := shape(1, 20, 6, 7, 33, 3, 1, 2)
	dilated.DilationH, dilated.DilationW = 2, 2
	shapes := []ConvShape{
		shape(2, 3, 19, 17, 10, 7, 1, 3), shape(1, 20, 30, 29, 21, 3, 1, 1), shape(2, 9, 21, 18, 10, 5, 2, 2), shape(1, 3, 41, 40, 8, 9, 2, 4), shape(1, 6, 25, 20, 7, 9, 1, 4), shape(2, 5, 9, 8, 7, 1, 1, 0),
		shape(1, 3, 110, 100, 4, 7, 1, 3), // several chunks
		shape(2, 30, 4, 4, 40, 5, 2, 2), shape(1, 4, 17, 19, 9, 4, 3, 1), uneven, dilated,
	}
	tried := map[string]bool{}
	for i := range paths {
		cpu = &paths[i]
		for _, algorithm := range append([]string{""}, Transforms()...) {
			t.Setenv("GANSR_CONV", algorithm)
			for _, s := range shapes {
				weight, bias := random(r, s.OC*s.C*s.KH*s.KW), random(r, s.OC)
				MulScalar(weight, weight, 1/float32(math.Sqrt(float64(s.C*s.KH*s.KW))))
				ep := Epilogue{{Kind: StageAdd}, {Kind: StagePRelu, Slope: []float32{0.25}}}
				test := func(what string, plans []livePlan, oc int, src, bias []float32, want []float64) {
					t.Helper()
					residual := random(r, len(want))
					for i := range want {
						if want[i] += float64(residual[i]); want[i] < 0 {
							want[i] *= 0.25
						}
					}
					for _, plan := range plans {
						if algorithm != "" && !strings.Contains(plan.name(), algorithm) {
							continue
						}
						tried[what+" "+plan.name()] = true
						if b, ok := plan.(*byColumns); ok && b.divide(1, true).count > 1 {
							tried[what+" by columns, chunk by chunk"] = true
						}
						c := &LiveConv{livePlan: plan, bias: oc}
						var once []float32
						for _, p := range []*Pool{nil, pool} {
							got := slices.Clone(residual) // in place
							ws, check := guarded(t, c.Workspace(p.Threads()))
							fillNaN(ws)
							c.Run(p, got, src, weight, bias, [][]float32{got}, ws)
							check()
							if once != nil && !slices.Equal(got, once) {
								t.Errorf("%s: %s of %+v by %s: threads change the result", cpu.path, what, s, plan.name())
							}
							once = got
						}
						if b := plan.blocks(); b == SourceBlocked || b == EitherBlocked {
							c.SetBlocked(Layout{Src: true})
							area := s.H * s.W
							blocked := make([]float32, s.N*roundUp(s.C, cpu.lanes)*area)
							Block(nil, blocked, src, s.N, s.C, area)
							for i := range blocked { // what fills blocks is anything finite
								if i/area/cpu.lanes%ceilDiv(s.C, cpu.lanes)*cpu.lanes+i%cpu.lanes >= s.C {
									blocked[i] = 1e6
								}
							}
							got := slices.Clone(residual)
							c.Run(pool, got, blocked, weight, bias, [][]float32{got}, make([]float32, c.Workspace(pool.Threads())))
							if !slices.Equal(got, once) {
								t.Errorf("%s: %s of %+v by %s: blocks change the result", cpu.path, what, s, plan.name())
							}
						}
						if e := rms(t, once, want); e > 3e-6 {
							t.Errorf("%s: %s of %+v by %s: relative error %.2g", cpu.path, what, s, plan.name(), e)
						}
					}
				}
				src := random(r, s.N*s.C*s.H*s.W)
				want := make([]float64, s.N*s.OC*s.OutH()*s.OutW())
				RefConv(s.nd(), want, widen(src), widen(weight), widen(bias))
				test("Conv", livePlans(s, ep), s.OC, src, bias, want)
				// The transposed convolution of the same source, with its weights as [C, OC].
				ts := ConvTransposeShape{ConvShape: s, OutPadH: s.StrideH - 1}
				if s.StrideH == 1 {
					ts.OutPadH = 0
				}
				nd := s.nd()
				nd.OutPads = []int{ts.OutPadH, 0}
				want = make([]float64, s.N*s.OC*ts.OutH()*ts.OutW())
				RefConvTranspose(nd, want, widen(src), widen(weight), widen(bias))
				test("ConvTranspose", liveTransposePlans(ts, ep), s.OC, src, bias, want)
			}
		}
	}
	for _, name := range []string{"Conv direct", "Conv matrix", "Conv winograd6", "Conv fft16", "Conv 2x2 phases, winograd4", "ConvTranspose direct", "ConvTranspose matrix",
		"ConvTranspose winograd4", "ConvTranspose fft24", "ConvTranspose merged, direct", "ConvTranspose merged, winograd2", "ConvTranspose merged, fft16",
		"Conv by columns, chunk by chunk", "ConvTranspose by columns, chunk by chunk"} {
		if !tried[name] {
			t.Errorf("not tried: %s", name)
		}
	}
}

// TestLivePointwise does so for convolutions of 1 x 1 on blocked images, and what fills blocks is anything.
func TestLivePointwise(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	pool := NewPool(3)
	defer pool.Close()
	eachPath(t, func(t *testing.T) {
		lanes := cpu.lanes
		for _, s := range []ConvShape{
			{2, 20, 13, 31, 19, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1}, {1, 3, 40, 41, 40, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1}, {2, 150, 20, 21, 16, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1},
		} {
			area := s.H * s.W
			src, weight, bias, residual := random(r, s.N*s.C*area), random(r, s.OC*s.C), random(r, s.OC), random(r, s.N*s.OC*area)
			slope := random(r, s.OC)
			ep := Epilogue{{Kind: StageAdd}, {Kind: StagePRelu, Slope: slope}}
			blocked := func(a []float32, channels int) []float32 {
				to := make([]float32, s.N*roundUp(channels, lanes)*area)
				Block(nil, to, a, s.N, channels, area)
				for i := range to {
					if i/area/lanes%ceilDiv(channels, lanes)*lanes+i%lanes >= channels {
						to[i] = 1e6
					}
				}
				return to
			}
			// The transposed convolution has its weights as [C, OC].
			turned := make([]float32, len(weight))
			for i, v := range weight {
				turned[i%s.C*s.OC+i/s.C] = v
			}
			want := make([]float64, s.N*s.OC*area)
			RefConv(s.nd(), want, widen(src), widen(weight), widen(bias))
			for i := range want {
				if want[i] += float64(residual[i]); want[i] < 0 {
					want[i] *= float64(slope[i/area%s.OC])
				}
			}
			for _, w := range [][]float32{weight, turned} {
				var once []float32
				for _, p := range []*Pool{nil, pool} {
					c, err := PrepareConvLive(s, ep)
					if &w[0] == &turned[0] {
						c, err = PrepareConvTransposeLive(ConvTransposeShape{ConvShape: s}, ep)
					}
					if err != nil {
						t.Fatal(err)
					}
					if c.Blocks() != BothBlocked {
						t.Fatalf("%+v by %s may be blocked: %v", s, c.Algorithm(), c.Blocks())
					}
					c.SetBlocked(Layout{true, true})
					if c.Algorithm() != "pointwise" {
						t.Errorf("the algorithm is %s", c.Algorithm())
					}
					dst := blocked(residual, s.OC) // in place
					ws, check := guarded(t, c.Workspace(p.Threads()))
					fillNaN(ws)
					c.Run(p, dst, blocked(src, s.C), w, bias, [][]float32{dst}, ws)
					check()
					got := make([]float32, len(want))
					Unblock(nil, got, dst, s.N, s.OC, area)
					if once != nil && !slices.Equal(got, once) {
						t.Errorf("%+v: threads change the result", s)
					}
					once = got
				}
				if e := rms(t, once, want); e > 1e-6 {
					t.Errorf("%+v: relative error %.2g", s, e)
				}
			}
			// Only one of them blocked is not asked for; none is.
			c, err := PrepareConvLive(s, ep)
			if err != nil {
				t.Fatal(err)
			}
			if c.SetBlocked(Layout{}); c.Algorithm() != "direct" {
				t.Errorf("plain images go through %s", c.Algorithm())
			}
		}
	})
}

// A transposed convolution of stride 1 is an ordinary one.
func TestTurned(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	s := ConvTransposeShape{ConvShape: ConvShape{N: 2, C: 9, H: 14, W: 11, OC: 10, KH: 3, KW: 5, StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1,
		PadTop: 1, PadLeft: 2, PadBottom: 1, PadRight: 0, Groups: 1}}
	c, ok := s.Turned()
	if !ok {
		t.Fatal("no convolution")
	}
	src, weight := random(r, s.N*s.C*s.H*s.W), random(r, s.C*s.OC*s.KH*s.KW)
	want := make([]float64, s.N*s.OC*s.OutH()*s.OutW())
	RefConvTranspose(s.nd(), want, widen(src), widen(weight), nil)
	scale := random(r, s.OC)
	for i := range want {
		want[i] *= float64(scale[i/(s.OutH()*s.OutW())%s.OC])
	}
	for _, algorithm := range []string{"", "direct", "fft16"} {
		t.Setenv("GANSR_CONV", algorithm)
		k, err := NewWeights().PrepareTurned(c, weight, Epilogue{{Kind: StageAffine, Scale: scale}})
		if err != nil {
			t.Fatal(err)
		}
		if algorithm != "" && k.Algorithm() != algorithm {
			t.Errorf("computed by %s, not %s", k.Algorithm(), algorithm)
		}
		if e := rms(t, runGuarded(t, k, 2, len(want), src, nil), want); e > 1e-6 {
			t.Errorf("%s: relative error %.2g", k.Algorithm(), e)
		}
	}
	s.StrideW = 2
	if _, ok := s.Turned(); ok {
		t.Error("a transposed convolution with strides is no convolution")
	}
	if _, err := PrepareConvTransposeLive(ConvTransposeShape{}, nil); err == nil {
		t.Error("no error for no shape")
	}
}
