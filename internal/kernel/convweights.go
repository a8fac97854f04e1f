package kernel

import (
	"fmt"
	"math"
	"os"
)

// RefConvWeights is the gradient of RefConv's weights: dw[OC, C/Groups, Kernel...] is the sum, over all outputs, of the gradient g
// [N, OC, Out()...] times the element of src [N, C, In...] that the weight multiplies there.
func RefConvWeights[T Number](s ShapeND, dw, src, g []T) {
	out := s.Out()
	small, large := product(out), product(s.In)
	ci, co, taps := s.C/s.Groups, s.OC/s.Groups, product(s.Kernel)
	clear(dw)
	s.eachTap(out, s.In, func(tap, from, to, count, stride int) {
		for i := range s.N * s.OC {
			n, oc := i/s.OC, i%s.OC
			g := g[i*small+from:][:count]
			for c := range ci {
				x := src[(n*s.C+oc/co*ci+c)*large+to:]
				var sum T
				for j, v := range g {
					sum += v * x[j*stride]
				}
				dw[(oc*ci+c)*taps+tap] += sum
			}
		}
	})
}

// WeightGradient computes the gradient of a convolution's weights [OC, C/Groups, KH, KW]. It may be run by several goroutines at once, each
// with a workspace of its own. The algorithm and the order of sums depend on the shape and the CPU path alone.
type WeightGradient struct {
	s       ConvShape
	blocked Layout
	weightGradient
}

// weightGradient is a way to compute the gradient of weights.
type weightGradient interface {
	name() string
	cost() float64 // of a run, in ns of one thread
	Workspace(threads int) int
	run(p *Pool, dw, src, g, ws []float32)
	blocks() bool
	setBlocked(Layout)
}

// plainWeights is a way for plain images alone.
type plainWeights struct{}

func (plainWeights) blocks() bool      { return false }
func (plainWeights) setBlocked(Layout) {}

// PrepareWeightGradient plans the gradient of the weights of a convolution.
func PrepareWeightGradient(s ConvShape) (*WeightGradient, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if s.N == 0 {
		return &WeightGradient{s: s, weightGradient: noWeights{}}, nil
	}
	plans := weightPlans(s)
	if len(plans) == 0 {
		return nil, fmt.Errorf("kernel: gradient of weights over images that are too large: %+v", s)
	}
	return &WeightGradient{s: s, weightGradient: fastest(plans)}, nil
}

// weightPlans lists the ways to compute the gradient.
func weightPlans(s ConvShape) (plans []weightGradient) {
	for _, f := range fastWeightPlans(s) {
		plans = append(plans, f)
	}
	if len(plans) > 0 && os.Getenv("GANSR_CONV") != "" {
		return plans
	}
	if b := newBlockWeights(s); b != nil {
		plans = append(plans, b)
	}
	if m := newMatrixWeights(s); m != nil {
		plans = append(plans, m)
	}
	if c := newConvWeights(s); c.planeElements(c.images) <= math.MaxInt32 { // so that offsets fit
		plans = append(plans, c)
	}
	return plans
}

// Run sets dw from the convolution's source and the gradient g of its output. ws has at least Workspace(p.Threads()) elements, of any content.
func (w *WeightGradient) Run(p *Pool, dw, src, g, ws []float32) error {
	s := &w.s
	channels := func(c int, blocked bool) int {
		if blocked {
			return roundUp(c, cpu.lanes)
		}
		return c
	}
	if len(src) != s.N*channels(s.C, w.blocked.Src)*s.H*s.W || len(g) != s.N*channels(s.OC, w.blocked.Dst)*s.OutH()*s.OutW() || len(dw) != s.OC*s.C/s.Groups*s.KH*s.KW {
		return fmt.Errorf("kernel: gradient of %d weights from %d and %d elements does not fit %+v", len(dw), len(src), len(g), *s)
	}
	w.run(p, dw, src, g, ws)
	return nil
}

// Blocks reports whether the source and the gradient may be blocked, each for itself.
func (w *WeightGradient) Blocks() bool { return w.blocks() }

