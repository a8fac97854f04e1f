package kernel

import (
	"fmt"
	"math"
	"os"
)

// fastWeights computes the gradient of a convolution's weights, of stride 1, by a transform of tiles. A tile of the output's gradient is
// correlated with the tile of the source that it was computed from, which gives as many elements as the kernel has. The planes of both
// are multiplied as matrices, over the tiles, and only their sum is transformed back. In a Fourier transform the output's gradient has
// zeros around it; Winograd's has the transposes of the transforms that convolve.
//
// With L lanes, n tiles are planes of x, [part][tile][source channel of the part], and of g, [panel][tile][output channel of the panel]; channels are
// padded with zeros to multiples of L. Products are made for some output channels and source channels at a time, so that all of their
// planes fit a cache: [plane][output channel][source channel].
type fastWeights struct {
	cpu            *functions
	tr             *transform
	s              ConvShape
	outH, outW     int
	tileH, tileW   int // outputs of a tile
	tilesY, tilesX int // of an image
	ci, co         int // channels, padded
	chunk          int // tiles at a time
	panels         []int
	rows, columns  int // output channels, the panels of which are whole, and source channels whose products are made at once
	values         []value
	of             *ConvShape // with strides, whose phases are the source channels of s; otherwise s itself
	blocked        Layout     // of the source and the gradient
}

const (
	weightPlanes   = 16 << 20 // elements of x and g, unless a single tile takes more: 64 MiB
	weightProducts = 2 << 20  // elements of products
	weightCached   = 5 << 19  // elements of x and g for Winograd's, whose transforms are quick beside memory
	leastTiles     = 512      // of a chunk of Winograd's, so that products take longer than their sums
	productCost    = 1.5      // an element of Winograd's products: they are put into their places after few operations
	weightFarCost  = 1.6      // how much longer transforms take whose planes leave all caches
)

func newFastWeights(tr *transform, s ConvShape) *fastWeights {
	lanes := cpu.lanes
	f := &fastWeights{
		cpu: cpu, tr: tr, s: s, outH: s.OutH(), outW: s.OutW(), tileH: tr.t - s.KH + 1, tileW: tr.t - s.KW + 1,
		ci: roundUp(s.C, lanes), co: roundUp(s.OC, lanes), values: tr.values(true),
	}
	f.tilesY, f.tilesX = ceilDiv(f.outH, f.tileH), ceilDiv(f.outW, f.tileW)
	tiles := s.N * f.tilesY * f.tilesX
	tile := tr.planes * (f.ci + f.co)
	most := max(1, weightPlanes/tile)
	if tr.weights != nil { // transforms are quick beside memory then
		most = max(leastTiles, weightCached/tile)
	}
	f.chunk = ceilDiv(tiles, ceilDiv(tiles, most))
	products := weightProducts / tr.planes
	f.columns = roundUp(even(f.ci, max(lanes, int(math.Sqrt(float64(products))))), lanes)
	count := ceilDiv(s.OC, len(cpu.gemm))
	for i := range count + 1 {
		f.panels = append(f.panels, i*s.OC/count)
	}
	f.rows = even(count, max(1, products/(f.columns*len(cpu.gemm))))
	return f
}

// fastWeightPlans plans the ways through a transform that are faster than others; see chooseFast.
func fastWeightPlans(s ConvShape) []*fastWeights {
	of := s
	if part, ok := phasesOf(s); ok {
		s = part
	}
	if s.StrideH != 1 || s.StrideW != 1 || s.DilationH != 1 || s.DilationW != 1 || s.Groups != 1 || s.N == 0 {
		return nil
	}
	forced := os.Getenv("GANSR_CONV")
	if _, measured := costsOf[cpu.path]; forced == "" && (!measured || min(s.C, s.OC) < cpu.lanes) { // few channels waste lanes
		return nil
	}
	var plans []*fastWeights
	least := 0.9 * directWeightsCost(of)
	for i := range cpu.transforms {
		tr := &cpu.transforms[i]
		if !tr.fits(s.KH, s.KW) || tr.kernel == nil && max(s.KH, s.KW) > tr.t-2 || forced != "" && forced != tr.name {
			continue
		}
		f := newFastWeights(tr, s)
		f.of = &of
		if f.cost() < least || forced != "" {
			plans = append(plans, f)
		}
	}
	return plans
}

// blocks: the phases of a source are spread out of plain images.
func (f *fastWeights) blocks() bool        { return !f.strided() }
func (f *fastWeights) setBlocked(l Layout) { f.blocked = l }

