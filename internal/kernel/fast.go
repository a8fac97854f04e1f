package kernel

import (
	"slices"
	"unsafe"
)

// fast computes a convolution of stride 1 by a transform of overlapping tiles, at a fraction of the multiplications of
// its definition.
//
// Tiles go through in chunks: the tiles of a chunk are transformed into planes, x; in each plane, x is multiplied by the
// weights into y; y is transformed back, goes through the epilogue, and is written to the output. Channels are padded
// with zeros to blocks of as many as the path has lanes. With L lanes, x and y are [plane][block][tile][L]; the weights are
// [plane][panel][source channel][output channel of the panel], a panel being two blocks of output channels, or one at the
// end of an odd number.
//
// A value of a tile affects all of its outputs by a rounding error, so a NaN or an infinity makes all of them NaN.
type fast struct {
	cpu            *functions
	tr             *transform
	s              ConvShape
	outH, outW     int
	tileH, tileW   int // outputs of a tile
	tilesY, tilesX int // of an image
	ci, co         int // blocks
	w              []float32
	wStride        int       // between planes
	shift, slope   []float32 // for each output channel, the first stages of the epilogue: prelu(x+shift, slope)
	epilogue       Epilogue  // the other stages
}

// newFast prepares a convolution whose outputs are added to the bias before the epilogue.
func newFast(tr *transform, s ConvShape, weight, bias []float32, ep Epilogue) *fast {
	lanes := cpu.lanes
	f := &fast{
		cpu: cpu, tr: tr, s: s, outH: s.OutH(), outW: s.OutW(), tileH: tr.t - s.KH + 1, tileW: tr.t - s.KW + 1,
		ci: ceilDiv(s.C, lanes), co: ceilDiv(s.OC, lanes), epilogue: ep,
	}
	f.tilesY, f.tilesX = ceilDiv(f.outH, f.tileH), ceilDiv(f.outW, f.tileW)
	f.shift = make([]float32, f.co*lanes)
	copy(f.shift, bias)
	f.slope = slices.Repeat([]float32{1}, f.co*lanes)
	if len(ep) > 0 && ep[0].Kind == StagePRelu {
		for oc := range s.OC {
			f.slope[oc] = channelValue(ep[0].Slope, oc, 0)
		}
		f.epilogue = ep[1:]
	}
	f.transformWeights(weight)
	return f
}

// transformWeights transforms the weights in parallel, as it takes long.
func (f *fast) transformWeights(weight []float32) {
	lanes, area := f.cpu.lanes, f.s.KH*f.s.KW
	f.wStride = oddLines(f.ci * f.co * lanes * lanes)
	f.w = aligned(make([]float32, f.tr.planes*f.wStride+cacheLine))
	p := NewPool(0)
	defer p.Close()
	scratch := make([]float32, p.Threads()*f.tr.kernelScratch(lanes))
	p.Run(f.co*f.s.C, func(worker, i int) {
		block, in := i/f.s.C, i%f.s.C
		width := f.panelWidth(block / 2)
		at := block/2*2*f.ci*lanes*lanes + (in*width+block%2)*lanes
		out := block * lanes
		f.tr.transformKernels(f.w[at:], f.wStride, weight[(out*f.s.C+in)*area:], f.s.C*area, min(lanes, f.s.OC-out),
			f.s.KH, f.s.KW, lanes, scratch[worker*f.tr.kernelScratch(lanes):])
	})
}

// panelWidth is how many blocks of output channels a panel has.
func (f *fast) panelWidth(panel int) int { return min(2, f.co-2*panel) }

// chunks is how tiles are divided into chunks, and where a chunk's data lies in the workspace.
type chunks struct {
	*fast
	shared bool // a chunk is worked on by all threads, plane by plane; otherwise each thread has chunks of its own
	tiles  int  // of all images
	size   int  // tiles of a chunk, at most
	run    int  // tiles side by side that are transformed together, at most

	// Elements between planes and between blocks of x and y.
	xPlane, yPlane, block int
	// A strip holds the pixels of a run, [row][pixel][L], with rows pitch elements apart; where they have to be completed or
	// go through an epilogue, a row also exists as [channel][pixel], with channels rowStride apart.
	pitch, rowStride int
	private, planes  int // elements of the workspace for each thread, and for x and y
}

