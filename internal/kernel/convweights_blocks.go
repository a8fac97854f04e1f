package kernel

// blockWeights computes the gradient of a convolution's weights, of stride 1, from blocked images as they are: for each row of a block of source
// channels and each row of the kernel, a product of the gradient's rows, [pixel][L output channels], by those of the source from each pixel on,
// [pixel][taps of the kernel's row][L source channels], which overlap. Rows of outputs are in parts, whose sums are added up at the end.
type blockWeights struct {
	cpu     *functions
	s       ConvShape
	ci, co  int // blocks
	row     int // elements of an output channel's sums for a row of a kernel and a block of source channels
	sums    int // of a part
	parts   int
	blocked Layout
}

const (
	blockParts  = 16      // of the rows, at most,
	blockSums   = 1 << 20 // as long as their sums have so many elements
	blockPixels = 256     // of a row, at most, that rows of images are joined to
)

// newBlockWeights returns nil for strides, dilations and groups.
func newBlockWeights(s ConvShape) *blockWeights {
	if s.StrideH != 1 || s.StrideW != 1 || s.DilationH != 1 || s.DilationW != 1 || s.Groups != 1 {
		return nil
	}
	if s.KH*s.KW == 1 && s.PadTop+s.PadBottom+s.PadLeft+s.PadRight == 0 { // rows may be joined
		for n := min(s.H, blockPixels/s.W); n > 1; n-- {
			if s.H%n == 0 {
				s.H, s.W = s.H/n, n*s.W
				break
			}
		}
	}
	b := &blockWeights{cpu: cpu, s: s, ci: ceilDiv(s.C, cpu.lanes), co: ceilDiv(s.OC, cpu.lanes), row: s.KW * cpu.lanes}
	b.sums = b.ci * s.KH * s.OC * b.row
	b.parts = max(1, min(blockParts, blockSums/b.sums, s.N*s.OutH()))
	return b
}

func (b *blockWeights) name() string        { return "blocks" }
func (b *blockWeights) blocks() bool        { return true }
func (b *blockWeights) setBlocked(l Layout) { b.blocked = l }

// panels is in how many parts the rows of n output channels of a block are multiplied.
func (b *blockWeights) panels(n int) int { return ceilDiv(n, len(b.cpu.gemmColumns)) }

// cost estimates the time of a run, in ns of one thread.
func (b *blockWeights) cost() float64 {
	s, lanes := &b.s, float64(b.cpu.lanes)
	rows := 0 // few take as long as those that hide latencies
	for oc := 0; oc < s.OC; oc += b.cpu.lanes {
		rows += max(4, min(b.cpu.lanes, s.OC-oc))
	}
	pixels := float64(s.N * s.OutH() * s.OutW())
	images := float64(s.N*s.H*s.W)*float64(b.ci)*lanes + pixels*float64(b.co)*lanes
	return costsOf[b.cpu.path].direct*pixels*float64(rows*b.ci*s.KH*s.KW) + fillCost*images + sumCost*float64(b.parts*b.sums)/4
}

// strip is how many elements a row of the source has with what pads it.
func (b *blockWeights) strip() int { return (b.s.W + b.s.PadLeft + b.s.PadRight) * b.cpu.lanes }

// copies is how many elements the blocked copies of images that are not blocked have.
func (b *blockWeights) copies() (src, g int) {
	s, lanes := &b.s, b.cpu.lanes
	if !b.blocked.Src {
		src = s.N * b.ci * s.H * s.W * lanes
	}
	if !b.blocked.Dst {
		g = s.N * b.co * s.OutH() * s.OutW() * lanes
	}
	return src, g
}

func (b *blockWeights) Workspace(threads int) int {
	src, g := b.copies()
	return cacheLine + b.parts*roundUp(b.sums, cacheLine) + threads*roundUp(b.strip(), cacheLine) + src + g
}

func (b *blockWeights) run(p *Pool, dw, src, g, ws []float32) {
	s, ws := &b.s, aligned(ws)
	take := func(n int) []float32 {
		part := ws[:n]
		ws = ws[roundUp(n, cacheLine):]
		return part
	}
	parts := make([][]float32, b.parts)
	for i := range parts {
		parts[i] = take(b.sums)
	}
	strips := make([][]float32, p.Threads())
	for i := range strips {
		strips[i] = take(b.strip())
	}
	srcSize, gSize := b.copies()
	if !b.blocked.Src {
		to := ws[:srcSize]
		Block(p, to, src, s.N, s.C, s.H*s.W)
		src, ws = to, ws[srcSize:]
	}
	if !b.blocked.Dst {
		to := ws[:gSize]
		Block(p, to, g, s.N, s.OC, s.OutH()*s.OutW())
		g = to
	}
	rows := s.N * s.OutH()
	p.Run(b.parts, func(worker, i int) {
		clear(parts[i])
		for row, end := i*rows/b.parts, (i+1)*rows/b.parts; row < end; {
			n, y := row/s.OutH(), row%s.OutH()
			count := min(end-row, s.OutH()-y)
			b.multiply(parts[i], strips[worker], src, g, n, y, y+count)
			row += count
		}
	})
	p.Run(s.OC*b.ci, func(_, i int) { b.finish(dw, parts, i/b.ci, i%b.ci) })
}

// multiply adds the products of rows y0 to before y1 of an image's outputs.
func (b *blockWeights) multiply(sums, strip, src, g []float32, image, y0, y1 int) {
	s, lanes := &b.s, b.cpu.lanes
	outH, outW := s.OutH(), s.OutW()
	for y := max(0, y0-s.PadTop); y < min(s.H, y1-1-s.PadTop+s.KH); y++ {
		for c := range b.ci {
			x := src[((image*b.ci+c)*s.H+y)*s.W*lanes:][:s.W*lanes]
			if s.PadLeft+s.PadRight > 0 {
				clear(strip[:s.PadLeft*lanes])
				copy(strip[s.PadLeft*lanes:], x)
				clear(strip[(s.PadLeft+s.W)*lanes:])
				x = strip
			}
			for ky := range s.KH {
				out := y - ky + s.PadTop
				if out < y0 || out >= y1 {
					continue
				}
				for block := range b.co {
					n := min(lanes, s.OC-block*lanes)
					panels := b.panels(n)
					from := g[((image*b.co+block)*outH+out)*outW*lanes:]
					for q := range panels {
						first, end := q*n/panels, (q+1)*n/panels
						to := sums[((c*s.KH+ky)*s.OC+block*lanes+first)*b.row:]
						b.cpu.gemmColumns[end-first-1](from[first:], x, lanes, lanes, outW, to, b.row, b.row, nil, nil, nil)
					}
				}
			}
		}
	}
}

// finish adds up the sums of an output channel and a block of source channels, and puts them into their places.
func (b *blockWeights) finish(dw []float32, parts [][]float32, oc, block int) {
	s, lanes := &b.s, b.cpu.lanes
	for ky := range s.KH {
		at := ((block*s.KH+ky)*s.OC + oc) * b.row
		sum := parts[0][at:][:b.row]
		for _, part := range parts[1:] {
			Add(sum, sum, part[at:][:b.row])
		}
		for c := range min(lanes, s.C-block*lanes) {
			to := dw[((oc*s.C+block*lanes+c)*s.KH+ky)*s.KW:][:s.KW]
			for kx := range to {
				to[kx] = sum[kx*lanes+c]
			}
		}
	}
}
