package kernel

// byColumns is a convolution by a Fourier transform with weights that come with each run. Only the rows of the kernels are transformed
// beforehand: they take far less memory than weights. They are kept as [re or im of a column][panel][source channel][block of the panel][row][L],
// where row is one of partKernelSize. A thread takes a part of a column at a time: it transforms the columns of a panel of weights and
// multiplies by them while they are in a second-level cache. Threads share chunks.
type byColumns struct {
	*fast
	k kernels
}

// newByColumns is a convolution by columns with the kernels' weights, or nil if they are too large or the transform has no columns.
func newByColumns(f *fast, k kernels) *byColumns {
	if f.tr.winograd() || max(f.s.KH, f.s.KW) > partKernelSize {
		return nil
	}
	return &byColumns{f, k}
}

// vectors is how many kernels of a channel with a block of channels there are.
func (b *byColumns) vectors() int { return b.ci * b.cpu.lanes * b.co }

// rowsStride is from one plane of rows to the next.
func (b *byColumns) rowsStride() int { return oddLines(b.vectors() * partKernelSize * b.cpu.lanes) }

// columnStride is from one plane of a column's weights, for a panel, to the next.
func (b *byColumns) columnStride() int { return oddLines(b.panel()) }

// chunks is how the tiles are divided, with the memory for the parts of columns.
func (b *byColumns) chunks(threads int, parts []columnPart) chunks {
	c := b.divide(threads, true)
	for _, p := range parts {
		c.staged = max(c.staged, p.planes*c.ci*c.plane)
	}
	c.staged = roundUp(c.staged, cacheLine)
	c.weights = b.tr.t * b.columnStride()
	return c
}

func (b *byColumns) Workspace(threads int) int {
	c := b.chunks(threads, b.tr.columnParts())
	return cacheLine + b.tr.t*b.rowsStride() + c.workspace(threads)
}

func (b *byColumns) runLive(p *Pool, dst, src, weight, bias []float32, residuals [][]float32, ws []float32) {
	running, parts := byColumns{b.biased(bias), b.k}, b.tr.columnParts()
	c := running.chunks(p.Threads(), parts)
	ws = aligned(ws)
	size := b.tr.t * b.rowsStride()
	rows, ws := ws[:size], ws[size:]
	k := b.k
	k.w = weight
	b.transformPanels(p, rows, k, b.tr.t, b.rowsStride(), partKernelSize*b.cpu.lanes, b.tr.transformKernelRows)
	c.each(p, dst, src, residuals, ws, func(p *Pool, k *chunk, worker func(i int) worker) {
		p.Run(len(parts), func(thread, i int) { b.multiply(k, worker(thread), rows, &parts[i]) })
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
	c, costs := b.divide(1, true), costsOf[b.cpu.path]
	transforms, product := b.times(&c)
	kernels, rows, count := float64(b.vectors()), float64(b.tr.t*b.rowsStride()), float64(c.count)
	transform := kernels * costs.transforms[b.tr.name][0] * smallShare
	return transforms + count*product + rows*keepCost +
		transform*(1-columnShare) + kernels*tapCost*float64(b.s.KH*b.s.KW*b.cpu.lanes) + rows*costs.memory +
		count*(transform*columnShare+rows*costs.memory)
}

const columnShare = 0.7 // of the work for a kernel, that is its columns'
