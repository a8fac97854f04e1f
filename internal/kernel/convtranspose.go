package kernel

import (
	"fmt"
	"os"
)

// ConvTransposeShape is a transposed convolution: source [N, C, H, W], weights [C, OC/Groups, KH, KW], output
// [N, OC, OutH(), OutW()]. Strides spread the source, pads crop the output, and OutPad adds rows and columns at the
// output's end.
type ConvTransposeShape struct {
	ConvShape
	OutPadH, OutPadW int
}

// OutH is the output's height.
func (s ConvTransposeShape) OutH() int {
	return (s.H-1)*s.StrideH - s.PadTop - s.PadBottom + (s.KH-1)*s.DilationH + 1 + s.OutPadH
}

// OutW is the output's width.
func (s ConvTransposeShape) OutW() int {
	return (s.W-1)*s.StrideW - s.PadLeft - s.PadRight + (s.KW-1)*s.DilationW + 1 + s.OutPadW
}

// Validate reports what is impossible about the shape. A batch of 0 is fine; an output without pixels is not.
func (s ConvTransposeShape) Validate() error {
	if err := s.validateSizes(); err != nil {
		return err
	}
	if s.OutPadH < 0 || s.OutPadW < 0 || s.OutPadH > maxElements || s.OutPadW > maxElements {
		return fmt.Errorf("kernel: transposed convolution with output pads %d and %d, must be 0 or more", s.OutPadH, s.OutPadW)
	}
	if s.H == 0 || s.W == 0 || s.OutH() < 1 || s.OutW() < 1 || !fits(s.H, s.StrideH) || !fits(s.W, s.StrideW) || !fits(s.N, s.OC, s.OutH(), s.OutW()) {
		return fmt.Errorf("kernel: transposed convolution of [%d %d] to [%d %d] pixels", s.H, s.W, s.OutH(), s.OutW())
	}
	return nil
}

// ConvTranspose is a transposed convolution prepared from its weights and shape, as Conv is. The output pixels at one
// place modulo the strides, a phase, are an ordinary convolution of stride 1 with some of the taps, turned around. Either each
// phase is computed for itself, or all of them at once, as channels of one convolution, whose kernels are filled up to one size.
type ConvTranspose struct {
	outH, outW int
	planes     int // images times channels
	channels   int
	epilogue   Epilogue
	rows, cols []outPhase
	convs      []*direct // for rows x cols; nil where no tap falls
	merged     *merged   // instead of convs
}

// merged is the convolution of all phases at once. Its output pixel y, x holds, as channels, the pixels of the transposed
// convolution from y*stride-fromH, x*stride-fromW on.
type merged struct {
	conv         *Conv
	h, w         int // of its output
	fromH, fromW int
}

// outPhase is the output pixels o = first, first+stride, ... along an axis, and the taps that reach them.
type outPhase struct {
	first, count int   //
	taps         []int // in the order of the source pixels that they read
	dilation     int   // source pixels from one tap to the next
	pad          int
}

func outPhases(out, taps, stride, dilation, pad int) []outPhase {
	phases := make([]outPhase, min(stride, out))
	for i := range phases {
		p := outPhase{first: i, count: ceilDiv(out-i, stride), dilation: 1}
		last := -1
		for k := taps - 1; k >= 0; k-- {
			// Output o takes from source pixel (o+pad-k*dilation)/stride, where that is whole.
			if (i+pad-k*dilation)%stride != 0 {
				continue
			}
			source := (i + pad - k*dilation) / stride // of the phase's first output
			if p.taps == nil {
				p.pad = -source
			} else {
				p.dilation = source - last
			}
			last = source
			p.taps = append(p.taps, k)
		}
		phases[i] = p
	}
	return phases
}

// PrepareConvTranspose packs the weights [C, OC/Groups, KH, KW] of a transposed convolution whose outputs go through
// the epilogue, as PrepareConv does.
func PrepareConvTranspose(s ConvTransposeShape, weight []float32, ep Epilogue) (*ConvTranspose, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	ci, co := s.C/s.Groups, s.OC/s.Groups
	if want := s.C * co * s.KH * s.KW; len(weight) != want {
		return nil, fmt.Errorf("kernel: transposed convolution with %d weights, must be %d for [%d %d %d %d]", len(weight), want, s.C, co, s.KH, s.KW)
	}
	if err := ep.validate(s.OC); err != nil {
		return nil, err
	}
	c := newConvTranspose(s, ep)
	var err error
	if c.merged, err = merge(s, weight, c.separateCost(s)); c.merged != nil || err != nil {
		return c, err
	}
	for _, y := range c.rows {
		for _, x := range c.cols {
			if len(y.taps) == 0 || len(x.taps) == 0 {
				c.convs = append(c.convs, nil)
				continue
			}
			w := make([]float32, 0, s.OC*ci*len(y.taps)*len(x.taps))
			for oc := range s.OC {
				for ic := range ci {
					from := weight[((oc/co*ci+ic)*co+oc%co)*s.KH*s.KW:]
					for _, ky := range y.taps {
						for _, kx := range x.taps {
							w = append(w, from[ky*s.KW+kx])
						}
					}
				}
			}
			part := s.phase(y, x)
			conv := newDirect(part, y.count, x.count, nil)
			conv.packed = make([]float32, len(w))
			conv.pack(nil, conv.packed, w, ci*part.KH*part.KW, part.KH*part.KW, part.KW)
			c.convs = append(c.convs, conv)
		}
	}
	if len(c.convs) == 1 && c.convs[0] != nil { // nothing to interleave
		c.convs[0].epilogue = ep
		c.convs[0].simplify()
	}
	return c, nil
}