// SetBlocked says whether the source and, as Dst, the gradient are blocked: neither is until it is called, at most once, before Run and Workspace, which
// may be less then.
func (w *WeightGradient) SetBlocked(l Layout) {
	w.blocked = l
	w.setBlocked(l)
}

// Algorithm is the name of the algorithm in use.
func (w *WeightGradient) Algorithm() string { return w.name() }

// noWeights is the gradient for a batch of no images.
type noWeights struct{ plainWeights }

func (noWeights) name() string                       { return "none" }
func (noWeights) cost() float64                      { return 0 }
func (noWeights) Workspace(int) int                  { return 0 }
func (noWeights) run(_ *Pool, dw, _, _, _ []float32) { clear(dw) }

func (c *convWeights) name() string { return "direct" }

func (c *convWeights) cost() float64 { return directWeightsCost(c.s) }

// directWeightsCost estimates the time of the direct algorithm, in ns of one thread.
func directWeightsCost(s ConvShape) float64 {
	s.C /= s.Groups
	cost := directCost(s) + sumCost*float64(s.OC*s.C*s.KH*s.KW)
	if min(s.C, s.OC) < cpu.lanes || s.KH*s.KW == 1 {
		cost *= packedWeights
	}
	return cost
}

func (c *convWeights) Workspace(int) int {
	return c.s.Groups*c.planeElements(c.images) + c.s.OC*c.images*c.pixels + c.s.OC*c.row
}

func (c *convWeights) run(p *Pool, dw, src, g, ws []float32) {
	s := &c.s
	plane, panels := s.Groups*c.planeElements(c.images), s.OC*c.images*c.pixels
	own := *c
	own.src, own.g, own.sums = ws[:plane], ws[plane:][:panels], ws[plane+panels:][:s.OC*c.row]
	for n := 0; n < s.N; n += c.images {
		count := min(c.images, s.N-n)
		own.packSource(p, src, n, count)
		own.packGradient(p, g, n, count)
		own.multiply(p, count, n == 0)
	}
	own.unpack(p, dw)
}

const (
	weightImages = 4 << 20 // elements of images that are packed at a time, at least one image
	manyChannels = 64
	// How much longer it takes where packing weighs more: with few channels, of either kind, and with kernels of 1x1.
	packedWeights = 2
	sumCost       = 2.5 // a weight whose sum is written and put into its place
)

// convWeights computes the gradient of weights as a product of matrices, a sum over output pixels, by the micro-kernels of Gemm: panels of
// output channels times runs of source channels that follow each other once they are side by side in a pixel, for all taps of a kernel
// row at once. The sum is made in blocks of pixels.
type convWeights struct {
	plainWeights
	s             ConvShape
	cpu           *functions
	height, width int // of the source with what pads it
	pixels        int // of an image's output
	images        int // that are packed at a time
	pixel         int // elements of a source pixel of a group
	runs          []weightRun
	taps          []int // where each tap's sums begin in those of an output channel
	row           int   // elements of an output channel's sums
	block         int   // pixels whose products make one sum: what they take of a run fits a first-level cache
	panels        []int // of a group: their first output channels, and the end
	src           []float32
	g             []float32
	sums          []float32
}

// weightRun is a number of source elements that follow each other, of one tap or of several.
type weightRun struct {
	offset  int // from an output pixel's first source pixel
	columns int
	at      int // in an output channel's sums
}

