package kernel

import "unsafe"

// chunks is how tiles are divided into chunks, and where a chunk's data lies in the workspace.
type chunks struct {
	*fast
	shared bool // a chunk is worked on by all threads, plane by plane; otherwise each thread has chunks of its own
	tiles  int  // of all images
	count  int  // of chunks
	size   int  // tiles of a chunk, at most
	run    int  // tiles side by side that are transformed together, at most

	plane, block int // elements from one plane of a block of x or y to the next, and from one block to the next
	// A strip holds the pixels of a run, [row][pixel][L], with rows pitch elements apart; where they have to be completed or
	// go through an epilogue, a row also exists as [channel][pixel], with channels rowStride apart.
	pitch, rowStride int
	private, planes  int // elements of the workspace for each thread, and for x and y
}

const (
	cacheLine    = 16        // elements
	chunkTiles   = 48        // of a chunk, at most: more reuse of weights does not show
	ownPlanes    = 256 << 10 // elements of x and y that a thread has to itself, at most: about a second-level cache
	sharedFrom   = 2 << 20   // elements of weights above which threads share chunks, to read the weights less often
	sharedPlanes = 8 << 20   // elements of x and y then, at most: 32 MiB
	stripSize    = 16 << 10  // elements of a strip, at most: well within a second-level cache

	valuesTogether = 8 // values that a thread multiplies one after the other
)

// chunks may depend on the number of threads, as results do not depend on it.
func (f *fast) chunks(threads int) chunks {
	lanes := f.cpu.lanes
	c := chunks{fast: f, tiles: f.s.N * f.tilesY * f.tilesX}
	tile, least := f.tr.planes*(f.ci+f.co)*lanes, len(f.cpu.products[1])
	c.shared = f.weightPlanes()*f.wStride > sharedFrom || least*tile > 4*ownPlanes || c.tiles < threads
	if c.shared {
		c.size = max(1, min(chunkTiles, sharedPlanes/tile))
	} else {
		c.size = max(least, min(chunkTiles, ownPlanes/tile))
	}
	c.count = ceilDiv(c.tiles, c.size)
	if !c.shared { // a fair share for each
		c.count = min(c.tiles, roundUp(c.count, threads))
	}
	c.size = ceilDiv(c.tiles, c.count)
	c.count = ceilDiv(c.tiles, c.size)
	c.run = max(1, min(c.size, f.tilesX, (stripSize/(f.tr.t*lanes)-f.tr.t)/f.tileW+1))
	// A transform walks through the planes of a block, a product through the blocks of a plane: neither should meet in
	// few places of a cache.
	c.plane = (c.size | 1) * lanes
	c.block = roundUp(f.tr.planes*c.plane, 1024) + c.plane
	width := max(lanes, (c.run-1)*f.tileW+f.tr.t) // enough for what an inverse transform leaves beside its outputs
	c.pitch, c.rowStride = oddLines(width*lanes), roundUp(width, cacheLine)
	c.private = f.tr.t*c.pitch + lanes*c.rowStride + c.panel() + roundUp(f.tr.scratch, cacheLine)
	c.planes = roundUp((f.ci+f.co)*c.block, cacheLine)
	return c
}

// panel is how many elements a panel of weights has, at most.
func (f *fast) panel() int { return f.ci * min(2, f.co) * f.cpu.lanes * f.cpu.lanes }

func (c *chunks) workspace(threads int) int {
	if c.shared {
		return cacheLine + c.planes + threads*c.private
	}
	return cacheLine + threads*(c.planes+c.private)
}

// Workspace is bounded by 4 MiB a thread, or by 32 MiB, or what a single tile takes, and some 100 KiB a thread.
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
	groups    [2][]group // for panels of one and of two blocks
	x, y      []float32
}

// group is n tiles that are multiplied by a panel at once, those whose elements begin at at.
type group struct{ at, n, prefetch int }

// run is n tiles side by side, the chunk's tiles from at on.
type run struct{ image, y, x, at, n int }

// worker is the memory of a thread.
type worker struct{ strip, rows, panel, scratch []float32 }

func (f *fast) products() int { return f.s.N * f.tilesY * f.tilesX * f.tr.planes * f.s.C * f.s.OC }

func (f *fast) run(p *Pool, weights, dst, src []float32, residuals [][]float32, ws []float32) {
	running := *f
	running.w = weights
	c := running.chunks(p.Threads())
	ws = aligned(ws[:c.workspace(p.Threads())])
	run := func(p *Pool, i int, planes, private []float32) {
		k := &chunk{chunks: &c, dst: dst, src: src, residuals: residuals, first: i * c.size}
		k.n = min(c.size, c.tiles-k.first)
		k.x, k.y = planes[:f.ci*c.block], planes[f.ci*c.block:c.planes]
		k.split()
		n := len(k.runs)
		p.Run(n*f.ci, func(worker, i int) { k.forward(c.worker(private, worker), k.runs[i%n], i/n) })
		p.Run(ceilDiv(len(f.values), valuesTogether), func(worker, i int) {
			from := i * valuesTogether
			k.multiply(c.worker(private, worker), f.values[from:min(from+valuesTogether, len(f.values))])
		})
		p.Run(n*f.co, func(worker, i int) { k.inverse(c.worker(private, worker), k.runs[i%n], i/n) })
	}
	if c.shared {
		for i := range c.count {
			run(p, i, ws, ws[c.planes:])
		}
		return
	}
	p.Run(c.count, func(worker, i int) {
		ws := ws[worker*(c.planes+c.private):]
		run(nil, i, ws, ws[c.planes:])
	})
}

