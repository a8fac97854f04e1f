package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// products emits what convolution by transforms needs between the transforms: the product in one plane, and the
// transpositions from rows of pixels to blocks of channels and back.
func (s isa) products() {
	for tiles := 1; tiles <= s.maxRows(); tiles++ {
		s.product(tiles, 2)
	}
	for tiles := 1; tiles <= s.maxNarrow(); tiles++ {
		s.product(tiles, 1)
	}
	s.addTwice()
	s.prefetch()
	s.stream()
	s.gather()
	s.scatter("scatter", "prelu(src[i*L+c] + p[c], p[L+c])*p[2*L+c] + p[3*L+c]", false, false)
	s.scatter("scatterAddFirst", "prelu(src[i*L+c] + p[c] + res[c*stride+i], p[L+c])*p[2*L+c] + p[3*L+c]", true, false)
	s.scatter("scatterAddLast", "prelu(src[i*L+c] + p[c], p[L+c])*p[2*L+c] + p[3*L+c] + res[c*stride+i]", false, true)
	s.storeBlock("store", "prelu(src[i] + p[i%L], p[L+i%L])*p[2*L+i%L] + p[3*L+i%L]", false, false)
	s.storeBlock("storeAddFirst", "prelu(src[i] + p[i%L] + res[i], p[L+i%L])*p[2*L+i%L] + p[3*L+i%L]", true, false)
	s.storeBlock("storeAddLast", "prelu(src[i] + p[i%L], p[L+i%L])*p[2*L+i%L] + p[3*L+i%L] + res[i]", false, true)
}

// maxNarrow is how many tiles a product with one register of output channels takes: enough to hide the latency of the
// multiply-adds.
func (s isa) maxNarrow() int {
	if s.wide() {
		return 14
	}
	return 12
}

// ahead is how many bytes a product prefetches for each channel: a channel of the panel, in whole cache lines.
func (s isa) ahead(width int) int { return max(64, width*s.bytes()) }

// product emits the product of groups of tiles by a panel of weights, width registers of output channels wide.
func (s isa) product(tiles, width int) {
	s.text(fmt.Sprintf("product%dx%d", tiles, width), "func(x, w, y []float32, xStride, yStride, chain, ahead, aheadStep, groups int)", fmt.Sprintf(
		`%%s multiplies groups of %[1]d tiles by a panel of weights. With L = %[2]d:

	for t := range groups*%[1]d { for o := range %[3]d*L { y[o/L*yStride+t*L+o%%%%L] = sum over k of x[k/L*xStride+t*L+k%%%%L] * w[k*%[3]d*L+o] } }

over len(w)/(%[3]d*L) channels k, a multiple of L. It sums up the sums of chain channels each, also a multiple of L. For each
channel of a group it prefetches %[4]d bytes, those ahead elements after the beginning of w, and adds aheadStep to ahead.`,
		tiles, s.lanes, width, s.ahead(width)))
	end, next, step := Load(Param("w").Base(), GP64()), GP64(), Load(Param("aheadStep"), GP64())
	Load(Param("ahead"), next)
	LEAQ(Mem{Base: end, Index: next, Scale: 4}, next)
	SHLQ(U8(2), step)
	size := Load(Param("w").Len(), GP64())
	LEAQ(Mem{Base: end, Index: size, Scale: 4}, end)
	stride := Load(Param("xStride"), GP64()) // from the end of a block to the next
	SUBQ(U32(uint32(s.lanes)), stride)
	SHLQ(U8(2), stride)
	at, groups := GP64(), Load(Param("groups"), GP64()) // of the group's tiles, in bytes
	XORQ(at, at)

	Label("group")
	x, w := Load(Param("x").Base(), GP64()), Load(Param("w").Base(), GP64())
	ADDQ(at, x)
	first := GP64()
	XORQ(first, first)
	Label("sum")
	acc := make([][]vec, tiles)
	for t := range acc {
		acc[t] = make([]vec, width)
		for v := range acc[t] {
			acc[t][v] = s.vec()
			s.zero(acc[t][v])
		}
	}
	const unroll = 4
	chain, left := Load(Param("chain"), GP64()), GP64()
	Label("block")
	MOVQ(U32(uint32(s.lanes)), left)
	Label("channels")
	for c := range unroll {
		for line := 0; line < s.ahead(width); line += 64 {
			PREFETCHT1(Mem{Base: next, Disp: line}) // into the second level: x and this panel fill the first
		}
		ADDQ(step, next)
		s.outer(acc, func(t int) Mem { return Mem{Base: x, Disp: t*s.bytes() + 4*c} },
			func(v int) Mem { return Mem{Base: w, Disp: (c*width + v) * s.bytes()} })
	}
	ADDQ(U32(4*unroll), x)
	ADDQ(U32(uint32(unroll*width*s.bytes())), w)
	SUBQ(U32(unroll), left)
	JNZ(LabelRef("channels"))
	ADDQ(stride, x)
	CMPQ(w, end)
	JAE(LabelRef("store"))
	SUBQ(U32(uint32(s.lanes)), chain)
	JG(LabelRef("block"))

	Label("store")
	ys := Load(Param("yStride"), GP64())
	each := func(f func(acc vec, y Mem)) {
		y := Load(Param("y").Base(), GP64())
		ADDQ(at, y)
		for v := range width {
			for t := range acc {
				f(acc[t][v], Mem{Base: y, Disp: t * s.bytes()})
			}
			if v+1 < width {
				LEAQ(Mem{Base: y, Index: ys, Scale: 4}, y)
			}
		}
	}
	TESTQ(first, first)
	JZ(LabelRef("only"))
	each(func(acc vec, y Mem) { VADDPS(y, acc, acc) })
	Label("only")
	each(func(acc vec, y Mem) { VMOVUPS(acc, y) })
	INCQ(first)
	CMPQ(w, end)
	JB(LabelRef("sum"))
	ADDQ(U32(uint32(tiles*s.bytes())), at)
	DECQ(groups)
	JNZ(LabelRef("group"))
	VZEROUPPER()
	RET()
}

