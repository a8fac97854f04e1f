package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// maxRows is how many rows of two registers leave room for two registers of b and, without broadcasts from memory, one
// of a.
func (s isa) maxRows() int {
	if s.wide() {
		return 14
	}
	return 6
}

// widths are the numbers of registers side by side that a kernel of so many rows works on, widest first: few rows need
// more columns to hide the latency of the multiply-adds.
func widths(rows int) []int {
	switch {
	case rows == 1:
		return []int{8, 4, 2, 1}
	case rows <= 3:
		return []int{4, 3, 2, 1}
	}
	return []int{2, 1}
}

// gemm emits the product of a panel of a with columns of b, for a number of rows. The sum over k is one chain of
// multiply-adds whatever the width, so a column's result does not depend on where the column lies.
func (s isa) gemm(rows int) {
	s.text(fmt.Sprintf("gemm%d", rows), "func(a, b []float32, off []int32, c []float32, n, ldc int, bias, res, slope []float32)", fmt.Sprintf(
		`%%s multiplies a panel %d high by n columns, rounded up to a multiple of %d, and adds the product to c, or to a
bias if there is one:

	for r := range %[1]d { for j := range n { c[r*ldc+j] = (bias[r] or c[r*ldc+j]) + sum over k, o of off: a[k*%[1]d+r] * b[o+j] } }

The sum is complete before it is added. If there is res, which is laid out as c is and may be c, it is added too. If there is
slope, what is negative then is multiplied by slope[r]; a slope of 0 makes 0 of it.`, rows, s.lanes))
	a := Load(Param("a").Base(), GP64())
	off := Load(Param("off").Base(), GP64())
	s.columns(rows, Load(Param("off").Len(), GP64()), func(b reg.GPVirtual) (func(u int, acc [][]vec), func(n int)) {
		ap, op, o := GP64(), GP64(), GP64()
		MOVQ(a, ap)
		MOVQ(off, op)
		return func(u int, acc [][]vec) {
				MOVLQSX(Mem{Base: op, Disp: 4 * u}, o)
				s.outer(acc, func(r int) Mem { return Mem{Base: ap, Disp: 4 * (u*rows + r)} },
					func(v int) Mem { return Mem{Base: b, Index: o, Scale: 4, Disp: v * s.bytes()} })
			}, func(n int) {
				ADDQ(U32(4*uint32(n*rows)), ap)
				ADDQ(U32(4*uint32(n)), op)
			}
	})
}

// gemmRows emits the same for rows of a as they are, and rows of b at equal distances.
func (s isa) gemmRows(rows int) {
	s.text(fmt.Sprintf("gemmRows%d", rows), "func(a, b []float32, lda, ldb, depth int, c []float32, n, ldc int, bias, res, slope []float32)", fmt.Sprintf(
		`%%s multiplies %d rows of a by n columns, rounded up to a multiple of %d, and adds the product to c, or to a bias if
there is one:

	for r := range %[1]d { for j := range n { c[r*ldc+j] = (bias[r] or c[r*ldc+j]) + sum over k < depth of a[r*lda+k] * b[k*ldb+j] } }

It ends as gemm%[1]d%[3]s does.`, rows, s.lanes, s.name))
	a := Load(Param("a").Base(), GP64())
	lda, ldb := Load(Param("lda"), GP64()), Load(Param("ldb"), GP64())
	SHLQ(U8(2), lda)
	SHLQ(U8(2), ldb)
	s.columns(rows, Load(Param("depth"), GP64()), func(b reg.GPVirtual) (func(u int, acc [][]vec), func(n int)) {
		// An address is one of few pointers and up to two distances.
		var pointers []reg.GPVirtual
		for r := 0; r < rows; r += 3 {
			p := GP64()
			if r == 0 {
				MOVQ(a, p)
			} else {
				LEAQ(Mem{Base: pointers[len(pointers)-1], Index: lda, Scale: 2}, p)
				ADDQ(lda, p)
			}
			pointers = append(pointers, p)
		}
		bp := GP64()
		MOVQ(b, bp)
		return func(u int, acc [][]vec) {
				s.outer(acc, func(r int) Mem {
					m := Mem{Base: pointers[r/3], Disp: 4 * u}
					if r%3 > 0 {
						m.Index, m.Scale = lda, uint8(r%3)
					}
					return m
				}, func(v int) Mem { return Mem{Base: bp, Disp: v * s.bytes()} })
				ADDQ(ldb, bp)
			}, func(n int) {
				for _, p := range pointers {
					ADDQ(U32(4*uint32(n)), p)
				}
			}
	})
}

// gemmColumns emits the same for columns of a as they are, and rows of b at equal distances.
func (s isa) gemmColumns(rows int) {
	s.text(fmt.Sprintf("gemmColumns%d", rows), "func(a, b []float32, lda, ldb, depth int, c []float32, n, ldc int, bias, res, slope []float32)", fmt.Sprintf(
		`%%s multiplies %d columns of a by n columns of b, rounded up to a multiple of %d, and adds the product to c, or to a bias if
there is one:

	for r := range %[1]d { for j := range n { c[r*ldc+j] = (bias[r] or c[r*ldc+j]) + sum over k < depth of a[k*lda+r] * b[k*ldb+j] } }

It ends as gemm%[1]d%[3]s does.`, rows, s.lanes, s.name))
	a := Load(Param("a").Base(), GP64())
	lda, ldb := Load(Param("lda"), GP64()), Load(Param("ldb"), GP64())
	SHLQ(U8(2), lda)
	SHLQ(U8(2), ldb)
	s.columns(rows, Load(Param("depth"), GP64()), func(b reg.GPVirtual) (func(u int, acc [][]vec), func(n int)) {
		ap, bp := GP64(), GP64()
		MOVQ(a, ap)
		MOVQ(b, bp)
		return func(_ int, acc [][]vec) {
			s.outer(acc, func(r int) Mem { return Mem{Base: ap, Disp: 4 * r} }, func(v int) Mem { return Mem{Base: bp, Disp: v * s.bytes()} })
			ADDQ(lda, ap)
			ADDQ(ldb, bp)
		}, func(int) {}
	})
}

