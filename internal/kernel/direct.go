package kernel

// direct computes a convolution by its definition.
//
// It is an implicit matrix product: output channels by source channels times taps, times pixels. A tile of pixels is
// computed at a time, by blocks of source channels: the part of the source that the block reads is copied, with its
// padding, into a strip, where every tap of a run of pixels is a run of elements; the micro-kernel finds the taps by their
// offsets.
type direct struct {
	cpu          *functions
	s            ConvShape // without the taps that only ever meet padding; pads may be negative
	skipY, skipX int       // how many leading rows and columns of taps were left out
	outH, outW   int
	epilogue     Epilogue

	// Elements between neighbours, so that matrix products can use the same code; lda, between rows of weights that are not
	// packed, is 0 if they are.
	srcC, srcW, dstC, lda int

	depth  int       // source channels of a group in a block; a function of the shape alone, as it affects rounding
	panels []int     // first output channel of each panel of a group, and the end
	packed []float32 // [group][block of source channels][panel][channel, tap][output channel in the panel]
	bias   []float32
	phases []phase // which the taps need
	taps   []tap
	aheadX int // columns that the taps read beyond a tile's own

	single bool // a group has one output channel, and a form that has a micro-kernel of its own

	// How products become outputs without an epilogue of their own: with a residual, or -1, and slopes for what is negative,
	// if any. Only if simple.
	simple   bool
	residual int
	slope    []float32
}

// phase is a choice of source rows and columns: those at y, x modulo the strides. Within a phase a strided convolution is
// one of stride 1. Where outputs are narrow, each column of taps has a phase of its own, which begins x columns ahead: none
// reads beyond its outputs then, and rows can be multiplied as one run in which nothing is in vain.
type phase struct{ y, x int }

// tap is a kernel element's place in a strip: its phase, and how many rows and columns it is ahead.
type tap struct{ phase, y, x int }

// newDirect makes a convolution, without its weights, of an output size that need not follow from the shape.
func newDirect(s ConvShape, outH, outW int, ep Epilogue) *direct {
	c := &direct{cpu: cpu, outH: outH, outW: outW, epilogue: ep, srcC: s.H * s.W, srcW: 1, dstC: outH * outW}
	c.skipY, s.KH = reach(s.H, outH, s.KH, s.StrideH, s.DilationH, s.PadTop)
	c.skipX, s.KW = reach(s.W, outW, s.KW, s.StrideW, s.DilationW, s.PadLeft)
	s.PadTop -= c.skipY * s.DilationH
	s.PadLeft -= c.skipX * s.DilationW
	c.s = s
	blocks := ceilDiv(s.C/s.Groups, max(1, 256/(s.KH*s.KW)))
	c.depth = ceilDiv(s.C/s.Groups, blocks)
	m := s.OC / s.Groups
	panels := ceilDiv(m, len(c.cpu.gemm))
	for i := range panels + 1 {
		c.panels = append(c.panels, i*m/panels)
	}
	c.bias = make([]float32, s.OC)
	c.simplify()
	c.single = m == 1 && s.StrideH*s.StrideW == 1 && s.DilationH*s.DilationW == 1 && s.KH >= depthwiseRows
	aheadX := (s.KW - 1) * s.DilationW / s.StrideW
	narrow := cost((outH-1)*(outW+aheadX)+outW, c.cpu.lanes) // where all rows are multiplied as one run
	if flat := cost(outH*outW, c.cpu.lanes); 8*flat <= 7*min(narrow, outH*cost(outW, c.cpu.lanes)) && m >= 16 {
		aheadX = 0
	}
	index := map[phase]int{}
	for y := range s.KH {
		for x := range s.KW {
			dy, dx := y*s.DilationH, x*s.DilationW
			p, ahead := phase{dy % s.StrideH, dx}, 0
			if aheadX > 0 {
				p.x, ahead = dx%s.StrideW, dx/s.StrideW
			}
			if _, ok := index[p]; !ok {
				index[p] = len(c.phases)
				c.phases = append(c.phases, p)
			}
			c.taps = append(c.taps, tap{index[p], dy / s.StrideH, ahead})
			c.aheadX = max(c.aheadX, ahead)
		}
	}
	return c
}

