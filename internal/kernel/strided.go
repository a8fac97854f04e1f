package kernel

import (
	"fmt"
	"os"
)

// strided computes a convolution with strides as one of stride 1, by a transform: pixels at one place modulo the strides
// become channels of their own.
type strided struct {
	s    ConvShape
	part ConvShape // of the convolution of stride 1
	conv *fast
}

// spreadCost is the time in ns of one thread in which an element is put into its place among phases.
const spreadCost = 0.5

// chooseStrided plans the ways to convolve with strides that are faster than the direct algorithm, as chooseFast does.
func chooseStrided(s ConvShape) []*strided {
	var chosen []*strided
	for _, c := range stridedPlans(s, func(*fast) float64 { return 0 }) {
		if n := len(chosen); n == 0 || c.weightSize() < chosen[n-1].weightSize() {
			chosen = append(chosen, c)
		}
	}
	return chosen
}

// stridedPlans plans all ways that are faster than the direct algorithm, as fastPlans does.
func stridedPlans(s ConvShape, extra func(*fast) float64) []*strided {
	part, ok := phasesOf(s)
	if !ok {
		return nil
	}
	var ways []*strided
	for _, f := range fastPlans(part, extra) {
		if c := (&strided{s, part, f}); os.Getenv("GANSR_CONV") != "" || c.cost()+extra(f) <= 0.9*directCost(s) {
			ways = append(ways, c)
		}
	}
	return ways
}

func (c *strided) name() string {
	return fmt.Sprintf("%dx%d phases, %s", c.s.StrideH, c.s.StrideW, c.conv.name())
}

func (c *strided) cost() float64     { return c.conv.cost() + spreadCost*float64(c.size()) }
func (c *strided) weightSize() int   { return c.conv.weightSize() }
func (c *strided) products() int     { return c.conv.products() }
func (c *strided) blocks() Blocking  { return NotBlocked }
func (c *strided) setBlocked(Layout) {}

// size is how many elements the source of the convolution of stride 1 has.
func (c *strided) size() int { return c.part.N * c.part.C * c.part.H * c.part.W }

func (c *strided) prepare(bias []float32, ep Epilogue) { c.conv.prepare(bias, ep) }

func (c *strided) transformWeights(p *Pool, to []float32, k kernels) {
	k.strideH, k.strideW = c.s.StrideH, c.s.StrideW
	c.conv.transformWeights(p, to, k)
}

func (c *strided) transformCost() float64 { return c.conv.transformCost() }

func (c *strided) withBias(bias []float32) plan {
	return &strided{c.s, c.part, c.conv.withBias(bias).(*fast)}
}

func (c *strided) Workspace(threads int) int {
	return c.size() + max(c.conv.Workspace(threads), threads*c.part.W*c.s.StrideW)
}

func (c *strided) run(p *Pool, weights, dst, src []float32, residuals [][]float32, ws []float32) {
	phases, ws := ws[:c.size()], ws[c.size():]
	spreadPhases(p, &c.s, &c.part, phases, src, ws)
	c.conv.run(p, weights, dst, phases, residuals, ws)
}

// spreadPhases makes pixels at one place modulo the strides of s channels of their own, those of the source of part. It uses
// part.W*s.StrideW elements of scratch memory for each thread.
func spreadPhases(p *Pool, s, part *ConvShape, phases, src, ws []float32) {
	width := part.W * s.StrideW
	lo, hi := min(s.PadLeft, width), min(s.PadLeft+s.W, width)
	p.Run(s.N*s.C, func(worker, plane int) {
		row := ws[worker*width:][:width]
		clear(row[:lo])
		clear(row[hi:])
		rows := make([][]float32, s.StrideW)
		for i := range part.H * s.StrideH {
			for x := range rows {
				rows[x] = phases[(((plane*s.StrideH+i%s.StrideH)*s.StrideW+x)*part.H+i/s.StrideH)*part.W:][:part.W]
			}
			y := i - s.PadTop
			if y < 0 || y >= s.H {
				for _, r := range rows {
					clear(r)
				}
				continue
			}
			copy(row[lo:hi], src[(plane*s.H+y)*s.W:])
			Deinterleave(row, rows...)
		}
	})
}

// phasesOf is the convolution of stride 1 that a convolution with strides is on phases. There is none for some shapes.
func phasesOf(s ConvShape) (part ConvShape, ok bool) {
	if s.StrideH*s.StrideW == 1 || s.StrideH > min(4, s.KH) || s.StrideW > min(4, s.KW) || s.DilationH*s.DilationW != 1 || s.Groups != 1 || s.N == 0 {
		return part, false
	}
	part = ConvShape{N: s.N, C: s.C * s.StrideH * s.StrideW, OC: s.OC, KH: ceilDiv(s.KH, s.StrideH), KW: ceilDiv(s.KW, s.StrideW),
		StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1, Groups: 1}
	part.H, part.W = s.OutH()+part.KH-1, s.OutW()+part.KW-1
	return part, part.Validate() == nil
}