// columns emits the rest of a product: for columns from b on it calls start, whose results emit a step of the sum, the u-th
// after the last advance, and an advance by n steps.
func (s isa) columns(rows int, depth reg.Register, start func(b reg.GPVirtual) (step func(u int, acc [][]vec), advance func(n int))) {
	b, c, n := GP64(), GP64(), GP64()
	Load(Param("b").Base(), b)
	Load(Param("c").Base(), c)
	Load(Param("n"), n)

	Label("next")
	for i, width := range widths(rows) {
		fitting := width * s.lanes // a width is taken when it is full
		if width <= 2 {
			fitting = width/2*s.lanes + 1 // the last two when it is needed
		}
		label := func(name string) string { return fmt.Sprintf("%s%d", name, i) }
		CMPQ(n, U32(uint32(fitting)))
		JLT(LabelRef(label("narrower")))
		acc := make([][]vec, rows)
		for r := range acc {
			acc[r] = make([]vec, width)
			for v := range acc[r] {
				acc[r][v] = s.vec()
				s.zero(acc[r][v])
			}
		}
		step, advance := start(b)
		count := GP64()
		MOVQ(depth, count)
		const unroll = 4
		Label(label("k"))
		SUBQ(U32(unroll), count)
		JLT(LabelRef(label("rest")))
		for u := range unroll {
			step(u, acc)
		}
		advance(unroll)
		JMP(LabelRef(label("k")))
		Label(label("rest"))
		ADDQ(U32(unroll), count)
		Label(label("one"))
		SUBQ(U32(1), count)
		JLT(LabelRef(label("store")))
		step(0, acc)
		advance(1)
		JMP(LabelRef(label("one")))

		Label(label("store"))
		ldc := Load(Param("ldc"), GP64())
		SHLQ(U8(2), ldc)
		s.store(acc, c, func(base reg.Register, f func(r, v int, m Mem)) {
			p := GP64()
			MOVQ(base, p)
			for r := range acc {
				for v := range acc[r] {
					f(r, v, Mem{Base: p, Disp: v * s.bytes()})
				}
				if r+1 < rows {
					ADDQ(ldc, p)
				}
			}
		}, func(r int) int { return r }, label)
		ADDQ(U32(uint32(width*s.bytes())), b)
		ADDQ(U32(uint32(width*s.bytes())), c)
		SUBQ(U32(uint32(width*s.lanes)), n)
		JMP(LabelRef("next"))
		Label(label("narrower"))
	}
	VZEROUPPER()
	RET()
}

// store ends products: it adds them to a bias or to c, adds a residual, and applies a slope, as the parameters of the function
// say. Each calls a function for all registers, with their places from a base on, and channel is the channel of a row.
func (s isa) store(acc [][]vec, c reg.Register, each func(base reg.Register, f func(r, v int, m Mem)), channel func(r int) int, label func(string) string) {
	param, size := GP64(), GP64()
	given := func(name, otherwise string) {
		Load(Param(name).Len(), size)
		TESTQ(size, size)
		JZ(LabelRef(label(otherwise)))
		Load(Param(name).Base(), param)
	}
	broadcast := func(r int) vec {
		y := s.vec()
		VBROADCASTSS(Mem{Base: param, Disp: 4 * channel(r)}, y)
		return y
	}
	add := func(r, v int, m Mem) { VADDPS(m, acc[r][v], acc[r][v]) }
	given("bias", "old")
	for r := range acc {
		y := broadcast(r)
		for _, x := range acc[r] {
			VADDPS(y, x, x)
		}
	}
	JMP(LabelRef(label("residual")))
	Label(label("old"))
	each(c, add)
	Label(label("residual"))
	given("res", "negative")
	first := Load(Param("c").Base(), GP64())
	SUBQ(first, param)
	ADDQ(c, param) // to where c is now
	each(param, add)
	Label(label("negative"))
	given("slope", "done")
	for r := range acc {
		y := broadcast(r)
		kept := s.nonzero(y)
		for _, x := range acc[r] {
			s.chooseInto(x, lessThan, x, float(0), s.and(s.op2(VMULPS, x, y), kept), x)
		}
	}
	Label(label("done"))
	each(c, func(r, v int, m Mem) { VMOVUPS(acc[r][v], m) })
}

// outer adds the outer product of a column of a, broadcast from memory, and a row of b.
func (s isa) outer(acc [][]vec, a func(r int) Mem, b func(v int) Mem) {
	rows, width := len(acc), len(acc[0])
	if s.wide() && rows > 3 {
		for v := range width {
			x := s.load(b(v))
			for r := range rows {
				VFMADD231PS_BCST(a(r), x, acc[r][v])
			}
		}
		return
	}
	broadcast := func(r int) vec {
		x := s.vec()
		VBROADCASTSS(a(r), x)
		return x
	}
	if width <= 2 { // hold b, pass over a
		held := make([]vec, width)
		for v := range held {
			held[v] = s.load(b(v))
		}
		for r := range rows {
			x := broadcast(r)
			for v := range held {
				VFMADD231PS(held[v], x, acc[r][v])
			}
		}
		return
	}
	held := make([]vec, rows)
	for r := range held {
		held[r] = broadcast(r)
	}
	for v := range width {
		x := s.load(b(v))
		for r := range held {
			VFMADD231PS(x, held[r], acc[r][v])
		}
	}
}