func (f *fastWeights) strided() bool { return f.of.StrideH*f.of.StrideW > 1 }

func (f *fastWeights) name() string {
	if f.strided() {
		return fmt.Sprintf("%dx%d phases, %s", f.of.StrideH, f.of.StrideW, f.tr.name)
	}
	return f.tr.name
}

// cost estimates the time of a run, in ns of one thread.
func (f *fastWeights) cost() float64 {
	costs := costsOf[f.cpu.path]
	lanes, planes := float64(f.cpu.lanes), float64(f.tr.planes)
	tiles, ci, co := float64(f.s.N*f.tilesY*f.tilesX), float64(f.ci), float64(f.co)
	chunks := math.Ceil(tiles / float64(f.chunk))
	far, memory := 1.0, cacheCost // of x and g
	if planes*(ci+co)*tiles/chunks > float64(costs.shared) {
		far, memory = weightFarCost, costs.memory
	}
	// The products read x once for each of their rows, g once for each of their columns; making panels of g takes three times.
	reads := ci*float64(ceilDiv(len(f.panels)-1, f.rows)) + co*float64(ceilDiv(f.ci, f.columns)+3)
	transforms, pairs := costs.transforms[f.tr.name], chunks*float64(f.s.OC)*ci
	perProduct := 2 * cacheCost
	if f.tr.weights != nil {
		perProduct = productCost
	}
	spread := 0.0
	if f.strided() {
		spread = spreadCost * float64(f.spreadSize())
	}
	cost := spread + tiles*(ci+co)/lanes*transforms[0]*far + planes*tiles*reads*memory +
		planes*(tiles*float64(f.s.OC)*ci/lanes*costs.product*math.Sqrt(far)+pairs*perProduct) + pairs/lanes*transforms[1]
	if f.tr.name == "winograd6" { // its larger errors have to be worth it
		cost *= 1.1
	}
	return cost
}

// weightWorker is the memory of a thread.
type weightWorker struct{ strip, rows, panel, scratch, store []float32 }

// spreadSize is how many elements the phases of the source have.
func (f *fastWeights) spreadSize() int {
	if !f.strided() {
		return 0
	}
	return f.s.N * f.s.C * f.s.H * f.s.W
}

// weightMemory is how the workspace is divided, in elements.
type weightMemory struct {
	xPlane, gPlane, product int    // from one plane to the next
	together                int    // tiles side by side that are loaded together, at most
	pitch, rowStride        int    // of a strip, and of rows of pixels
	sizes                   [5]int // of the parts of a weightWorker
	private                 int    // for each thread
}

func (f *fastWeights) memory() (m weightMemory) {
	lanes, t := f.cpu.lanes, f.tr.t
	m.xPlane, m.gPlane = oddLines(f.chunk*f.ci), oddLines(f.chunk*f.co)
	m.product = oddLines(f.rows * len(f.cpu.gemm) * f.columns)
	m.together = max(1, min(f.chunk, f.tilesX, (stripSize/(t*lanes)-t)/f.tileW+1))
	width := max(lanes, (m.together-1)*f.tileW+t)
	m.pitch, m.rowStride = oddLines(width*lanes), roundUp(width, cacheLine)
	m.sizes = [5]int{t * m.pitch, lanes * m.rowStride, f.chunk * f.co, roundUp(f.tr.scratch, cacheLine), (2*max(f.s.KH*f.s.KW, lanes) + 4) * lanes}
	for _, n := range m.sizes {
		m.private += roundUp(n, cacheLine)
	}
	return m
}

func (f *fastWeights) Workspace(threads int) int {
	m := f.memory()
	own := cacheLine + f.tr.planes*(m.xPlane+m.gPlane+m.product) + threads*m.private
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
	k := &weightChunk{fastWeights: f, weightMemory: f.memory(), src: src, g: g, dw: dw}
	ws = aligned(ws)
	take := func(n int) []float32 {
		part := ws[:n]
		ws = ws[n:]
		return part
	}
	k.xs, k.gs, k.products = take(f.tr.planes*k.xPlane), take(f.tr.planes*k.gPlane), take(f.tr.planes*k.product)
	for range p.Threads() {
		var parts [len(k.sizes)][]float32
		for i, n := range k.sizes {
			parts[i] = take(roundUp(n, cacheLine))
		}
		k.workers = append(k.workers, weightWorker{parts[0], parts[1], parts[2], parts[3], parts[4]})
	}
	tiles := f.s.N * f.tilesY * f.tilesX
	for k.first = 0; k.first < tiles; k.first += f.chunk {
		k.n = min(f.chunk, tiles-k.first)
		k.transform(p)
		k.multiply(p)
	}
}

