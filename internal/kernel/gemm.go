package kernel

// Gemm sets c = op(a)·op(b), or adds to c with accumulate. op(a) is m by k, op(b) k by n, c m by n, all row-major with
// rows lda, ldb and ldc elements apart; transA says that a is stored k by m, transB that b is stored n by k. c may not
// overlap a or b.
func Gemm(p *Pool, m, n, k int, a []float32, lda int, transA bool, b []float32, ldb int, transB bool, c []float32, ldc int, accumulate bool) {
	RefGemm(m, n, k, a, lda, transA, b, ldb, transB, c, ldc, accumulate)
}

// GemmBatch runs one Gemm for each i in [0, batch), on the operands that operands(i) returns; operands may be called from several
// goroutines at once.
func GemmBatch(p *Pool, batch int, operands func(i int) (a, b, c []float32), m, n, k, lda int, transA bool, ldb int, transB bool, ldc int, accumulate bool) {
	if batch < p.Threads() {
		for i := range batch {
			a, b, c := operands(i)
			Gemm(p, m, n, k, a, lda, transA, b, ldb, transB, c, ldc, accumulate)
		}
		return
	}
	p.Run(batch, func(_, i int) {
		a, b, c := operands(i)
		Gemm(nil, m, n, k, a, lda, transA, b, ldb, transB, c, ldc, accumulate)
	})
}
