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

// tap calls f for each tap of a source channel that output pixel y, x sees, with its place in the kernel and in the source.
func (m *matrix) eachTap(y, x int, f func(tap, at int)) {
	s := &m.s
	top, left := y*s.StrideH-s.PadTop, x*s.StrideW-s.PadLeft
	for ky := range s.KH {
		sy := top + ky*s.DilationH
		if sy < 0 || sy >= s.H {
			continue
		}
		for kx := range s.KW {
			if sx := left + kx*s.DilationW; sx >= 0 && sx < s.W {
				f(ky*s.KW+kx, sy*s.W+sx)
			}
		}
	}
}

// fill sets rows to what each output pixel sees.
func (m *matrix) fill(p *Pool, rows, src []float32) {
	s, area, plane := &m.s, m.s.KH*m.s.KW, m.s.H*m.s.W
	p.Run(m.pixels, func(_, i int) {
		x, y, n := i%m.outW, i/m.outW%m.outH, i/m.outW/m.outH
		row, from := rows[i*m.row:][:m.row], src[n*s.C*plane:][:s.C*plane]
		clear(row)
		m.eachTap(y, x, func(tap, at int) {
			for c := range s.C {
				row[c*area+tap] = from[c*plane+at]
			}
		})
	})
}

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

func (m *matrixConv) Workspace(int) int { return m.pixels * (m.row + m.s.OC) }

func (m *matrixConv) runLive(p *Pool, dst, src, weight, bias []float32, residuals [][]float32, ws []float32) {
	rows, product := ws[:m.pixels*m.row], ws[m.pixels*m.row:][:m.pixels*m.s.OC]
	m.fill(p, rows, src)
	Gemm(p, m.s.OC, m.pixels, m.row, weight, m.row, false, rows, m.row, true, product, m.pixels, false)
	per := m.pixels / m.s.N
	p.Run(m.s.OC, func(_, oc int) {
		for n := range m.s.N {
			y, at := product[oc*m.pixels+n*per:][:per], (n*m.s.OC+oc)*per
			for i := range y {
				y[i] += bias[oc]
			}
			m.ep.apply(dst[at:at+per], y, oc, at, residuals)
		}
	})
}

// matrixTranspose is the transposed convolution: what each source pixel gives, rows [pixel, OC*KH*KW], is the product, and is added up.
type matrixTranspose struct {
	matrix     // of the convolution that it is the transpose of
	ep         Epilogue
	channels   int // of the source
	outH, outW int
}

// newMatrixTranspose returns nil for a shape that has too many pixels, or groups.
func newMatrixTranspose(s ConvTransposeShape, ep Epilogue) *matrixTranspose {
	of := s.ConvShape
	of.C, of.OC, of.H, of.W = s.OC, s.C, s.OutH(), s.OutW()
	m, ok := newMatrix(of, s.H, s.W)
	if !ok {
		return nil
	}
	return &matrixTranspose{m, ep, s.C, s.OutH(), s.OutW()}
}

func (m *matrixTranspose) Workspace(threads int) int {
	return m.pixels*(m.row+m.channels) + threads*m.outH*m.outW
}

func (m *matrixTranspose) runLive(p *Pool, dst, src, weight, bias []float32, residuals [][]float32, ws []float32) {
	rows, pixels, ws := ws[:m.pixels*m.row], ws[m.pixels*m.row:][:m.pixels*m.channels], ws[m.pixels*(m.row+m.channels):]
	m.pack(p, pixels, src, true)
	Gemm(p, m.pixels, m.row, m.channels, pixels, m.channels, false, weight, m.row, false, rows, m.row, false)
	oc, area, size, per := m.s.C, m.s.KH*m.s.KW, m.outH*m.outW, m.pixels/m.s.N
	p.Run(m.s.N*oc, func(worker, i int) {
		n, c := i/oc, i%oc
		plane := ws[worker*size:][:size]
		for j := range plane {
			plane[j] = bias[c]
		}
		for pixel := range per {
			row := rows[(n*per+pixel)*m.row+c*area:][:area]
			m.eachTap(pixel/m.matrix.outW, pixel%m.matrix.outW, func(tap, at int) { plane[at] += row[tap] })
		}
		m.ep.apply(dst[i*size:][:size], plane, c, i*size, residuals)
	})
}

// pack makes [pixel, channel] of an image in the place of the convolution's output, or [channel, pixel].
func (m *matrix) pack(p *Pool, to, image []float32, pixelFirst bool) {
	oc, per := m.s.OC, m.pixels/m.s.N
	p.Run(oc, func(_, c int) {
		for n := range m.s.N {
			from := image[(n*oc+c)*per:][:per]
			if !pixelFirst {
				copy(to[c*m.pixels+n*per:], from)
				continue
			}
			for i, v := range from {
				to[(n*per+i)*oc+c] = v
			}
		}
	})
}

// matrixWeights is the gradient of the weights.
type matrixWeights struct{ matrix }

func newMatrixWeights(s ConvShape) *matrixWeights {
	m, ok := newMatrix(s, s.OutH(), s.OutW())
	if !ok {
		return nil
	}
	return &matrixWeights{m}
}

func (m *matrixWeights) Workspace(int) int { return m.pixels * (m.row + m.s.OC) }

func (m *matrixWeights) run(p *Pool, dw, src, g, ws []float32) {
	rows, packed := ws[:m.pixels*m.row], ws[m.pixels*m.row:][:m.pixels*m.s.OC]
	m.fill(p, rows, src)
	m.pack(p, packed, g, false)
	Gemm(p, m.s.OC, m.row, m.pixels, packed, m.pixels, false, rows, m.row, false, dw, m.row, false)
}