// packKernels packs kernels of the size that the convolution was made for into buffer.
func (c *direct) packKernels(p *Pool, buffer []float32, k kernels) {
	if !k.turned {
		c.pack(p, buffer, k.w, k.out, k.in, k.kw)
		return
	}
	// A few output channels at a time as they would lie if they were not turned.
	kh, kw := ceilDiv(k.kh, k.strideH), ceilDiv(k.kw, k.strideW)
	ci, area := c.s.C/c.s.Groups, kh*kw
	most := len(c.cpu.gemm)
	memory := make([]float32, p.Threads()*most*ci*area)
	p.Run(c.s.Groups*(len(c.panels)-1), func(worker, i int) {
		panels := len(c.panels) - 1
		first, rows := i/panels*(c.s.OC/c.s.Groups)+c.panels[i%panels], c.panels[i%panels+1]-c.panels[i%panels]
		plain := memory[worker*most*ci*area:][:rows*ci*area]
		clear(plain)
		for r := range rows {
			for ic := range ci {
				k.put(plain[(r*ci+ic)*area:], kw, 1, kh, kw, first+r, ic)
			}
		}
		c.packPanel(i, buffer, plain, first, ci*area, area, kw)
	})
}

// simplify finds out whether the micro-kernel can apply the whole epilogue.
func (c *direct) simplify() {
	c.residual = -1
	ep := c.epilogue
	if len(ep) > 0 && ep[0].Kind == StageAdd {
		c.residual, ep = ep[0].Residual, ep[1:]
	}
	if len(ep) > 0 && ep[0].Kind == StagePRelu {
		c.slope = make([]float32, c.s.OC)
		for oc := range c.slope {
			c.slope[oc] = channelValue(ep[0].Slope, oc, 0)
		}
		ep = ep[1:]
	}
	c.simple = len(ep) == 0
}

// reach is the range of an axis's taps that meet the source for some output; of one tap if there is none.
func reach(size, out, taps, stride, dilation, pad int) (from, n int) {
	from = max(0, ceilDiv(pad-(out-1)*stride, dilation))
	if to := min(taps, ceilDiv(size+pad, dilation)); from < to {
		return from, to - from
	}
	return 0, 1
}

// pack packs the weights, with the given distances between output channels, source channels and kernel rows, into
// buffer.
func (c *direct) pack(p *Pool, buffer, w []float32, dOut, dIn, dRow int) {
	n := c.s.Groups * (len(c.panels) - 1)
	if p == nil {
		for i := range n {
			c.packPanel(i, buffer, w, 0, dOut, dIn, dRow)
		}
		return
	}
	p.Run(n, func(_, i int) { c.packPanel(i, buffer, w, 0, dOut, dIn, dRow) })
}

// packPanel packs the weights of panel i, counted over all groups. Those of output channel w0 are the first in w.
func (c *direct) packPanel(i int, buffer, w []float32, w0, dOut, dIn, dRow int) {
	ci, m, panels, taps := c.s.C/c.s.Groups, c.s.OC/c.s.Groups, len(c.panels)-1, len(c.taps)
	g, first, end := i/panels, c.panels[i%panels], c.panels[i%panels+1]
	rows := end - first
	for from := 0; from < ci; from += c.depth {
		depth := min(c.depth, ci-from)
		panel := buffer[((g*ci+from)*m+first*depth)*taps:][:rows*depth*taps]
		for r := range rows {
			row, at := w[(g*m+first+r-w0)*dOut+from*dIn:], r
			if taps == 1 {
				row = row[c.skipY*dRow+c.skipX:]
				for in := range depth {
					panel[at] = row[in*dIn]
					at += rows
				}
				continue
			}
			for in := range depth {
				for y := range c.s.KH {
					for _, v := range row[in*dIn+(c.skipY+y)*dRow+c.skipX:][:c.s.KW] {
						panel[at] = v
						at += rows
					}
				}
			}
		}
	}
}

func (c *direct) blocks() Blocking  { return NotBlocked }
func (c *direct) setBlocked(Layout) {}

func (c *direct) Workspace(threads int) int { return c.tiling(threads).workspace * threads }

func (c *direct) products() int {
	return c.s.N * c.outH * c.outW * c.s.OC * (c.s.C / c.s.Groups) * len(c.taps)
}

func (c *direct) run(p *Pool, weights, dst, src []float32, residuals [][]float32, ws []float32) {
	c.runTiles(p, c.tiling(p.Threads()), weights, dst, src, residuals, ws)
}

