package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// shuffles emits what brings two rows into one, element by element, and back. Wider registers would gain nothing: memory
// is the limit.
func shuffles() {
	s := isa{name: "AVX2", lanes: 8}
	combine := func(op func(...Op), parts uint8, a, b vec) vec {
		v := s.vec()
		op(U8(parts), b, a, v)
		return v
	}
	halves := func(o ...Op) { VPERM2F128(o[0], o[1], o[2], o[3]) }
	loop := func(n Op, body func()) {
		Label("loop")
		SUBQ(U32(uint32(s.lanes)), n)
		JLT(LabelRef("end"))
		body()
		JMP(LabelRef("loop"))
		Label("end")
		VZEROUPPER()
		RET()
	}
	step := func(pointers ...Op) {
		for _, p := range pointers {
			ADDQ(U32(uint32(s.bytes())), p)
		}
	}

	s.text("interleave", "func(dst, a, b []float32)", `%s works on len(a) elements, a multiple of 8:

	for i := range a { dst[2*i], dst[2*i+1] = a[i], b[i] }`)
	dst, a, b := Load(Param("dst").Base(), GP64()), Load(Param("a").Base(), GP64()), Load(Param("b").Base(), GP64())
	loop(Load(Param("a").Len(), GP64()), func() {
		x, y := s.load(Mem{Base: a}), s.load(Mem{Base: b})
		low, high := s.op2(VUNPCKLPS, x, y), s.op2(VUNPCKHPS, x, y)
		VMOVUPS(combine(halves, 0x20, low, high), Mem{Base: dst})
		VMOVUPS(combine(halves, 0x31, low, high), Mem{Base: dst, Disp: s.bytes()})
		step(a, b, dst, dst)
	})

	s.text("deinterleave", "func(src, a, b []float32)", `%s works on len(a) elements, a multiple of 8:

	for i := range a { a[i], b[i] = src[2*i], src[2*i+1] }`)
	a, b = Load(Param("a").Base(), GP64()), Load(Param("b").Base(), GP64())
	src := Load(Param("src").Base(), GP64())
	loop(Load(Param("a").Len(), GP64()), func() {
		x, y := s.load(Mem{Base: src}), s.load(Mem{Base: src, Disp: s.bytes()})
		low, high := combine(halves, 0x20, x, y), combine(halves, 0x31, x, y)
		VMOVUPS(combine(VSHUFPS, 0x88, low, high), Mem{Base: a})
		VMOVUPS(combine(VSHUFPS, 0xdd, low, high), Mem{Base: b})
		step(src, src, a, b)
	})
}
