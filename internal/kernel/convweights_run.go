package kernel

// weightMemory is how the workspace is divided, in elements.
type weightMemory struct {
	rows, columns           int    // output and source channels of a group
	xPlane, gPlane, product int    // from one plane to the next
	together                int    // tiles side by side that are loaded together, at most
	pitch, rowStride        int    // of a strip, and of rows of pixels
	sizes                   [5]int // of the parts of a weightWorker
	planes, private         int    // of x and g, and for each thread, with planes if it has chunks of its own
}

// weightWorker is the memory of a thread.
type weightWorker struct{ strip, rows, scratch, store, sums []float32 }

// memory may depend on the number of threads, as results do not depend on it: groups are smaller where there are too few for threads.
func (f *fastWeights) memory(threads int) (m weightMemory) {
	lanes, t := f.cpu.lanes, f.tr.t
	m.rows, m.columns = f.maxRows, f.maxColumns
	ci, co := f.ci, f.co
	if shares := f.shares(); shares > 0 {
		for shares*ceilDiv(f.co, m.rows)*ceilDiv(f.ci, m.columns) < threads && max(m.rows, m.columns) > lanes {
			if m.columns >= m.rows {
				m.columns = evenGroup(f.ci, lanes, m.columns-lanes)
			} else {
				m.rows = evenGroup(f.co, lanes, m.rows-lanes)
			}
		}
	}
	if f.parts > 0 {
		ci, co = m.columns, m.rows
	}
	m.xPlane, m.gPlane = oddLines(f.chunk*ci), oddLines(f.chunk*co)
	m.product = oddLines(m.rows * m.columns)
	m.together = max(1, min(f.chunk, f.tilesX, (stripSize/(t*lanes)-t)/f.tileW+1))
	width := max(lanes, (m.together-1)*f.tileW+t)
	m.pitch, m.rowStride = oddLines(width*lanes), roundUp(width, cacheLine)
	m.sizes = [...]int{t * m.pitch, lanes * m.rowStride, roundUp(f.tr.scratch, cacheLine), 2 * max(f.s.KH*f.s.KW, lanes) * lanes, 0}
	if !f.tr.winograd() {
		m.sizes[4] = 3 * t * m.product
	}
	for _, n := range m.sizes {
		m.private += roundUp(n, cacheLine)
	}
	m.planes = f.tr.planes * (m.xPlane + m.gPlane)
	if f.parts > 0 {
		m.private += m.planes
	}
	return m
}

// units is the number of groups of both kinds, and how many of source channels there are.
func (f *fastWeights) units(m *weightMemory) (n, columns int) {
	columns = ceilDiv(f.ci, m.columns)
	return columns * ceilDiv(f.co, m.rows), columns
}

func (f *fastWeights) Workspace(threads int) int {
	m := f.memory(threads)
	own := cacheLine + threads*m.private
	switch {
	case !f.tr.winograd():
		own += m.planes + f.columnsSize(f.outputs(&m))
	case f.parts > 0:
		n, _ := f.units(&m)
		own += f.parts * n * f.tr.planes * m.product
	default:
		own += m.planes + f.tr.planes*m.product
	}
	if f.strided() {
		own = max(own, threads*f.s.W*f.of.StrideW)
	}
	return roundUp(f.spreadSize(), cacheLine) + own
}

func (f *fastWeights) run(p *Pool, dw, src, g, ws []float32) {
	if f.strided() {
		phases := ws[:f.spreadSize()]
		ws = ws[roundUp(len(phases), cacheLine):]
		spreadPhases(p, f.of, &f.s, phases, src, ws)
		src = phases
	}
	k := weightChunk{fastWeights: f, weightMemory: f.memory(p.Threads()), src: src, g: g, dw: dw, copying: f.cpu.copying()}
	ws = aligned(ws)
	take := func(n int) []float32 {
		part := ws[:n]
		ws = ws[n:]
		return part
	}
	for range p.Threads() {
		var parts [len(k.sizes)][]float32
		for i, n := range k.sizes {
			parts[i] = take(roundUp(n, cacheLine))
		}
		k.workers = append(k.workers, weightWorker{parts[0], parts[1], parts[2], parts[3], parts[4]})
	}
	switch {
	case !f.tr.winograd():
		k.runColumns(p, take)
	case f.parts > 0:
		k.runOwn(p, take)
	default:
		k.runShared(p, take)
	}
}

