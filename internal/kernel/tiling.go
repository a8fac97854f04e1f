package kernel

// tiling is how a convolution's output is divided into tiles, and how a tile's memory is laid out. It may depend on the
// number of threads, as results do not depend on it.
type tiling struct {
	height, width, panelCount int // of a tile; those at the ends may be smaller

	// The strip: for each source channel and phase, stripHeight rows that begin pitch elements apart.
	aheadY         int // rows that the tile reads beyond its own
	stripHeight    int
	pitch, channel int
	// The product: a row of ldc elements for each output channel, with a row of pixels every step elements.
	ldc, step int
	// joined: the tile's rows are multiplied as one run, with the columns between them computed in vain.
	joined           bool
	inSource         bool // the source itself is the strip
	straight         bool // products go straight to the output
	pass             int  // columns to be multiplied by all panels before the next columns
	strip, workspace int  // elements

	offsets []int32 // of a block's taps in the strip
}

const (
	tileElements = 48 << 10 // of a strip and its product together: well within a second-level cache
	tileChannels = 256      // output channels of a tile, at most
	tileWork     = 1 << 18  // multiply-adds of a block below which a tile is not divided
	tileColumn   = 4 << 10  // elements that all panels are multiplied by in turn: well within a first-level cache
)

func (c *direct) tiling(threads int) *tiling {
	s, lanes, panels := &c.s, c.cpu.lanes, len(c.panels)-1
	t := &tiling{aheadY: (s.KH - 1) * s.DilationH / s.StrideH}
	rows := ceilDiv(s.OC/s.Groups, panels)
	t.panelCount = even(panels, max(1, tileChannels/rows))
	pixels := max(4*lanes, min(4096, tileElements/(t.panelCount*rows+c.depth*len(c.phases))))
	t.width = c.outW
	if t.width > pixels {
		t.width = roundUp(even(t.width, pixels), 2*lanes)
	}
	t.height = even(c.outH, max(1, pixels/t.width))
	taps := c.depth * len(c.taps)
	for t.count(c) < 4*threads && threads > 1 && t.height*t.width*t.panelCount*rows*taps > tileWork {
		switch {
		case t.panelCount > 1 && t.panelCount*rows >= t.height*t.width: // weights are the larger part
			if t.count(c) >= threads {
				threads = 1 // every further tile of the same pixels would copy the source once more
				break
			}
			t.panelCount = ceilDiv(t.panelCount, 2)
		case t.height > 1:
			t.height = even(c.outH, t.height/2)
		case t.width > 4*lanes:
			t.width = roundUp(ceilDiv(t.width, 2), 2*lanes)
		case t.panelCount > 1:
			t.panelCount = ceilDiv(t.panelCount, 2)
		default:
			threads = 1
		}
	}
	t.stripHeight, t.pitch = t.height+t.aheadY, t.width+c.aheadX
	t.channel = oddLines(len(c.phases) * t.stripHeight * t.pitch)
	length := (t.height-1)*t.pitch + t.width
	t.joined = cost(length, lanes) < t.height*cost(t.width, lanes) && !c.single
	// Where rows are long, it costs little to keep the micro-kernel from writing more than them.
	t.straight = c.simple && (!t.joined && (c.outW%lanes == 0 || c.outW >= 4*lanes) || t.joined && t.pitch == c.outW)
	t.step = roundUp(t.width, lanes)
	if t.joined {
		t.step = t.pitch
	}
	t.ldc = oddLines((t.height-1)*t.step + roundUp(t.width, lanes))
	t.pass = max(2*lanes, roundDown(tileColumn/(c.depth*s.KH)-c.aheadX, 2*lanes))
	if t.inSource = c.readable(t.pass); t.inSource {
		t.channel = c.srcC
		t.strip = 0
	} else {
		t.strip = roundUp(c.depth*t.channel+lanes, 16)
	}
	t.workspace = t.strip + max(t.panelCount*rows*t.ldc, 2*len(c.cpu.gemm)*lanes)
	t.offsets = make([]int32, 0, taps)
	for i := range c.depth {
		for _, p := range c.taps {
			t.offsets = append(t.offsets, int32(i*t.channel+(p.phase*t.stripHeight+p.y)*t.pitch+p.x))
		}
	}
	return t
}

// readable reports whether the micro-kernel may read the source itself, pass columns of it at a time: if neither taps nor whole
// registers lead beyond it, and if its rows do not lie so that they compete for few places in a first-level cache.
func (c *direct) readable(pass int) bool {
	if c.outH > 1 || len(c.taps) > 1 || c.srcW > 1 || c.s.PadLeft != 0 || c.s.StrideW > 1 || c.s.W < c.outW || c.outW%c.cpu.lanes != 0 {
		return false
	}
	const page = 1024 // elements after which rows meet in the same places
	apart := page
	for apart > 1 && c.srcC%apart != 0 {
		apart /= 2
	}
	return c.depth*c.srcC < 1<<31 && (2*apart <= 3*pass || c.depth*apart <= 4*page)
}

// cost is the time that a run of pixels takes, in pixels: the micro-kernel is less efficient in the last register of
// columns.
func cost(length, lanes int) int {
	n := roundDown(length, 2*lanes)
	switch rest := length - n; {
	case rest > lanes:
		n += 2 * lanes
	case rest > 0:
		n += lanes * 11 / 8
	}
	return n
}

// count is the number of tiles.
func (t *tiling) count(c *direct) int {
	return c.s.N * c.s.Groups * ceilDiv(len(c.panels)-1, t.panelCount) * ceilDiv(c.outH, t.height) * ceilDiv(c.outW, t.width)
}

// job is tile i: the next one lies beside or below, then follow other output channels, groups and images.
func (t *tiling) job(c *direct, i int) tileJob {
	j := tileJob{direct: c, tiling: t}
	next := func(size, tile int) (from, to int) {
		n := ceilDiv(size, tile)
		from = i % n * tile
		i /= n
		return from, min(from+tile, size)
	}
	j.x, j.right = next(c.outW, t.width)
	j.y, j.bottom = next(c.outH, t.height)
	j.from, j.to = next(len(c.panels)-1, t.panelCount)
	j.g, j.n = i%c.s.Groups, i/c.s.Groups
	return j
}

// even is the size of the largest part when n is divided evenly into parts of at most the given size.
func even(n, size int) int { return ceilDiv(n, ceilDiv(n, size)) }

func roundUp(n, unit int) int { return ceilDiv(n, unit) * unit }

func roundDown(n, unit int) int { return n / unit * unit }

// oddLines rounds up to an odd number of cache lines, so that runs that far apart do not compete for the same places in
// the cache.
func oddLines(n int) int { return roundUp(n, 16) | 16 }