const (
	cacheLine    = 16       // elements
	sharedPlanes = 8 << 20  // elements of x and y together that threads share, at most: 32 MiB
	ownPlanes    = 96 << 10 // elements of x and y together that a thread has, at most: not much more than a second-level cache
	sharedFrom   = 3 << 20  // elements of weights above which the threads work on one chunk
	stripSize    = 16 << 10 // elements of a strip, at most: well within a second-level cache
)

func (f *fast) chunks(threads int) chunks {
	lanes := f.cpu.lanes
	c := chunks{fast: f, tiles: f.s.N * f.tilesY * f.tilesX, shared: len(f.w) > sharedFrom}
	rows := len(f.cpu.products[1])
	perTile := f.tr.planes * (f.ci + f.co) * lanes
	if c.shared {
		c.size = max(1, min(48, sharedPlanes/perTile))
	} else {
		c.size = max(rows, min(4*rows, ownPlanes/perTile))
	}
	count := ceilDiv(c.tiles, c.size)
	if !c.shared {
		count = roundUp(count, threads)
	}
	c.size = ceilDiv(c.tiles, max(1, count))
	c.run = max(1, min(c.size, f.tilesX, (stripSize/(f.tr.t*lanes)-f.tr.t)/f.tileW+1))
	c.block = c.size * lanes
	c.xPlane, c.yPlane = oddLines(f.ci*c.block), oddLines(f.co*c.block)
	width := max(lanes, (c.run-1)*f.tileW+f.tr.t) // enough for what an inverse transform leaves beside its outputs
	c.pitch, c.rowStride = oddLines(width*lanes), roundUp(width, cacheLine)
	c.private = f.tr.t*c.pitch + lanes*c.rowStride + roundUp(f.tr.scratch, cacheLine)
	c.planes = f.tr.planes * (c.xPlane + c.yPlane)
	return c
}

func (c *chunks) workspace(threads int) int {
	if c.shared {
		return cacheLine + c.planes + threads*c.private
	}
	return cacheLine + threads*(c.planes+c.private)
}

// Workspace is bounded by 32 MiB, or what one tile takes if that is more, and by some 100 KiB a thread.
func (f *fast) Workspace(threads int) int {
	c := f.chunks(threads)
	return c.workspace(threads)
}

// chunk is the computation of the tiles first, first+1, ...
type chunk struct {
	*chunks
	dst, src  []float32
	residuals [][]float32
	first, n  int
	runs      []run
	x, y      []float32
}

// run is n tiles side by side, the chunk's tiles from at on.
type run struct{ image, y, x, at, n int }

// worker is the memory of a thread.
type worker struct{ strip, rows, scratch []float32 }

func (f *fast) Run(p *Pool, dst, src []float32, residuals [][]float32, ws []float32) {
	c := f.chunks(p.Threads())
	ws = aligned(ws[:c.workspace(p.Threads())])
	count := ceilDiv(c.tiles, max(1, c.size))
	start := func(i int, planes []float32) *chunk {
		k := &chunk{chunks: &c, dst: dst, src: src, residuals: residuals, first: i * c.size}
		k.n = min(c.size, c.tiles-k.first)
		k.split()
		k.x, k.y = planes[:f.tr.planes*c.xPlane], planes[f.tr.planes*c.xPlane:c.planes]
		return k
	}
	if c.shared {
		for i := range count {
			k := start(i, ws)
			own := func(i int) worker { return c.worker(ws[c.planes+i*c.private:]) }
			n := len(k.runs)
			p.Run(n*f.ci, func(worker, i int) { k.forward(own(worker), k.runs[i%n], i/n) })
			p.Run(f.tr.planes, func(_, i int) { k.multiply(i) })
			p.Run(n*f.co, func(worker, i int) { k.inverse(own(worker), k.runs[i%n], i/n) })
		}
		return
	}
	p.Run(count, func(worker, i int) {
		ws := ws[worker*(c.planes+c.private):]
		k, own := start(i, ws), c.worker(ws[c.planes:])
		for b := range f.ci {
			for _, r := range k.runs {
				k.forward(own, r, b)
			}
		}
		for i := range f.tr.planes {
			k.multiply(i)
		}
		for b := range f.co {
			for _, r := range k.runs {
				k.inverse(own, r, b)
			}
		}
	})
}

