package kernel

// byColumns is a convolution by a Fourier transform with weights that come with each run. Only the rows of the kernels are transformed
// beforehand: they take far less memory than weights. They are kept as [re or im of a column][panel][source channel][block of the panel][row][L],
// where row is one of partKernelSize. A thread takes a part of a column at a time: it transforms the columns of a panel of weights and
// multiplies by them while they are in a second-level cache. Threads share chunks.
type byColumns struct {
	*fast
	k     kernels
	parts []columnPart
}

// newByColumns is a convolution by columns with the kernels' weights, or nil if they are too large or the transform has no columns.
func newByColumns(f *fast, k kernels) *byColumns {
	if f.tr.winograd() || max(f.s.KH, f.s.KW) > partKernelSize {
		return nil
	}
	return &byColumns{f, k, f.tr.columnParts()}
}

// vectors is how many kernels of a channel with a block of channels there are.
func (b *byColumns) vectors() int { return b.ci * b.cpu.lanes * b.co }

// rowsStride is from one plane of rows to the next.
func (b *byColumns) rowsStride() int { return oddLines(b.vectors() * partKernelSize * b.cpu.lanes) }

// columnStride is from one plane of a column's weights, for a panel, to the next.
func (b *byColumns) columnStride() int { return oddLines(b.panel()) }

func (b *byColumns) chunks(threads int) chunks {
	c := b.divide(threads, true)
	for _, p := range b.parts {
		c.staged = max(c.staged, p.planes*c.ci*c.plane)
	}
	c.staged = roundUp(c.staged, cacheLine)
	c.weights = b.tr.t * b.columnStride()
	return c
}

func (b *byColumns) Workspace(threads int) int {
	c := b.chunks(threads)
	return cacheLine + b.tr.t*b.rowsStride() + c.workspace(threads)
}

func (b *byColumns) runLive(p *Pool, dst, src, weight, bias []float32, residuals [][]float32, ws []float32) {
	running := byColumns{b.biased(bias), b.k, b.parts}
	c := running.chunks(p.Threads())
	ws = aligned(ws)
	size := b.tr.t * b.rowsStride()
	rows, ws := ws[:size], ws[size:]
	b.transformRows(p, rows, weight)
	c.each(p, dst, src, residuals, ws, func(p *Pool, k *chunk, worker func(i int) worker) {
		p.Run(len(b.parts), func(thread, i int) { b.multiply(k, worker(thread), rows, &b.parts[i]) })
	})
}

// transformRows transforms the rows of the weights. Those of channels that fill blocks, and those that kernels do not have, are 0.
func (b *byColumns) transformRows(p *Pool, to, weight []float32) {
	const together = 8 // source channels, for many cache lines in a row to be written at a time
	lanes, in, t, kh, kw := b.cpu.lanes, b.ci*b.cpu.lanes, b.tr.t, b.s.KH, b.s.KW
	k := b.k
	k.w = weight
	vector, tileRow := partKernelSize*lanes, partKernelSize*lanes
	size, tile, taps := t*together*2*vector, partKernelSize*tileRow, max(kh*kw, lanes)*lanes
	scratch := roundUp(b.tr.scratch, cacheLine)
	own := size + tile + taps + scratch
	buffer := takeScratch(p.Threads() * own)
	defer scratches.Put(buffer)
	memory := *buffer
	p.Run(p.Threads(), func(_, i int) { clear(memory[i*own:][:size+tile]) })
	groups := ceilDiv(in, together)
	p.Run(groups*ceilDiv(b.co, 2), func(worker, i int) {
		rows := memory[worker*own:][:own]
		rows, tile, rest := rows[:size], rows[size:][:tile], rows[size+tile:]
		taps, scratch := rest[:taps], rest[taps:]
		panel, from := i/groups, i%groups*together
		n, width := min(together, in-from), min(2, b.co-2*panel)
		row := n * width * vector
		for v := range n * width {
			c, out := from+v/width, (2*panel+v%width)*lanes
			count := min(lanes, b.s.OC-out)
			if c >= b.s.C {
				count = 0
			}
			if count < lanes || k.strideH*k.strideW > 1 { // others overwrite the same elements
				clear(tile)
			}
			k.putBlock(b.cpu, tile, tileRow, kh, kw, out, c, count, taps)
			b.tr.kernelRow(tile, 0, tileRow, rows[v*vector:], row, kh, scratch)
		}
		b.cpu.writePlanes(to, (2*panel*in+from*width)*vector, b.rowsStride(), rows, row, t)
	})
}

// multiply multiplies the values of a part by their weights, in place.
func (b *byColumns) multiply(k *chunk, w worker, rows []float32, part *columnPart) {
	size, at := part.planes*k.plane, 0
	for _, v := range part.values {
		n := v.planes() * k.plane
		for block := range k.ci {
			copy(w.staged[block*size+at:][:n], k.planes[block*k.block+v.plane*k.plane:])
		}
		at += n
	}
	const together = 256 // kernels, so that no call takes long
	lanes, in, vector := k.cpu.lanes, k.ci*k.cpu.lanes, partKernelSize*k.cpu.lanes
	rows = rows[part.first*b.rowsStride():]
	for block := 0; block < k.co; block += 2 {
		width := min(2, k.co-block)
		for i := 0; i < in*width; i += together {
			part.transform(rows[(block*in+i)*vector:], b.rowsStride(), vector, w.weights[i*lanes:], b.columnStride(), min(together, in*width-i), w.scratch)
		}
		at := 0
		for _, v := range part.values {
			k.multiplyValue(w, v, block, width, w.staged[at:], size, w.weights[v.weights*b.columnStride():], b.columnStride())
			at += v.planes() * k.plane
		}
	}
}

// cost estimates the time of a run, in ns of one thread.
func (b *byColumns) cost() float64 {
	c, costs := b.chunks(1), costsOf[b.cpu.path]
	transforms, product := b.times(&c)
	kernels, rows, count := float64(b.vectors()), float64(b.tr.t*b.rowsStride()), float64(c.count)
	transform := kernels * costs.transforms[b.tr.name][0] * smallShare
	return transforms + count*product + rows*keepCost +
		transform*(1-columnShare) + kernels*tapCost*float64(b.s.KH*b.s.KW*b.cpu.lanes) + rows*costs.memory +
		count*(transform*columnShare+rows*costs.memory)
}

const columnShare = 0.7 // of the work for a kernel, that is its columns'
