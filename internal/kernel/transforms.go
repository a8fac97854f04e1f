package kernel

// transformFunc works on n tiles, or on n of what it is said to take: see transform.forward for its arguments.
type transformFunc = func(x []float32, xStride, xStep int, p []float32, pStride, n int, scratch []float32)

// transform is a way to convolve by tiles: t x t inputs of a channel become planes, the planes of all input channels are
// multiplied by those of the kernels and added up, and the sum's planes become the (t-k+1) x (t-k+1) outputs of a k x k
// kernel, stride 1 (a correlation, as ONNX has it). Each plane is one real matrix product, tiles by input channels by
// output channels.
//
// A vector of lanes channels is computed at a time. A tile is rows of t such vectors; a plane has one vector for it.
// All strides are in elements. Strides between planes that are multiples of 4 KiB are slow: a cache line more is enough.
//
// The planes of Winograd's F(m,3), t = m+2, are the t x t values of its transforms (Lavin and Gray, "Fast algorithms for
// convolutional neural networks", 2015) on the points 0, ±1, ±2, ±1/2 and ∞, as many as needed, but ±5/8 and ±3/2 for F(4,3).
//
// The planes of a Fourier transform of t x t are three for each complex value, so that Gauss's form of a complex product
// needs three real ones: A, B, C are re, im, re+im of the tile times -(re+im), re-im, re of the kernel, and the product,
// by the kernel's conjugate, is (C-B) + i(C+A). A kernel's are divided by t*t, as inverse does not. They are in this order, with h = t/2:
//
//	for kx in 1..h-1: for ky in 0..t-1: the three planes of (ky, kx)
//	for kx in 0, h:   for ky in 1..h-1: the three planes of (ky, kx); then one, re, of (0, kx) and of (h, kx)
//
// The other values are conjugates of these.
type transform struct {
	name   string
	t      int
	planes int

	// forward transforms n tiles: tile i, whose rows begin xStride apart, from x[i*xStep:], into p[i*lanes:], with planes
	// pStride apart. It uses scratch elements of scratch, best aligned to a cache line. A tile takes at most 5 µs, which
	// bounds n: assembly is not preempted.
	forward transformFunc

	// inverse is the way back, for the first rows of the outputs, from 1 to t-2, and for t-2 columns, of which those past
	// t-k+1 mean nothing; with an xStep of t-k+1 vectors the next tile overwrites them. Winograd's writes all t-2 rows.
	inverse func(x []float32, xStride, xStep int, p []float32, pStride, n, rows int, scratch []float32)

	// kernel transforms kernels as forward does tiles: Winograd's those of 3 x 3 taps, a Fourier transform t x t with the zeros that follow
	// them, of which smallKernel leaves out those from smallKernelSize on. A Fourier transform gives two planes for each complex value, A
	// and C: B is A+2C.
	kernel, smallKernel transformFunc

	// gradient transforms gradients of outputs to what the planes of tiles are multiplied by, and weights takes the sums of these products to
	// the gradients of 3 x 3 kernels. Winograd's are the transposes of inverse and of kernel. A Fourier transform takes t x t gradients with the
	// zeros that follow them, and takes the sums back by the parts of its inverse.
	gradient, weights transformFunc

	// The parts of a Fourier transform's inverse, of use where few rows of the outputs are wanted: these need less of a column than its
	// planes. inverseColumn takes the planes of a complex column, from p on, to t-2 pairs of vectors, re and im, in as many rows of x; a pair of
	// 0 are the vectors that inverseReals gives for the two real columns. inverseRow takes a pair of each column, x[kx*xStride:], to t-2
	// outputs, p[0:lanes], p[pStride:pStride+lanes], ...
	inverseColumn, inverseReals, inverseRow transformFunc

	// The parts of kernel, for kernels of up to partKernelSize rows and columns, which take less memory than planes before the columns are
	// transformed. kernelRow takes rows of partKernelSize taps to half-complex ones of t vectors in as many planes, in the order re 0, re h, re 1,
	// im 1, re 2, ... kernelColumns[i] takes partKernelSize vectors of re, x[0:lanes], x[lanes:2*lanes], ..., and of im, from x[xStride:] on,
	// to planes A and C of the i-th part of a complex column, the values of ky with ky%(t/4)/2 = i in their order. kernelReals takes
	// vectors of a real column to all of its planes.
	kernelRow, kernelReals transformFunc
	kernelColumns          []transformFunc

	scratch int
}

// winograd reports whether the transform is one of Winograd's, and not a Fourier transform.
func (tr *transform) winograd() bool { return tr.weights != nil }

