package kernel

import "sync"

// Gemm sets c = op(a)·op(b), or adds to c with accumulate. op(a) is m by k, op(b) k by n, c m by n, all row-major with
// rows lda, ldb and ldc elements apart; transA says that a is stored k by m, transB that b is stored n by k. c may not
// overlap a or b.
func Gemm(p *Pool, m, n, k int, a []float32, lda int, transA bool, b []float32, ldb int, transB bool, c []float32, ldc int, accumulate bool) {
	if m == 0 || n == 0 {
		return
	}
	if k == 0 {
		RefGemm(m, n, k, a, lda, transA, b, ldb, transB, c, ldc, accumulate)
		return
	}
	// A convolution of n pixels with m 1x1 kernels over k channels.
	var ep Epilogue
	if accumulate {
		ep = Epilogue{{Kind: StageAdd}}
	}
	conv := newConv(ConvShape{N: 1, C: k, H: 1, W: n, OC: m, KH: 1, KW: 1, StrideH: 1, StrideW: 1, DilationH: 1, DilationW: 1, Groups: 1}, 1, n, ep)
	conv.srcC, conv.dstC = ldb, ldc
	if transB {
		conv.srcC, conv.srcW = 1, ldb
	}
	scratch := scratches.Get().(*[]float32)
	defer scratches.Put(scratch)
	ws := conv.Workspace(p.Threads())
	if len(*scratch) < ws+m*k {
		*scratch = make([]float32, ws+m*k)
	}
	conv.packed = (*scratch)[ws:ws]
	if transA {
		conv.pack(a, 1, lda, 0)
	} else {
		conv.pack(a, lda, 1, 0)
	}
	conv.Run(p, c, b, [][]float32{c}, *scratch)
}

// scratches keeps the scratch memory of products between calls.
var scratches = sync.Pool{New: func() any { return new([]float32) }}

// GemmBatch runs Gemm for every i in [0, batch), on the matrices that operands(i) returns. It calls operands from
// several goroutines at once.
func GemmBatch(p *Pool, batch int, operands func(i int) (a, b, c []float32), m, n, k, lda int, transA bool, ldb int, transB bool, ldc int, accumulate bool) {
	within := p
	if batch >= p.Threads() { // whole products in parallel, as then the calls inside have the caller only
		within = nil
	} else {
		p = nil
	}
	p.Run(batch, func(_, i int) {
		a, b, c := operands(i)
		Gemm(within, m, n, k, a, lda, transA, b, ldb, transB, c, ldc, accumulate)
	})
}
