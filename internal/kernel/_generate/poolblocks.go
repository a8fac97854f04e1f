package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// poolBlocks emits the pools of two by two pixels of blocks, which are registers, and their gradients.
func (s isa) poolBlocks() {
	base := func(name string) Register { return Load(Param(name).Base(), GP64()) }
	// loop steps through slices of one register for each window, and rows of two.
	loop := func(n Op, each, rows []Op, body func()) {
		Label("loop")
		SUBQ(U32(uint32(s.lanes)), n)
		JLT(LabelRef("end"))
		body()
		for _, p := range each {
			ADDQ(U32(uint32(s.bytes())), p)
		}
		for _, p := range rows {
			ADDQ(U32(uint32(2*s.bytes())), p)
		}
		JMP(LabelRef("loop"))
		Label("end")
		VZEROUPPER()
		RET()
	}
	pair := func(row Register) [2]Mem {
		return [2]Mem{{Base: row}, {Base: row, Disp: s.bytes()}}
	}

	s.text("poolBlocks", "func(dst, a, b []float32)", "%s is genericPoolBlocks for blocks of a register.")
	dst, a, b := base("dst"), base("a"), base("b")
	loop(Load(Param("dst").Len(), GP64()), []Op{dst}, []Op{a, b}, func() {
		var columns [2]vec
		for i := range columns {
			columns[i] = s.extreme(VMAXPS, s.load(pair(a)[i]), s.load(pair(b)[i]))
		}
		VMOVUPS(s.extreme(VMAXPS, columns[0], columns[1]), Mem{Base: dst})
	})

	s.text("poolBlocksGradient", "func(da, db, a, b, g []float32)", "%s is genericPoolBlocksGradient for blocks of a register.")
	da, db, g := base("da"), base("db"), base("g")
	a, b = base("a"), base("b")
	n := Load(Param("g").Len(), GP64())
	zero := s.vec()
	s.zero(zero)
	loop(n, []Op{g}, []Op{a, b, da, db}, func() {
		var x []vec
		for _, m := range []Mem{pair(a)[0], pair(a)[1], pair(b)[0], pair(b)[1]} {
			x = append(x, s.load(m))
		}
		most := s.extreme(VMAXPS, s.extreme(VMAXPS, x[0], x[1]), s.extreme(VMAXPS, x[2], x[3]))
		left := s.load(Mem{Base: g}) // to be given: zero once it is
		for i, m := range []Mem{pair(da)[0], pair(da)[1], pair(db)[0]} {
			given := s.choose(unordered, x[i], x[i], left, s.choose(equals, most, x[i], left, zero))
			VMOVUPS(given, m)
			left = s.xor(left, given)
		}
		VMOVUPS(left, pair(db)[1])
	})
}
