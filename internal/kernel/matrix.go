package kernel

// A convolution of few pixels by many weights is a product of matrices: the weights as they are, [OC, C*KH*KW], by what each output pixel
// sees, rows [pixel, C*KH*KW]. To pack or transform the weights would take longer than to multiply by them.

// matrixPixels is how many output pixels of all images are few.
const matrixPixels = 1024

// matrix is the shape of such a convolution, without groups.
type matrix struct {
	s          ConvShape
	outH, outW int
	pixels     int // of all images
	row        int // elements that an output pixel sees
}

func newMatrix(s ConvShape, outH, outW int) (m matrix, ok bool) {
	m = matrix{s, outH, outW, s.N * outH * outW, s.C * s.KH * s.KW}
	return m, s.Groups == 1 && m.pixels > 0 && m.pixels <= matrixPixels && m.row*s.OC >= 16*m.pixels
}

// matrixCost estimates the time of a product of the weights, in ns of one thread.
func (m *matrix) cost() float64 {
	weights, pixels := float64(m.row*m.s.OC), float64(m.pixels)
	lanes := cpu.lanes
	return costsOf[cpu.path].direct*weights*float64(roundUp(m.pixels, lanes))/float64(lanes) + weights*costsOf[cpu.path].memory + (float64(m.row)+float64(m.s.OC))*pixels
}

func (m *matrix) name() string      { return "matrix" }
func (m *matrix) products() int     { return m.pixels * m.row * m.s.OC }
func (m *matrix) blocks() Blocking  { return NotBlocked }
func (m *matrix) setBlocked(Layout) {}

// matrixConv is the convolution.
type matrixConv struct {
	matrix
	ep Epilogue
}

// newMatrixConv returns nil for a shape that has too many pixels, or groups.
func newMatrixConv(s ConvShape, ep Epilogue) *matrixConv {
	m, ok := newMatrix(s, s.OutH(), s.OutW())
	if !ok {
		return nil
	}
	return &matrixConv{m, ep}
}

// matrixDepth is how many elements of what pixels see are multiplied by a panel of weights at a time: both stay in a second-level cache.
const matrixDepth = 512

func (m *matrixConv) Workspace(threads int) int {
	lanes := cpu.lanes
	return m.pixels*roundUp(m.row, lanes) + max(m.blocked(), m.pixels*roundUp(m.s.OC, lanes)+threads*m.private())
}

// private is the memory of a thread: sums of a block of output channels, a panel of weights, and what lies in its place if it is not whole.
func (m *matrixConv) private() int { return (m.pixels + 2*matrixDepth) * cpu.lanes }

func (m *matrixConv) runLive(p *Pool, dst, src, weight, bias []float32, residuals [][]float32, ws []float32) {
	f, lanes, step := cpu, cpu.lanes, m.pixels*cpu.lanes
	co, depth := ceilDiv(m.s.OC, lanes), roundUp(m.row, lanes)
	rows, ws := ws[:m.pixels*depth], ws[m.pixels*depth:]
	m.fill(p, rows, src, lanes, ws)
	product, ws := ws[:co*step], ws[co*step:]
	groups := f.group(m.pixels, 1)
	items := min(co, 4*p.Threads())
	p.Run(items, func(worker, i int) {
		own := ws[worker*m.private():]
		sums, panel, part := own[:step], own[step:][:matrixDepth*lanes], own[step+matrixDepth*lanes:][:matrixDepth*lanes]
		for k := 0; k < depth; k += matrixDepth {
			n := min(matrixDepth, depth-k)
			for block := i * co / items; block < (i+1)*co/items; block++ {
				m.packWeights(f, panel, part, weight, block*lanes, k, n)
				to := product[block*step:][:step]
				if k == 0 {
					f.product(groups, 1, rows[k*m.pixels:], panel[:n*lanes], to, step, 0, n)
					continue
				}
				f.product(groups, 1, rows[k*m.pixels:], panel[:n*lanes], sums, step, 0, n)
				Add(to, to, sums)
			}
		}
	})
	per := m.pixels / m.s.N
	p.Run(co*m.s.N, func(worker, i int) {
		block, image := i/m.s.N, i%m.s.N
		channel := ws[worker*m.private():][:per]
		for c := range min(lanes, m.s.OC-block*lanes) {
			oc := block*lanes + c
			for j := range channel {
				channel[j] = product[block*step+(image*per+j)*lanes+c] + bias[oc]
			}
			at := (image*m.s.OC + oc) * per
			m.ep.apply(dst[at:at+per], channel, oc, at, residuals)
		}
	})
}

