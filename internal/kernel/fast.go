package kernel

// fast computes a convolution of stride 1 by a transform of overlapping tiles, at a fraction of the multiplications of
// its definition.
//
// Tiles go through in chunks: the tiles of a chunk are transformed into planes, x; in each plane, x is multiplied by the
// weights into y; y is transformed back, goes through the epilogue, and is written to the output. Channels are padded
// with zeros to blocks of as many as the path has lanes. With L lanes, x and y are [block][plane][tile][L]; a plane of
// weights is [panel][source channel][output channel of the panel], a panel being two blocks of output channels, or one at
// the end of an odd number.
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
	values         []value
	wStride        int // from one plane of weights to the next
	chain          int // source channels to be summed up before their sum is added to others
	blocked        Layout
	whole, part    store // with and without residuals
}

// newFast plans a convolution; prepare makes it ready to run.
func newFast(tr *transform, s ConvShape) *fast {
	lanes := cpu.lanes
	f := &fast{
		cpu: cpu, tr: tr, s: s, outH: s.OutH(), outW: s.OutW(), tileH: tr.t - s.KH + 1, tileW: tr.t - s.KW + 1,
		ci: ceilDiv(s.C, lanes), co: ceilDiv(s.OC, lanes),
	}
	f.tilesY, f.tilesX = ceilDiv(f.outH, f.tileH), ceilDiv(f.outW, f.tileW)
	switch tr.name { // the larger a transform's rounding errors, the less those of long sums may add to them
	case "winograd4":
		f.chain = 64
	case "winograd6":
		f.chain = 32
	default:
		f.chain = 256
	}
	f.wStride = oddLines(f.ci * f.co * lanes * lanes)
	f.values = tr.values()
	return f
}

// blocks depends on whether what is left of the epilogue tells channels apart.
func (f *fast) blocks() Blocking {
	if f.whole.blocks() {
		return EitherBlocked
	}
	return SourceBlocked
}

func (f *fast) name() string { return f.tr.name }

func (f *fast) setBlocked(l Layout) { f.blocked = l }

// withBias is that of plan.
func (f *fast) withBias(bias []float32) plan { return f.biased(bias) }

func (f *fast) biased(bias []float32) *fast {
	c := *f
	c.whole, c.part = f.whole.withBias(f.cpu.lanes, bias), f.part.withBias(f.cpu.lanes, bias)
	return &c
}

// prepare takes the epilogue, and the bias that is added before it.
func (f *fast) prepare(bias []float32, ep Epilogue) {
	f.whole, f.part = f.cpu.newStore(bias, ep, true), f.cpu.newStore(bias, ep, false)
}
