package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// eachPath runs a test once for every set of functions that this CPU has.
func eachPath(t *testing.T, f func(t *testing.T)) {
	old := cpu
	defer func() { cpu = old }()
	for i := range paths {
		cpu = &paths[i]
		t.Run(cpu.path, f)
	}
}

func random(r *rand.Rand, n int) []float32 {
	a := make([]float32, n)
	for i := range a {
		a[i] = float32(r.NormFloat64())
	}
	return a
}

func widen(a []float32) []float64 {
	w := make([]float64, len(a))
	for i, x := range a {
		w[i] = float64(x)
	}
	return w
}

const guard = 123456.75

// guarded is a slice of n elements with guard elements around it, filled with junk; check fails the test if a guard was
// overwritten.
func guarded(t *testing.T, n int) (s []float32, check func()) {
	t.Helper()
	const margin = 40
	a := make([]float32, n+2*margin)
	for i := range a {
		a[i] = guard
	}
	s = a[margin : margin+n : margin+n]
	for i := range s {
		s[i] = float32(math.NaN())
	}
	return s, func() {
		t.Helper()
		for i, x := range a {
			if (i < margin || i >= margin+n) && x != guard {
				t.Fatalf("element %d of %d was overwritten", i-margin, n)
			}
		}
	}
}

func (s ConvShape) nd() ShapeND {
	return ShapeND{
		N: s.N, C: s.C, OC: s.OC, Groups: s.Groups, In: []int{s.H, s.W}, Kernel: []int{s.KH, s.KW},
		Strides: []int{s.StrideH, s.StrideW}, Dilations: []int{s.DilationH, s.DilationW},
		PadsBegin: []int{s.PadTop, s.PadLeft}, PadsEnd: []int{s.PadBottom, s.PadRight},
	}
}

func TestConv(t *testing.T) {
	t.Setenv("GANSR_CONV", "direct")
	var shapes []ConvShape
	add := func(n, c, oc, groups, h, w, kh, kw, sh, sw, dh, dw, pt, pl, pb, pr int) {
		s := ConvShape{n, c, h, w, oc, kh, kw, sh, sw, dh, dw, pt, pl, pb, pr, groups}
		if s.Validate() == nil {
			shapes = append(shapes, s)
		}
	}
	for _, k := range []int{1, 2, 3, 5, 7, 9} {
		for _, stride := range []int{1, 2, 3} {
			for _, dilation := range []int{1, 2, 3} {
				for _, pad := range []int{0, k / 2 * dilation} {
					for _, size := range [][2]int{{1, 1}, {5, 4}, {9, 17}, {13, 40}} {
						add(1, 5, 7, 1, size[0], size[1], k, k, stride, stride, dilation, dilation, pad, pad, pad, pad)
					}
				}
			}
		}
	}
	add(3, 4, 6, 2, 9, 11, 3, 5, 2, 1, 1, 2, 0, 3, 2, 1)  // everything uneven
	add(2, 6, 6, 6, 20, 70, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1) // depthwise
	add(2, 6, 6, 6, 19, 64, 4, 3, 1, 1, 1, 1, 2, 1, 1, 1)
	add(1, 3, 3, 3, 40, 127, 7, 5, 1, 1, 1, 1, 3, 2, 3, 2)
	add(1, 5, 5, 5, 2, 9, 3, 1, 1, 1, 1, 1, 1, 0, 1, 0)
	add(1, 70, 1, 1, 20, 33, 5, 4, 1, 1, 1, 1, 2, 2, 2, 2)
	add(2, 8, 2, 2, 11, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1)
	add(1, 2, 2, 2, 31, 4000, 17, 17, 1, 1, 1, 1, 8, 8, 8, 8)
	add(2, 6, 12, 6, 20, 33, 5, 5, 2, 2, 1, 1, 2, 2, 2, 2) // depthwise with a multiplier
	add(1, 64, 64, 1, 24, 24, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1)
	add(1, 300, 20, 1, 7, 130, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0) // more than one block of channels
	add(1, 70, 300, 1, 6, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1)   // more than one tile of output channels
	add(1, 3, 16, 1, 100, 300, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1) // many tiles
	add(1, 2, 3, 1, 3, 4000, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1)   // tiles across
	add(1, 2, 3, 1, 40, 30, 31, 29, 1, 1, 1, 1, 15, 14, 15, 14)
	add(1, 2, 3, 1, 4, 5, 3, 3, 1, 1, 40, 60, 40, 60, 40, 60)           // taps that meet only padding
	add(1, 2, 3, 1, 1, 1, 2, 2, 1, 1, 1<<20, 1<<20, 1<<20, 1<<20, 0, 0) // the same, with much of it
	add(0, 2, 3, 1, 4, 5, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1)
	add(1, 8, 8, 1, 1, 50, 1, 3, 1, 1, 1, 1, 0, 1, 0, 1) // one-dimensional
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for i, s := range shapes {
			src, weight := random(r, s.N*s.C*s.H*s.W), random(r, s.OC*s.C/s.Groups*s.KH*s.KW)
			n := s.N * s.OC * s.OutH() * s.OutW()
			want, magnitude := make([]float64, n), make([]float64, n)
			RefConv(s.nd(), want, widen(src), widen(weight), nil)
			RefConv(s.nd(), magnitude, widenAbs(src), widenAbs(weight), nil)
			c, err := PrepareConv(s, weight, nil)
			if err != nil {
				t.Fatalf("%+v: %v", s, err)
			}
			compare(t, fmt.Sprintf("%+v", s), runGuarded(t, c, 1+i%3, n, src, nil), want, magnitude)
		}
	})
}