// runShared has threads share chunks, of a transform of Winograd's.
func (k *weightChunk) runShared(p *Pool, take func(n int) []float32) {
	k.xs, k.gs = take(k.tr.planes*k.xPlane), take(k.tr.planes*k.gPlane)
	k.x, k.y = channels{0, k.ci}, channels{0, k.co}
	products := take(k.tr.planes * k.product)
	together := min(16, ceilDiv(k.tr.planes, 2*p.Threads())) // planes
	for k.first = 0; k.first < k.tiles(); k.first += k.chunk {
		k.n = min(k.chunk, k.tiles()-k.first)
		k.transform(p)
		for y := 0; y < k.co; y += k.rows {
			for x := 0; x < k.ci; x += k.columns {
				y, x := k.y.group(y, k.rows), k.x.group(x, k.columns)
				p.Run(ceilDiv(k.tr.planes, together), func(_, i int) {
					first := i * together
					k.multiply(y, x, first, min(together, k.tr.planes-first), products[first*k.product:], false)
				})
				blocks := x.n / k.cpu.lanes
				p.Run(min(y.n, k.s.OC-y.first)*blocks, func(worker, i int) {
					row, block := i/blocks, i%blocks
					k.inverse(&k.workers[worker], products[row*x.n+block*k.cpu.lanes:], y.first+row, x.first+block*k.cpu.lanes, k.first > 0)
				})
			}
		}
	}
}

// runOwn gives each thread chunks of its own.
func (k *weightChunk) runOwn(p *Pool, take func(n int) []float32) {
	groups, columns := k.units(&k.weightMemory)
	size := k.tr.planes * k.product
	planes, sums := take(p.Threads()*k.planes), take(k.parts*groups*size)
	p.Run(k.parts*groups, func(worker, i int) {
		part, group := i%k.parts, i/k.parts
		own := *k
		own.workers = k.workers[worker:][:1]
		own.xs = planes[worker*k.planes:][:k.planes]
		own.xs, own.gs = own.xs[:k.tr.planes*k.xPlane], own.xs[k.tr.planes*k.xPlane:]
		x, y := group%columns*k.columns, group/columns*k.rows
		own.x, own.y = channels{0, k.ci}.group(x, k.columns), channels{0, k.co}.group(y, k.rows)
		begin, end := part*k.tiles()/k.parts, (part+1)*k.tiles()/k.parts
		for own.first = begin; own.first < end; own.first += k.chunk {
			own.n = min(k.chunk, end-own.first)
			own.transform(nil)
			own.multiply(own.y, own.x, 0, k.tr.planes, sums[i*size:][:size], own.first > begin)
		}
	})
	p.Run(k.s.OC*columns, func(worker, i int) {
		oc, x := i/columns, channels{0, k.ci}.group(i%columns*k.columns, k.columns)
		parts := sums[(oc/k.rows*columns+i%columns)*k.parts*size:]
		at := oc % k.rows * x.n
		for part := 1; part < k.parts; part++ {
			for plane := range k.tr.planes {
				sum := parts[plane*k.product+at:][:x.n]
				Add(sum, sum, parts[part*size+plane*k.product+at:][:x.n])
			}
		}
		for c := 0; c < x.n; c += k.cpu.lanes {
			k.inverse(&k.workers[worker], parts[at+c:], oc, x.first+c, false)
		}
	})
}

// channels are n channels from first on.
type channels struct{ first, n int }

// group is the group of channels, or what there is of it, that begins at first.
func (c channels) group(first, size int) channels {
	return channels{first, min(size, c.first+c.n-first)}
}

// weightChunk is the computation of n tiles from first on, for source channels x and output channels y.
type weightChunk struct {
	*fastWeights
	weightMemory
	dw, src, g []float32
	copying    []float32 // of a scatter that keeps every bit
	xs, gs     []float32
	x, y       channels
	workers    []weightWorker
	first, n   int
}

// image is images of some size and so many channels, blocked or not.
type image struct {
	pixels                  []float32
	height, width, channels int
	blocked                 bool
}

// weightTiles is n tiles side by side, the chunk's from at on, from row y and column x of the output on.
type weightTiles struct{ image, y, x, at, n int }

