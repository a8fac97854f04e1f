package main

import (
	"fmt"
	"math"
	"strings"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// isa is an instruction set and what differs between the two. Its methods emit instructions; those that return a
// register return a fresh one, unless they say otherwise.
type isa struct {
	name  string
	lanes int // float32s in a register
}

type vec = reg.VecVirtual

func (s isa) wide() bool { return s.lanes == 16 }

// bytes is the size of a register.
func (s isa) bytes() int { return 4 * s.lanes }

func (s isa) vec() vec {
	if s.wide() {
		return ZMM()
	}
	return YMM()
}

// text starts a function; doc is its contract, with %s for its name.
func (s isa) text(name, signature, doc string) {
	name += s.name
	TEXT(name, NOSPLIT, signature)
	Pragma("noescape")
	Doc(strings.Split(fmt.Sprintf(doc, name), "\n")...)
}

// zero clears v. avo knows that VPSUBD of a register from itself reads nothing, but not so the wide VPXORD.
func (s isa) zero(v vec) { VPSUBD(v, v, v) }

// param is the float32 parameter in every lane. It is read without Load, which would use an instruction older than AVX:
// those take a hundred times as long after others have written to the upper halves of registers.
func (s isa) param(name string) vec {
	p, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	v := s.vec()
	VBROADCASTSS(p.Addr, v)
	return v
}

// constants holds the data sections made so far, by their bits.
var constants = map[uint32]operand.Mem{}

// bits is a memory operand with the same 32 bits in every lane.
func bits(b uint32) operand.Mem {
	m, ok := constants[b]
	if !ok {
		m = GLOBL(fmt.Sprintf("all%08x", b), RODATA|NOPTR)
		for i := range 16 {
			DATA(4*i, operand.U32(b))
		}
		constants[b] = m
	}
	return m
}

func float(x float64) operand.Mem { return bits(math.Float32bits(float32(x))) }

func (s isa) load(m operand.Op) vec {
	v := s.vec()
	VMOVUPS(m, v)
	return v
}

// and, or and xor combine bits. The float forms for 512 bits need AVX512DQ, the integer forms for 256 bits AVX512VL.
func (s isa) and(a vec, b operand.Op) vec {
	if s.wide() {
		return s.op2(VPANDD, a, b)
	}
	return s.op2(VANDPS, a, b)
}

func (s isa) or(a vec, b operand.Op) vec {
	if s.wide() {
		return s.op2(VPORD, a, b)
	}
	return s.op2(VORPS, a, b)
}

func (s isa) xor(a vec, b operand.Op) vec {
	if s.wide() {
		return s.op2(VPXORD, a, b)
	}
	return s.op2(VXORPS, a, b)
}

func (s isa) abs(a vec) vec    { return s.and(a, bits(0x7fffffff)) }
func (s isa) signOf(a vec) vec { return s.and(a, bits(0x80000000)) }

// op2 is a op b, with b in a register or in memory.
func (s isa) op2(op func(...operand.Op), a vec, b operand.Op) vec {
	v := s.vec()
	op(b, a, v)
	return v
}

// Predicates of VCMPPS.
const (
	lessThan  = 0x11 // false where either is NaN
	lessEqual = 0x12 // the same
	equals    = 0x00
	unordered = 0x03
	notEqual  = 0x04 // true where either is NaN
)

// choose is yes where a predicate b holds, no elsewhere.
func (s isa) choose(predicate uint8, a vec, b operand.Op, yes operand.Op, no vec) vec {
	v := s.vec()
	s.chooseInto(v, predicate, a, b, yes, no)
	return v
}

// chooseInto is choose into v, which may be one of the operands.
func (s isa) chooseInto(v vec, predicate uint8, a vec, b operand.Op, yes operand.Op, no vec) {
	if s.wide() {
		k := K()
		VCMPPS(operand.U8(predicate), b, a, k)
		VBLENDMPS(yes, no, k, v)
		return
	}
	m := s.vec()
	VCMPPS(operand.U8(predicate), b, a, m)
	VBLENDVPS(m, yes, no, v)
}

// nonzero is all ones in the lanes where a is not zero, and zero elsewhere.
func (s isa) nonzero(a vec) vec {
	v := s.vec()
	if s.wide() {
		k := K()
		VCMPPS(operand.U8(notEqual), float(0), a, k)
		VMOVUPS_Z(bits(0xffffffff), k, v)
	} else {
		VCMPPS(operand.U8(notEqual), float(0), a, v)
	}
	return v
}

// extreme is VMAXPS or VMINPS of a and b, NaN if either is: the instruction alone returns b then.
func (s isa) extreme(op func(...operand.Op), a, b vec) vec {
	return s.choose(unordered, a, a, a, s.op2(op, a, b))
}

// round is a rounded to the nearest integer, halves to even.
func (s isa) round(a vec) vec {
	v := s.vec()
	if s.wide() {
		VRNDSCALEPS(operand.U8(8), a, v)
	} else {
		VROUNDPS(operand.U8(8), a, v)
	}
	return v
}

// fma is a*b + c.
func (s isa) fma(a, b vec, c operand.Op) vec {
	v := s.vec()
	VMOVAPS(a, v)
	VFMADD213PS(c, b, v)
	return v
}

// polynomial is c[0] + c[1]*x + ...
func (s isa) polynomial(x vec, c []float64) vec {
	p := s.load(float(c[len(c)-1]))
	for i := len(c) - 2; i >= 0; i-- {
		VFMADD213PS(float(c[i]), x, p)
	}
	return p
}