// packWeights sets panel to n weights from k on of a block of output channels from oc on, [k][channel], with zeros where there are none.
func (m *matrixConv) packWeights(f *functions, panel, part, weight []float32, oc, k, n int) {
	if oc+f.lanes <= m.s.OC && k+n <= m.row {
		f.gather(panel, weight[oc*m.row+k:], m.row, n)
		return
	}
	clear(part)
	for c := range min(f.lanes, m.s.OC-oc) {
		copy(part[c*n:], weight[(oc+c)*m.row+k:][:min(n, m.row-k)])
	}
	f.gather(panel, part, n, n)
}

// matrixTranspose is the transposed convolution: what each source pixel gives, rows [pixel, OC*KH*KW], is the product, and is added up.
type matrixTranspose struct {
	matrix   // of the convolution that it is the transpose of
	ep       Epilogue
	channels int // of the source
}

// newMatrixTranspose returns nil for a shape that has too many pixels, or groups.
func newMatrixTranspose(s ConvTransposeShape, ep Epilogue) *matrixTranspose {
	of := s.ConvShape
	of.C, of.OC, of.H, of.W = s.OC, s.C, s.OutH(), s.OutW()
	m, ok := newMatrix(of, s.H, s.W)
	if !ok {
		return nil
	}
	return &matrixTranspose{m, ep, s.C}
}

func (m *matrixTranspose) Workspace(threads int) int {
	return m.pixels*(m.row+m.channels) + m.beyond() + threads*m.adding()
}

func (m *matrixTranspose) runLive(p *Pool, dst, src, weight, bias []float32, residuals [][]float32, ws []float32) {
	pixels, ws := ws[:m.pixels*m.channels], ws[m.pixels*m.channels:]
	rows, ws := ws[:m.pixels*m.row+m.beyond()], ws[m.pixels*m.row+m.beyond():]
	m.pack(p, pixels, src, true)
	Gemm(p, m.pixels, m.row, m.channels, pixels, m.channels, false, weight, m.row, false, rows, m.row, false)
	m.addUp(p, dst, rows, bias, m.ep, residuals, ws)
}

// pack makes [pixel, channel] of an image in the place of the convolution's output, or [channel, pixel].
func (m *matrix) pack(p *Pool, to, image []float32, pixelFirst bool) {
	oc, per := m.s.OC, m.pixels/m.s.N
	const together = 64 // channels
	p.Run(m.s.N*ceilDiv(oc, together), func(_, i int) {
		n, first := i%m.s.N, i/m.s.N*together
		count := min(together, oc-first)
		from := image[(n*oc+first)*per:]
		if pixelFirst {
			interleave(to[n*per*oc+first:], oc, from, per, count, per)
			return
		}
		for c := range count {
			copy(to[(first+c)*m.pixels+n*per:], from[c*per:][:per])
		}
	})
}

// matrixWeights is the gradient of the weights.
type matrixWeights struct{ matrix }

func (*matrixWeights) blocks() bool { return false }

func newMatrixWeights(s ConvShape) *matrixWeights {
	m, ok := newMatrix(s, s.OutH(), s.OutW())
	if !ok {
		return nil
	}
	return &matrixWeights{m}
}

func (m *matrixWeights) Workspace(int) int { return m.pixels*m.row + max(m.blocked(), m.pixels*m.s.OC) }

func (m *matrixWeights) run(p *Pool, dw, src, g, ws []float32) {
	rows, ws := ws[:m.pixels*m.row], ws[m.pixels*m.row:]
	m.fill(p, rows, src, m.row, ws)
	packed := ws[:m.pixels*m.s.OC]
	m.pack(p, packed, g, false)
	Gemm(p, m.s.OC, m.row, m.pixels, packed, m.pixels, false, rows, m.row, false, dw, m.row, false)
}