func newConvWeights(s ConvShape) *convWeights {
	c := &convWeights{s: s, cpu: cpu, pixels: s.OutH() * s.OutW()}
	c.height = (s.OutH()-1)*s.StrideH + (s.KH-1)*s.DilationH + 1
	c.width = (s.OutW()-1)*s.StrideW + (s.KW-1)*s.DilationW + 1
	ci := s.C / s.Groups
	// Few channels: a run is all that a kernel row multiplies. Many: a run is one tap of as many channels as a micro-kernel works on at a
	// time, so that all taps of these find them in a first-level cache; pixels must not all lie in one place of it then.
	taps, columns := s.KW, ci
	c.pixel = ci
	if ci >= manyChannels {
		taps, columns, c.pixel = 1, 2*cpu.lanes, oddLines(ci)
	}
	if s.DilationW > 1 {
		taps = 1
	}
	for range s.KH {
		for x := range s.KW {
			c.taps = append(c.taps, c.row+x%taps*ci)
			if x%taps == taps-1 || x == s.KW-1 {
				c.row += roundUp((x%taps+1)*ci, cpu.lanes)
			}
		}
	}
	for from := 0; from < ci; from += columns {
		for y := range s.KH {
			for x := 0; x < s.KW; x += taps {
				c.runs = append(c.runs, weightRun{
					offset:  (y*s.DilationH*c.width+x*s.DilationW)*c.pixel + from,
					columns: taps * min(columns, ci-from),
					at:      c.taps[y*s.KW+x] + from,
				})
			}
		}
	}
	c.images = min(s.N, max(1, weightImages/(s.C*c.height*c.width+s.OC*c.pixels)))
	c.block = max(64, min(4096/columns, 256))
	m := s.OC / s.Groups
	panels := ceilDiv(m, len(c.cpu.gemm))
	for i := range panels + 1 {
		c.panels = append(c.panels, i*m/panels)
	}
	return c
}

// planeElements is how long a group's source is, with what is read behind its end.
func (c *convWeights) planeElements(images int) int {
	return roundUp(images*c.height*c.width*c.pixel+c.cpu.lanes, 16)
}

// packSource sets c.src to count images from n on: by group, a pixel's channels side by side.
func (c *convWeights) packSource(p *Pool, src []float32, n, count int) {
	s, plane := &c.s, len(c.src)/c.s.Groups
	ci := s.C / s.Groups
	p.Run(s.Groups*count*c.height, func(_, i int) {
		y, image, group := i%c.height, i/c.height%count, i/c.height/count
		row := c.src[group*plane+(image*c.height+y)*c.width*c.pixel:][:c.width*c.pixel]
		y -= s.PadTop
		if y < 0 || y >= s.H {
			clear(row)
			return
		}
		left := min(s.PadLeft, c.width)
		right := max(left, min(c.width, s.PadLeft+s.W))
		clear(row[:left*c.pixel])
		clear(row[right*c.pixel:])
		from := src[(((n+image)*s.Groups+group)*ci*s.H+y)*s.W:]
		interleave(row[left*c.pixel:], c.pixel, from, s.H*s.W, ci, right-left)
	})
}

// packGradient sets c.g to that of count images from n on: by panel, a pixel's output channels side by side.
func (c *convWeights) packGradient(p *Pool, g []float32, n, count int) {
	s, panels := &c.s, len(c.panels)-1
	m := s.OC / s.Groups
	const part = 1024
	parts := ceilDiv(c.pixels, part)
	p.Run(s.Groups*panels*count*parts, func(_, i int) {
		from, image, panel, group := i%parts*part, i/parts%count, i/parts/count%panels, i/parts/count/panels
		first, rows := c.panels[panel], c.panels[panel+1]-c.panels[panel]
		to := c.g[(group*m+first)*count*c.pixels+(image*c.pixels+from)*rows:]
		interleave(to, rows, g[((n+image)*s.OC+group*m+first)*c.pixels+from:], c.pixels, rows, min(part, c.pixels-from))
	})
}

// interleave sets dst[j*step+i] = src[i*stride+j] for i below rows and j below n.
func interleave(dst []float32, step int, src []float32, stride, rows, n int) {
	const together = 64
	lanes := cpu.lanes
	i := 0
	if n >= lanes && rows > 1 {
		scratch := takeScratch(together * lanes)
		defer scratches.Put(scratch)
		square := (*scratch)[:together*lanes]
		// Rows that follow the last ones are read too, if there are any.
		for ; i < rows && len(src) >= (i+lanes-1)*stride+n; i += lanes {
			for from := 0; from < n; from += together {
				from := min(from, n-lanes)
				count := min(together, n-from)
				cpu.gather(square, src[i*stride+from:], stride, count)
				copyVectors(dst[from*step+i:], step, square, lanes, min(lanes, rows-i), count)
			}
		}
	}
	for ; i+4 <= rows; i += 4 {
		a, b, c, d := src[i*stride:][:n], src[(i+1)*stride:][:n], src[(i+2)*stride:][:n], src[(i+3)*stride:][:n]
		at := i
		for j, v := range a {
			to := dst[at:][:4:4]
			to[0], to[1], to[2], to[3] = v, b[j], c[j], d[j]
			at += step
		}
	}
	for ; i < rows; i++ {
		at := i
		for _, v := range src[i*stride:][:n] {
			dst[at] = v
			at += step
		}
	}
}