func (c *chunks) worker(private []float32, i int) worker {
	ws := private[i*c.private:]
	take := func(n int) []float32 {
		part := ws[:n]
		ws = ws[n:]
		return part
	}
	return worker{take(c.tr.t * c.pitch), take(c.cpu.lanes * c.rowStride), take(c.panel()), take(c.tr.scratch)}
}

// split finds the chunk's runs and groups.
func (k *chunk) split() {
	for at := 0; at < k.n; {
		i := k.first + at
		x, y := i%k.tilesX, i/k.tilesX
		n := min(k.run, k.n-at, k.tilesX-x)
		k.runs = append(k.runs, run{y / k.tilesY, y % k.tilesY * k.tileH, x * k.tileW, at, n})
		at += n
	}
	for i, kernels := range k.cpu.products {
		count := ceilDiv(k.n, len(kernels))
		for g := range count {
			from, to := g*k.n/count, (g+1)*k.n/count
			k.groups[i] = append(k.groups[i], group{from * k.cpu.lanes, to - from, (i + 1) * k.cpu.lanes / count})
		}
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
	k.tr.forward(w.strip, k.pitch, k.tileW*lanes, k.x[block*k.block+r.at*lanes:], k.plane, r.n, w.scratch)
}

// multiply multiplies values by their weights.
func (k *chunk) multiply(w worker, values []value) {
	lanes := k.cpu.lanes
	for i, v := range values {
		fetched := 0 // blocks of the next value
		for block := 0; block < k.co; block += 2 {
			width := min(2, k.co-block)
			if i+1 < len(values) {
				for ; fetched < (block+width)*k.ci/k.co; fetched++ {
					k.cpu.prefetch(k.x[fetched*k.block+values[i+1].plane*k.plane:][:values[i+1].planes()*k.plane])
				}
			}
			at, size := v.weights*k.wStride+block*k.ci*lanes*lanes, k.ci*lanes*width*lanes
			first := k.w[at:][:size]
			k.product(v.plane, block, width, first)
			if v.complex {
				last := k.w[at+k.wStride:][:size]
				k.cpu.addTwice(w.panel[:size], first, last)
				k.product(v.plane+1, block, width, w.panel[:size])
				k.product(v.plane+2, block, width, last)
			}
		}
	}
}

// product multiplies a plane by a panel, into width blocks. The groups share the prefetching of the panel that lies after
// this one.
func (k *chunk) product(plane, block, width int, panel []float32) {
	x, y := k.x[plane*k.plane:], k.y[plane*k.plane+block*k.block:]
	kernels, ahead := k.cpu.products[width-1], len(panel)
	for _, g := range k.groups[width-1] {
		kernels[g.n-1](x[g.at:], panel, y[g.at:], k.block, k.block, k.chain, ahead, g.prefetch)
		ahead += g.prefetch * k.ci * k.cpu.lanes
	}
}

// inverse takes a run of a block of channels from planes to the output.
func (k *chunk) inverse(w worker, r run, block int) {
	lanes := k.cpu.lanes
	height, width := min(k.tileH, k.outH-r.y), min(r.n*k.tileW, k.outW-r.x)
	k.tr.inverse(w.strip, k.pitch, k.tileW*lanes, k.y[block*k.block+r.at*lanes:], k.plane, r.n, height, w.scratch)
	first := block * lanes
	channels, area := min(lanes, k.s.OC-first), k.outH*k.outW
	var residual []float32
	whole := k.complete && channels == lanes && width >= lanes
	if whole && k.whole.add != addNever {
		residual = k.residuals[k.whole.residual]
		whole = width%lanes == 0 || &residual[0] != &k.dst[0]
	}
	for i := range height {
		row, at := w.strip[i*k.pitch:], ((r.image*k.s.OC+first)*k.outH+r.y+i)*k.outW+r.x
		if whole {
			k.cpu.scatter[k.whole.add](k.dst[at:], row, residual[min(at, len(residual)):], area, width, k.whole.params[4*first:])
			continue
		}
		k.cpu.scatter[addNever](w.rows, row, nil, k.rowStride, max(width, lanes), k.part.params[4*first:])
		for c := range channels {
			at := at + c*area
			k.rest.apply(k.dst[at:at+width], w.rows[c*k.rowStride:][:width], first+c, at, k.residuals)
		}
	}
}

// aligned is the part of a from a cache line on; up to cacheLine-1 elements are lost.
func aligned(a []float32) []float32 {
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(a))) % (4 * cacheLine) / 4
	return a[min(int(skip), len(a)):]
}