// side divides the chunk's tiles, whose rows have t pixels and begin pad pixels before those of the output, into runs that lie within the width of an
// image or outside.
func (k *weightChunk) side(width, pad, t int) (runs []weightTiles) {
	lo, hi := within(width, pad, t, k.tileW)
	for at := 0; at < k.n; {
		i := k.first + at
		x, y := i%k.tilesX, i/k.tilesX
		end := min(x+k.together, x+k.n-at, k.tilesX)
		for _, edge := range []int{lo, hi} {
			if edge > x {
				end = min(end, edge)
			}
		}
		runs = append(runs, weightTiles{y / k.tilesY, y % k.tilesY * k.tileH, x * k.tileW, at, end - x})
		at += end - x
	}
	return runs
}

// transform makes the planes of the source and of the output's gradient.
func (k *weightChunk) transform(p *Pool) {
	lanes, s := k.cpu.lanes, &k.s
	height, width := k.tileH, k.tileW // of a gradient's tile
	if !k.tr.winograd() {             // with zeros around it
		height, width = k.tr.t, k.tr.t
	}
	source := image{k.src, s.H, s.W, s.C, k.blocked.Src}
	g := image{k.g, k.outH, k.outW, s.OC, k.blocked.Dst}
	sources, gradients := k.side(s.W, s.PadLeft, k.tr.t), k.side(k.outW, 0, width)
	forSource := func(w *weightWorker, r weightTiles, c int) {
		x, pitch := k.load(w, source, r.image, c/lanes, r.y-s.PadTop, r.x-s.PadLeft, s.H, s.W, k.tr.t, (r.n-1)*k.tileW+k.tr.t)
		group := k.x.group(k.x.first+(c-k.x.first)/k.columns*k.columns, k.columns)
		for j := range r.n {
			to := k.xs[(group.first-k.x.first)*k.n+(r.at+j)*group.n+c-group.first:]
			k.tr.forward(x[j*k.tileW*lanes:], pitch, 0, to, k.xPlane, 1, w.scratch)
		}
	}
	forGradient := func(w *weightWorker, r weightTiles, c int) {
		group := k.y.group(k.y.first+(c-k.y.first)/k.rows*k.rows, k.rows)
		to := k.gs[(group.first-k.y.first)*k.n+c-group.first:]
		if k.tr.winograd() {
			x, pitch := k.load(w, g, r.image, c/lanes, r.y, r.x, k.outH, k.outW, height, r.n*k.tileW)
			for j := range r.n {
				k.tr.gradient(x[j*k.tileW*lanes:], pitch, 0, to[(r.at+j)*group.n:], k.gPlane, 1, w.scratch)
			}
			return
		}
		for j := range r.n {
			x := r.x + j*k.tileW
			strip, pitch := k.load(w, g, r.image, c/lanes, r.y, x, min(k.outH, r.y+k.tileH), min(k.outW, x+k.tileW), height, width)
			k.tr.gradient(strip, pitch, 0, to[(r.at+j)*group.n:], k.gPlane, 1, w.scratch)
		}
	}
	const together = 64 // channels whose planes are made one after the other, as they lie side by side
	xs, ys := ceilDiv(k.x.n, together)*len(sources), ceilDiv(k.y.n, together)*len(gradients)
	p.Run(xs+ys, func(worker, i int) {
		runs, all, each := sources, k.x, forSource
		if i >= xs {
			i -= xs
			runs, all, each = gradients, k.y, forGradient
		}
		blocks := all.group(all.first+i/len(runs)*together, together)
		for c := blocks.first; c < blocks.first+blocks.n; c += lanes {
			each(&k.workers[worker], runs[i%len(runs)], c)
		}
	})
}

// load returns so many rows and columns of pixels of a block of channels of the n-th image, from row y and column x on, with the elements from one row to
// the next. What lies outside, or at bottom or right or further, is 0.
func (k *weightChunk) load(w *weightWorker, from image, n, block, y, x, bottom, right, rows, columns int) (strip []float32, pitch int) {
	lanes, area := k.cpu.lanes, from.height*from.width
	lo := min(max(0, -x), columns)
	hi := max(lo, min(columns, right-x))
	count := min(lanes, from.channels-block*lanes)
	src := from.pixels
	if from.blocked {
		src = src[(n*ceilDiv(from.channels, lanes)+block)*area*lanes:]
		if y >= 0 && y+rows <= bottom && lo == 0 && hi == columns {
			return src[(y*from.width+x)*lanes:], from.width * lanes
		}
	} else {
		src = src[(n*from.channels+block*lanes)*area:]
	}
	for i := range rows {
		row := w.strip[i*k.pitch:][:k.pitch]
		if y+i < 0 || y+i >= bottom || lo == hi {
			clear(row[:columns*lanes])
			continue
		}
		at := (y+i)*from.width + x + lo
		if from.blocked || count == lanes && hi-lo >= lanes {
			clear(row[:lo*lanes])
			clear(row[hi*lanes : columns*lanes])
			if from.blocked {
				copy(row[lo*lanes:hi*lanes], src[at*lanes:])
			} else {
				k.cpu.gather(row[lo*lanes:], src[at:], area, hi-lo)
			}
			continue
		}
		clear(w.rows)
		for c := range count {
			copy(w.rows[c*k.rowStride+lo:][:hi-lo], src[c*area+at:])
		}
		k.cpu.gather(row, w.rows, k.rowStride, max(columns, lanes))
	}
	return w.strip, k.pitch
}

