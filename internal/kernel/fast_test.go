package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// transformsFor runs a test for each transform of each path that fits a kernel.
func transformsFor(t *testing.T, kh, kw int, f func(t *testing.T, tr *transform)) {
	eachPath(t, func(t *testing.T) {
		for i := range cpu.transforms {
			if tr := &cpu.transforms[i]; tr.fits(kh, kw) {
				t.Run(tr.name, func(t *testing.T) {
					t.Setenv("GANSR_CONV", tr.name)
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

func TestFastEpilogue(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, s := range []ConvShape{
		{2, 8, 19, 40, 19, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}, // the last block is not full
		{2, 8, 12, 45, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}, // rows are no multiple of a register
		{2, 8, 9, 7, 32, 5, 5, 1, 1, 1, 1, 2, 2, 2, 2, 1},   // rows are shorter than one
	} {
		src, weight := random(r, s.N*s.C*s.H*s.W), random(r, s.OC*s.C*s.KH*s.KW)
		MulScalar(weight, weight, 0.05) // errors in proportion to what the test allows
		conv := make([]float64, s.N*s.OC*s.OutH()*s.OutW())
		RefConv(s.nd(), conv, widen(src), widen(weight), nil)
		for i, e := range append(epilogues(r, s.OC), nil) {
			t.Run(fmt.Sprintf("%d/%d", s.W, i), func(t *testing.T) {
				transformsFor(t, s.KH, s.KW, func(t *testing.T, tr *transform) {
					c, err := PrepareConv(s, weight, e)
					if err != nil {
						t.Fatal(err)
					}
					testEpilogue(t, r, c, e, src, slices.Clone(conv), s.OC)
				})
			})
		}
	}
}

// TestFastMagnitudes checks that small values are not lost beside large ones: an error is in proportion to the largest value
// that meets the same output in a product.
func TestFastMagnitudes(t *testing.T) {
	s := ConvShape{1, 16, 40, 50, 16, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1}
	r := rand.New(rand.NewPCG(7, 8))
	src, weight := random(r, s.C*s.H*s.W), random(r, s.OC*s.C*9)
	for i := range src { // from 1e-6 to 1e6, smoothly
		src[i] *= float32(math.Pow(10, 12*float64(i%s.W)/float64(s.W)-6))
	}
	want := make([]float64, s.OC*s.H*s.W)
	RefConv(s.nd(), want, widen(src), widen(weight), nil)
	transformsFor(t, 3, 3, func(t *testing.T, tr *transform) {
		c, err := PrepareConv(s, weight, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range runGuarded(t, c, 2, len(want), src, nil) {
			right := min(float64(i%s.W+tr.t), float64(s.W)) // the tile's end, at most
			largest := math.Pow(10, 12*right/float64(s.W)-6)
			if d := math.Abs(float64(v) - want[i]); !(d <= 20*tr.accuracy()*12*largest) {
				t.Fatalf("element %d is %v, want %v", i, v, want[i])
			}
		}
	})
}

// TestProducts compares the products of each path with the definition, over all numbers of tiles.
func TestProducts(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(9, 10))
		lanes := cpu.lanes
		for width := 1; width <= 2; width++ {
			for tiles := 1; tiles <= len(cpu.products[width-1]); tiles++ {
				for _, blocks := range []int{1, 2, 5} {
					const gap = 3
					groups := 1 + blocks%3
					n := groups * tiles
					channels, outs := blocks*lanes, width*lanes
					xStride, yStride := n*lanes+gap, n*lanes+2*gap
					x, w := random(r, blocks*xStride), random(r, channels*outs)
					for chain := lanes; chain <= 4*lanes; chain *= 2 {
						y, check := guarded(t, (width-1)*yStride+n*lanes)
						cpu.products[width-1][tiles-1](x, w, y, xStride, yStride, chain, len(w), outs, groups)
						check()
						for i, v := range y {
							block, tile, lane := i/yStride, i%yStride/lanes, i%yStride%lanes
							if tile >= n {
								if v == v {
									t.Fatalf("wrote %v between blocks", v)
								}
								continue
							}
							want, magnitude := 0.0, 0.0
							for k := range channels {
								p := float64(x[k/lanes*xStride+tile*lanes+k%lanes]) * float64(w[k*outs+block*lanes+lane])
								want, magnitude = want+p, magnitude+math.Abs(p)
							}
							if d := math.Abs(float64(v) - want); !(d <= 1e-6*magnitude) {
								t.Fatalf("%d tiles by %d, %d channels by %d: element %d is %v, want %v", tiles, width, channels, chain, i, v, want)
							}
						}
					}
				}
			}
		}
	})
}

// TestStream copies rows of several lengths, and only these.
func TestStream(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(13, 14))
		for size := 0; size <= 5*cacheLine; size += cacheLine {
			for rows := range 4 {
				step := size + rows*cacheLine
				a, src := Floats((rows+2)*step+2*cacheLine), random(r, rows*size)
				for i := range a {
					a[i] = guard
				}
				a = aligned(a)
				cpu.stream(a[cacheLine:], src, step, size, rows)
				for i, v := range a {
					want := float32(guard)
					if i -= cacheLine; size > 0 && i >= 0 && i%step < size && i/step < rows {
						want = src[i/step*size+i%step]
					}
					if v != want {
						t.Fatalf("%d rows of %d: element %d is %v, want %v", rows, size, i, v, want)
					}
				}
			}
		}
	})
}

// TestGatherScatter takes rows of pixels of all lengths to blocks of channels and back, or through an epilogue within blocks.
func TestGatherScatter(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 12))
		lanes := cpu.lanes
		params := random(r, 4*lanes)
		for n := lanes; n <= 5*lanes; n++ { // a store takes fewer too, as TestFastBlocked has it
			stride := n + 3
			src := random(r, lanes*stride)
			blocks, check := guarded(t, n*lanes)
			cpu.gather(blocks, src, stride, n)
			check()
			for i, v := range blocks {
				if want := src[i%lanes*stride+i/lanes]; v != want {
					t.Fatalf("%d pixels: element %d is %v, want %v", n, i, v, want)
				}
			}
			blocks[lanes] = float32(math.NaN())
			for add, scatter := range cpu.scatter {
				rows, check := guarded(t, (lanes-1)*stride+n)
				res := random(r, len(rows))
				scatter(rows, blocks, res, stride, n, params)
				check()
				want := func(add int, at, channel int, res float32) float64 {
					v := float64(blocks[at]) + float64(params[channel])
					if add == addFirst {
						v += float64(res)
					}
					if v < 0 {
						v *= float64(params[lanes+channel])
					}
					v = v*float64(params[2*lanes+channel]) + float64(params[3*lanes+channel])
					if add == addLast {
						v += float64(res)
					}
					return v
				}
				for i, v := range rows {
					channel, pixel := i/stride, i%stride
					if pixel >= n || channel == 0 && pixel == 1 {
						if v == v {
							t.Fatalf("%d pixels: wrote %v over channel %d, pixel %d", n, v, channel, pixel)
						}
						continue
					}
					if w := want(add, pixel*lanes+channel, channel, res[i]); !(math.Abs(float64(v)-w) <= 1e-5) {
						t.Fatalf("%d pixels: channel %d, pixel %d is %v, want %v", n, channel, pixel, v, w)
					}
				}
				stored, check := guarded(t, len(blocks))
				res = random(r, len(blocks))
				cpu.store[add](stored, blocks, res, params)
				check()
				for i, v := range stored {
					if i == lanes {
						if v == v {
							t.Fatalf("%d pixels: wrote %v instead of NaN", n, v)
						}
						continue
					}
					if w := want(add, i, i%lanes, res[i]); !(math.Abs(float64(v)-w) <= 1e-5) {
						t.Fatalf("%d pixels: element %d is %v, want %v", n, i, v, w)
					}
				}
			}
		}
	})
}

