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
	private, planes  int // elements of the workspace for each thread, besides the following, and for x, whose place y takes
	staged, weights  int // for each thread, for planes that are multiplied, and for a column of weights
}

const (
	cacheLine    = 16        // elements
	chunkTiles   = 48        // of a chunk of a thread's own, at most: more reuse of weights does not show
	sharedTiles  = 96        // of one that threads share
	ownPlanes    = 256 << 10 // elements of x and y that a thread has to itself, at most: about a second-level cache
	sharedFrom   = 2 << 20   // elements of weights above which threads share chunks, to read the weights less often
	sharedPlanes = 12 << 20  // elements of x and y then, at most: 48 MiB
	stripSize    = 16 << 10  // elements of a strip, at most: well within a second-level cache

	valuesTogether = 8 // values that a thread multiplies one after the other
)

// chunks may depend on the number of threads, as results do not depend on it.
func (f *fast) chunks(threads int) chunks {
	least := len(f.cpu.products[1]) * f.tilePlanes()
	return f.divide(threads, f.weightSize() > sharedFrom || least > 4*ownPlanes || f.tiles() < threads)
}

func (f *fast) tiles() int { return f.s.N * f.tilesY * f.tilesX }

// tilePlanes is how many elements x and y have for a tile.
func (f *fast) tilePlanes() int { return f.tr.planes * max(f.ci, f.co) * f.cpu.lanes }

// divide divides the tiles into chunks that threads share or have to themselves.
func (f *fast) divide(threads int, shared bool) chunks {
	lanes := f.cpu.lanes
	c := chunks{fast: f, tiles: f.tiles(), shared: shared}
	tile, least := f.tilePlanes(), len(f.cpu.products[1])
	if c.shared {
		c.size = max(1, min(sharedTiles, sharedPlanes/tile))
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
	c.staged = roundUp(3*f.ci*c.plane, cacheLine)
	c.private = f.tr.t*c.pitch + lanes*c.rowStride + c.panel() + roundUp(f.tr.scratch, cacheLine)
	c.planes = roundUp(max(f.ci, f.co)*c.block, cacheLine)
	return c
}

// panel is how many elements a panel of weights has, at most.
func (f *fast) panel() int { return f.ci * min(2, f.co) * f.cpu.lanes * f.cpu.lanes }

func (c *chunks) workspace(threads int) int {
	if c.shared {
		return cacheLine + c.planes + threads*c.own()
	}
	return cacheLine + threads*(c.planes+c.own())
}

// own is how many elements of the workspace a thread has, besides planes.
func (c *chunks) own() int { return c.private + c.staged + c.weights }

// Workspace is bounded by 4 MiB a thread, or by 48 MiB, or what a single tile takes, and some 100 KiB a thread.
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
	in, out   []run
	groups    [2][]groups // for panels of one and of two blocks
	planes    []float32   // x, and then y in its place
}

// run is n tiles side by side, the chunk's tiles from at on, whose outputs begin at y, x.
type run struct {
	image, y, x, at, n int
	within             bool // the source, which is blocked
}

// worker is the memory of a thread.
type worker struct{ strip, rows, panel, scratch, staged, weights []float32 }

func (f *fast) products() int { return f.tiles() * f.tr.planes * f.s.C * f.s.OC }

func (f *fast) run(p *Pool, weights, dst, src []float32, residuals [][]float32, ws []float32) {
	c := f.chunks(p.Threads())
	c.each(p, dst, src, residuals, ws, func(p *Pool, k *chunk, worker func(i int) worker) {
		p.Run(ceilDiv(len(f.values), valuesTogether), func(thread, i int) {
			from := i * valuesTogether
			k.multiply(worker(thread), weights, f.values[from:min(from+valuesTogether, len(f.values))])
		})
	})
}

// each takes all chunks through multiply, which takes x to y.
func (c *chunks) each(p *Pool, dst, src []float32, residuals [][]float32, ws []float32, multiply func(p *Pool, k *chunk, worker func(i int) worker)) {
	ws = aligned(ws[:c.workspace(p.Threads())])
	run := func(p *Pool, i int, planes, own []float32) {
		k := &chunk{chunks: c, dst: dst, src: src, residuals: residuals, first: i * c.size}
		k.n = min(c.size, c.tiles-k.first)
		k.planes = planes[:c.planes]
		k.split()
		worker := func(i int) worker { return c.worker(own, i) }
		in, out := len(k.in), len(k.out)
		p.Run(in*c.ci, func(thread, i int) { k.forward(worker(thread), k.in[i%in], i/in) })
		multiply(p, k, worker)
		p.Run(out*c.co, func(thread, i int) { k.inverse(worker(thread), k.out[i%out], i/out) })
	}
	if c.shared {
		for i := range c.count {
			run(p, i, ws, ws[c.planes:])
		}
		return
	}
	p.Run(c.count, func(worker, i int) {
		ws := ws[worker*(c.planes+c.own()):]
		run(nil, i, ws, ws[c.planes:])
	})
}