// weightChunk is the computation of the tiles first, first+1, ...
type weightChunk struct {
	*fastWeights
	weightMemory
	dw, src, g []float32
	xs, gs     []float32
	products   []float32
	workers    []weightWorker
	first, n   int
}

// transform makes the planes of the source and of the output's gradient.
func (k *weightChunk) transform(p *Pool) {
	lanes, s := k.cpu.lanes, &k.s
	type tile struct{ image, y, x, at, n int }
	var runs []tile
	for at := 0; at < k.n; {
		i := k.first + at
		x, y := i%k.tilesX, i/k.tilesX
		n := min(k.together, k.n-at, k.tilesX-x)
		runs = append(runs, tile{y / k.tilesY, y % k.tilesY * k.tileH, x * k.tileW, at, n})
		at += n
	}
	source := func(w *weightWorker, r tile, block int) {
		x, pitch := k.load(w, image{k.src, s.H, s.W, s.C, k.blocked.Src}, r.image, block, r.y-s.PadTop, r.x-s.PadLeft, s.H, s.W, k.tr.t, (r.n-1)*k.tileW+k.tr.t)
		first, columns := k.part(block * lanes)
		for j := range r.n {
			to := k.xs[first*k.n+(r.at+j)*columns+block*lanes-first:]
			k.tr.forward(x[j*k.tileW*lanes:], pitch, 0, to, k.xPlane, 1, w.scratch)
		}
	}
	g := image{k.g, k.outH, k.outW, s.OC, k.blocked.Dst}
	gradient := func(w *weightWorker, r tile, block int) {
		if k.tr.gradient != nil {
			x, pitch := k.load(w, g, r.image, block, r.y, r.x, k.outH, k.outW, k.tileH, r.n*k.tileW)
			for j := range r.n {
				k.tr.gradient(x[j*k.tileW*lanes:], pitch, 0, k.gs[(r.at+j)*k.co+block*lanes:], k.gPlane, 1, w.scratch)
			}
			return
		}
		for j := range r.n {
			x := r.x + j*k.tileW
			strip, pitch := k.load(w, g, r.image, block, r.y, x, min(k.outH, r.y+k.tileH), min(k.outW, x+k.tileW), k.tr.t, k.tr.t)
			k.tr.forward(strip, pitch, 0, k.gs[(r.at+j)*k.co+block*lanes:], k.gPlane, 1, w.scratch)
		}
	}
	// Blocks that share cache lines of the planes follow each other.
	each := func(blocks int, f func(w *weightWorker, r tile, block int)) {
		share := max(1, cacheLine/lanes)
		p.Run(len(runs)*ceilDiv(blocks, share), func(worker, i int) {
			first := i / len(runs) * share
			for block := first; block < min(first+share, blocks); block++ {
				f(&k.workers[worker], runs[i%len(runs)], block)
			}
		})
	}
	each(k.ci/lanes, source)
	each(k.co/lanes, gradient)
	p.Run(len(k.values), func(worker, i int) { k.pack(k.values[i], k.workers[worker].panel) })
}

// part returns which source channels, the first and how many, are multiplied together with channel c.
func (k *weightChunk) part(c int) (first, columns int) {
	first = c / k.columns * k.columns
	return first, min(k.columns, k.ci-first)
}