func TestConvTranspose(t *testing.T) {
	var shapes []ConvTransposeShape
	add := func(n, c, oc, groups, h, w, kh, kw, sh, sw, dh, dw, pt, pl, pb, pr, oh, ow int) {
		s := ConvTransposeShape{ConvShape{n, c, h, w, oc, kh, kw, sh, sw, dh, dw, pt, pl, pb, pr, groups}, oh, ow}
		if s.Validate() == nil {
			shapes = append(shapes, s)
		}
	}
	for _, k := range []int{1, 2, 3, 4, 5} {
		for _, stride := range []int{1, 2, 3, 7} {
			for _, dilation := range []int{1, 2, 3} {
				for _, pad := range []int{0, 1, 2} {
					add(1, 3, 5, 1, 4, 9, k, k, stride, stride, dilation, dilation, pad, pad, pad, pad, stride-1, 0)
				}
			}
		}
	}
	add(2, 4, 6, 2, 5, 21, 4, 3, 2, 1, 1, 2, 0, 1, 2, 0, 1, 0)
	add(2, 4, 6, 2, 5, 21, 4, 5, 2, 3, 1, 1, 0, 1, 2, 0, 1, 2)
	add(1, 3, 2, 1, 1, 5, 3, 3, 3, 3, 1, 1, 1, 1, 1, 1, 0, 0)     // an output smaller than the stride
	add(1, 3, 2, 1, 9, 5, 4, 4, 2, 2, 1, 1, 7, 0, 7, 0, 0, 0)     // pads beyond the kernel
	add(1, 9, 2, 1, 12, 19, 9, 9, 4, 4, 1, 1, 4, 4, 4, 4, 3, 3)   // few output channels
	add(1, 24, 16, 1, 20, 19, 5, 5, 2, 2, 1, 1, 2, 2, 2, 2, 1, 1) // phases for transforms
	add(1, 6, 6, 6, 9, 9, 4, 4, 2, 2, 1, 1, 1, 1, 1, 1, 0, 0)
	add(1, 64, 32, 1, 12, 12, 4, 4, 2, 2, 1, 1, 1, 1, 1, 1, 0, 0)
	add(1, 2, 2, 1, 1, 1, 2, 2, 1<<30, 1<<30, 1, 1, 0, 0, 0, 0, 0, 0) // stride past the output
	add(1, 2, 2, 1, 3, 3, 2, 2, 1, 1, 1<<30, 1<<30, 1<<30, 1<<30, 0, 0, 0, 0)
	add(0, 2, 2, 1, 3, 3, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0)
	test := func(t *testing.T, check func(name string, got []float32, want, magnitude []float64)) {
		r := rand.New(rand.NewPCG(1, 2))
		for i, s := range shapes {
			nd := s.nd()
			nd.OutPads = []int{s.OutPadH, s.OutPadW}
			src, weight := random(r, s.N*s.C*s.H*s.W), random(r, s.C*s.OC/s.Groups*s.KH*s.KW)
			n := s.N * s.OC * s.OutH() * s.OutW()
			want, magnitude := make([]float64, n), make([]float64, n)
			RefConvTranspose(nd, want, widen(src), widen(weight), nil)
			RefConvTranspose(nd, magnitude, widenAbs(src), widenAbs(weight), nil)
			c, err := PrepareConvTranspose(s, weight, nil)
			if err != nil {
				t.Fatalf("%+v: %v", s, err)
			}
			check(fmt.Sprintf("%+v", s), runGuarded(t, c, 1+i%3, n, src, nil), want, magnitude)
		}
	}
	eachPath(t, func(t *testing.T) {
		t.Run("chosen", func(t *testing.T) {
			test(t, func(name string, got []float32, want, _ []float64) {
				if e := rms(t, got, want); e > 3e-6 {
					t.Errorf("%s: relative error %.2g", name, e)
				}
			})
		})
		t.Run("merged", func(t *testing.T) { // all phases at once wherever that can be done
			t.Setenv("GANSR_CONV", "direct")
			test(t, func(name string, got []float32, want, magnitude []float64) { compare(t, name, got, want, magnitude) })
		})
	})
}