func (c *chunks) worker(own []float32, i int) worker {
	ws := own[i*c.own():]
	take := func(n int) []float32 {
		part := ws[:n]
		ws = ws[n:]
		return part
	}
	return worker{
		take(c.tr.t * c.pitch), take(c.cpu.lanes * c.rowStride), take(c.panel()), take(roundUp(c.tr.scratch, cacheLine)), take(c.staged), take(c.weights),
	}
}

// split finds the chunk's runs and groups. On the way in, a run lies within a blocked source or outside.
func (k *chunk) split() {
	s, t := &k.s, k.tr.t
	lo, hi := within(s.W, s.PadLeft, t, k.tileW)
	for at := 0; at < k.n; {
		i := k.first + at
		x, y := i%k.tilesX, i/k.tilesX
		n := min(k.run, k.n-at, k.tilesX-x)
		r := run{image: y / k.tilesY, y: y % k.tilesY * k.tileH, x: x * k.tileW, at: at, n: n}
		k.out = append(k.out, r)
		at += n
		if top := r.y - s.PadTop; !k.blocked.Src || top < 0 || top+t > s.H {
			k.in = append(k.in, r)
			continue
		}
		for _, end := range []int{min(max(lo, x), x+n), min(max(hi, x), x+n), x + n} {
			if r.n = end - r.x/k.tileW; r.n > 0 {
				r.within = r.x >= lo*k.tileW && end <= hi
				k.in = append(k.in, r)
				r.x += r.n * k.tileW
				r.at += r.n
			}
		}
	}
	for width := range k.groups {
		k.groups[width] = k.cpu.group(k.n, width+1)
	}
}

// within returns the first and the end of the columns of tiles, t pixels wide and step pixels apart, the first of which begins pad pixels before
// the image, that lie within its width.
func within(width, pad, t, step int) (lo, hi int) {
	lo = ceilDiv(pad, step)
	if last := width - t + pad; last >= 0 {
		return lo, max(lo, last/step+1)
	}
	return lo, lo
}

// forward takes a run of a block of channels from the source to planes.
func (k *chunk) forward(w worker, r run, block int) {
	x, pitch := w.strip, k.pitch
	switch {
	case r.within:
		s := &k.s
		pitch = s.W * k.cpu.lanes
		x = k.src[((r.image*k.ci+block)*s.H+r.y-s.PadTop)*pitch+(r.x-s.PadLeft)*k.cpu.lanes:]
	case k.blocked.Src:
		k.fillBlocked(w, r, block)
	default:
		k.fill(w, r, block)
	}
	k.tr.forward(x, pitch, k.tileW*k.cpu.lanes, k.planes[block*k.block+r.at*k.cpu.lanes:], k.plane, r.n, w.scratch)
}

// rows calls f for each row of a run's strip, with the source's row and first column and with the columns of the strip that
// lie within the source, from lo to hi; none do in rows outside.
func (k *chunk) rows(w worker, r run, f func(row []float32, y, x, lo, hi int)) {
	s := &k.s
	width := (r.n-1)*k.tileW + k.tr.t
	y, x := r.y-s.PadTop, r.x-s.PadLeft
	lo := min(max(0, -x), width)
	hi := max(lo, min(width, s.W-x))
	for i := range k.tr.t {
		row := w.strip[i*k.pitch:][:width*k.cpu.lanes]
		if y+i < 0 || y+i >= s.H || lo == hi {
			clear(row)
			continue
		}
		f(row, y+i, x+lo, lo, hi)
	}
}

// fillBlocked takes a run of a block of channels from a blocked source to the strip.
func (k *chunk) fillBlocked(w worker, r run, block int) {
	s, lanes := &k.s, k.cpu.lanes
	src := k.src[(r.image*k.ci+block)*s.H*s.W*lanes:]
	k.rows(w, r, func(row []float32, y, x, lo, hi int) {
		clear(row[:lo*lanes])
		clear(row[hi*lanes:])
		copy(row[lo*lanes:hi*lanes], src[(y*s.W+x)*lanes:])
	})
}

