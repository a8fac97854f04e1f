package kernel

// tiling is how a convolution's output is divided into tiles, and how a tile's memory is laid out. It may depend on the
// number of threads, as results do not depend on it.
type tiling struct {
	height, width, panels int // of a tile
	down, across, deep    int // how many tiles: rows, columns, of panels

	// The strip: for each source channel and phase, height1 rows that begin pitch elements apart.
	aheadY, aheadX int // rows and columns that the tile reads beyond its own
	height1        int
	pitch, channel int
	// The product: a row of ldc elements for each output channel, with a row of pixels every step elements.
	ldc, step int
	// joined: the tile's rows are multiplied as one run, with the columns between them computed in vain.
	joined           bool
	pass             int // columns to be multiplied by all panels before the next columns
	strip, workspace int // elements
}

const (
	tileElements = 48 << 10 // of a strip and its product together: well within a second-level cache
	tileChannels = 256      // output channels of a tile, at most
	tileWork     = 1 << 18  // multiply-adds below which a tile is not divided
)

func (c *Conv) tiling(threads int) *tiling {
	s, lanes := &c.s, c.cpu.lanes
	t := &tiling{
		aheadY: (s.KH - 1) * s.DilationH / s.StrideH,
		aheadX: (s.KW - 1) * s.DilationW / s.StrideW,
	}
	rows := ceilDiv(s.OC/s.Groups, c.panels)
	t.panels = even(c.panels, max(1, tileChannels/rows))
	pixels := max(4*lanes, min(4096, tileElements/(t.panels*rows+c.depth*len(c.phases))))
	t.width = c.outW
	if t.width > pixels {
		t.width = roundUp(even(t.width, pixels), 2*lanes)
	}
	t.height = even(c.outH, max(1, pixels/t.width))
	for t.count(c) < 4*threads && threads > 1 && t.height*t.width*t.panels*rows*c.depth*len(c.taps) > tileWork {
		switch {
		case t.height > 1:
			t.height = even(c.outH, t.height/2)
		case t.width > 4*lanes:
			t.width = roundUp(ceilDiv(t.width, 2), 2*lanes)
		case t.panels > 1:
			t.panels = ceilDiv(t.panels, 2)
		default:
			threads = 1
		}
	}
	t.height1, t.pitch = t.height+t.aheadY, t.width+t.aheadX
	t.step = roundUp(t.width, lanes)
	apart, joined := t.height*t.step, roundUp((t.height-1)*t.pitch+t.width, lanes)
	if t.joined = joined < apart; t.joined {
		t.step = t.pitch
	}
	t.channel = oddLines(len(c.phases) * t.height1 * t.pitch)
	t.ldc = oddLines(min(apart, joined))
	t.pass = 2 * lanes
	t.strip = roundUp(c.depth*t.channel+lanes, 16)
	t.workspace = t.strip + t.panels*rows*t.ldc
	return t
}

// count is the number of tiles.
func (t *tiling) count(c *Conv) int {
	t.down, t.across, t.deep = ceilDiv(c.outH, t.height), ceilDiv(c.outW, t.width), ceilDiv(c.panels, t.panels)
	return c.s.N * c.s.Groups * t.deep * t.down * t.across
}

// job is tile i: the next one lies beside or below, then follow other output channels, groups and images.
func (t *tiling) job(c *Conv, i int) *tileJob {
	j := &tileJob{Conv: c, tiling: t}
	j.x, i = i%t.across*t.width, i/t.across
	j.y, i = i%t.down*t.height, i/t.down
	j.from, i = i%t.deep*t.panels, i/t.deep
	j.g, j.n = i%c.s.Groups, i/c.s.Groups
	j.width, j.height, j.to = min(t.width, c.outW-j.x), min(t.height, c.outH-j.y), min(j.from+t.panels, c.panels)
	return j
}

// offsets are the places of a block's taps in a strip.
func (t *tiling) offsets(c *Conv) []int32 {
	off := make([]int32, 0, c.depth*len(c.taps))
	for i := range c.depth {
		for _, p := range c.taps {
			off = append(off, int32(i*t.channel+(p.phase*t.height1+p.y)*t.pitch+p.x))
		}
	}
	return off
}

// even is the size of the largest part when n is divided evenly into parts of at most the given size.
func even(n, size int) int { return ceilDiv(n, ceilDiv(n, size)) }

func roundUp(n, unit int) int { return ceilDiv(n, unit) * unit }

// oddLines rounds up to an odd number of cache lines, so that runs that far apart do not compete for the same places in
// the cache.
func oddLines(n int) int { return roundUp(n, 16) | 16 }
