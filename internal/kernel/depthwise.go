package kernel

// depthwise is a convolution of blocked images in which each channel has a kernel of its own, without strides and dilations.
type depthwise struct {
	cpu      *functions
	s        ConvShape
	perImage int // blocks
	store    store
	outH     int
	outW     int
	band     int // rows of outputs for which a part of the source is copied, with its pads
}

// newDepthwise returns nil for other shapes.
func newDepthwise(s ConvShape, bias []float32, ep Epilogue) *depthwise {
	if s.Groups != s.C || s.OC != s.C || s.C == 1 || s.StrideH*s.StrideW*s.DilationH*s.DilationW != 1 || s.N == 0 {
		return nil
	}
	d := &depthwise{cpu: cpu, s: s, perImage: ceilDiv(s.C, cpu.lanes), store: cpu.newStore(bias, ep, true), outH: s.OutH(), outW: s.OutW()}
	const together = 32 << 10 // elements of a strip: well within a second-level cache
	d.band = even(d.outH, max(4, together/d.pitch()-s.KH))
	return d
}

// pitch is the distance between rows of the strip.
func (d *depthwise) pitch() int { return (d.outW + d.s.KW - 1) * d.cpu.lanes }

func (d *depthwise) blocks() Blocking  { return BothBlocked }
func (d *depthwise) setBlocked(Layout) {}
func (d *depthwise) products() int     { return d.s.N * d.outH * d.outW * d.s.C * d.s.KH * d.s.KW }
func (d *depthwise) weightSize() int   { return d.perImage * d.s.KH * d.s.KW * d.cpu.lanes }

// pack makes [block][tap][channel] of the weights. To is zero before.
func (d *depthwise) pack(_ *Pool, to []float32, k kernels) {
	lanes, taps := d.cpu.lanes, d.s.KH*d.s.KW
	for c := range d.s.C {
		for t, w := range k.w[c*k.out:][:taps] {
			to[(c/lanes*taps+t)*lanes+c%lanes] = w
		}
	}
}

// private is how many elements of the workspace a thread has: the strip, and a row of outputs.
func (d *depthwise) private() int {
	return roundUp((d.band+d.s.KH-1)*d.pitch()+d.outW*d.cpu.lanes, cacheLine)
}

func (d *depthwise) Workspace(threads int) int { return cacheLine + threads*d.private() }

func (d *depthwise) run(p *Pool, weights, dst, src []float32, residuals [][]float32, ws []float32) {
	s, lanes, pitch := &d.s, d.cpu.lanes, d.pitch()
	ws = aligned(ws)
	bands, taps := ceilDiv(d.outH, d.band), s.KH*s.KW
	lo := min(s.PadLeft, d.outW+s.KW-1)
	hi := min(lo+s.W, d.outW+s.KW-1)
	p.Run(s.N*d.perImage*bands, func(worker, i int) {
		plane, from := i/bands, i%bands*d.band
		to := min(from+d.band, d.outH)
		strip, sums := ws[worker*d.private():], ws[(worker+1)*d.private()-d.outW*lanes:][:d.outW*lanes]
		for y := from; y < to+s.KH-1; y++ {
			row := strip[(y-from)*pitch:][:pitch]
			if y < s.PadTop || y-s.PadTop >= s.H {
				clear(row)
				continue
			}
			clear(row[:lo*lanes])
			clear(row[hi*lanes:])
			copy(row[lo*lanes:hi*lanes], src[(plane*s.H+y-s.PadTop)*s.W*lanes:])
		}
		block := plane % d.perImage
		for y := from; y < to; y++ {
			d.cpu.depthwiseBlocks(sums, strip[(y-from)*pitch:], weights[block*taps*lanes:][:taps*lanes], s.KW, pitch, d.outW)
			at := (plane*d.outH + y) * d.outW * lanes
			d.store.row(d.cpu, dst[at:][:d.outW*lanes], sums, block, at, residuals)
		}
	})
}

// genericDepthwiseBlocks convolves n pixels of a block, each channel with a kernel of its own. Rows of kernels have kw taps, and
// rows of src are pitch elements apart.
func genericDepthwiseBlocks(dst, src, w []float32, kw, pitch, n int) {
	for i := range n * genericLanes {
		sum := float32(0)
		for t := i % genericLanes; t < len(w); t += genericLanes {
			tap := t / genericLanes
			sum += w[t] * src[tap/kw*pitch+tap%kw*genericLanes+i]
		}
		dst[i] = sum
	}
}
