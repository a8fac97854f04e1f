package kernel

import "math"

// The functions of this file work on len(dst) elements. The other slices must be at least that long; each may be dst
// itself, but may not overlap it otherwise. NaN in gives NaN out, in Max, Min, Relu and Clip too.

// Add sets dst = a + b.
func Add(dst, a, b []float32) { binary(opAdd, dst, a, b) }

// Sub sets dst = a - b.
func Sub(dst, a, b []float32) { binary(opSub, dst, a, b) }

// Mul sets dst = a * b.
func Mul(dst, a, b []float32) { binary(opMul, dst, a, b) }

// Div sets dst = a / b.
func Div(dst, a, b []float32) { binary(opDiv, dst, a, b) }

// Max sets dst to the larger of a and b, NaN if either is; of two zeros either sign.
func Max(dst, a, b []float32) { binary(opMax, dst, a, b) }

// Min sets dst to the smaller of a and b, NaN if either is; of two zeros either sign.
func Min(dst, a, b []float32) { binary(opMin, dst, a, b) }

// AddScalar sets dst = a + s.
func AddScalar(dst, a []float32, s float32) { unary(opScaleShift, dst, a, 1, s) }

// SubScalar sets dst = a - s.
func SubScalar(dst, a []float32, s float32) { unary(opScaleShift, dst, a, 1, -s) }

// ScalarSub sets dst = s - a.
func ScalarSub(dst []float32, s float32, a []float32) { unary(opScaleShift, dst, a, -1, s) }

// MulScalar sets dst = a * s.
func MulScalar(dst, a []float32, s float32) { unary(opScaleShift, dst, a, s, negativeZero) }

// DivScalar sets dst = a / s.
func DivScalar(dst, a []float32, s float32) { unary(opDivScalar, dst, a, s, 0) }

// ScalarDiv sets dst = s / a.
func ScalarDiv(dst []float32, s float32, a []float32) { unary(opScalarDiv, dst, a, s, 0) }

// MaxScalar sets dst to the larger of a and s, NaN if either is.
func MaxScalar(dst, a []float32, s float32) { unary(opMaxScalar, dst, a, s, 0) }

// MinScalar sets dst to the smaller of a and s, NaN if either is.
func MinScalar(dst, a []float32, s float32) { unary(opMinScalar, dst, a, s, 0) }

// ScaleShift sets dst = a*s + t, rounded once or twice.
func ScaleShift(dst, a []float32, s, t float32) { unary(opScaleShift, dst, a, s, t) }

// Relu sets dst = max(a, 0).
func Relu(dst, a []float32) { unary(opMaxScalar, dst, a, 0, 0) }

// PRelu sets dst = a where a >= 0, a*slope elsewhere. A slope of 0 is Relu, also at -Inf.
func PRelu(dst, a []float32, slope float32) {
	if slope == 0 {
		Relu(dst, a)
		return
	}
	unary(opPRelu, dst, a, slope, 0)
}

// Clip sets dst = min(max(a, lo), hi); hi wins where lo > hi, as in ONNX.
func Clip(dst, a []float32, lo, hi float32) { unary(opClip, dst, a, lo, hi) }

// Abs sets dst = |a|.
func Abs(dst, a []float32) { unary(opAbs, dst, a, 0, 0) }

// Neg sets dst = -a.
func Neg(dst, a []float32) { unary(opScaleShift, dst, a, -1, negativeZero) }

// Sqrt sets dst to the square root of a, NaN below zero.
func Sqrt(dst, a []float32) { unary(opSqrt, dst, a, 0, 0) }

// Exp sets dst = e**a.
func Exp(dst, a []float32) { unary(opExp, dst, a, 0, 0) }

// ExpSub sets dst = e**(a-s).
func ExpSub(dst, a []float32, s float32) { unary(opExpSub, dst, a, s, 0) }

// Sigmoid sets dst = 1/(1+exp(-a)).
func Sigmoid(dst, a []float32) { unary(opSigmoid, dst, a, 0, 0) }

// Tanh sets dst to the hyperbolic tangent of a.
func Tanh(dst, a []float32) { unary(opTanh, dst, a, 0, 0) }

// Softplus sets dst = log(1 + exp(a)).
func Softplus(dst, a []float32) { unary(opSoftplus, dst, a, 0, 0) }

// Erf sets dst to the error function of a.
func Erf(dst, a []float32) { unary(opErf, dst, a, 0, 0) }

// Gelu sets dst = a/2 * (1 + erf(a/sqrt(2))), the exact form.
func Gelu(dst, a []float32) { unary(opGelu, dst, a, 0, 0) }

// Gate sets dst = a*slope where by <= 0, and a elsewhere, NaN of by included.
func Gate(dst, a, by []float32, slope float32) {
	a, by = a[:len(dst)], by[:len(dst)]
	for len(dst) > 0 {
		n := min(len(dst), longest)
		cpu.gate(dst[:n], a[:n], by[:n], slope)
		dst, a, by = dst[n:], a[n:], by[n:]
	}
}

// Gates is Gate with a slope for each element.
func Gates(dst, a, by, slopes []float32) {
	a, by, slopes = a[:len(dst)], by[:len(dst)], slopes[:len(dst)]
	for len(dst) > 0 {
		n := min(len(dst), longest)
		cpu.gates(dst[:n], a[:n], by[:n], slopes[:n])
		dst, a, by, slopes = dst[n:], a[n:], by[n:], slopes[n:]
	}
}

// PRelus is PRelu with a slope for each element.
func PRelus(dst, a, slopes []float32) {
	a, slopes = a[:len(dst)], slopes[:len(dst)]
	for len(dst) > 0 {
		n := min(len(dst), longest)
		cpu.prelus(dst[:n], a[:n], slopes[:n])
		dst, a, slopes = dst[n:], a[n:], slopes[n:]
	}
}

type binaryOp int

const (
	opAdd binaryOp = iota
	opSub
	opMul
	opDiv
	opMax
	opMin
	numBinary
)

type unaryOp int

const (
	opScaleShift unaryOp = iota
	opDivScalar
	opScalarDiv
	opMaxScalar
	opMinScalar
	opPRelu
	opClip
	opAbs
	opSqrt
	opExp
	opExpSub
	opSigmoid
	opTanh
	opSoftplus
	opErf
	opGelu
	numUnary
)

var negativeZero = float32(math.Copysign(0, -1))

func binary(op binaryOp, dst, a, b []float32) {
	a, b = a[:len(dst)], b[:len(dst)]
	for len(dst) > 0 {
		n := min(len(dst), longest)
		cpu.binary[op](dst[:n], a[:n], b[:n])
		dst, a, b = dst[n:], a[n:], b[n:]
	}
}

func unary(op unaryOp, dst, a []float32, p, q float32) {
	a = a[:len(dst)]
	for len(dst) > 0 {
		n := min(len(dst), longest)
		cpu.unary[op](dst[:n], a[:n], p, q)
		dst, a = dst[n:], a[n:]
	}
}