// image is images of some size and so many channels, blocked or not.
type image struct {
	pixels                  []float32
	height, width, channels int
	blocked                 bool
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

// pack turns the planes of a value of g into panels, in the form that a kernel's planes have in transform, but for a factor, which
// multiplies with x's to those of the sum.
func (k *weightChunk) pack(v value, buffer []float32) {
	buffer = buffer[:k.n*k.co]
	plane := func(i int) []float32 { return k.gs[(v.plane+i)*k.gPlane:][:len(buffer)] }
	if !v.complex {
		copy(buffer, plane(0))
		k.interleave(plane(0), buffer)
		return
	}
	re, im, sum := plane(0), plane(1), plane(2)
	Sub(buffer, re, im)
	k.interleave(im, buffer)
	Neg(buffer, sum)
	k.interleave(sum, re)
	k.interleave(re, buffer)
}

// interleave writes tiles of output channels as panels.
func (k *weightChunk) interleave(to, from []float32) {
	for q, first := range k.panels[:len(k.panels)-1] {
		rows := k.panels[q+1] - first
		copyVectors(to[first*k.n:], rows, from[first:], k.co, rows, k.n)
	}
}

// multiply makes the products, and adds what they are transformed back to to the gradient.
func (k *weightChunk) multiply(p *Pool) {
	lanes := k.cpu.lanes
	offsets := make([]int32, k.n)
	zeros := make([]float32, len(k.cpu.gemm))
	together := min(16, ceilDiv(k.tr.planes, 2*p.Threads())) // planes
	for panel := 0; panel < len(k.panels)-1; panel += k.rows {
		panels := k.panels[panel:min(panel+k.rows+1, len(k.panels))]
		first, end := panels[0], panels[len(panels)-1]
		for column := 0; column < k.ci; column += k.columns {
			_, columns := k.part(column)
			for i := range offsets {
				offsets[i] = int32(i * columns)
			}
			p.Run(ceilDiv(k.tr.planes, together), func(_, i int) {
				for plane := i * together; plane < min(k.tr.planes, (i+1)*together); plane++ {
					if next := plane + 1; next < k.tr.planes {
						k.cpu.prefetch(k.xs[next*k.xPlane+column*k.n:][:columns*k.n])
						k.cpu.prefetch(k.gs[next*k.gPlane+first*k.n:][:(end-first)*k.n])
					}
					x, g, y := k.xs[plane*k.xPlane+column*k.n:], k.gs[plane*k.gPlane:], k.products[plane*k.product:]
					for q, from := range panels[:len(panels)-1] {
						rows := panels[q+1] - from
						k.cpu.gemm[rows-1](g[from*k.n:][:rows*k.n], x, offsets, y[(from-first)*columns:], columns, columns, zeros, nil, nil)
					}
				}
			})
			blocks := columns / lanes
			p.Run((end-first)*blocks, func(worker, i int) {
				row, block := i/blocks, i%blocks
				k.inverse(&k.workers[worker], k.products[row*columns+block*lanes:], first+row, column+block*lanes)
			})
		}
	}
}

// inverse transforms the products of an output channel with a block of source channels back.
func (k *weightChunk) inverse(w *weightWorker, products []float32, oc, c int) {
	lanes, s, scale := k.cpu.lanes, &k.s, float32(1)
	if k.tr.weights != nil {
		k.tr.weights(w.strip, k.pitch, 0, products, k.product, 1, w.scratch)
	} else {
		k.tr.inverse(w.strip, k.pitch, 0, products, k.product, 1, s.KH, w.scratch)
		scale /= float32(k.tr.t * k.tr.t)
	}
	if !k.strided() && c+lanes <= s.C {
		k.store(w, k.dw[(oc*s.C+c)*s.KH*s.KW:][:lanes*s.KH*s.KW], scale)
		return
	}
	of := k.of
	phases := of.StrideH * of.StrideW
	for lane := range min(lanes, s.C-c) {
		ic, phase := (c+lane)/phases, (c+lane)%phases
		to := k.dw[(oc*of.C+ic)*of.KH*of.KW:][:of.KH*of.KW]
		for y := phase / of.StrideW; y < of.KH; y += of.StrideH {
			row := w.strip[y/of.StrideH*k.pitch+lane:]
			for x := phase % of.StrideW; x < of.KW; x += of.StrideW {
				v := row[x/of.StrideW*lanes] * scale
				if k.first > 0 {
					v += to[y*of.KW+x]
				}
				to[y*of.KW+x] = v
			}
		}
	}
}

// store puts the kernels of a block of source channels, which the strip has, into their places.
func (k *weightChunk) store(w *weightWorker, dw []float32, scale float32) {
	lanes, s, area := k.cpu.lanes, &k.s, k.s.KH*k.s.KW
	n := max(area, lanes)
	taps, turned, params := w.store[:n*lanes], w.store[n*lanes:][:n*lanes], w.store[2*n*lanes:][:4*lanes]
	for y := range s.KH {
		copy(taps[y*s.KW*lanes:][:s.KW*lanes], w.strip[y*k.pitch:])
	}
	clear(params[:lanes])
	for i := range lanes {
		params[lanes+i], params[2*lanes+i], params[3*lanes+i] = 1, scale, 0
	}
	k.cpu.scatter[addNever](turned, taps, nil, n, n, params)
	for c := range lanes {
		to, from := dw[c*area:][:area], turned[c*n:][:area]
		if k.first > 0 {
			Add(to, to, from)
		} else {
			copy(to, from)
		}
	}
}
