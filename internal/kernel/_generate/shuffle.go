package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
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
	base := func(name string) Register { return Load(Param(name).Base(), GP64()) }
	step := func(pointers ...Op) {
		for _, p := range pointers {
			ADDQ(U32(uint32(s.bytes())), p)
		}
	}

	s.text("interleave", "func(dst, a, b []float32)", `%s works on len(a) elements, a multiple of 8:

	for i := range a { dst[2*i], dst[2*i+1] = a[i], b[i] }`)
	dst, a, b := base("dst"), base("a"), base("b")
	loop(Load(Param("a").Len(), GP64()), func() {
		x, y := s.load(Mem{Base: a}), s.load(Mem{Base: b})
		low, high := s.op2(VUNPCKLPS, x, y), s.op2(VUNPCKHPS, x, y)
		VMOVUPS(combine(halves, 0x20, low, high), Mem{Base: dst})
		VMOVUPS(combine(halves, 0x31, low, high), Mem{Base: dst, Disp: s.bytes()})
		step(a, b, dst, dst)
	})

	s.text("deinterleave", "func(src, a, b []float32)", `%s works on len(a) elements, a multiple of 8:

	for i := range a { a[i], b[i] = src[2*i], src[2*i+1] }`)
	a, b = base("a"), base("b")
	src := base("src")
	loop(Load(Param("a").Len(), GP64()), func() {
		x, y := s.load(Mem{Base: src}), s.load(Mem{Base: src, Disp: s.bytes()})
		low, high := combine(halves, 0x20, x, y), combine(halves, 0x31, x, y)
		VMOVUPS(combine(VSHUFPS, 0x88, low, high), Mem{Base: a})
		VMOVUPS(combine(VSHUFPS, 0xdd, low, high), Mem{Base: b})
		step(src, src, a, b)
	})

	s.text("poolGradient", "func(da, db, a, b, g []float32)", `%s works on len(g) elements, a multiple of 8, and on two rows of twice as many:

	for i, v := range g { da[2*i:][:2] and db[2*i:][:2] = 0, but v where the first of the largest of a[2*i:][:2] and b[2*i:][:2] is, NaN being the largest }`)
	da, db := base("da"), base("db")
	a, b = base("a"), base("b")
	g := base("g")
	swapped := func(x vec) vec {
		v := s.vec()
		VPERMILPS(U8(0xb1), x, v)
		return v
	}
	second := s.load(evenOdd())
	loop(Load(Param("g").Len(), GP64()), func() {
		v := s.load(Mem{Base: g})
		low, high := s.op2(VUNPCKLPS, v, v), s.op2(VUNPCKHPS, v, v)
		for i, v := range []vec{combine(halves, 0x20, low, high), combine(halves, 0x31, low, high)} {
			x, y := s.load(Mem{Base: a, Disp: i * s.bytes()}), s.load(Mem{Base: b, Disp: i * s.bytes()})
			most := s.extreme(VMAXPS, x, y)
			most = s.extreme(VMAXPS, most, swapped(most))
			is := func(x vec) vec {
				equal, nan := s.vec(), s.vec()
				VCMPPS(U8(equals), most, x, equal)
				VCMPPS(U8(unordered), x, x, nan)
				return s.or(equal, nan)
			}
			first, other := is(x), is(y)
			any := s.or(first, swapped(first))
			// Not behind one that is it too.
			lone := func(m vec) vec { return s.op2(VANDNPS, s.and(swapped(m), second), m) }
			VMOVUPS(s.and(lone(first), v), Mem{Base: da, Disp: i * s.bytes()})
			VMOVUPS(s.and(s.op2(VANDNPS, any, lone(other)), v), Mem{Base: db, Disp: i * s.bytes()})
		}
		step(g, a, a, b, b, da, da, db, db)
	})
}

// evenOdd is zeros in even lanes and ones in odd ones.
func evenOdd() Mem {
	m := GLOBL("oddLanes", RODATA|NOPTR)
	for i := range 8 {
		DATA(4*i, U32(-uint32(i%2)))
	}
	return m
}