// fill takes a run of a block of channels from the source to the strip.
func (k *chunk) fill(w worker, r run, block int) {
	s, lanes := &k.s, k.cpu.lanes
	channels, area := min(lanes, s.C-block*lanes), s.H*s.W
	src := k.src[(r.image*s.C+block*lanes)*area:]
	k.rows(w, r, func(row []float32, y, x, lo, hi int) {
		from := src[y*s.W+x:]
		if channels == lanes && hi-lo >= lanes {
			clear(row[:lo*lanes])
			clear(row[hi*lanes:])
			k.cpu.gather(row[lo*lanes:], from, area, hi-lo)
			return
		}
		clear(w.rows)
		for c := range channels {
			copy(w.rows[c*k.rowStride+lo:][:hi-lo], from[c*area:])
		}
		k.cpu.gather(row[:cap(row)], w.rows, k.rowStride, max(len(row)/lanes, lanes))
	})
}

// multiply multiplies values by their weights, in place.
func (k *chunk) multiply(w worker, weights []float32, values []value) {
	lanes := k.cpu.lanes
	for i, v := range values {
		planes, size := k.planes[v.plane*k.plane:], v.planes()*k.plane
		for block := range k.ci {
			copy(w.staged[block*size:][:size], planes[block*k.block:])
		}
		fetched := 0 // blocks of the next value
		for block := 0; block < k.co; block += 2 {
			width := min(2, k.co-block)
			if i+1 < len(values) {
				for ; fetched < (block+width)*k.ci/k.co; fetched++ {
					k.cpu.prefetch(k.planes[fetched*k.block+values[i+1].plane*k.plane:][:values[i+1].planes()*k.plane])
				}
			}
			k.multiplyValue(w, v, block, width, w.staged, size, weights[v.weights*k.wStride+block*k.ci*lanes*lanes:], k.wStride)
		}
	}
}

// multiplyValue multiplies a value, whose planes x has, with blocks xStride apart, by a panel of weights, to blocks of y from one on. What is kept of
// the weights begins at weights[0], the planes wStride apart.
func (k *chunk) multiplyValue(w worker, v value, block, width int, x []float32, xStride int, weights []float32, wStride int) {
	product := func(plane int, panel []float32) {
		k.cpu.product(k.groups[width-1], width, x[plane*k.plane:], panel, k.planes[(v.plane+plane)*k.plane+block*k.block:], xStride, k.block, k.chain)
	}
	size := k.ci * k.cpu.lanes * width * k.cpu.lanes
	panel := weights[:size]
	product(0, panel)
	if v.complex {
		last := weights[wStride:][:size]
		k.cpu.addTwice(w.panel[:size], panel, last)
		product(1, w.panel[:size])
		product(2, last)
	}
}

// inverse takes a run of a block of channels from planes to the output.
func (k *chunk) inverse(w worker, r run, block int) {
	lanes := k.cpu.lanes
	height, width := min(k.tileH, k.outH-r.y), min(r.n*k.tileW, k.outW-r.x)
	k.tr.inverse(w.strip, k.pitch, k.tileW*lanes, k.planes[block*k.block+r.at*lanes:], k.plane, r.n, height, w.scratch)
	if k.blocked.Dst {
		for i := range height {
			at := (((r.image*k.co+block)*k.outH+r.y+i)*k.outW + r.x) * lanes
			k.whole.row(k.cpu, k.dst[at:][:width*lanes], w.strip[i*k.pitch:], block, at, k.residuals)
		}
		return
	}
	first := block * lanes
	channels, area := min(lanes, k.s.OC-first), k.outH*k.outW
	var residual []float32
	whole := len(k.whole.rest) == 0 && channels == lanes && width >= lanes
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
			k.part.rest.apply(k.dst[at:at+width], w.rows[c*k.rowStride:][:width], first+c, at, k.residuals)
		}
	}
}

// aligned is the part of a from a cache line on; up to cacheLine-1 elements are lost.
func aligned(a []float32) []float32 { return a[min(unaligned(a), len(a)):] }

// unaligned is how many elements a has before a cache line begins.
func unaligned(a []float32) int {
	return int(-uintptr(unsafe.Pointer(unsafe.SliceData(a))) % (4 * cacheLine) / 4)
}
