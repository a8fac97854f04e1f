package main

import (
	"fmt"
	"os"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

var (
	zmm = []reg.VecPhysical{reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9, reg.Z10,
		reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15, reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20, reg.Z21, reg.Z22, reg.Z23,
		reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31}
	ymm = []reg.VecPhysical{reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7, reg.Y8, reg.Y9, reg.Y10,
		reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15}
)

// constants is a data section that is read through memory operands: AVX-512 broadcasts one float while reading, AVX2
// needs whole vectors.
type constants struct {
	table operand.Mem
	index map[float32]int
	bytes int
}

// newConstants starts a target's constants. DATA adds to the section declared last, so targets are emitted one after the
// other.
func newConstants(t Target) *constants {
	c := &constants{index: map[float32]int{}, bytes: 4 * t.lanes}
	if t.wide() {
		c.bytes = 4
	}
	c.table = GLOBL("transformConstants"+t.name, RODATA|NOPTR)
	return c
}

func (c *constants) at(v float64) operand.Mem {
	f := float32(v)
	i, ok := c.index[f]
	if !ok {
		i = len(c.index)
		c.index[f] = i
		for k := 0; k < c.bytes; k += 4 {
			DATA(i*c.bytes+k, operand.F32(f))
		}
	}
	return c.table.Offset(i * c.bytes)
}

// function is a transform being emitted.
type function struct {
	Target
	consts  *constants
	regs    []reg.VecPhysical
	x, p    reg.Register    // the tile and its planes
	base    [4]reg.Register // where a turn of a pass finds each buffer
	stride  [2]reg.Register // bytes, of Tile and Planes
	product reg.Register    // a multiple of a stride
	held    Slot            // whose multiple that is
	slots   int             // vectors of Spill
}

// assemble emits a transform for one target, and returns the vectors of scratch memory that it needs.
func assemble(tr Transform, t Target, c *constants) int {
	TEXT(tr.name+t.name, NOSPLIT, tr.signature())
	Pragma("noescape")
	Doc(fmt.Sprintf("%s%s %s.", tr.name, t.name, tr.doc))
	f := &function{Target: t, consts: c, regs: ymm}
	if t.wide() {
		f.regs = zmm
	}
	f.x, f.p = Load(Param("x").Base(), GP64()), Load(Param("p").Base(), GP64())
	f.stride[Tile], f.stride[Planes] = Load(Param("xStride"), GP64()), Load(Param("pStride"), GP64())
	SHLQ(operand.U8(2), f.stride[Tile])
	SHLQ(operand.U8(2), f.stride[Planes])
	for i := range f.base {
		f.base[i] = GP64()
	}
	f.product = GP64()
	Load(Param("scratch").Base(), f.base[Spill])
	if tr.temp > 0 {
		ADDQ(operand.U32(tr.temp*f.bytes()), f.base[Spill])
	}
	n := Load(Param("n"), GP64())
	Label("tile")
	SUBQ(operand.U8(1), n)
	JLT(operand.LabelRef("done"))
	for i, pass := range tr.passes {
		f.pass(fmt.Sprintf("pass%d", i+1), pass, tr.temp)
	}
	step := Load(Param("xStep"), GP64())
	LEAQ(operand.Mem{Base: f.x, Index: step, Scale: 4}, f.x)
	ADDQ(operand.U8(f.bytes()), f.p)
	JMP(operand.LabelRef("tile"))
	Label("done")
	VZEROUPPER()
	RET()
	return tr.temp + f.slots
}

func (f *function) pass(label string, pass Pass, temp int) {
	code := best(pass.outs, f.Target)
	if *report {
		fmt.Fprintf(os.Stderr, "%-28s %s x%-2d %v\n", label, f.name, pass.count, code)
	}
	f.slots = max(f.slots, code.slots)
	MOVQ(f.x, f.base[Tile])
	MOVQ(f.p, f.base[Planes])
	if temp > 0 {
		LEAQ(operand.Mem{Base: f.base[Spill], Disp: -temp * f.bytes()}, f.base[Temp])
	}
	f.held = Slot{}
	if pass.count == 1 {
		f.body(code)
		return
	}
	count, planes := GP64(), GP64()
	if pass.rows {
		Load(Param("rows"), count)
	} else {
		MOVQ(operand.U32(pass.count), count)
	}
	if s := pass.step[Planes]; s > 0 {
		IMUL3Q(operand.U32(s), f.stride[Planes], planes)
	}
	Label(label)
	f.body(code)
	if s := pass.step[Tile]; s > 0 {
		ADDQ(f.stride[Tile], f.base[Tile])
	}
	if s := pass.step[Planes]; s > 0 {
		ADDQ(planes, f.base[Planes])
	}
	if s := pass.step[Temp]; s > 0 {
		ADDQ(operand.U32(s*f.bytes()), f.base[Temp])
	}
	DECQ(count)
	JNZ(operand.LabelRef(label))
}

func (f *function) body(code Code) {
	for _, i := range code.instrs {
		f.instr(i)
	}
}

// mem addresses a slot. Multiples of a stride are computed for each access: an integer multiplication costs nothing
// beside vector code, and no transform runs out of address registers.
func (f *function) mem(s Slot) operand.Mem {
	m := operand.Mem{Base: f.base[s.buf], Disp: s.minor * f.bytes()}
	switch s.major {
	case 0:
	case 1, 2, 4, 8:
		m.Index, m.Scale = f.stride[s.buf], uint8(s.major)
	default:
		if want := (Slot{s.buf, s.major, 0}); f.held != want {
			IMUL3Q(operand.U32(s.major), f.stride[s.buf], f.product)
			f.held = want
		}
		m.Index, m.Scale = f.product, 1
	}
	return m
}

func (f *function) op(p Place) operand.Op {
	if p.reg < 0 {
		return f.mem(p.slot)
	}
	return f.regs[p.reg]
}

func (f *function) instr(i Instr) {
	switch i.op {
	case Input:
		if i.dst.reg >= 0 && i.a.reg >= 0 {
			VMOVAPS(f.op(i.a), f.op(i.dst))
		} else { // the caller's rows need not be aligned
			VMOVUPS(f.op(i.a), f.op(i.dst))
		}
	case Add:
		VADDPS(f.op(i.b), f.op(i.a), f.op(i.dst))
	case Sub:
		VSUBPS(f.op(i.b), f.op(i.a), f.op(i.dst))
	case Mul:
		f.withConstant(VMULPS_BCST, VMULPS, i.c, f.op(i.a), f.op(i.dst))
	case MulAdd:
		if i.dst == i.b {
			f.withConstant(VFMADD231PS_BCST, VFMADD231PS, i.c, f.op(i.a), f.op(i.dst))
		} else {
			f.withConstant(VFMADD132PS_BCST, VFMADD132PS, i.c, f.op(i.b), f.op(i.dst))
		}
	case MulSub:
		if i.dst == i.b {
			f.withConstant(VFMSUB231PS_BCST, VFMSUB231PS, i.c, f.op(i.a), f.op(i.dst))
		} else {
			f.withConstant(VFMSUB132PS_BCST, VFMSUB132PS, i.c, f.op(i.b), f.op(i.dst))
		}
	}
}

func (f *function) withConstant(broadcast, full func(...operand.Op), c float64, a, dst operand.Op) {
	if f.wide() {
		broadcast(f.consts.at(c), a, dst)
	} else {
		full(f.consts.at(c), a, dst)
	}
}
