package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestGemm(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(17, 18))
		p := NewPool(3)
		defer p.Close()
		sizes := []int{0, 1, 2, 3, 5, 7, 13, 16, 17, 40}
		for _, m := range sizes {
			for _, n := range sizes {
				for _, k := range sizes {
					testGemm(t, r, p, m, n, k)
				}
			}
		}
		testGemm(t, r, p, 300, 70, 600)
		testGemm(t, r, p, 1, 1000, 1000)
		testGemm(t, r, p, 1000, 1, 30)
	})
}

func testGemm(t *testing.T, r *rand.Rand, p *Pool, m, n, k int) {
	t.Helper()
	for variant := range 8 {
		transA, transB, accumulate := variant&1 != 0, variant&2 != 0, variant&4 != 0
		size := func(rows, columns int, trans bool) (ld, size int) {
			if trans {
				rows, columns = columns, rows
			}
			ld = columns + r.IntN(3)
			return ld, max(0, (rows-1)*ld+columns)
		}
		lda, na := size(m, k, transA)
		ldb, nb := size(k, n, transB)
		ldc, nc := size(m, n, false)
		a, b := random(r, na), random(r, nb)
		c, check := guarded(t, nc)
		copy(c, random(r, nc))
		want, magnitude := widen(c), widenAbs(c)
		RefGemm(m, n, k, widen(a), lda, transA, widen(b), ldb, transB, want, ldc, accumulate)
		RefGemm(m, n, k, widenAbs(a), lda, transA, widenAbs(b), ldb, transB, magnitude, ldc, accumulate)
		Gemm(p, m, n, k, a, lda, transA, b, ldb, transB, c, ldc, accumulate)
		check()
		compare(t, fmt.Sprintf("%dx%dx%d %v %v %v", m, n, k, transA, transB, accumulate), c, want, magnitude)
	}
}

// TestGemmColumns compares every number of rows, of columns and of depth with the reference.
func TestGemmColumns(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(21, 22))
		for i, f := range cpu.gemmColumns {
			rows := i + 1
			for n := cpu.lanes; n <= 5*cpu.lanes; n += cpu.lanes {
				for depth := range 11 {
					lda, ldb, ldc := rows+r.IntN(3), n+r.IntN(3), n+r.IntN(3)
					a, b := random(r, depth*lda), random(r, depth*ldb)
					size := (rows-1)*ldc + n
					bias, slope, res := random(r, rows), random(r, rows), random(r, size)
					for variant := range 8 {
						given := func(bit int, x []float32) []float32 {
							if variant>>bit&1 != 0 {
								return x
							}
							return nil
						}
						bias, slope, res := given(0, bias), given(1, slope), given(2, res)
						c, check := guarded(t, size)
						copy(c, random(r, size))
						want := slices.Clone(c)
						genericGemmColumns(rows, a, b, lda, ldb, depth, want, n, ldc, bias, res, slope)
						f(a, b, lda, ldb, depth, c, n, ldc, bias, res, slope)
						check()
						for j, w := range want {
							if !(math.Abs(float64(c[j]-w)) <= 1e-5) {
								t.Fatalf("%d rows, %d columns, depth %d, variant %d: element %d is %v, want %v", rows, n, depth, variant, j, c[j], w)
							}
						}
					}
				}
			}
		}
	})
}

// TestRefGemm checks the reference against products written out by hand.
func TestRefGemm(t *testing.T) {
	a, at := []int64{1, 2, 3, 4, 5, 6}, []int64{1, 4, 2, 5, 3, 6} // 2x3
	b, bt := []int64{1, 0, 2, 1, 0, 3}, []int64{1, 2, 0, 0, 1, 3} // 3x2
	for i, got := range [][]int64{make([]int64, 4), make([]int64, 4), {1, 1, 1, 1}} {
		want := []int64{5, 11, 14, 23}
		switch i {
		case 0:
			RefGemm(2, 2, 3, a, 3, false, b, 2, false, got, 2, false)
		case 1:
			RefGemm(2, 2, 3, at, 2, true, bt, 3, true, got, 2, false)
		case 2:
			RefGemm(2, 2, 3, a, 3, false, bt, 3, true, got, 2, true)
			want = []int64{6, 12, 15, 24}
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("case %d: got %v, want %v", i, got, want)
		}
	}
}

func TestGemmBatch(t *testing.T) {
	r := rand.New(rand.NewPCG(19, 20))
	p := NewPool(4)
	defer p.Close()
	for _, batch := range []int{0, 1, 3, 9} {
		const m, n, k = 5, 6, 7
		a, b, c, want := random(r, batch*m*k), random(r, k*n), make([]float32, batch*m*n), make([]float32, batch*m*n)
		for i := range batch {
			Gemm(nil, m, n, k, a[i*m*k:], k, false, b, n, false, want[i*m*n:], n, false)
		}
		GemmBatch(p, batch, func(i int) (_, _, _ []float32) { return a[i*m*k:], b, c[i*m*n:] }, m, n, k, k, false, n, false, n, false)
		for i := range want {
			if c[i] != want[i] {
				t.Fatalf("batch %d: element %d is %v, want %v", batch, i, c[i], want[i])
			}
		}
	}
}
