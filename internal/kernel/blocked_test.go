package kernel

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestBlock takes images to blocks and back.
func TestBlock(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		p := NewPool(2)
		defer p.Close()
		r := rand.New(rand.NewPCG(1, 2))
		for _, c := range []int{1, Lanes() - 1, Lanes(), 3*Lanes() + 2} {
			for _, area := range []int{1, Lanes(), 77, 3001} {
				const n = 2
				src := random(r, n*c*area)
				blocked, check := guarded(t, n*ceilDiv(c, Lanes())*Lanes()*area)
				Block(p, blocked, src, n, c, area)
				check()
				for i, v := range blocked {
					lane, pixel, block := i%Lanes(), i/Lanes()%area, i/Lanes()/area
					channel, image := block%ceilDiv(c, Lanes())*Lanes()+lane, block/ceilDiv(c, Lanes())
					want := float32(0)
					if channel < c {
						want = src[(image*c+channel)*area+pixel]
					}
					if v != want {
						t.Fatalf("%d channels of %d pixels: element %d is %v, want %v", c, area, i, v, want)
					}
				}
				back, check := guarded(t, len(src))
				Unblock(p, back, blocked, n, c, area)
				check()
				if !slices.Equal(back, src) {
					t.Fatalf("%d channels of %d pixels are not the same after the way back", c, area)
				}
			}
		}
	})
}

// blockedConv runs a convolution on blocked images.
type blockedConv struct {
	*Conv
	t      *testing.T
	s      ConvShape
	layout Layout // that was set
}

func (b *blockedConv) Run(p *Pool, dst, src []float32, residuals [][]float32, ws []float32) {
	s := b.s
	block := func(src []float32, c, area int) ([]float32, func()) {
		blocked, check := guarded(b.t, s.N*ceilDiv(c, Lanes())*Lanes()*area)
		Block(p, blocked, src, s.N, c, area)
		for i := range blocked {
			if i/Lanes()/area%ceilDiv(c, Lanes())*Lanes()+i%Lanes() >= c { // nobody may mind what is there
				blocked[i] = 7
			}
		}
		return blocked, check
	}
	if b.layout.Src {
		src, _ = block(src, s.C, s.H*s.W)
	}
	if !b.layout.Dst {
		b.Conv.Run(p, dst, src, residuals, ws)
		return
	}
	area := s.OutH() * s.OutW()
	out, check := guarded(b.t, s.N*ceilDiv(s.OC, Lanes())*Lanes()*area)
	residuals = slices.Clone(residuals)
	for i, r := range residuals {
		if residuals[i], _ = block(r, s.OC, area); &r[0] == &dst[0] {
			copy(out, residuals[i])
			residuals[i] = out
		}
	}
	b.Conv.Run(p, out, src, residuals, ws)
	check()
	Unblock(p, dst, out, s.N, s.OC, area)
}

// ends returns the first and the last of a list in short tests, which the race detector slows down, and otherwise all.
func ends[T any](list []T) []T {
	if testing.Short() {
		return []T{list[0], list[len(list)-1]}
	}
	return list
}

// TestFastBlocked holds convolutions of blocked images against the definition.
func TestFastBlocked(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, s := range []ConvShape{
		{2, 20, 33, 61, 19, 3, 3, 1, 1, 1, 1, 2, 0, 1, 3, 1}, // blocks that are not full, uneven pads
		{2, 8, 9, 7, 32, 5, 5, 1, 1, 1, 1, 2, 2, 2, 2, 1},    // hardly anything but pads
		{2, 16, 31, 95, 17, 7, 7, 1, 1, 1, 1, 3, 3, 3, 3, 1},
		{2, 9, 70, 70, 8, 3, 3, 1, 1, 1, 1, 0, 0, 0, 0, 1}, // no pads
	} {
		src, weight := random(r, s.N*s.C*s.H*s.W), random(r, s.OC*s.C*s.KH*s.KW)
		MulScalar(weight, weight, 0.02) // errors in proportion to what the test allows
		conv := make([]float64, s.N*s.OC*s.OutH()*s.OutW())
		RefConv(s.nd(), conv, widen(src), widen(weight), nil)
		all := epilogues(r, s.OC)
		for i, e := range ends([]Epilogue{nil, all[6], all[7], all[13], all[14], all[15]}) {
			t.Run(fmt.Sprintf("%d/%d", s.W, i), func(t *testing.T) {
				transformsFor(t, s.KH, s.KW, func(t *testing.T, tr *transform) {
					for _, l := range []Layout{{true, false}, {false, true}, {true, true}} {
						c, err := PrepareConv(s, weight, e)
						if err != nil {
							t.Fatal(err)
						}
						if l.Dst && c.Blocks() == SourceBlocked {
							continue
						}
						c.SetBlocked(l)
						testEpilogue(t, r, &blockedConv{c, t, s, l}, e, src, slices.Clone(conv), s.OC)
					}
				})
			})
		}
	}
}

// TestPlainBlocked does so for 1 x 1, and for channels on their own.
func TestPlainBlocked(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, s := range []ConvShape{
		{2, 20, 33, 61, 19, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1}, // blocks that are not full
		{2, 8, 1, 3, 40, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1},    // few pixels, an odd number of blocks
		{2, 150, 40, 41, 16, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 1},
		{2, 20, 33, 61, 20, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 20},
		{2, 10, 150, 300, 10, 3, 3, 1, 1, 1, 1, 1, 1, 1, 1, 10}, // several bands
		{2, 16, 9, 3, 16, 7, 5, 1, 1, 1, 1, 3, 0, 4, 9, 16},     // uneven pads, wider than the image
		{2, 9, 12, 30, 9, 1, 31, 1, 1, 1, 1, 0, 12, 0, 15, 9},   // a row
		{2, 16, 31, 8, 16, 31, 1, 1, 1, 1, 1, 3, 0, 12, 0, 16},  // a column
	} {
		src, weight := random(r, s.N*s.C*s.H*s.W), random(r, s.OC*s.C/s.Groups*s.KH*s.KW)
		MulScalar(weight, weight, 0.1)
		conv := make([]float64, s.N*s.OC*s.OutH()*s.OutW())
		RefConv(s.nd(), conv, widen(src), widen(weight), nil)
		for i, e := range ends(append(epilogues(r, s.OC), nil)) {
			t.Run(fmt.Sprintf("%d/%d", s.W, i), func(t *testing.T) {
				eachPath(t, func(t *testing.T) {
					c, err := PrepareConv(s, weight, e)
					if err != nil {
						t.Fatal(err)
					}
					l := Layout{true, true}
					if c.Blocks() != BothBlocked {
						l = Layout{}
					}
					c.SetBlocked(l)
					if l.Dst && c.Algorithm() != "pointwise" && c.Algorithm() != "depthwise" {
						t.Fatalf("the algorithm is %s", c.Algorithm())
					}
					testEpilogue(t, r, &blockedConv{c, t, s, l}, e, src, slices.Clone(conv), s.OC)
				})
			})
		}
	}
}