type runner interface {
	Workspace(threads int) int
	Run(p *Pool, dst, src []float32, residuals [][]float32, ws []float32)
}

// runGuarded runs c with guards around dst and the workspace, and checks that the first residual may be dst.
func runGuarded(t *testing.T, c runner, threads, n int, src []float32, residuals [][]float32) []float32 {
	t.Helper()
	p := NewPool(threads)
	defer p.Close()
	dst, checkDst := guarded(t, n)
	ws, checkWs := guarded(t, c.Workspace(threads))
	c.Run(p, dst, src, residuals, ws)
	checkDst()
	checkWs()
	if len(residuals) > 0 {
		in, checkIn := guarded(t, n)
		copy(in, residuals[0])
		c.Run(p, in, src, append([][]float32{in}, residuals[1:]...), ws)
		checkIn()
		for i := range dst {
			if dst[i] != in[i] {
				t.Fatalf("element %d is %v, but %v when dst is a residual", i, dst[i], in[i])
			}
		}
	}
	return dst
}

func widenAbs(a []float32) []float64 {
	w := widen(a)
	for i := range w {
		w[i] = math.Abs(w[i])
	}
	return w
}

// compare allows each sum a rounding error in proportion to the sum of its terms' magnitudes.
func compare(t *testing.T, name string, got []float32, want, magnitude []float64) {
	t.Helper()
	for i := range want {
		if d := math.Abs(float64(got[i]) - want[i]); !(d <= 1e-6*magnitude[i]) {
			t.Fatalf("%s: element %d is %v, want %v", name, i, got[i], want[i])
		}
	}
}