// copyVectors sets dst[i*dstStep+j] = src[i*srcStep+j] for i below n and j below size. Other elements of dst between the first and the last of these
// may be overwritten where they belong to vectors that follow.
func copyVectors(dst []float32, dstStep int, src []float32, srcStep, size, n int) {
	i := 0
	switch { // what is copied beyond a vector comes again
	case size > 8 && size <= 16 && (size == 16 || dstStep == size):
		for ; i < n-1 && i*srcStep+16 <= len(src); i++ {
			to, from := dst[i*dstStep:][:16], src[i*srcStep:][:16]
			copy4(to, from)
			copy4(to[4:], from[4:])
			copy4(to[8:], from[8:])
			copy4(to[12:], from[12:])
		}
	case size > 4 && size <= 8 && (size == 8 || dstStep == size):
		for ; i < n-1 && i*srcStep+8 <= len(src); i++ {
			to, from := dst[i*dstStep:][:8], src[i*srcStep:][:8]
			copy4(to, from)
			copy4(to[4:], from[4:])
		}
	}
	for ; i < n; i++ {
		copy(dst[i*dstStep:][:size], src[i*srcStep:])
	}
}

// copy4 is one load and one store.
func copy4(dst, src []float32) { *(*[4]float32)(dst) = [4]float32(src) }

// multiply adds the products of count packed images to the sums, or begins them. A worker takes some of the sums over all pixels.
func (c *convWeights) multiply(p *Pool, count int, begin bool) {
	s := &c.s
	offsets := make([]int32, 0, count*c.pixels)
	for image := range count {
		for y := range s.OutH() {
			for x := range s.OutW() {
				offsets = append(offsets, int32(((image*c.height+y*s.StrideH)*c.width+x*s.StrideW)*c.pixel))
			}
		}
	}
	m, plane, panels := s.OC/s.Groups, len(c.src)/s.Groups, len(c.panels)-1
	items := s.Groups * panels * len(c.runs)
	parts := min(items, 2*p.Threads())
	zeros := make([]float32, len(c.cpu.gemm))
	p.Run(parts, func(_, part int) {
		for block := 0; block < len(offsets); block += c.block {
			var bias []float32
			if begin && block == 0 {
				bias = zeros
			}
			off := offsets[block:min(len(offsets), block+c.block)]
			for i := part * items / parts; i < (part+1)*items/parts; i++ {
				panel, run, group := i%panels, c.runs[i/panels%len(c.runs)], i/panels/len(c.runs)
				first, rows := c.panels[panel], c.panels[panel+1]-c.panels[panel]
				a := c.g[(group*m+first)*len(offsets)+block*rows:][:len(off)*rows]
				c.cpu.gemm[rows-1](a, c.src[group*plane+run.offset:], off, c.sums[(group*m+first)*c.row+run.at:], run.columns, c.row, bias, nil, nil)
			}
		}
	})
}

// unpack writes the sums to the weights' places.
func (c *convWeights) unpack(p *Pool, dw []float32) {
	ci, taps := c.s.C/c.s.Groups, c.s.KH*c.s.KW
	p.Run(c.s.OC, func(_, oc int) {
		sums, to := c.sums[oc*c.row:][:c.row], dw[oc*ci*taps:][:ci*taps]
		for i := range ci {
			for k, at := range c.taps {
				to[i*taps+k] = sums[at+i]
			}
		}
	})
}