// newConvTranspose makes a transposed convolution but for what computes it.
func newConvTranspose(s ConvTransposeShape, ep Epilogue) *ConvTranspose {
	return &ConvTranspose{
		outH: s.OutH(), outW: s.OutW(), planes: s.N * s.OC, channels: s.OC, epilogue: ep,
		rows: outPhases(s.OutH(), s.KH, s.StrideH, s.DilationH, s.PadTop),
		cols: outPhases(s.OutW(), s.KW, s.StrideW, s.DilationW, s.PadLeft),
	}
}

// mergedSize is how many elements the output of the convolution of all phases has.
func (c *ConvTranspose) mergedSize() int {
	return c.planes * len(c.rows) * len(c.cols) * c.merged.h * c.merged.w
}

// phase is the shape of the convolution of a phase, but for what follows from the size of its output.
func (s ConvTransposeShape) phase(y, x outPhase) ConvShape {
	part := s.ConvShape
	part.KH, part.KW, part.StrideH, part.StrideW = len(y.taps), len(x.taps), 1, 1
	part.DilationH, part.DilationW, part.PadTop, part.PadLeft = y.dilation, x.dilation, y.pad, x.pad
	return part
}

// separateCost estimates the time of a run with phases computed one by one, in ns of one thread.
func (c *ConvTranspose) separateCost(s ConvTransposeShape) float64 {
	cost := 0.0
	for _, y := range c.rows {
		for _, x := range c.cols {
			part := s.phase(y, x)
			part.H, part.W, part.PadTop, part.PadLeft = y.count, x.count, 0, 0 // the output's size counts
			part.PadBottom, part.PadRight = (part.KH-1)*part.DilationH, (part.KW-1)*part.DilationW
			cost += directCost(part)
		}
	}
	return cost
}

// Turned returns the convolution that a transposed one without groups and strides is, with its kernels turned around and its source
// channels in the place of output channels. There is none for other shapes, and none with pads beyond the kernel.
func (s ConvTransposeShape) Turned() (c ConvShape, ok bool) {
	if s.StrideH*s.StrideW*s.DilationH*s.DilationW*s.Groups != 1 {
		return c, false
	}
	c = s.ConvShape
	c.PadTop, c.PadLeft = s.KH-1-s.PadTop, s.KW-1-s.PadLeft
	c.PadBottom, c.PadRight = s.OutH()+s.KH-1-s.H-c.PadTop, s.OutW()+s.KW-1-s.W-c.PadLeft
	return c, c.Validate() == nil // pads may be negative
}

// mergedShape is the convolution of all phases of a transposed convolution at once, if there is one.
func mergedShape(s ConvTransposeShape) (m *merged, part ConvShape, ok bool) {
	if s.StrideH*s.StrideW == 1 || s.StrideH > min(s.KH, s.OutH()) || s.StrideW > min(s.KW, s.OutW()) || s.DilationH*s.DilationW != 1 || s.N == 0 {
		return nil, part, false
	}
	// Output pixel o is pixel o+pad of the output without pads, of the phase o+pad modulo the stride.
	firstY, firstX := s.PadTop/s.StrideH, s.PadLeft/s.StrideW
	m = &merged{fromH: s.PadTop - firstY*s.StrideH, fromW: s.PadLeft - firstX*s.StrideW}
	m.h, m.w = (m.fromH+s.OutH()-1)/s.StrideH+1, (m.fromW+s.OutW()-1)/s.StrideW+1
	part = ConvShape{N: s.N, C: s.C, H: s.H, W: s.W, OC: s.OC * s.StrideH * s.StrideW, KH: ceilDiv(s.KH, s.StrideH), KW: ceilDiv(s.KW, s.StrideW),
		StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1, Groups: s.Groups}
	part.PadTop, part.PadLeft = part.KH-1-firstY, part.KW-1-firstX
	part.PadBottom, part.PadRight = m.h+part.KH-1-part.H-part.PadTop, m.w+part.KW-1-part.W-part.PadLeft
	return m, part, part.Validate() == nil // pads may be negative
}

