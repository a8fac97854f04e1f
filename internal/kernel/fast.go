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
	w              []float32 // while it runs
	wStride        int       // from one plane of weights to the next
	chain          int       // source channels to be summed up before their sum is added to others
	whole          store     // for where the epilogue can be applied while outputs are stored
	complete       bool      // whether it can be at all
	part           store     // for where it cannot
	rest           Epilogue
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
	f.values = tr.values(tr.planes*f.wStride > 1<<20)
	return f
}

// store is the beginning of an epilogue, as genericScatter applies it.
type store struct {
	params        []float32 // [block][bias, slope, scale, shift][L]
	add, residual int
}

// store takes as much as it can of an epilogue, and returns what is left.
func (f *fast) store(bias []float32, ep Epilogue, residual bool) (store, Epilogue) {
	lanes := f.cpu.lanes
	s := store{params: make([]float32, f.co*4*lanes)}
	take := func(kind StageKind) (stage Stage, ok bool) {
		if len(ep) > 0 && ep[0].Kind == kind {
			stage, ep, ok = ep[0], ep[1:], true
		}
		return stage, ok
	}
	add := func(when int) {
		if residual && s.add == addNever {
			if stage, ok := take(StageAdd); ok {
				s.add, s.residual = when, stage.Residual
			}
		}
	}
	set := func(param int, value func(oc int) float32) {
		for oc := range f.s.OC {
			s.params[(oc/lanes*4+param)*lanes+oc%lanes] = value(oc)
		}
	}
	set(0, func(oc int) float32 { return bias[oc] })
	add(addFirst)
	slope, _ := take(StagePRelu)
	set(1, func(oc int) float32 { return channelValue(slope.Slope, oc, 1) })
	affine, _ := take(StageAffine)
	set(2, func(oc int) float32 { return channelValue(affine.Scale, oc, 1) })
	set(3, func(oc int) float32 { return channelValue(affine.Shift, oc, 0) })
	add(addLast)
	return s, ep
}

// prepare takes the epilogue, and the bias that is added before it.
func (f *fast) prepare(bias []float32, ep Epilogue) {
	var rest Epilogue
	f.whole, rest = f.store(bias, ep, true)
	f.complete = len(rest) == 0
	f.part, f.rest = f.store(bias, ep, false)
}