// multiply makes n planes, from first on, of the products of a group of output channels with one of source channels, or adds them to those that there are.
func (k *weightChunk) multiply(y, x channels, first, n int, products []float32, add bool) {
	xs, gs := k.xs[(x.first-k.x.first)*k.n:], k.gs[(y.first-k.y.first)*k.n:]
	rows := min(y.n, k.s.OC-y.first)
	panels := ceilDiv(rows, len(k.cpu.gemmColumns))
	var bias []float32
	if !add {
		bias = make([]float32, len(k.cpu.gemmColumns))
	}
	for i := range n {
		x0, g0 := xs[(first+i)*k.xPlane:], gs[(first+i)*k.gPlane:]
		if i+1 < n && k.parts == 0 {
			k.cpu.prefetch(x0[k.xPlane:][:x.n*k.n])
			k.cpu.prefetch(g0[k.gPlane:][:y.n*k.n])
		}
		for q := range panels {
			from, end := q*rows/panels, (q+1)*rows/panels
			k.cpu.gemmColumns[end-from-1](g0[from:], x0, y.n, x.n, k.n, products[i*k.product+from*x.n:], x.n, x.n, bias, nil, nil)
		}
	}
}

// inverse transforms Winograd's products of an output channel with a block of source channels back, and sets what they are the gradient of, or adds to it.
func (k *weightChunk) inverse(w *weightWorker, products []float32, oc, c int, add bool) {
	k.tr.weights(w.strip, k.pitch, 0, products, k.product, 1, w.scratch)
	k.put(w, k.pitch, oc, c, add)
}

// put sets the gradients of an output channel and a block of source channels to what the strip has, or adds it. Its rows are pitch apart.
func (k *weightChunk) put(w *weightWorker, pitch, oc, c int, add bool) {
	lanes, s := k.cpu.lanes, &k.s
	if !k.strided() && c+lanes <= s.C {
		k.store(w, pitch, k.dw[(oc*s.C+c)*s.KH*s.KW:][:lanes*s.KH*s.KW], add)
		return
	}
	of := k.of
	phases := of.StrideH * of.StrideW
	for lane := range min(lanes, s.C-c) {
		ic, phase := (c+lane)/phases, (c+lane)%phases
		to := k.dw[(oc*of.C+ic)*of.KH*of.KW:][:of.KH*of.KW]
		for y := phase / of.StrideW; y < of.KH; y += of.StrideH {
			row := w.strip[y/of.StrideH*pitch+lane:]
			for x := phase % of.StrideW; x < of.KW; x += of.StrideW {
				v := row[x/of.StrideW*lanes]
				if add {
					v += to[y*of.KW+x]
				}
				to[y*of.KW+x] = v
			}
		}
	}
}

// store puts the kernels of a block of source channels, which the strip has, into their places, or adds them to what is there.
func (k *weightChunk) store(w *weightWorker, pitch int, dw []float32, add bool) {
	lanes, s, area := k.cpu.lanes, &k.s, k.s.KH*k.s.KW
	n := max(area, lanes)
	taps, turned := w.store[:n*lanes], w.store[n*lanes:][:n*lanes]
	for y := range s.KH {
		copy(taps[y*s.KW*lanes:][:s.KW*lanes], w.strip[y*pitch:])
	}
	k.cpu.scatter[addNever](turned, taps, nil, n, n, k.copying)
	for c := range lanes {
		to, from := dw[c*area:][:area], turned[c*n:][:area]
		if add {
			Add(to, to, from)
		} else {
			copy(to, from)
		}
	}
}
