package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
)

// exp is e**x. x = n*ln2 + r with |r| <= ln2/2; e**r = 1 + r + r²·q(r).
func (s isa) exp(x vec) vec {
	// Beyond these the result is infinite or zero; the clamp keeps 2**n in range. NaN passes, as the second source.
	x = s.op2(VMINPS, s.load(float(89)), x)
	x = s.op2(VMAXPS, s.load(float(-104)), x)
	n := s.round(s.op2(VMULPS, x, float(math.Log2E)))
	// ln2 in two parts, the first with enough trailing zeros that n times it is exact.
	high := math.Float64frombits(math.Float64bits(math.Ln2) &^ (1<<38 - 1))
	r := s.vec()
	VMOVAPS(x, r)
	VFNMADD231PS(float(high), n, r)
	VFNMADD231PS(float(math.Ln2-high), n, r)
	q := s.polynomial(r, fit(4, -math.Ln2/2, math.Ln2/2, func(r float64) float64 {
		if math.Abs(r) < 1e-2 {
			return 1./2 + r/6 + r*r/24 + r*r*r/120 + r*r*r*r/720
		}
		return (math.Expm1(r) - r) / (r * r)
	}))
	p := s.fma(q, s.op2(VMULPS, r, r), r)
	p = s.op2(VADDPS, p, float(1))
	if s.wide() {
		return s.op2(VSCALEFPS, p, n)
	}
	// 2**n in two factors: n reaches past both ends of the exponents.
	i, half := s.vec(), s.vec()
	VCVTPS2DQ(n, i)
	VPSRAD(operand.U8(1), i, half)
	VPSUBD(half, i, i)
	for _, e := range []vec{i, half} {
		VPADDD(bits(127), e, e)
		VPSLLD(operand.U8(23), e, e)
		VMULPS(e, p, p)
	}
	return p
}

// sigmoid is 1 / (1 + exp(-x)).
func (s isa) sigmoid(x vec) vec {
	e := s.exp(s.op2(VSUBPS, s.load(float(0)), x))
	return s.op2(VDIVPS, s.load(float(1)), s.op2(VADDPS, e, float(1)))
}

// tanh is x + x³·p(x²) near zero, sign(x)·(1 - 2/(exp(2|x|)+1)) elsewhere.
func (s isa) tanh(x vec) vec {
	const near = 0.625
	a := s.abs(x)
	e := s.op2(VADDPS, s.exp(s.op2(VADDPS, a, a)), float(1))
	far := s.op2(VSUBPS, s.load(float(1)), s.op2(VDIVPS, s.load(float(2)), e))
	far = s.or(far, s.signOf(x))
	u := s.op2(VMULPS, x, x)
	p := s.polynomial(u, fit(4, 0, near*near, func(u float64) float64 {
		if u < 1e-3 {
			return -1./3 + u*2/15 - u*u*17/315
		}
		x := math.Sqrt(u)
		return (math.Tanh(x)/x - 1) / u
	}))
	p = s.fma(s.op2(VMULPS, p, u), x, x)
	return s.choose(lessThan, a, float(near), p, far)
}

// softplus is max(x, 0) + log(1 + e), e = exp(-|x|). With z = e/(2+e), log(1+e) = 2·artanh(z) = 2z + z³·p(z²).
func (s isa) softplus(x vec) vec {
	e := s.exp(s.or(s.abs(x), bits(0x80000000)))
	z := s.op2(VDIVPS, e, s.op2(VADDPS, e, float(2)))
	u := s.op2(VMULPS, z, z)
	p := s.polynomial(u, fit(5, 0, 1./9, func(u float64) float64 {
		if u < 1e-3 {
			return 2./3 + u*2/5 + u*u*2/7
		}
		z := math.Sqrt(u)
		return (math.Atanh(z)/z - 1) * 2 / u
	}))
	l := s.fma(s.op2(VMULPS, p, u), z, s.op2(VADDPS, z, z))
	return s.op2(VADDPS, l, s.op2(VMAXPS, x, float(0)))
}

// erf is x·p(x²) below 1, sign(x)·(1 - exp(q(|x|))) elsewhere, and so ±1 from 4 on.
func (s isa) erf(x vec) vec {
	a := s.op2(VMINPS, s.load(float(4)), s.abs(x))
	const centre = 2.5
	q := s.polynomial(s.op2(VSUBPS, a, float(centre)), fit(8, -1.5, 1.5, func(t float64) float64 {
		return math.Log(math.Erfc(t + centre))
	}))
	far := s.op2(VSUBPS, s.load(float(1)), s.exp(q))
	far = s.or(far, s.signOf(x))
	p := s.polynomial(s.op2(VMULPS, x, x), fit(6, 0, 1, func(u float64) float64 {
		if u < 1e-6 {
			return 2 / math.SqrtPi * (1 - u/3)
		}
		x := math.Sqrt(u)
		return math.Erf(x) / x
	}))
	return s.choose(lessThan, a, float(1), s.op2(VMULPS, p, x), far)
}

// gelu is x/2 · (1 + erf(x/√2)).
func (s isa) gelu(x vec) vec {
	e := s.erf(s.op2(VMULPS, x, float(1/math.Sqrt2)))
	half := s.op2(VMULPS, x, float(0.5))
	return s.fma(half, e, half)
}

// fit is the polynomial of the given degree through f at the Chebyshev nodes of [lo, hi], which is within a small
// factor of the best one.
func fit(degree int, lo, hi float64, f func(float64) float64) []float64 {
	n := degree + 1
	nodes, divided := make([]float64, n), make([]float64, n)
	for i := range nodes {
		nodes[i] = (lo+hi)/2 + (hi-lo)/2*math.Cos(math.Pi*(float64(i)+0.5)/float64(n))
		divided[i] = f(nodes[i])
	}
	for order := 1; order < n; order++ { // Newton's divided differences
		for i := n - 1; i >= order; i-- {
			divided[i] = (divided[i] - divided[i-1]) / (nodes[i] - nodes[i-order])
		}
	}
	c := make([]float64, n)
	for i := n - 1; i >= 0; i-- { // c = c·(x - node) + difference
		for j := n - 1; j > 0; j-- {
			c[j] = c[j-1] - nodes[i]*c[j]
		}
		c[0] = divided[i] - nodes[i]*c[0]
	}
	return c
}
