package kernel

// patch is the part of a kernel that lies on the source at an output pixel: taps from x0, y0 to before x1, y1, the first of which meets
// the source at x, y.
type patch struct{ x0, y0, x1, y1, x, y int }

// patches lists those of an image's output pixels.
func (m *matrix) patches() []patch {
	s := &m.s
	axis := func(i, size, taps, stride, dilation, pad int) (first, end, at int) {
		from := i*stride - pad
		first = min(taps, max(0, ceilDiv(-from, dilation)))
		end = max(first, min(taps, ceilDiv(size-from, dilation)))
		return first, end, from + first*dilation
	}
	list := make([]patch, 0, m.outH*m.outW)
	for i := range m.outH {
		y0, y1, y := axis(i, s.H, s.KH, s.StrideH, s.DilationH, s.PadTop)
		for j := range m.outW {
			x0, x1, x := axis(j, s.W, s.KW, s.StrideW, s.DilationW, s.PadLeft)
			list = append(list, patch{x0, y0, x1, y1, x, y})
		}
	}
	return list
}

// blocked is how many elements the source has in blocks of channels.
func (m *matrix) blocked() int { return m.s.N * roundUp(m.s.C, cpu.lanes) * m.s.H * m.s.W }

// fill sets rows to what each output pixel sees: elements [k/lanes][pixel][k%lanes], k < m.row, and zeros up to a multiple of lanes. These
// are the path's, or m.row. Whole vectors are collected, [tap][channel] of a block of the source, and transposed. It needs m.blocked() elements of
// scratch memory.
func (m *matrix) fill(p *Pool, rows, src []float32, lanes int, ws []float32) {
	const together = 64 // pixels
	s, f, block, area, plane, patches := &m.s, cpu, cpu.lanes, m.s.KH*m.s.KW, m.s.H*m.s.W*cpu.lanes, m.patches()
	blocks, parts := ceilDiv(s.C, block), ceilDiv(len(patches), together)
	Block(p, ws, src, s.N, s.C, s.H*s.W)
	stride, params := max(area, block), f.copying()
	p.Run(s.N*blocks*parts, func(_, i int) {
		part, first, image := i%parts, i/parts%blocks*block, i/parts/blocks
		scratch := takeScratch(3 * stride * block)
		defer scratches.Put(scratch)
		taps, wide, seen := (*scratch)[:stride*block], (*scratch)[stride*block:][:stride*block], (*scratch)[2*stride*block:][:stride*block]
		size := min(block, s.C-first) * area
		for j := part * together; j < min(len(patches), (part+1)*together); j++ {
			m.collect(taps, ws[i/parts*plane:][:plane], &patches[j])
			switch {
			case area == 1:
				seen = taps
			case area < block:
				f.scatter[addNever](wide, taps, nil, stride, stride, params)
				copyVectors(seen, area, wide, stride, area, block)
			default:
				f.scatter[addNever](seen, taps, nil, stride, stride, params)
			}
			pixel := image*len(patches) + j
			if lanes == m.row {
				copy(rows[pixel*m.row+first*area:][:size], seen)
				continue
			}
			clear(seen[size:roundUp(size, block)])
			copyVectors(rows[first*area*m.pixels+pixel*block:], m.pixels*block, seen, block, block, ceilDiv(size, block))
		}
	})
}

// collect sets to, [tap][channel], to what a pixel sees of a block of channels.
func (m *matrix) collect(to, image []float32, of *patch) {
	s, lanes := &m.s, cpu.lanes
	width := of.x1 - of.x0
	if width*(of.y1-of.y0) < s.KW*s.KH {
		clear(to[:s.KH*s.KW*lanes])
	}
	for y := of.y0; y < of.y1 && width > 0; y++ {
		run := to[(y*s.KW+of.x0)*lanes:][:width*lanes]
		at := ((of.y+(y-of.y0)*s.DilationH)*s.W + of.x) * lanes
		if s.DilationW == 1 {
			copy(run, image[at:])
			continue
		}
		for ; len(run) > 0; run = run[lanes:] {
			copy(run[:lanes], image[at:])
			at += s.DilationW * lanes
		}
	}
}