func (s isa) addTwice() {
	const unroll = 4
	s.text("addTwice", "func(dst, a, b []float32)", fmt.Sprintf(
		`%%s works on len(dst) elements, a multiple of %d:

	for i := range dst { dst[i] = a[i] + 2*b[i] }`, unroll*s.lanes))
	dst, a, b := Load(Param("dst").Base(), GP64()), Load(Param("a").Base(), GP64()), Load(Param("b").Base(), GP64())
	n, i := Load(Param("dst").Len(), GP64()), GP64()
	XORQ(i, i)
	Label("loop")
	for u := range unroll {
		at := func(base reg.Register) Mem { return Mem{Base: base, Index: i, Scale: 4, Disp: u * s.bytes()} }
		v := s.load(at(b))
		VADDPS(v, v, v)
		VADDPS(at(a), v, v)
		VMOVUPS(v, at(dst))
	}
	ADDQ(U32(uint32(unroll*s.lanes)), i)
	CMPQ(i, n)
	JB(LabelRef("loop"))
	VZEROUPPER()
	RET()
}

func (s isa) prefetch() {
	s.text("prefetch", "func(a []float32)", "%s brings a into the second-level cache.")
	a, n := Load(Param("a").Base(), GP64()), Load(Param("a").Len(), GP64())
	Label("loop")
	SUBQ(U32(16), n)
	JLT(LabelRef("end"))
	PREFETCHT1(Mem{Base: a})
	ADDQ(U32(64), a)
	JMP(LabelRef("loop"))
	Label("end")
	RET()
}

// stream emits a copy that does not bring into the caches what it overwrites.
func (s isa) stream() {
	const line = 16
	s.text("stream", "func(dst, src []float32, dstStep, size, rows int)", fmt.Sprintf(
		`%%s copies rows of a multiple of %d elements, past the caches. Dst and dstStep have to be multiples of a cache line:

	for r := range rows { for i := range size { dst[r*dstStep+i] = src[r*size+i] } }`, line))
	dst, src := Load(Param("dst").Base(), GP64()), Load(Param("src").Base(), GP64())
	step, size, rows := Load(Param("dstStep"), GP64()), Load(Param("size"), GP64()), Load(Param("rows"), GP64())
	SUBQ(size, step)
	n := GP64()
	Label("row")
	SUBQ(U32(1), rows)
	JLT(LabelRef("end"))
	MOVQ(size, n)
	Label("loop")
	SUBQ(U32(line), n)
	JLT(LabelRef("next"))
	for at := 0; at < 4*line; at += s.bytes() {
		VMOVNTPS(s.load(Mem{Base: src, Disp: at}), Mem{Base: dst, Disp: at})
	}
	ADDQ(U32(4*line), src)
	ADDQ(U32(4*line), dst)
	JMP(LabelRef("loop"))
	Label("next")
	LEAQ(Mem{Base: dst, Index: step, Scale: 4}, dst)
	JMP(LabelRef("row"))
	Label("end")
	SFENCE()
	VZEROUPPER()
	RET()
}