func (c *chunks) worker(ws []float32) worker {
	strip, rows := c.tr.t*c.pitch, c.cpu.lanes*c.rowStride
	return worker{ws[:strip], ws[strip : strip+rows], ws[strip+rows:][:c.tr.scratch]}
}

// split finds the chunk's runs.
func (k *chunk) split() {
	for at := 0; at < k.n; {
		i := k.first + at
		x, y := i%k.tilesX, i/k.tilesX
		n := min(k.run, k.n-at, k.tilesX-x)
		k.runs = append(k.runs, run{y / k.tilesY, y % k.tilesY * k.tileH, x * k.tileW, at, n})
		at += n
	}
}

// forward takes a run of a block of channels from the source to planes.
func (k *chunk) forward(w worker, r run, block int) {
	lanes, s := k.cpu.lanes, &k.s
	width := (r.n-1)*k.tileW + k.tr.t
	y, x := r.y-s.PadTop, r.x-s.PadLeft
	// Columns that lie within the source.
	lo := min(max(0, -x), width)
	hi := max(lo, min(width, s.W-x))
	channels := min(lanes, s.C-block*lanes)
	area := s.H * s.W
	src := k.src[(r.image*s.C+block*lanes)*area:]
	for i := range k.tr.t {
		row := w.strip[i*k.pitch:][:k.pitch]
		if y+i < 0 || y+i >= s.H || lo == hi {
			clear(row[:width*lanes])
			continue
		}
		from := src[(y+i)*s.W+x+lo:]
		if channels == lanes && hi-lo >= lanes {
			clear(row[:lo*lanes])
			clear(row[hi*lanes : width*lanes])
			k.cpu.gather(row[lo*lanes:], from, area, hi-lo)
			continue
		}
		clear(w.rows)
		for c := range channels {
			copy(w.rows[c*k.rowStride+lo:][:hi-lo], from[c*area:])
		}
		k.cpu.gather(row, w.rows, k.rowStride, max(width, lanes))
	}
	k.tr.forward(w.strip, k.pitch, k.tileW*lanes, k.x[block*k.block+r.at*lanes:], k.xPlane, r.n, w.scratch)
}

// multiply multiplies a plane by its weights.
func (k *chunk) multiply(plane int) {
	lanes := k.cpu.lanes
	x, y, w := k.x[plane*k.xPlane:], k.y[plane*k.yPlane:], k.w[plane*k.wStride:]
	for block := 0; block < k.co; block += 2 {
		width := min(2, k.co-block)
		size := k.ci * lanes * width * lanes
		kernels := k.cpu.products[width-1]
		parts := ceilDiv(k.n, len(kernels))
		for part := range parts {
			from, to := part*k.n/parts, (part+1)*k.n/parts
			// The parts share the prefetching of the next panel.
			kernels[to-from-1](x[from*lanes:], w[:size], y[block*k.block+from*lanes:], k.block, k.block, size+part*size/parts, width*lanes/parts)
		}
		w = w[size:]
	}
}

// inverse takes a run of a block of channels from planes to the output.
func (k *chunk) inverse(w worker, r run, block int) {
	lanes := k.cpu.lanes
	height, width := min(k.tileH, k.outH-r.y), min(r.n*k.tileW, k.outW-r.x)
	k.tr.inverse(w.strip, k.pitch, k.tileW*lanes, k.y[block*k.block+r.at*lanes:], k.yPlane, r.n, height, w.scratch)
	first := block * lanes
	channels, area := min(lanes, k.s.OC-first), k.outH*k.outW
	shift, slope := k.shift[first:], k.slope[first:]
	for i := range height {
		row, at := w.strip[i*k.pitch:], ((r.image*k.s.OC+first)*k.outH+r.y+i)*k.outW+r.x
		if channels == lanes && width >= lanes && len(k.epilogue) == 0 {
			k.cpu.scatter(k.dst[at:], row, area, width, shift, slope)
			continue
		}
		k.cpu.scatter(w.rows, row, k.rowStride, max(width, lanes), shift, slope)
		for c := range channels {
			at := at + c*area
			k.epilogue.apply(k.dst[at:at+width], w.rows[c*k.rowStride:][:width], first+c, at, k.residuals)
		}
	}
}

// aligned is the part of a from a cache line on; up to cacheLine-1 elements are lost.
func aligned(a []float32) []float32 {
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(a))) % (4 * cacheLine) / 4
	return a[min(int(skip), len(a)):]
}
