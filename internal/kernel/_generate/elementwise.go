package main

import (
	"sync"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// elementwise emits one function for each element-wise operation. Elements past the last whole register go through the
// same instructions under a mask, so that a result does not depend on an element's position.
func (s isa) elementwise() {
	two := func(name, expr string, f func(x, y vec) vec) {
		s.text(name, "func(dst, a, b []float32)", "%s works on len(dst) elements:\n\n\tfor i := range dst { dst[i] = "+expr+" }")
		s.loop([]string{"a", "b"}, func(x []vec) vec { return f(x[0], x[1]) })
	}
	plain := func(op func(...operand.Op)) func(x, y vec) vec {
		return func(x, y vec) vec { return s.op2(op, x, y) }
	}
	two("add", "a[i] + b[i]", plain(VADDPS))
	two("sub", "a[i] - b[i]", plain(VSUBPS))
	two("mul", "a[i] * b[i]", plain(VMULPS))
	two("div", "a[i] / b[i]", plain(VDIVPS))
	two("max", "max(a[i], b[i])", func(x, y vec) vec { return s.extreme(VMAXPS, x, y) })
	two("min", "min(a[i], b[i])", func(x, y vec) vec { return s.extreme(VMINPS, x, y) })

	one := func(name, expr string, parameters int, f func(p, q vec) func(x vec) vec) {
		s.text(name, "func(dst, a []float32, p, q float32)", "%s works on len(dst) elements:\n\n\tfor i, x := range a[:len(dst)] { dst[i] = "+expr+" }")
		var p, q vec
		if parameters > 0 {
			p = s.param("p")
		}
		if parameters > 1 {
			q = s.param("q")
		}
		g := f(p, q)
		s.loop([]string{"a"}, func(x []vec) vec { return g(x[0]) })
	}
	one("scaleShift", "x*p + q", 2, func(p, q vec) func(vec) vec { return func(x vec) vec { return s.fma(x, p, q) } })
	one("divScalar", "x / p", 1, func(p, _ vec) func(vec) vec { return func(x vec) vec { return s.op2(VDIVPS, x, p) } })
	one("scalarDiv", "p / x", 1, func(p, _ vec) func(vec) vec { return func(x vec) vec { return s.op2(VDIVPS, p, x) } })
	one("maxScalar", "max(x, p)", 1, func(p, _ vec) func(vec) vec { return func(x vec) vec { return s.extreme(VMAXPS, x, p) } })
	one("minScalar", "min(x, p)", 1, func(p, _ vec) func(vec) vec { return func(x vec) vec { return s.extreme(VMINPS, x, p) } })
	one("prelu", "x, or x*p where x < 0", 1, func(p, _ vec) func(vec) vec {
		return func(x vec) vec { return s.choose(lessThan, x, float(0), s.op2(VMULPS, x, p), x) }
	})
	one("clip", "min(max(x, p), q)", 2, func(p, q vec) func(vec) vec {
		return func(x vec) vec { return s.extreme(VMINPS, s.extreme(VMAXPS, x, p), q) }
	})
	s.text("gate", "func(dst, a, by []float32, slope float32)", "%s works on len(dst) elements:\n\n\tfor i, x := range by[:len(dst)] { dst[i] = a[i], or a[i]*slope where x <= 0 }")
	slope := s.param("slope")
	s.loop([]string{"a", "by"}, func(x []vec) vec { return s.choose(lessEqual, x[1], float(0), s.op2(VMULPS, x[0], slope), x[0]) })

	s.text("gates", "func(dst, a, by, slopes []float32)", "%s works on len(dst) elements:\n\n\tfor i, x := range by[:len(dst)] { dst[i] = a[i], or a[i]*slopes[i] where x <= 0 }")
	s.loop([]string{"a", "by", "slopes"}, func(x []vec) vec { return s.choose(lessEqual, x[1], float(0), s.op2(VMULPS, x[0], x[2]), x[0]) })
	s.text("prelus", "func(dst, a, slopes []float32)", "%s works on len(dst) elements:\n\n\tfor i, x := range a[:len(dst)] { dst[i] = x, or x*slopes[i] where x < 0 }")
	s.loop([]string{"a", "slopes"}, func(x []vec) vec { return s.choose(lessThan, x[0], float(0), s.op2(VMULPS, x[0], x[1]), x[0]) })

	s.adam()

	math := func(f func(x vec) vec) func(p, q vec) func(vec) vec { return func(_, _ vec) func(vec) vec { return f } }
	one("abs", "abs(x)", 0, math(s.abs))
	one("sqrt", "sqrt(x)", 0, math(func(x vec) vec { v := s.vec(); VSQRTPS(x, v); return v }))
	one("exp", "exp(x)", 0, math(s.exp))
	one("expSub", "exp(x - p)", 1, func(p, _ vec) func(vec) vec { return func(x vec) vec { return s.exp(s.op2(VSUBPS, x, p)) } })
	one("sigmoid", "1 / (1 + exp(-x))", 0, math(s.sigmoid))
	one("tanh", "tanh(x)", 0, math(s.tanh))
	one("softplus", "log(1 + exp(x))", 0, math(s.softplus))
	one("erf", "erf(x)", 0, math(s.erf))
	one("gelu", "x/2 * (1 + erf(x/sqrt(2)))", 0, math(s.gelu))
}

// adam emits the step of Adam, in the order of operations of the plain form, so that results are the same bits.
func (s isa) adam() {
	s.text("adam", "func(w, g, m, v, p []float32)", "%s is genericAdam for len(w) elements, a multiple of the lanes.")
	base := func(name string) reg.Register { return Load(Param(name).Base(), GP64()) }
	w, g, m, v, n := base("w"), base("g"), base("m"), base("v"), Load(Param("w").Len(), GP64())
	p := base("p")
	param := make([]vec, 8)
	for i := range param {
		param[i] = s.vec()
		VBROADCASTSS(operand.Mem{Base: p, Disp: 4 * i}, param[i])
	}
	decay, rest1, beta2, rest2, keep, rate, root, epsilon := param[0], param[1], param[2], param[3], param[4], param[5], param[6], param[7]
	at := GP64()
	XORQ(at, at)
	element := func(base reg.Register) operand.Mem { return operand.Mem{Base: base, Index: at, Scale: 4} }
	Label("loop")
	x := s.load(element(w))
	d := s.op2(VADDPS, s.op2(VMULPS, decay, x), s.load(element(g)))
	mean := s.load(element(m))
	VADDPS(s.op2(VMULPS, rest1, s.op2(VSUBPS, d, mean)), mean, mean)
	square := s.op2(VADDPS, s.op2(VMULPS, beta2, s.load(element(v))), s.op2(VMULPS, s.op2(VMULPS, rest2, d), d))
	VMOVUPS(mean, element(m))
	VMOVUPS(square, element(v))
	zero := s.vec()
	s.zero(zero)
	VMOVUPS(zero, element(g))
	VSQRTPS(square, square)
	VDIVPS(root, square, square)
	VADDPS(epsilon, square, square)
	VDIVPS(square, mean, mean)
	VMULPS(rate, mean, mean)
	VMULPS(keep, x, x)
	VSUBPS(mean, x, x)
	VMOVUPS(x, element(w))
	ADDQ(operand.U32(uint32(s.lanes)), at)
	CMPQ(at, n)
	JLT(operand.LabelRef("loop"))
	VZEROUPPER()
	RET()
}

// loop applies f to the elements of the named slices, as many as dst has, and ends the function.
func (s isa) loop(sources []string, f func(x []vec) vec) {
	dst := operand.Mem{Base: Load(Param("dst").Base(), GP64())}
	n := Load(Param("dst").Len(), GP64())
	src := make([]operand.Mem, len(sources))
	for i, name := range sources {
		src[i] = operand.Mem{Base: Load(Param(name).Base(), GP64())}
	}
	Label("loop")
	SUBQ(operand.U32(uint32(s.lanes)), n)
	JLT(operand.LabelRef("tail"))
	x := make([]vec, len(src))
	for i, m := range src {
		x[i] = s.load(m)
		ADDQ(operand.U32(uint32(s.bytes())), m.Base)
	}
	VMOVUPS(f(x), dst)
	ADDQ(operand.U32(uint32(s.bytes())), dst.Base)
	JMP(operand.LabelRef("loop"))

	Label("tail")
	ADDQ(operand.U32(uint32(s.lanes)), n)
	JZ(operand.LabelRef("end"))
	load, store := s.masked(n)
	for i, m := range src {
		x[i] = load(m)
	}
	store(f(x), dst)
	Label("end")
	VZEROUPPER()
	RET()
}

// masked makes functions that load and store the first n lanes only; the other lanes load as zeros.
func (s isa) masked(n operand.Op) (load func(m operand.Mem) vec, store func(v vec, m operand.Mem)) {
	if s.wide() {
		ones, k := GP64(), K()
		MOVQ(operand.I32(-1), ones)
		BZHIQ(n, ones, ones)
		KMOVW(ones.As32(), k)
		return func(m operand.Mem) vec {
				v := s.vec()
				VMOVUPS_Z(m, k, v)
				return v
			}, func(v vec, m operand.Mem) {
				VMOVUPS(v, k, m)
			}
	}
	at, mask := GP64(), s.vec()
	LEAQ(tailMasks().Offset(32), at)
	back := GP64()
	MOVQ(n, back)
	SHLQ(operand.U8(2), back)
	SUBQ(back, at)
	VMOVUPS(operand.Mem{Base: at}, mask)
	return func(m operand.Mem) vec {
			v := s.vec()
			VMASKMOVPS(m, mask, v)
			return v
		}, func(v vec, m operand.Mem) {
			VMASKMOVPS(v, mask, m)
		}
}

// tailMasks is eight lanes of ones before eight of zeros.
var tailMasks = sync.OnceValue(func() operand.Mem {
	m := GLOBL("tailMasks", RODATA|NOPTR)
	for i, ones := range [16]operand.U32{0: 1, 1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1, 7: 1} {
		DATA(4*i, -ones)
	}
	return m
})
