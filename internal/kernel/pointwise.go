package kernel

// pointwise is a convolution of 1 x 1 on blocked images, without strides, pads and groups: a product of pixels by weights.
type pointwise struct {
	cpu     *functions
	n, area int // images, pixels
	c, oc   int // channels
	ci, co  int // blocks
	store   store
	pixels  int // multiplied together
}

// fewBlocks is how many blocks of a source are read where they are: more may lie so that they compete for few places in a first-level
// cache.
const fewBlocks = 8

func newPointwise(s ConvShape, bias []float32, ep Epilogue) *pointwise {
	lanes := cpu.lanes
	p := &pointwise{
		cpu: cpu, n: s.N, area: s.H * s.W, c: s.C, oc: s.OC, ci: ceilDiv(s.C, lanes), co: ceilDiv(s.OC, lanes), store: cpu.newStore(bias, ep, true),
	}
	rows := len(p.cpu.products[1])
	const together = 16 << 10 // elements of a source: well within a second-level cache
	p.pixels = min(p.area, max(4*rows, together/(p.ci*lanes)/rows*rows))
	return p
}

func (p *pointwise) blocks() Blocking  { return BothBlocked }
func (p *pointwise) setBlocked(Layout) {}
func (p *pointwise) products() int     { return p.n * p.area * p.c * p.oc }
func (p *pointwise) weightSize() int   { return p.ci * p.co * p.cpu.lanes * p.cpu.lanes }

// pack makes panels, as those of a plane of tiled convolution. To is zero before.
func (p *pointwise) pack(pool *Pool, to []float32, k kernels) {
	lanes := p.cpu.lanes
	pool.Run(p.co, func(_, block int) {
		width := min(2, p.co-block&^1) * lanes
		panel := to[block/2*p.ci*2*lanes*lanes:]
		for oc := block * lanes; oc < min((block+1)*lanes, p.oc); oc++ {
			for c := range p.c {
				panel[c*width+oc%(2*lanes)] = k.w[oc*k.out+c*k.in]
			}
		}
	})
}

// rows is the distance between blocks of pixels in the workspace.
func (p *pointwise) rows() int { return (p.pixels | 1) * p.cpu.lanes }

func (p *pointwise) Workspace(threads int) int {
	return cacheLine + threads*roundUp((p.ci+2)*p.rows(), cacheLine)
}

func (p *pointwise) run(pool *Pool, weights, dst, src []float32, residuals [][]float32, ws []float32) {
	ws = aligned(ws)
	lanes, rows := p.cpu.lanes, p.rows()
	private := roundUp((p.ci+2)*rows, cacheLine)
	parts := ceilDiv(p.area, p.pixels)
	pool.Run(p.n*parts, func(worker, i int) {
		image, from := i/parts, i%parts*p.area/parts
		n := (i%parts+1)*p.area/parts - from
		x, y, apart := src[(image*p.ci*p.area+from)*lanes:], ws[worker*private+p.ci*rows:][:2*rows], p.area*lanes
		if p.ci > fewBlocks {
			x, apart = ws[worker*private:][:p.ci*rows], rows
			for block := range p.ci {
				copy(x[block*rows:][:n*lanes], src[((image*p.ci+block)*p.area+from)*lanes:])
			}
		}
		for block := 0; block < p.co; block += 2 {
			width := min(2, p.co-block)
			panel := weights[block*p.ci*lanes*lanes:][:p.ci*lanes*width*lanes]
			p.cpu.product(p.cpu.group(n, width), width, x, panel, y, apart, rows, 256)
			for b := range width {
				at := ((image*p.co+block+b)*p.area + from) * lanes
				p.store.row(p.cpu, dst[at:][:n*lanes], y[b*rows:], block+b, at, residuals)
			}
		}
	})
}

// livePointwise is the same with weights and a bias that come with each run.
type livePointwise struct {
	pointwise
	k    kernels
	time float64
}

// newLivePointwise is the convolution, if it is one of 1 x 1, on blocked images; it is nil if there is none.
func newLivePointwise(s ConvShape, k kernels, ep Epilogue) *livePointwise {
	joined, ok := joinRows(s)
	if !ok || s.N == 0 {
		return nil
	}
	p := &livePointwise{*newPointwise(joined, make([]float32, s.OC), ep), k, directCost(s)}
	if !p.store.blocks() {
		return nil
	}
	return p
}

func (p *livePointwise) name() string  { return "pointwise" }
func (p *livePointwise) cost() float64 { return p.time }

func (p *livePointwise) Workspace(threads int) int {
	return cacheLine + roundUp(p.weightSize(), cacheLine) + p.pointwise.Workspace(threads)
}

func (p *livePointwise) runLive(pool *Pool, dst, src, weight, bias []float32, residuals [][]float32, ws []float32) {
	ws = aligned(ws)
	panels, ws := ws[:p.weightSize()], ws[roundUp(p.weightSize(), cacheLine):]
	clear(panels)
	k := p.k
	k.w = weight
	p.pack(pool, panels, k)
	running := p.pointwise
	running.store = p.store.withBias(p.cpu.lanes, bias)
	running.run(pool, panels, dst, src, residuals, ws)
}
