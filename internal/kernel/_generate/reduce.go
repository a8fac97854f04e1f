package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// reductions emits the sums, in 16 float64 lanes, and the extremes.
func (s isa) reductions() {
	s.text("sum", "func(a []float32) float64", "%s adds up a in 16 interleaved sums; len(a) is a multiple of 16.")
	s.sum("a", func(x, acc reg.Register, _ Mem) { VADDPD(x, acc, acc) })
	s.text("sums", "func(a []float32, sums []float64)", "%s adds a[i] to sums[i%%16]; len(a) is a multiple of 16.")
	s.sums()
	s.text("dot", "func(a, b []float32) float64", "%s adds up a[i]*b[i] in 16 interleaved sums; len(a) is a multiple of 16.")
	s.sum("b", func(x, acc reg.Register, m Mem) {
		y := s.vec()
		VCVTPS2PD(m, y)
		VFMADD231PD(x, y, acc)
	})
	for _, op := range []struct {
		name string
		op   func(...Op)
	}{{"reduceMax", VMAXPS}, {"reduceMin", VMINPS}} {
		s.text(op.name, "func(a []float32) float32", "%s is the extreme of a, NaN if any element is; len(a) is a multiple of 64, and not 0.")
		s.reduce(op.op)
	}
}

// sum emits a loop that hands 16 elements of a at a time to step, as float64s in registers with their accumulators, and
// the operand of the same elements of b.
func (s isa) sum(b string, step func(x, acc reg.Register, m Mem)) {
	pa, pb := Load(Param("a").Base(), GP64()), Load(Param(b).Base(), GP64())
	n := Load(Param("a").Len(), GP64())
	acc := make([]vec, 32/s.lanes)
	for i := range acc {
		acc[i] = s.vec()
		s.zero(acc[i])
	}
	Label("loop")
	SUBQ(U32(16), n)
	JLT(LabelRef("end"))
	for i := range acc {
		x := s.vec()
		VCVTPS2PD(Mem{Base: pa, Disp: i * s.bytes() / 2}, x)
		step(x, acc[i], Mem{Base: pb, Disp: i * s.bytes() / 2})
	}
	ADDQ(U32(64), pa)
	if b != "a" {
		ADDQ(U32(64), pb)
	}
	JMP(LabelRef("loop"))
	Label("end")
	var y reg.VecVirtual
	if s.wide() {
		VADDPD(acc[1], acc[0], acc[0])
		y = YMM()
		VEXTRACTF64X4(U8(1), acc[0], y)
		VADDPD(acc[0].AsY(), y, y)
	} else {
		VADDPD(acc[2], acc[0], acc[0])
		VADDPD(acc[3], acc[1], acc[1])
		y = acc[0]
		VADDPD(acc[1], y, y)
	}
	x := XMM()
	VEXTRACTF128(U8(1), y, x)
	VADDPD(y.AsX(), x, x)
	high := XMM()
	VPERMILPD(U8(1), x, high)
	VADDSD(high, x, x)
	Store(x, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// sums emits the sum of vectors of 16 elements.
func (s isa) sums() {
	p, sums, n := Load(Param("a").Base(), GP64()), Load(Param("sums").Base(), GP64()), Load(Param("a").Len(), GP64())
	acc := make([]vec, 32/s.lanes)
	for i := range acc {
		acc[i] = s.load(Mem{Base: sums, Disp: i * s.bytes()})
	}
	Label("loop")
	SUBQ(U32(16), n)
	JLT(LabelRef("end"))
	for i := range acc {
		x := s.vec()
		VCVTPS2PD(Mem{Base: p, Disp: i * s.bytes() / 2}, x)
		VADDPD(x, acc[i], acc[i])
	}
	ADDQ(U32(64), p)
	JMP(LabelRef("loop"))
	Label("end")
	for i := range acc {
		VMOVUPS(acc[i], Mem{Base: sums, Disp: i * s.bytes()})
	}
	VZEROUPPER()
	RET()
}

func (s isa) reduce(op func(...Op)) {
	p, n := Load(Param("a").Base(), GP64()), Load(Param("a").Len(), GP64())
	acc := make([]vec, 64/s.lanes)
	for i := range acc {
		acc[i] = s.load(Mem{Base: p, Disp: i * s.bytes()})
	}
	Label("loop")
	SUBQ(U32(64), n)
	JZ(LabelRef("end"))
	ADDQ(U32(256), p)
	for i := range acc {
		VMOVAPS(s.extreme(op, acc[i], s.load(Mem{Base: p, Disp: i * s.bytes()})), acc[i])
	}
	JMP(LabelRef("loop"))
	Label("end")
	for len(acc) > 1 {
		half := len(acc) / 2
		for i := range half {
			acc[i] = s.extreme(op, acc[i], acc[half+i])
		}
		acc = acc[:half]
	}
	narrow := isa{lanes: 8}
	v := acc[0]
	if s.wide() {
		y := YMM()
		VEXTRACTF64X4(U8(1), v, y)
		low := YMM()
		VMOVUPS(v.AsY(), low)
		v = narrow.extreme(op, y, low)
	}
	for _, swap := range []func(v, w vec){
		func(v, w vec) { VPERM2F128(U8(1), v, v, w) },
		func(v, w vec) { VPERMILPS(U8(0x4e), v, w) },
		func(v, w vec) { VPERMILPS(U8(0xb1), v, w) },
	} {
		w := narrow.vec()
		swap(v, w)
		v = narrow.extreme(op, v, w)
	}
	Store(v.AsX(), ReturnIndex(0))
	VZEROUPPER()
	RET()
}