func (c *direct) runTiles(p *Pool, t *tiling, packed, dst, src []float32, residuals [][]float32, ws []float32) {
	straight := t.straight
	if ci := c.s.C / c.s.Groups; len(dst) > 0 && c.residual >= 0 && (c.depth < ci || c.single && ci > 1) && &residuals[c.residual][0] == &dst[0] {
		straight = false // the first source channels would overwrite what is to be added
	}
	p.Run(t.count(c), func(worker, i int) {
		j := t.job(c, i)
		j.packed, j.dst, j.src, j.residuals, j.straight = packed, dst, src, residuals, straight
		ws := ws[worker*t.workspace : (worker+1)*t.workspace]
		j.strip, j.product = ws[:t.strip], ws[t.strip:]
		j.multiply()
		if !straight {
			j.finish()
		}
	})
}

// tileJob is the computation of one tile.
type tileJob struct {
	*direct
	*tiling
	packed         []float32
	dst, src       []float32
	residuals      [][]float32
	strip, product []float32
	straight       bool

	n, g      int
	y, bottom int // output pixels
	x, right  int
	from, to  int // panels
}

// multiply fills the tile's product, a row for each output channel of its panels, or the tile in dst.
func (j *tileJob) multiply() {
	ci, m := j.s.C/j.s.Groups, j.s.OC/j.s.Groups
	packed := j.packed[j.g*m*ci*len(j.taps):]
	runs, length := j.bottom-j.y, j.right-j.x
	if j.joined {
		runs, length = 1, (runs-1)*j.pitch+length
	}
	first, bias := j.panels[j.from], j.bias[j.g*m:]
	out, ldc, step := j.product, j.ldc, j.step
	start := (j.n*j.s.OC+j.g*m+first)*j.dstC + j.y*j.outW + j.x
	if j.straight {
		out, ldc, step = j.dst[start:], j.dstC, j.outW
	}
	var res, slope []float32
	for in := 0; in < ci; in += j.depth {
		depth := min(j.depth, ci-in)
		j.fill(in, depth)
		off := j.offsets[:depth*len(j.taps)]
		if j.straight && in+depth == ci { // with the epilogue
			if j.residual >= 0 {
				res = j.residuals[j.residual][start:]
			}
			if j.slope != nil {
				slope = j.slope[j.g*m:]
			}
		}
		if j.single {
			j.accumulate(packed, off, out, step, bias, res, slope)
			packed, bias = packed[len(off):], nil
			continue
		}
		for r := range runs {
			for at := 0; at < length; at += j.pass {
				n := min(j.pass, length-at)
				for p := j.from; p < j.to; p++ {
					row, end := j.panels[p], j.panels[p+1]
					j.into(out, (row-first)*ldc+r*step+at, n, ldc, end-row, bias == nil, res, func(from, n int, c []float32, ldc int, res []float32) {
						bias, slope := bias[min(row, len(bias)):], slope[min(row, len(slope)):]
						if j.lda > 0 {
							j.cpu.gemmRows[end-row-1](j.packed[row*j.lda+in:], j.strip[at+from:], j.lda, j.channel, depth, c, n, ldc, bias, res, nil)
							return
						}
						j.cpu.gemm[end-row-1](packed[row*len(off):end*len(off)], j.strip[r*j.pitch+at+from:], off, c, n, ldc, bias, res, slope)
					})
				}
			}
		}
		packed, bias = packed[m*len(off):], nil
	}
}

// into has a micro-kernel compute n columns of rows of out, from at on, and makes sure that it writes no more than that to
// dst: what does not fill a register goes through the product's memory. Add says that the micro-kernel adds to what is there.
func (j *tileJob) into(out []float32, at, n, ldc, rows int, add bool, res []float32, kernel func(from, n int, c []float32, ldc int, res []float32)) {
	lanes := j.cpu.lanes
	whole := n
	if j.straight {
		whole = roundDown(n, lanes)
	}
	if whole > 0 {
		kernel(0, whole, out[at:], ldc, res[min(at, len(res)):])
	}
	if whole == n {
		return
	}
	edge, added := j.product[:rows*lanes], j.product[rows*lanes:][:rows*lanes]
	if len(res) == 0 {
		added = nil
	}
	rest := n - whole
	for r := range rows {
		from := at + whole + r*ldc
		if add {
			copy(edge[r*lanes:], out[from:][:rest])
		}
		if added != nil {
			copy(added[r*lanes:], res[from:][:rest])
		}
	}
	kernel(whole, rest, edge, lanes, added)
	for r := range rows {
		copy(out[at+whole+r*ldc:][:rest], edge[r*lanes:])
	}
}