const (
	addedTaps   = 512  // that are added up together, or a kernel's row if that has more: they stay in a first- or second-level cache
	addedPixels = 1024 // of the sums, or a row if that has more
)

// kernelRows is how many rows of a kernel are added up together, and bandRows how many rows of an image.
func (m *matrix) kernelRows() int { return min(m.s.KH, max(1, addedTaps/m.s.KW)) }
func (m *matrix) bandRows() int   { return max(1, min(m.s.H, addedPixels/m.s.W)) }

// beyond is how many elements addUp wants to read beyond the end of rows.
func (m *matrix) beyond() int { return cpu.lanes * (m.s.KH*m.s.KW + 1) }

// adding is what addUp needs of a workspace for each thread.
func (m *matrix) adding() int {
	lanes := cpu.lanes
	return lanes * (max(lanes, m.kernelRows()*m.s.KW) + 2*max(lanes, m.bandRows()*m.s.W))
}

// addUp sets an image in the place of the convolution's source to the bias plus what each output pixel gives, rows [pixel][tap], in the order of
// pixels, through an epilogue. Taps of a block of channels are transposed to [tap][channel], so that whole vectors are added.
func (m *matrix) addUp(p *Pool, dst, rows, bias []float32, ep Epilogue, residuals [][]float32, ws []float32) {
	s, f, lanes, patches := &m.s, cpu, cpu.lanes, m.patches()
	area, kernelRows, bandRows := s.KH*s.KW, m.kernelRows(), m.bandRows()
	blocks, bands := ceilDiv(s.C, lanes), ceilDiv(s.H, bandRows)
	params := f.copying()
	p.Run(s.N*blocks*bands, func(worker, i int) {
		top, first, image := i%bands*bandRows, i/bands%blocks*lanes, i/bands/blocks
		end, count := min(s.H, top+bandRows), min(lanes, s.C-first)
		size := (end - top) * s.W
		stride := max(size, lanes)
		own := ws[worker*m.adding():][:m.adding()]
		sums, channels, taps := own[:stride*lanes], own[stride*lanes:][:stride*lanes], own[2*stride*lanes:]
		clear(sums[:lanes])
		copy(sums, bias[first:][:count])
		for n := lanes; n < size*lanes; n *= 2 {
			copy(sums[n:size*lanes], sums[:n])
		}
		for j, of := range patches {
			// Of the kernel, rows from y0 to before y1 lie on the band.
			y0 := max(of.y0, of.y0+ceilDiv(top-of.y, s.DilationH))
			y1 := min(of.y1, of.y0+ceilDiv(end-of.y, s.DilationH))
			run := (of.x1 - of.x0) * lanes // that are added at a time
			if run > 0 && s.DilationW > 1 {
				run = lanes
			}
			row := rows[(image*len(patches)+j)*m.row+first*area:]
			for y := y0; y < y1 && run > 0; y++ {
				if (y-y0)%kernelRows == 0 {
					f.gather(taps, row[y*s.KW:], area, max(lanes, min(kernelRows, y1-y)*s.KW))
				}
				from := taps[((y-y0)%kernelRows*s.KW+of.x0)*lanes:][:(of.x1-of.x0)*lanes]
				at := ((of.y+(y-of.y0)*s.DilationH-top)*s.W + of.x) * lanes
				for ; len(from) > 0; from = from[run:] {
					to := sums[at:][:run]
					Add(to, to, from)
					at += s.DilationW * lanes
				}
			}
		}
		f.scatter[addNever](channels, sums, nil, stride, stride, params)
		for c := range count {
			at := ((image*s.C+first+c)*s.H + top) * s.W
			ep.apply(dst[at:at+size], channels[c*stride:][:size], first+c, at, residuals)
		}
	})
}
