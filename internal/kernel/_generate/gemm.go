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
		return []int{4, 2, 1}
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
	b := Load(Param("b").Base(), GP64())
	off := Load(Param("off").Base(), GP64())
	k := Load(Param("off").Len(), GP64())
	c := Load(Param("c").Base(), GP64())
	n := Load(Param("n"), GP64())
	ldc := Load(Param("ldc"), GP64())
	SHLQ(U8(2), ldc)
	bias := Load(Param("bias").Base(), GP64())
	biases := Load(Param("bias").Len(), GP64())
	apart, residuals := GP64(), Load(Param("res").Len(), GP64()) // apart: from c to res
	Load(Param("res").Base(), apart)
	SUBQ(c, apart)

	all := widths(rows)
	Label("next")
	for i, width := range all {
		fitting := width * s.lanes // a width is taken when it is full
		if width <= 2 {
			fitting = width/2*s.lanes + 1 // the last two when it is needed
		}
		skip := fmt.Sprintf("narrower%d", i)
		CMPQ(n, U32(uint32(fitting)))
		JLT(LabelRef(skip))
		acc := make([][]vec, rows)
		for r := range acc {
			acc[r] = make([]vec, width)
			for v := range acc[r] {
				acc[r][v] = s.vec()
				s.zero(acc[r][v])
			}
		}
		ap, op, count, o := GP64(), GP64(), GP64(), GP64()
		MOVQ(a, ap)
		MOVQ(off, op)
		MOVQ(k, count)
		step := func(u int) {
			MOVLQSX(Mem{Base: op, Disp: 4 * u}, o)
			s.outer(acc, func(r int) Mem { return Mem{Base: ap, Disp: 4 * (u*rows + r)} },
				func(v int) Mem { return Mem{Base: b, Index: o, Scale: 4, Disp: v * s.bytes()} })
		}
		const unroll = 4
		loop, rest, store := fmt.Sprintf("k%d", i), fmt.Sprintf("rest%d", i), fmt.Sprintf("store%d", i)
		Label(loop)
		SUBQ(U32(unroll), count)
		JLT(LabelRef(rest))
		for u := range unroll {
			step(u)
		}
		ADDQ(U32(4*unroll*uint32(rows)), ap)
		ADDQ(U32(4*unroll), op)
		JMP(LabelRef(loop))
		Label(rest)
		ADDQ(U32(unroll), count)
		one := fmt.Sprintf("one%d", i)
		Label(one)
		SUBQ(U32(1), count)
		JLT(LabelRef(store))
		step(0)
		ADDQ(U32(4*uint32(rows)), ap)
		ADDQ(U32(4), op)
		JMP(LabelRef(one))

		Label(store)
		each := func(f func(r int, cp reg.GPVirtual)) {
			cp := GP64()
			MOVQ(c, cp)
			for r := range acc {
				f(r, cp)
				if r+1 < rows {
					ADDQ(ldc, cp)
				}
			}
		}
		fresh, residual := fmt.Sprintf("fresh%d", i), fmt.Sprintf("residual%d", i)
		negative, done := fmt.Sprintf("negative%d", i), fmt.Sprintf("done%d", i)
		TESTQ(biases, biases)
		JNZ(LabelRef(fresh))
		each(func(r int, cp reg.GPVirtual) {
			for v, x := range acc[r] {
				VADDPS(Mem{Base: cp, Disp: v * s.bytes()}, x, x)
			}
		})
		JMP(LabelRef(residual))
		Label(fresh)
		for r := range acc {
			y := s.vec()
			VBROADCASTSS(Mem{Base: bias, Disp: 4 * r}, y)
			for _, x := range acc[r] {
				VADDPS(y, x, x)
			}
		}
		Label(residual)
		TESTQ(residuals, residuals)
		JZ(LabelRef(negative))
		each(func(r int, cp reg.GPVirtual) {
			for v, x := range acc[r] {
				VADDPS(Mem{Base: cp, Index: apart, Scale: 1, Disp: v * s.bytes()}, x, x)
			}
		})
		Label(negative)
		slope := Load(Param("slope").Len(), GP64())
		TESTQ(slope, slope)
		JZ(LabelRef(done))
		Load(Param("slope").Base(), slope)
		for r := range acc {
			y := s.vec()
			VBROADCASTSS(Mem{Base: slope, Disp: 4 * r}, y)
			kept := s.nonzero(y)
			for _, x := range acc[r] {
				s.chooseInto(x, lessThan, x, float(0), s.and(s.op2(VMULPS, x, y), kept), x)
			}
		}
		Label(done)
		each(func(r int, cp reg.GPVirtual) {
			for v, x := range acc[r] {
				VMOVUPS(x, Mem{Base: cp, Disp: v * s.bytes()})
			}
		})
		ADDQ(U32(uint32(width*s.bytes())), b)
		ADDQ(U32(uint32(width*s.bytes())), c)
		SUBQ(U32(uint32(width*s.lanes)), n)
		JMP(LabelRef("next"))
		Label(skip)
	}
	VZEROUPPER()
	RET()
}

// outer adds the outer product of a column of a, broadcast from memory, and a row of b.
func (s isa) outer(acc [][]vec, a func(r int) Mem, b func(v int) Mem) {
	rows, width := len(acc), len(acc[0])
	if s.wide() {
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
