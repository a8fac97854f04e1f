package kernel

import "sync"

// Gemm sets c = op(a)·op(b), or adds to c with accumulate. op(a) is m by k, op(b) k by n, c m by n, all row-major with
// rows lda, ldb and ldc elements apart; transA says that a is stored k by m, transB that b is stored n by k. c may not
// overlap a or b.
func Gemm(p *Pool, m, n, k int, a []float32, lda int, transA bool, b []float32, ldb int, transB bool, c []float32, ldc int, accumulate bool) {
	newGemm(p.Threads(), m, n, k, lda, transA, ldb, transB, ldc, accumulate).run(p, a, b, c)
}

// GemmBatch runs Gemm for every i in [0, batch), on the matrices that operands(i) returns. It calls operands from
// several goroutines at once.
func GemmBatch(p *Pool, batch int, operands func(i int) (a, b, c []float32), m, n, k, lda int, transA bool, ldb int, transB bool, ldc int, accumulate bool) {
	within := p
	if batch >= p.Threads() { // whole products in parallel
		within = nil
	} else {
		p = nil
	}
	g := newGemm(within.Threads(), m, n, k, lda, transA, ldb, transB, ldc, accumulate)
	p.Run(batch, func(_, i int) {
		a, b, c := operands(i)
		g.run(within, a, b, c)
	})
}

// gemm is a matrix product as a convolution: of n pixels, with m kernels of 1x1, over k channels.
type gemm struct {
	conv      *direct                          // without its weights
	empty     func(c []float32)                // instead, if there is nothing to multiply
	dots      func(p *Pool, a, b, c []float32) // or if each element is a product of vectors that lie in memory as they are
	tiling    *tiling
	dOut, dIn int // elements between rows and columns of a
	size      int // elements of a to be packed
	workspace int
}

func newGemm(threads, m, n, k, lda int, transA bool, ldb int, transB bool, ldc int, accumulate bool) gemm {
	if m == 0 || n == 0 || k == 0 {
		return gemm{empty: func(c []float32) {
			for i := 0; i < m && n > 0 && !accumulate; i++ {
				clear(c[i*ldc:][:n])
			}
		}}
	}
	if m == 1 && transB && !transA {
		return gemm{dots: func(p *Pool, a, b, c []float32) {
			const together = 64
			p.Run(ceilDiv(n, together), func(_, i int) {
				for j := i * together; j < min(n, (i+1)*together); j++ {
					sum := Dot(a[:k], b[j*ldb:][:k])
					if accumulate {
						sum += float64(c[j])
					}
					c[j] = float32(sum)
				}
			})
		}}
	}
	var ep Epilogue
	if accumulate {
		ep = Epilogue{{Kind: StageAdd}}
	}
	g := gemm{dOut: lda, dIn: 1, size: m * k}
	if transA {
		g.dOut, g.dIn = 1, lda
	}
	g.conv = newDirect(ConvShape{N: 1, C: k, H: 1, W: n, OC: m, KH: 1, KW: 1, StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1, Groups: 1}, 1, n, ep)
	g.conv.srcC, g.conv.dstC = ldb, ldc
	if transB {
		g.conv.srcC, g.conv.srcW = 1, ldb
	}
	if g.conv.cpu.gemmRows != nil && !transA {
		g.conv.lda, g.size = lda, 0
	}
	g.tiling = g.conv.tiling(threads)
	g.workspace = g.tiling.workspace * threads
	return g
}

func (g gemm) run(p *Pool, a, b, c []float32) {
	switch {
	case g.empty != nil:
		g.empty(c)
		return
	case g.dots != nil:
		g.dots(p, a, b, c)
		return
	}
	scratch := takeScratch(g.workspace + g.size)
	defer scratches.Put(scratch)
	if g.size > 0 {
		packed := (*scratch)[g.workspace:][:g.size]
		g.conv.pack(p, packed, a, g.dOut, g.dIn, 0)
		a = packed
	}
	var residuals [][]float32
	if g.conv.residual >= 0 {
		residuals = [][]float32{c}
	}
	g.conv.runTiles(p, g.tiling, a, c, b, residuals, *scratch)
}

// scratches keeps scratch memory between calls.
var scratches = sync.Pool{New: func() any { return new([]float32) }}

// takeScratch returns n elements or more, of any content, which are to be put back into scratches.
func takeScratch(n int) *[]float32 {
	s := scratches.Get().(*[]float32)
	if len(*s) < n {
		*s = Floats(n)
	}
	return s
}
