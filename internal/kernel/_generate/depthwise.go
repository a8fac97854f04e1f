package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// depthwise emits the convolution of one channel with one kernel, three rows of outputs at a time: each register of the
// source is loaded once for the rows that read it.
func (s isa) depthwise() {
	const rows = 3
	s.text("depthwise", "func(w, b []float32, kw, pitch int, c []float32, n, ldc int, bias, res, slope []float32)", fmt.Sprintf(
		`%%s convolves rows of b, which begin pitch elements apart, with the kernel w, whose rows have kw elements; there must
be %d or more of them. It computes n columns, rounded up to a multiple of %d, of %[1]d rows:

	for r := range %[1]d { for j := range n { c[r*ldc+j] = (bias[0] or c[r*ldc+j]) + sum over y, x of w[y*kw+x] * b[(r+y)*pitch+x+j] } }

The sum is complete before it is added to c, or to a bias if there is one. If there is res, which is laid out as c is and may be c, it is added too.
If there is slope, what is negative then is multiplied by slope[0]; a slope of 0 makes 0 of it.`, rows, s.lanes))
	b, c := Load(Param("b").Base(), GP64()), Load(Param("c").Base(), GP64())
	pitch := Load(Param("pitch"), GP64())
	SHLQ(U8(2), pitch)
	kw := Load(Param("kw"), GP64())
	SHLQ(U8(2), kw)
	back := GP64() // from a row of the kernel to the one before
	MOVQ(kw, back)
	NEGQ(back)
	n := Load(Param("n"), GP64())

	Label("next")
	for i, width := range []int{4, 2, 1} {
		label := func(name string) string { return fmt.Sprintf("%s%d", name, i) }
		if width > 1 {
			CMPQ(n, U32(uint32((width-1)*s.lanes+1)))
		} else {
			CMPQ(n, U32(1))
		}
		JLT(LabelRef(label("narrower")))
		acc := make([][]vec, rows)
		for r := range acc {
			acc[r] = make([]vec, width)
			for v := range acc[r] {
				acc[r][v] = s.vec()
				s.zero(acc[r][v])
			}
		}
		// w points to the row of the kernel that the first row of outputs, if it reads the row of the source at all, meets.
		w, x, end := Load(Param("w").Base(), GP64()), GP64(), GP64()
		MOVQ(b, x)
		// row adds what a row of the source gives to rows first to last of the outputs.
		row := func(name string, first, last int) {
			wp, xp := GP64(), GP64()
			MOVQ(w, wp)
			MOVQ(x, xp)
			LEAQ(Mem{Base: x, Index: kw, Scale: 1}, end)
			Label(name)
			held := make([]vec, rows)
			for r := first; r <= last; r++ {
				m := Mem{Base: wp}
				if r > 0 {
					m.Index, m.Scale = back, uint8(r)
				}
				held[r] = s.vec()
				VBROADCASTSS(m, held[r])
			}
			for v := range width {
				y := s.load(Mem{Base: xp, Disp: v * s.bytes()})
				for r := first; r <= last; r++ {
					VFMADD231PS(y, held[r], acc[r][v])
				}
			}
			ADDQ(U8(4), wp)
			ADDQ(U8(4), xp)
			CMPQ(xp, end)
			JNE(LabelRef(name))
			ADDQ(kw, w)
			ADDQ(pitch, x)
		}
		row(label("first"), 0, 0)
		row(label("second"), 0, 1)
		bottom, size := Load(Param("w").Base(), GP64()), Load(Param("w").Len(), GP64())
		LEAQ(Mem{Base: bottom, Index: size, Scale: 4}, bottom)
		Label(label("middle"))
		row(label("all"), 0, 2)
		CMPQ(w, bottom)
		JB(LabelRef(label("middle")))
		row(label("last"), 1, 2)
		row(label("lowest"), 2, 2)

		ldc := Load(Param("ldc"), GP64())
		SHLQ(U8(2), ldc)
		s.store(acc, c, func(base reg.Register, f func(r, v int, m Mem)) {
			for r := range acc {
				for v := range acc[r] {
					m := Mem{Base: base, Disp: v * s.bytes()}
					if r > 0 {
						m.Index, m.Scale = ldc, uint8(r)
					}
					f(r, v, m)
				}
			}
		}, func(int) int { return 0 }, label)
		ADDQ(U32(uint32(width*s.bytes())), b)
		ADDQ(U32(uint32(width*s.bytes())), c)
		SUBQ(U32(uint32(width*s.lanes)), n)
		JMP(LabelRef("next"))
		Label(label("narrower"))
	}
	VZEROUPPER()
	RET()
}

// depthwiseBlocks emits the convolution of a row of pixels of a block of channels, each channel with a kernel of its own.
func (s isa) depthwiseBlocks() {
	s.text("depthwiseBlocks", "func(dst, src, w []float32, kw, pitch, n int)", fmt.Sprintf(
		`%%s convolves n pixels of a block of %[1]d channels with kernels whose rows have kw taps; rows of src are pitch elements apart:

	for i := range n { for l := range %[1]d { dst[i*%[1]d+l] = sum over y, x of w[(y*kw+x)*%[1]d+l] * src[y*pitch+(x+i)*%[1]d+l] } }`, s.lanes))
	dst, src := Load(Param("dst").Base(), GP64()), Load(Param("src").Base(), GP64())
	pitch, kw := Load(Param("pitch"), GP64()), Load(Param("kw"), GP64())
	SHLQ(U8(2), pitch)
	for size := s.bytes(); size > 1; size /= 2 {
		ADDQ(kw, kw)
	}
	n := Load(Param("n"), GP64())
	end := Load(Param("w").Len(), GP64())
	SHLQ(U8(2), end)
	first := Load(Param("w").Base(), GP64())
	ADDQ(first, end)

	Label("next")
	for i, width := range []int{8, 4, 1} {
		label := func(name string) string { return fmt.Sprintf("%s%d", name, i) }
		CMPQ(n, U32(uint32(width)))
		JLT(LabelRef(label("narrower")))
		acc := make([]vec, width)
		for v := range acc {
			acc[v] = s.vec()
			s.zero(acc[v])
		}
		w, row := GP64(), GP64()
		MOVQ(first, w)
		MOVQ(src, row)
		Label(label("row"))
		x, last := GP64(), GP64()
		MOVQ(row, x)
		LEAQ(Mem{Base: row, Index: kw, Scale: 1}, last)
		Label(label("tap"))
		tap := s.load(Mem{Base: w})
		for v := range acc {
			VFMADD231PS(Mem{Base: x, Disp: v * s.bytes()}, tap, acc[v])
		}
		ADDQ(U32(uint32(s.bytes())), w)
		ADDQ(U32(uint32(s.bytes())), x)
		CMPQ(x, last)
		JNE(LabelRef(label("tap")))
		ADDQ(pitch, row)
		CMPQ(w, end)
		JNE(LabelRef(label("row")))
		for v := range acc {
			VMOVUPS(acc[v], Mem{Base: dst, Disp: v * s.bytes()})
		}
		ADDQ(U32(uint32(width*s.bytes())), src)
		ADDQ(U32(uint32(width*s.bytes())), dst)
		SUBQ(U32(uint32(width)), n)
		JMP(LabelRef("next"))
		Label(label("narrower"))
	}
	VZEROUPPER()
	RET()
}
