package kernel

// outputs is how many output channels, a multiple of those of a group, go through a Fourier transform's way back at once.
func (f *fastWeights) outputs(m *weightMemory) int {
	groups := f.atOnce / (f.ci * f.s.KH * f.tr.t * m.rows)
	return min(f.co, max(1, groups)*m.rows)
}

// columnsSize is how many elements the columns of spectra have that were transformed back, for so many output channels: of each kernel's rows,
// and of no others.
func (f *fastWeights) columnsSize(outputs int) int { return outputs * f.ci * f.s.KH * f.tr.t }

// runColumns has threads share chunks, of a Fourier transform. Of a column of the spectra a thread multiplies the planes for a group of each kind of
// channels, and transforms the sums back while they are in a second-level cache. So the planes of x and g come from memory few times, and only
// what the rows of kernels need goes there: [column][output channel][block of source channels][row] pairs of vectors.
func (k *weightChunk) runColumns(p *Pool, take func(n int) []float32) {
	k.xs, k.gs = take(k.tr.planes*k.xPlane), take(k.tr.planes*k.gPlane)
	k.x, k.y = channels{0, k.ci}, channels{0, k.co}
	outputs := k.outputs(&k.weightMemory)
	columns := take(k.columnsSize(outputs))
	for k.first = 0; k.first < k.tiles(); k.first += k.chunk {
		k.n = min(k.chunk, k.tiles()-k.first)
		k.transform(p)
		for y := 0; y < k.co; y += outputs {
			k.multiplyColumns(p, k.y.group(y, outputs), columns)
		}
	}
}

// multiplyColumns makes the gradients of some output channels from the planes, or adds them to those of earlier chunks.
func (k *weightChunk) multiplyColumns(p *Pool, of channels, columns []float32) {
	lanes, blocks, h := k.cpu.lanes, k.ci/k.cpu.lanes, k.tr.t/2
	pair := 2 * lanes
	kernel := k.s.KH * pair
	column := of.n * blocks * kernel
	across := ceilDiv(k.ci, k.columns)
	groups := across * ceilDiv(of.n, k.rows)
	p.Run(h*groups, func(worker, i int) {
		w, kx, group := &k.workers[worker], i/groups, i%groups
		x, y := k.x.group(group%across*k.columns, k.columns), of.group(of.first+group/across*k.rows, k.rows)
		first, n := k.tr.column(kx)
		k.multiply(y, x, first, n, w.sums, false)
		for oc := range min(y.n, k.s.OC-y.first) {
			to := columns[kx*column+((y.first-of.first+oc)*blocks+x.first/lanes)*kernel:]
			for c := 0; c < x.n; c += lanes {
				k.inverseColumn(w, kx, w.sums[oc*x.n+c:])
				copy(to[c/lanes*kernel:][:kernel], w.strip)
			}
		}
	})
	width := (k.tr.t - 2) * lanes
	p.Run(min(of.n, k.s.OC-of.first)*blocks, func(worker, i int) {
		w := &k.workers[worker]
		for row := range k.s.KH {
			k.tr.inverseRow(columns[i*kernel+row*pair:], column, 0, w.strip[row*width:], lanes, 1, w.scratch)
		}
		k.put(w, width, of.first+i/blocks, i%blocks*lanes, k.first > 0)
	})
}

// inverseColumn transforms a column of products of an output channel with a block of source channels back, to pairs of vectors in the strip.
func (k *weightChunk) inverseColumn(w *weightWorker, kx int, products []float32) {
	lanes := k.cpu.lanes
	if kx > 0 {
		k.tr.inverseColumn(w.strip, 2*lanes, 0, products, k.product, 1, w.scratch)
		return
	}
	k.tr.inverseReals(w.strip, 2*lanes, 0, products, k.product, 1, w.scratch)
	k.tr.inverseReals(w.strip[lanes:], 2*lanes, 0, products[k.tr.realColumn()*k.product:], k.product, 1, w.scratch)
}