// accumulate adds to the only output channel of a group what source channels give, one after the other.
func (j *tileJob) accumulate(packed []float32, off []int32, out []float32, step int, bias, res, slope []float32) {
	runs, length, taps := j.bottom-j.y, j.right-j.x, len(j.taps)
	for r := 0; r < runs; {
		rows := 1
		if runs-r >= depthwiseRows {
			rows = depthwiseRows
		}
		bias, last := bias, len(off)-taps
		for at := 0; at <= last; at += taps {
			var added, factors []float32
			if at == last {
				added, factors = res, slope
			}
			w, b := packed[at:at+taps], j.strip[at/taps*j.channel+r*j.pitch:]
			j.into(out, r*step, length, step, rows, bias == nil, added, func(from, n int, c []float32, ldc int, res []float32) {
				if rows > 1 {
					j.cpu.depthwise(w, b[from:], j.s.KW, j.pitch, c, n, ldc, bias, res, factors)
				} else {
					j.cpu.gemm[0](w, b[from:], off[:taps], c, n, ldc, bias, res, factors)
				}
			})
			bias = nil
		}
		r += rows
	}
}

// farSource is how many elements of a source probably do not come from a cache.
const farSource = 1 << 20

// fill copies the part of the source that the tile reads of depth channels from c on, or finds it.
func (j *tileJob) fill(c, depth int) {
	s := &j.s
	if j.inSource {
		j.strip = j.src[((j.n*s.Groups+j.g)*(s.C/s.Groups)+c)*j.srcC+j.x:]
		return
	}
	if j.srcW != 1 {
		j.fillTransposed(c, depth)
		return
	}
	height, width := j.bottom-j.y+j.aheadY, j.right-j.x+j.aheadX
	for i := range depth {
		src := j.src[((j.n*s.Groups+j.g)*(s.C/s.Groups)+c+i)*j.srcC:]
		for k, p := range j.phases {
			strip := j.strip[i*j.channel+k*j.stripHeight*j.pitch:]
			left := j.x*s.StrideW + p.x - s.PadLeft
			// Columns that lie within the source.
			lo := min(max(0, ceilDiv(-left, s.StrideW)), width)
			hi := max(lo, min(width, ceilDiv(s.W-left, s.StrideW)))
			for r := range height {
				row := strip[r*j.pitch : r*j.pitch+width]
				y := (j.y+r)*s.StrideH + p.y - s.PadTop
				if y < 0 || y >= s.H || lo == hi {
					clear(row)
					continue
				}
				clear(row[:lo])
				clear(row[hi:])
				from := y*s.W + left + lo*s.StrideW
				if s.StrideW == 1 {
					if ahead := from + 4*j.srcC; s.C*j.srcC >= farSource && ahead+hi-lo <= len(src) {
						j.cpu.prefetch(src[ahead : ahead+hi-lo])
					}
					copy(row[lo:hi], src[from:])
					continue
				}
				for x := lo; x < hi; x++ {
					row[x] = src[from]
					from += s.StrideW
				}
			}
		}
	}
}

// fillTransposed is fill for the columns of a transposed matrix: pixels are far apart, their channels side by side.
func (j *tileJob) fillTransposed(c, depth int) {
	pixel := func(x int) []float32 { return j.src[x*j.srcW+c:][:depth] }
	x := j.x
	for ; x+4 <= j.right; x += 4 {
		p0, p1, p2, p3 := pixel(x), pixel(x+1), pixel(x+2), pixel(x+3)
		for i, v := range p0 {
			strip := j.strip[i*j.channel+x-j.x:][:4]
			strip[0], strip[1], strip[2], strip[3] = v, p1[i], p2[i], p3[i]
		}
	}
	for ; x < j.right; x++ {
		for i, v := range pixel(x) {
			j.strip[i*j.channel+x-j.x] = v
		}
	}
}

// finish applies the epilogue to the product, into dst.
func (j *tileJob) finish() {
	m := j.s.OC / j.s.Groups
	first := j.panels[j.from]
	runs, length := j.bottom-j.y, j.right-j.x
	if j.step == j.outW && length == j.outW { // rows follow each other in both
		runs, length = 1, runs*length
	}
	for oc := first; oc < j.panels[j.to]; oc++ {
		for r := range runs {
			at := (j.n*j.s.OC+j.g*m+oc)*j.dstC + (j.y+r)*j.outW + j.x
			x := j.product[(oc-first)*j.ldc+r*j.step:][:length]
			j.epilogue.apply(j.dst[at:at+length], x, j.g*m+oc, at, j.residuals)
		}
	}
}