// applied is the epilogue on one element.
func (e Epilogue) applied(x float64, channel, i int, residuals [][]float32) float64 {
	for _, s := range e {
		switch s.Kind {
		case StageAffine:
			x = x*float64(channelValue(s.Scale, channel, 1)) + float64(channelValue(s.Shift, channel, 0))
		case StagePRelu:
			if x < 0 {
				x *= float64(channelValue(s.Slope, channel, 0))
			}
		case StageClip:
			x = min(max(x, float64(s.Lo)), float64(s.Hi))
		case StageAdd:
			x += float64(residuals[s.Residual][i])
		case StageGate:
			if residuals[s.Residual][i] <= 0 {
				x *= float64(channelValue(s.Slope, channel, 0))
			}
		case StageSigmoid:
			x = 1 / (1 + math.Exp(-x))
		case StageTanh:
			x = math.Tanh(x)
		}
	}
	return x
}

// epilogues has every kind of stage, for an output of so many channels and two residuals.
func epilogues(r *rand.Rand, channels int) []Epilogue {
	scale, shift, slope := random(r, channels), random(r, channels), random(r, channels)
	return []Epilogue{
		{{Kind: StageAffine, Shift: shift}},
		{{Kind: StageAffine, Scale: scale}},
		{{Kind: StageAffine, Scale: scale, Shift: []float32{0.25}}},
		{{Kind: StagePRelu, Slope: slope}},
		{{Kind: StagePRelu, Slope: []float32{0}}},
		{{Kind: StageClip, Lo: -0.5, Hi: 6}},
		{{Kind: StageAdd}},
		{{Kind: StageSigmoid}},
		{{Kind: StageTanh}},
		{{Kind: StageAffine, Shift: shift}, {Kind: StagePRelu, Slope: []float32{0.2}}, {Kind: StageAdd, Residual: 1}, {Kind: StageAdd, Residual: 0}, {Kind: StageAffine, Scale: scale, Shift: shift}},
		{{Kind: StagePRelu, Slope: slope}, {Kind: StageAffine, Scale: scale, Shift: shift}},
		{{Kind: StageAdd, Residual: 1}, {Kind: StagePRelu, Slope: slope}, {Kind: StageAffine, Scale: scale}},
		{{Kind: StageAffine, Scale: scale}, {Kind: StageAffine, Shift: shift}, {Kind: StageAdd}},
		{{Kind: StageAdd}, {Kind: StagePRelu, Slope: slope}, {Kind: StageAdd, Residual: 1}},
		{{Kind: StageAdd, Residual: 1}, {Kind: StagePRelu, Slope: slope}},
		{{Kind: StageGate, Slope: []float32{0}, Residual: 1}}, {{Kind: StageAdd}, {Kind: StageGate, Slope: slope, Residual: 1}, {Kind: StageAdd}},
		{{Kind: StageAdd}, {Kind: StageTanh}, {Kind: StageAdd, Residual: 1}, {Kind: StageClip, Lo: -1, Hi: 1}},
	}
}

func TestEpilogue(t *testing.T) {
	t.Setenv("GANSR_CONV", "direct")
	s := ConvShape{2, 4, 19, 70, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 2}
	narrow := ConvShape{2, 4, 19, 6, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}
	depthwise := ConvShape{2, 6, 19, 64, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 6}
	whole := ConvShape{2, 4, 19, 64, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1} // rows of whole registers
	strided := ConvTransposeShape{ConvShape{2, 4, 9, 35, 6, 4, 4, 2, 2, 1, 1, 1, 1, 1, 1, 2}, 0, 0}
	plain := ConvTransposeShape{s, 0, 0}
	r := rand.New(rand.NewPCG(13, 14))
	for _, e := range epilogues(r, 6) {
		eachPath(t, func(t *testing.T) {
			for _, s := range []ConvShape{s, narrow, depthwise, whole} {
				src, weight := random(r, s.N*s.C*s.H*s.W), random(r, s.OC*s.C/s.Groups*s.KH*s.KW)
				c, err := PrepareConv(s, weight, e)
				if err != nil {
					t.Fatal(err)
				}
				want := make([]float64, s.N*s.OC*s.OutH()*s.OutW())
				RefConv(s.nd(), want, widen(src), widen(weight), nil)
				testEpilogue(t, r, c, e, src, want, s.OC)
			}
			for _, s := range []ConvTransposeShape{strided, plain, {whole, 0, 0}} {
				src, weight := random(r, s.N*s.C*s.H*s.W), random(r, s.C*s.OC/s.Groups*s.KH*s.KW)
				c, err := PrepareConvTranspose(s, weight, e)
				if err != nil {
					t.Fatal(err)
				}
				want := make([]float64, s.N*s.OC*s.OutH()*s.OutW())
				RefConvTranspose(s.nd(), want, widen(src), widen(weight), nil)
				testEpilogue(t, r, c, e, src, want, s.OC)
			}
		})
	}
}