// TestChoice holds the choice for layers where there is no doubt, also on paths that this CPU lacks: planning runs none of
// their code.
func TestChoice(t *testing.T) {
	layer := func(c, oc, k, size int) ConvShape {
		return ConvShape{1, c, size, size, oc, k, k, 1, 1, 1, 1, k / 2, k / 2, k / 2, k / 2, 1}
	}
	strided, dilated, grouped, empty := layer(64, 64, 3, 64), layer(64, 64, 3, 64), layer(64, 64, 3, 64), layer(64, 64, 3, 64)
	strided.StrideW, dilated.DilationH, grouped.Groups, empty.N = 2, 2, 2, 0
	old := cpu
	defer func() { cpu = old }()
	test := func(t *testing.T) {
		for _, tr := range cpu.transforms {
			if c := costsOf[cpu.path].transforms[tr.name]; min(c[0], c[1]) <= 0 {
				t.Errorf("%s costs %v", tr.name, c)
			}
		}
		for _, c := range []struct {
			s    ConvShape
			want string // of names that begin so
		}{
			{layer(64, 64, 3, 128), "winograd"}, {layer(64, 64, 3, 64), "winograd"}, {layer(64, 64, 7, 128), "fft"},
			{layer(256, 256, 7, 32), "fft"}, {layer(256, 256, 7, 64), "fft"}, {layer(16, 16, 9, 128), "fft"},
			{layer(64, 64, 1, 128), ""}, {layer(256, 256, 1, 64), ""}, {layer(3, 4, 3, 128), ""}, {layer(64, 64, 3, 1), ""},
			{strided, ""}, {dilated, ""}, {grouped, ""}, {empty, ""},
		} {
			got := ""
			if f := chooseFast(c.s); len(f) > 0 {
				got = f[0].tr.name
			}
			if !strings.HasPrefix(got, c.want) || (got == "") != (c.want == "") {
				t.Errorf("%+v: chose %q, want %q", c.s, got, c.want)
			}
		}
		for _, s := range []ConvShape{layer(512, 512, 9, 512), layer(64, 64, 3, 4000), layer(2048, 2048, 3, 64)} {
			ways := chooseFast(s)
			if len(ways) == 0 {
				t.Errorf("%+v: computed directly", s)
			}
			for i, f := range ways {
				if f.Workspace(2) > 13<<20 || i > 0 && f.weightSize() >= ways[i-1].weightSize() {
					t.Errorf("%+v: %s has a workspace of %d elements and %d of weights", s, f.tr.name, f.Workspace(2), f.weightSize())
				}
			}
		}
	}
	for _, f := range append(simdPaths, paths[len(paths)-1]) {
		cpu = &f
		t.Run(cpu.path, test)
	}
}
