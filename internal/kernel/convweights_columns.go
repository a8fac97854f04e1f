package kernel

// columnsSize is how many elements the columns of spectra have that were transformed back: of each kernel's rows, and of no others.
func (f *fastWeights) columnsSize() int { return f.s.OC * f.ci * f.s.KH * f.tr.t }

// runColumns has threads share chunks, of a Fourier transform. Of a column of the spectra a thread multiplies the planes for a group of each kind of
// channels, and transforms the sums back while they are in a second-level cache. So the planes of x and g come from memory once, and only
// what the rows of kernels need goes there: [column][output channel][block of source channels][row] pairs of vectors.
func (k *weightChunk) runColumns(p *Pool, take func(n int) []float32) {
	k.xs, k.gs = take(k.tr.planes*k.xPlane), take(k.tr.planes*k.gPlane)
	k.x, k.y = channels{0, k.ci}, channels{0, k.co}
	columns := take(k.columnsSize())
	lanes, blocks, h := k.cpu.lanes, k.ci/k.cpu.lanes, k.tr.t/2
	pair := 2 * lanes
	kernel := k.s.KH * pair
	column := k.s.OC * blocks * kernel
	groups, across := k.units(&k.weightMemory)
	for k.first = 0; k.first < k.tiles(); k.first += k.chunk {
		k.n = min(k.chunk, k.tiles()-k.first)
		k.transform(p)
		p.Run(h*groups, func(worker, i int) {
			w, kx, group := &k.workers[worker], i/groups, i%groups
			x, y := k.x.group(group%across*k.columns, k.columns), k.y.group(group/across*k.rows, k.rows)
			first, n := k.tr.column(kx)
			k.multiply(y, x, first, n, w.sums, false)
			for oc := range min(y.n, k.s.OC-y.first) {
				for c := 0; c < x.n; c += lanes {
					sums := w.sums[oc*x.n+c:]
					if kx > 0 {
						k.tr.inverseColumn(w.strip, pair, 0, sums, k.product, 1, w.scratch)
					} else {
						k.tr.inverseReals(w.strip, pair, 0, sums, k.product, 1, w.scratch)
						k.tr.inverseReals(w.strip[lanes:], pair, 0, sums[k.tr.realColumn()*k.product:], k.product, 1, w.scratch)
					}
					to := columns[kx*column+((y.first+oc)*blocks+(x.first+c)/lanes)*kernel:][:kernel]
					if k.first > 0 {
						Add(to, to, w.strip[:kernel])
					} else {
						copy(to, w.strip)
					}
				}
			}
		})
	}
	width := (k.tr.t - 2) * lanes
	p.Run(k.s.OC*blocks, func(worker, i int) {
		w := &k.workers[worker]
		for row := range k.s.KH {
			k.tr.inverseRow(columns[i*kernel+row*pair:], column, 0, w.strip[row*width:], lanes, 1, w.scratch)
		}
		k.put(w, width, i/blocks, i%blocks*lanes, false)
	})
}