// transpose returns the columns of a square of registers.
func (s isa) transpose(x []vec) []vec {
	// Each stage combines registers whose numbers differ in one bit.
	stage := func(bit int, low, high func(a, b vec) vec) {
		for i := range x {
			if i&bit == 0 {
				x[i], x[i|bit] = low(x[i], x[i|bit]), high(x[i], x[i|bit])
			}
		}
	}
	plain := func(op func(...Op)) func(a, b vec) vec {
		return func(a, b vec) vec { return s.op2(op, a, b) }
	}
	chosen := func(op func(...Op), parts uint8) func(a, b vec) vec {
		return func(a, b vec) vec {
			v := s.vec()
			op(U8(parts), b, a, v)
			return v
		}
	}
	stage(1, plain(VUNPCKLPS), plain(VUNPCKHPS))
	stage(2, chosen(VSHUFPS, 0x44), chosen(VSHUFPS, 0xee))
	// Quarter q of register i is now column 4q + i%4, with the two bits of i%4 swapped, of four rows.
	if s.wide() {
		stage(4, chosen(VSHUFF32X4, 0x88), chosen(VSHUFF32X4, 0xdd))
		stage(8, chosen(VSHUFF32X4, 0x88), chosen(VSHUFF32X4, 0xdd))
	} else {
		halves := func(o ...Op) { VPERM2F128(o[0], o[1], o[2], o[3]) }
		stage(4, chosen(halves, 0x20), chosen(halves, 0x31))
	}
	for i := 0; i < len(x); i += 4 {
		x[i+1], x[i+2] = x[i+2], x[i+1]
	}
	return x
}

// square emits the rest of a function that transposes n pixels, as many as there are lanes at a time; the last time as
// many as fit before the end, some of them again. On one side a pixel's channels lie together, on the other channels are
// stride elements apart.
func (s isa) square(pixels, channels reg.Register, body func(pixel, channel func(i int) Mem)) {
	n, stride := Load(Param("n"), GP64()), Load(Param("stride"), GP64())
	SHLQ(U8(2), stride)
	three, by := GP64(), GP64()
	LEAQ(Mem{Base: stride, Index: stride, Scale: 2}, three)
	fours := []reg.Register{channels}
	for len(fours) < s.lanes/4 {
		next := GP64()
		LEAQ(Mem{Base: fours[len(fours)-1], Index: stride, Scale: 4}, next)
		fours = append(fours, next)
	}
	Label("pixels")
	body(func(i int) Mem { return Mem{Base: pixels, Disp: i * s.bytes()} }, func(i int) Mem {
		m := []Mem{{}, {Index: stride, Scale: 1}, {Index: stride, Scale: 2}, {Index: three, Scale: 1}}[i%4]
		m.Base = fours[i/4]
		return m
	})
	SUBQ(U32(uint32(s.lanes)), n)
	JLE(LabelRef("end"))
	MOVQ(U32(uint32(s.lanes)), by)
	lanes := GP64()
	MOVQ(by, lanes)
	CMPQ(n, lanes)
	CMOVQLT(n, by)
	CMOVQLT(lanes, n)
	SHLQ(U8(2), by)
	for _, r := range fours {
		ADDQ(by, r)
	}
	IMUL3Q(U32(uint32(s.lanes)), by, by)
	ADDQ(by, pixels)
	JMP(LabelRef("pixels"))
	Label("end")
	VZEROUPPER()
	RET()
}

func (s isa) gather() {
	s.text("gather", "func(dst, src []float32, stride, n int)", fmt.Sprintf(
		`%%s takes a block of channels from rows of pixels. With L = %d, and n at least L:

	for i := range n { for c := range L { dst[i*L+c] = src[c*stride+i] } }`, s.lanes))
	dst, src := Load(Param("dst").Base(), GP64()), Load(Param("src").Base(), GP64())
	s.square(dst, src, func(pixel, channel func(i int) Mem) {
		x := make([]vec, s.lanes)
		for i := range x {
			x[i] = s.load(channel(i))
		}
		for i, v := range s.transpose(x) {
			VMOVUPS(v, pixel(i))
		}
	})
}