func testEpilogue(t *testing.T, r *rand.Rand, c runner, e Epilogue, src []float32, want []float64, channels int) {
	t.Helper()
	residuals := [][]float32{random(r, len(want)), random(r, len(want))}
	area := len(want) / 2 / channels
	for i := range want {
		want[i] = e.applied(want[i], i/area%channels, i, residuals)
	}
	got := runGuarded(t, c, 2, len(want), src, residuals)
	for i := range want {
		if !(math.Abs(float64(got[i])-want[i]) <= 3e-5) {
			t.Fatalf("%+v: element %d is %v, want %v", e, i, got[i], want[i])
		}
	}
}

// TestResidualInPlace checks that a result may be written over what is added to it.
func TestResidualInPlace(t *testing.T) {
	t.Setenv("GANSR_CONV", "direct")
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(81, 82))
		for _, s := range []ConvShape{
			{1, 300, 9, 16, 6, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1}, // several blocks of channels
			{1, 7, 9, 16, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
			{1, 6, 9, 16, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 6},
		} {
			src, weight := random(r, s.C*s.H*s.W), random(r, s.OC*s.C/s.Groups*s.KH*s.KW)
			c, err := PrepareConv(s, weight, Epilogue{{Kind: StageAdd}, {Kind: StagePRelu, Slope: []float32{0.1}}})
			if err != nil {
				t.Fatal(err)
			}
			dst := random(r, s.OC*s.H*s.W)
			want := runGuarded(t, c, 1, len(dst), src, [][]float32{slices.Clone(dst)})
			c.Run(nil, dst, src, [][]float32{dst}, make([]float32, c.Workspace(1)))
			if !slices.Equal(dst, want) {
				t.Errorf("%+v: another result in place", s)
			}
		}
	})
}

// TestReluInfinity checks that no NaN comes of an infinity times a slope of 0.
func TestReluInfinity(t *testing.T) {
	t.Setenv("GANSR_CONV", "direct")
	eachPath(t, func(t *testing.T) {
		for _, s := range []ConvShape{
			{1, 1, 4, 16, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1},
			{1, 1, 4, 16, 1, 3, 1, 1, 1, 1, 1, 1, 0, 1, 0, 1},
		} {
			src := slices.Repeat([]float32{float32(math.Inf(-1))}, 64)
			c, err := PrepareConv(s, slices.Repeat([]float32{1}, s.KH), Epilogue{{Kind: StagePRelu, Slope: []float32{0}}})
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range runGuarded(t, c, 1, 64, src, nil) {
				if v != 0 {
					t.Fatalf("%+v: element %d is %v", s, i, v)
				}
			}
		}
	})
}