// column returns where the planes of a Fourier transform's column begin, and how many there are: kx is 1 to t/2-1, or 0 for the two real columns,
// one after the other.
func (tr *transform) column(kx int) (first, n int) {
	if kx == 0 {
		return 3 * tr.t * (tr.t/2 - 1), 2 * tr.realColumn()
	}
	return 3 * tr.t * (kx - 1), 3 * tr.t
}

// realColumn is how many planes a real column has.
func (tr *transform) realColumn() int { return 3*(tr.t/2-1) + 2 }

// columnPart is a part of a column: the rows of kernels, of which it takes those from first on, and what transforms them to the weights of
// values. Of its values, plane is that of x and y, and weights counts within the part.
type columnPart struct {
	first     int
	transform transformFunc
	values    []value
	planes    int // of x
}

// columnParts are the parts of the columns of a Fourier transform, the longest first.
func (tr *transform) columnParts() (parts []columnPart) {
	h := tr.t / 2
	add := func(p *columnPart, plane int, complex bool) {
		weights := 2 * len(p.values)
		if n := len(p.values); n > 0 && !p.values[n-1].complex {
			weights = p.values[n-1].weights + 1
		}
		v := value{plane, weights, complex}
		p.values = append(p.values, v)
		p.planes += v.planes()
	}
	plane, _ := tr.column(0)
	for i := range 2 {
		p := columnPart{first: i, transform: tr.kernelReals}
		for range h - 1 {
			add(&p, plane, true)
			plane += 3
		}
		add(&p, plane, false)
		add(&p, plane+1, false)
		plane += 2
		parts = append(parts, p)
	}
	for kx := 1; kx < h; kx++ {
		first, _ := tr.column(kx)
		for i, transform := range tr.kernelColumns {
			p := columnPart{first: 2 * kx, transform: transform}
			for ky := range tr.t {
				if ky%(tr.t/4)/2 == i {
					add(&p, first+3*ky, true)
				}
			}
			parts = append(parts, p)
		}
	}
	return parts
}

// fits reports whether the transform can convolve with a kernel of kh x kw.
func (tr *transform) fits(kh, kw int) bool {
	if tr.winograd() {
		return kh == 3 && kw == 3
	}
	return min(kh, kw) >= 3 && max(kh, kw) <= tr.t
}

// kernelScratch is how many elements of scratch memory transformKernels needs for kernels of area taps. What it gets first has to be 0.
func (tr *transform) kernelScratch(area, lanes int) int {
	return tr.scratch + (tr.t*tr.t+max(area, lanes))*lanes
}

// kernelsFunc transforms the kh x kw kernels of source channel ic for n output channels, up to lanes, from oc on into planes of p. Lanes past n
// are 0. It leaves in scratch what it finds there again for kernels of the same size.
type kernelsFunc func(f *functions, p []float32, pStride int, k kernels, oc, ic, n, kh, kw int, scratch []float32)

// transformKernels gives one vector of each plane: p[0:lanes], p[pStride:pStride+lanes], ...
func (tr *transform) transformKernels(f *functions, p []float32, pStride int, k kernels, oc, ic, n, kh, kw int, scratch []float32) {
	size, transform := tr.t, tr.kernel
	if tr.winograd() {
		size = 3
	} else if max(kh, kw) <= smallKernelSize {
		size, transform = smallKernelSize, tr.smallKernel
	}
	transform(tr.tile(f, size, k, oc, ic, n, kh, kw, scratch), size*f.lanes, 0, p, pStride, 1, scratch[:tr.scratch])
}

// transformKernelRows transforms rows alone, of kernels of up to partKernelSize: to partKernelSize vectors of each plane, one for each row.
func (tr *transform) transformKernelRows(f *functions, p []float32, pStride int, k kernels, oc, ic, n, kh, kw int, scratch []float32) {
	tile := tr.tile(f, partKernelSize, k, oc, ic, n, kh, kw, scratch)
	tr.kernelRow(tile, 0, partKernelSize*f.lanes, p, pStride, partKernelSize, scratch[:tr.scratch])
}

// tile is the kernels with the zeros that follow them, in scratch: [size][size][lanes].
func (tr *transform) tile(f *functions, size int, k kernels, oc, ic, n, kh, kw int, scratch []float32) []float32 {
	row := size * f.lanes
	tile, taps := scratch[tr.scratch:][:size*row], scratch[tr.scratch+tr.t*tr.t*f.lanes:]
	if n < f.lanes || k.strideH*k.strideW > 1 { // others overwrite the same elements
		clear(tile)
	}
	k.putBlock(f, tile, row, kh, kw, oc, ic, n, taps)
	return tile
}