// scatter emits the way back, through the beginning of an epilogue. A residual may be added first or last.
func (s isa) scatter(name, expr string, first, last bool) {
	s.text(name, "func(dst, src, res []float32, stride, n int, p []float32)", fmt.Sprintf(
		`%%s applies the beginning of an epilogue and writes a block of channels to rows of pixels. With L = %d, and n at
least L:

	for i := range n { for c := range L { dst[c*stride+i] = %s } }

Where n is no multiple of L, some elements are computed twice.`, s.lanes, expr))
	dst, src, p := Load(Param("dst").Base(), GP64()), Load(Param("src").Base(), GP64()), Load(Param("p").Base(), GP64())
	var apart reg.GPVirtual // from dst to res
	if first || last {
		apart = GP64()
		Load(Param("res").Base(), apart)
		SUBQ(dst, apart)
	}
	s.square(src, dst, func(pixel, channel func(i int) Mem) {
		x := make([]vec, s.lanes)
		for i := range x {
			x[i] = s.load(pixel(i))
		}
		res := GP64()
		for i, v := range s.transpose(x) {
			param := func(j int) vec {
				q := s.vec()
				VBROADCASTSS(Mem{Base: p, Disp: j*s.bytes() + 4*i}, q)
				return q
			}
			residual := func() Mem {
				m := channel(i)
				if i%4 == 0 {
					LEAQ(Mem{Base: m.Base, Index: apart, Scale: 1}, res)
				}
				m.Base = res
				return m
			}
			VADDPS(param(0), v, v)
			if first {
				VADDPS(residual(), v, v)
			}
			v = s.prelu(v, param(1))
			scale := param(2)
			VFMADD213PS(param(3), scale, v)
			if last {
				VADDPS(residual(), v, v)
			}
			VMOVUPS(v, channel(i))
		}
	})
}

// prelu multiplies what is negative by a slope. The result may be v itself.
func (s isa) prelu(v, slope vec) vec {
	if s.wide() {
		k := K()
		VCMPPS(U8(lessThan), float(0), v, k)
		VMULPS(slope, v, k, v)
		return v
	}
	return s.choose(lessThan, v, float(0), s.op2(VMULPS, v, slope), v)
}

// storeBlock emits the beginning of an epilogue for pixels of a block of channels. A residual may be added first or last.
func (s isa) storeBlock(name, expr string, first, last bool) {
	s.text(name, "func(dst, src, res, p []float32)", fmt.Sprintf(
		`%%s applies the beginning of an epilogue to a block of channels. With L = %d, of which len(dst) is a multiple and not 0:

	for i := range dst { dst[i] = %s }`, s.lanes, expr))
	dst, src, n := Load(Param("dst").Base(), GP64()), Load(Param("src").Base(), GP64()), Load(Param("dst").Len(), GP64())
	p, res, i := Load(Param("p").Base(), GP64()), GP64(), GP64()
	if first || last {
		Load(Param("res").Base(), res)
	}
	var params [4]vec
	for j := range params {
		params[j] = s.load(Mem{Base: p, Disp: j * s.bytes()})
	}
	XORQ(i, i)
	at := func(base reg.Register, u int) Mem { return Mem{Base: base, Index: i, Scale: 4, Disp: u * s.bytes()} }
	pixels := func(n int) {
		for u := range n {
			v := s.op2(VADDPS, params[0], s.load(at(src, u)))
			if first {
				VADDPS(at(res, u), v, v)
			}
			v = s.prelu(v, params[1])
			VFMADD213PS(params[3], params[2], v)
			if last {
				VADDPS(at(res, u), v, v)
			}
			VMOVUPS(v, at(dst, u))
		}
		ADDQ(U32(uint32(n*s.lanes)), i)
	}
	const unroll = 4
	SUBQ(U32(uint32((unroll-1)*s.lanes)), n)
	JLE(LabelRef("single"))
	Label("loop")
	pixels(unroll)
	CMPQ(i, n)
	JLT(LabelRef("loop"))
	Label("single")
	ADDQ(U32(uint32((unroll-1)*s.lanes)), n)
	JMP(LabelRef("check"))
	Label("pixel")
	pixels(1)
	Label("check")
	CMPQ(i, n)
	JLT(LabelRef("pixel"))
	VZEROUPPER()
	RET()
}