// merge prepares all phases as one convolution, or returns nil if that takes longer than limit, in ns of one thread.
func merge(s ConvTransposeShape, weight []float32, limit float64) (*merged, error) {
	m, part, ok := mergedShape(s)
	if !ok {
		return nil, nil
	}
	cost := directCost(part)
	if f := chooseFast(part); len(f) > 0 {
		cost = f[0].cost()
	}
	if os.Getenv("GANSR_CONV") == "" && cost >= limit {
		return nil, nil
	}
	k := turnedKernels(s, weight)
	if s.Groups > 1 { // from [C, OC/Groups] to [OC, C/Groups]
		ci, co, area := s.C/s.Groups, s.OC/s.Groups, s.KH*s.KW
		k.w, k.out, k.in = make([]float32, 0, len(weight)), ci*area, area
		for oc := range s.OC {
			for ic := range ci {
				k.w = append(k.w, weight[((oc/co*ci+ic)*co+oc%co)*area:][:area]...)
			}
		}
	}
	var err error
	m.conv, err = (*Weights)(nil).prepareConv(part, k, nil, choosePlans)
	return m, err
}

// Workspace is how many elements of scratch memory Run needs with a pool of the given number of threads.
func (c *ConvTranspose) Workspace(threads int) int {
	own, size := 0, c.planes*c.outH*c.outW
	if m := c.merged; m != nil {
		return c.mergedSize() + max(m.conv.Workspace(threads), threads*m.w*len(c.cols))
	}
	for _, conv := range c.convs {
		if conv != nil {
			own = max(own, conv.Workspace(threads))
		}
	}
	if len(c.convs) == 1 && own > 0 {
		return own
	}
	return size + max(own, threads*c.outW)
}

// Run convolves src [N, C, H, W] into dst [N, OC, OutH, OutW], as Conv.Run does.
func (c *ConvTranspose) Run(p *Pool, dst, src []float32, residuals [][]float32, ws []float32) {
	switch {
	case c.merged != nil:
		c.runMerged(p, dst, src, residuals, ws)
	case len(c.convs) == 1 && c.convs[0] != nil:
		c.convs[0].run(p, c.convs[0].packed, dst, src, residuals, ws)
	default:
		c.runSeparate(p, dst, src, residuals, ws)
	}
}

func (c *ConvTranspose) runSeparate(p *Pool, dst, src []float32, residuals [][]float32, ws []float32) {
	size := c.planes * c.outH * c.outW
	parts, ws := ws[:size], ws[size:]
	starts := make([]int, len(c.convs)) // of the phases' outputs in parts
	at := 0
	for i, conv := range c.convs {
		y, x := c.rows[i/len(c.cols)], c.cols[i%len(c.cols)]
		starts[i] = at
		at += c.planes * y.count * x.count
		if conv != nil {
			conv.run(p, conv.packed, parts[starts[i]:at], src, nil, ws)
		} else {
			clear(parts[starts[i]:at])
		}
	}
	c.finish(p, dst, residuals, func(worker, plane, y int) []float32 {
		row, py := ws[worker*c.outW:(worker+1)*c.outW], y%len(c.rows)
		for px, x := range c.cols {
			part := parts[starts[py*len(c.cols)+px]+(plane*c.rows[py].count+y/len(c.rows))*x.count:][:x.count]
			for j, v := range part {
				row[x.first+j*len(c.cols)] = v
			}
		}
		return row
	})
}

func (c *ConvTranspose) runMerged(p *Pool, dst, src []float32, residuals [][]float32, ws []float32) {
	parts, ws := ws[:c.mergedSize()], ws[c.mergedSize():]
	c.merged.conv.Run(p, parts, src, nil, ws)
	c.finishMerged(p, dst, parts, residuals, ws)
}

// finishMerged makes the output of the convolution of all phases. It uses a row of all phases of scratch memory for each thread.
func (c *ConvTranspose) finishMerged(p *Pool, dst, parts []float32, residuals [][]float32, ws []float32) {
	m, down, across := c.merged, len(c.rows), len(c.cols)
	c.finish(p, dst, residuals, func(worker, plane, y int) []float32 {
		y += m.fromH
		phases := make([][]float32, across)
		for x := range phases {
			phases[x] = parts[(((plane*down+y%down)*across+x)*m.h+y/down)*m.w:][:m.w]
		}
		row := ws[worker*across*m.w:][:across*m.w]
		Interleave(row, phases...)
		return row[m.fromW:][:c.outW]
	})
}

// finish applies the epilogue to the rows of planes, which row computes, into dst.
func (c *ConvTranspose) finish(p *Pool, dst []float32, residuals [][]float32, row func(worker, plane, y int) []float32) {
	const batch = 16
	across := ceilDiv(c.outH, batch)
	p.Run(c.planes*across, func(worker, i int) {
		plane, from := i/across, i%across*batch
		for y := from; y < min(c.outH, from+batch); y++ {
			at := (plane*c.outH + y) * c.outW
			c.epilogue.apply(dst[at:at+c.outW], row(worker, plane, y), plane%c.channels, at, residuals)
		}
	})
}