// TestConvNaN checks that a NaN reaches the outputs that read it, and no others, through any stage but Clip's bounds.
func TestConvNaN(t *testing.T) {
	t.Setenv("GANSR_CONV", "direct")
	s := ConvShape{1, 1, 8, 40, 2, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}
	eachPath(t, func(t *testing.T) {
		for _, e := range []Epilogue{nil, {{Kind: StagePRelu, Slope: []float32{0}}}, {{Kind: StageClip, Lo: 0, Hi: 1}}, {{Kind: StageTanh}}} {
			src := make([]float32, 8*40)
			src[3*40+20] = float32(math.NaN())
			c, err := PrepareConv(s, random(rand.New(rand.NewPCG(1, 1)), 18), e)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range runGuarded(t, c, 1, 2*8*40, src, nil) {
				y, x := i/40%8, i%40
				if near := y >= 2 && y <= 4 && x >= 19 && x <= 21; near != (v != v) {
					t.Fatalf("%v: pixel %d, %d is %v", e, y, x, v)
				}
			}
		}
	})
}

// TestConvRepeatable checks that neither the number of threads nor the rest of the batch changes a bit.
func TestConvRepeatable(t *testing.T) {
	t.Setenv("GANSR_CONV", "direct")
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(15, 16))
		for _, s := range []ConvShape{
			{1, 40, 50, 61, 70, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1},
			{1, 300, 6, 6, 90, 3, 3, 2, 2, 1, 1, 1, 1, 1, 1, 1},
		} {
			src, weight := random(r, s.N*s.C*s.H*s.W), random(r, s.OC*s.C/s.Groups*s.KH*s.KW)
			c, err := PrepareConv(s, weight, nil)
			if err != nil {
				t.Fatal(err)
			}
			n := s.OC * s.OutH() * s.OutW()
			want := runGuarded(t, c, 1, n, src, nil)
			for _, threads := range []int{2, 5, 16} {
				for i, v := range runGuarded(t, c, threads, n, src, nil) {
					if v != want[i] {
						t.Fatalf("%+v: element %d is %v with %d threads, %v with 1", s, i, v, threads, want[i])
					}
				}
			}
		}
	})
}

func TestConvErrors(t *testing.T) {
	good := ConvShape{1, 4, 8, 8, 6, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 2}
	weights := make([]float32, 6*2*9)
	if _, err := PrepareConv(good, weights, nil); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(s *ConvShape){
		"negative batch":      func(s *ConvShape) { s.N = -1 },
		"no channels":         func(s *ConvShape) { s.C = 0 },
		"groups":              func(s *ConvShape) { s.Groups = 4 },
		"stride":              func(s *ConvShape) { s.StrideW = 0 },
		"dilation":            func(s *ConvShape) { s.DilationH = 0 },
		"pad":                 func(s *ConvShape) { s.PadLeft = -1 },
		"kernel over source":  func(s *ConvShape) { s.DilationH = 10 },
		"overflow":            func(s *ConvShape) { s.PadTop, s.PadLeft = 1<<31, 1<<31 },
		"overflowing kernel":  func(s *ConvShape) { s.KH, s.KW = 1<<31, 1<<31 },
		"beyond every number": func(s *ConvShape) { s.H = math.MaxInt },
	} {
		s := good
		change(&s)
		if _, err := PrepareConv(s, weights, nil); err == nil {
			t.Errorf("%s: prepared %+v", name, s)
		}
		if _, err := PrepareConvTranspose(ConvTransposeShape{ConvShape: s}, weights, nil); err == nil && name != "kernel over source" {
			t.Errorf("%s: prepared, transposed", name)
		}
	}
	if _, err := PrepareConv(good, weights[1:], nil); err == nil {
		t.Error("prepared with a weight missing")
	}
	for _, e := range []Epilogue{
		{{Kind: StageAffine, Scale: make([]float32, 5)}},
		{{Kind: StageAffine, Shift: []float32{}}},
		{{Kind: StagePRelu}},
		{{Kind: StageAdd, Residual: -1}},
		{{Kind: StageGate, Slope: []float32{0}, Residual: -1}},
		{{Kind: 99}},
	} {
		if _, err := PrepareConv(good, weights, e); err == nil {
			t.Errorf("prepared with the epilogue %+v", e)
		}
	}
}
