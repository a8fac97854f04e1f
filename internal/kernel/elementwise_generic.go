package kernel

import "math"

// The plain-Go forms of the element-wise functions. Slices are of equal length.

var genericBinary = [numBinary]func(dst, a, b []float32){
	opAdd: each2(func(x, y float32) float32 { return x + y }),
	opSub: each2(func(x, y float32) float32 { return x - y }),
	opMul: each2(func(x, y float32) float32 { return x * y }),
	opDiv: each2(func(x, y float32) float32 { return x / y }),
	opMax: each2(func(x, y float32) float32 { return max(x, y) }),
	opMin: each2(func(x, y float32) float32 { return min(x, y) }),
}

var genericUnary = [numUnary]func(dst, a []float32, p, q float32){
	opScaleShift: each(func(x, p, q float32) float32 { return x*p + q }),
	opDivScalar:  each(func(x, p, _ float32) float32 { return x / p }),
	opScalarDiv:  each(func(x, p, _ float32) float32 { return p / x }),
	opMaxScalar:  each(func(x, p, _ float32) float32 { return max(x, p) }),
	opMinScalar:  each(func(x, p, _ float32) float32 { return min(x, p) }),
	opPRelu: each(func(x, p, _ float32) float32 {
		if x < 0 {
			return x * p
		}
		return x
	}),
	opClip:     each(func(x, p, q float32) float32 { return min(max(x, p), q) }),
	opAbs:      each(func(x, _, _ float32) float32 { return math.Float32frombits(math.Float32bits(x) &^ (1 << 31)) }),
	opSqrt:     double(math.Sqrt),
	opExp:      double(math.Exp),
	opExpSub:   each(func(x, p, _ float32) float32 { return float32(math.Exp(float64(x - p))) }),
	opSigmoid:  double(func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }),
	opTanh:     double(math.Tanh),
	opSoftplus: double(func(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }),
	opErf:      double(math.Erf),
	opGelu:     double(func(x float64) float64 { return x / 2 * math.Erfc(-x/math.Sqrt2) }),
}

func genericGate(dst, a, by []float32, slope float32) {
	for i, x := range by {
		dst[i] = a[i]
		if x <= 0 {
			dst[i] *= slope
		}
	}
}

func genericGates(dst, a, by, slopes []float32) {
	for i, x := range by {
		v := a[i]
		if x <= 0 {
			v *= slopes[i]
		}
		dst[i] = v
	}
}

func genericPRelus(dst, a, slopes []float32) {
	for i, x := range a {
		if x < 0 {
			x *= slopes[i]
		}
		dst[i] = x
	}
}

func each2(f func(x, y float32) float32) func(dst, a, b []float32) {
	return func(dst, a, b []float32) {
		for i, x := range a {
			dst[i] = f(x, b[i])
		}
	}
}

func each(f func(x, p, q float32) float32) func(dst, a []float32, p, q float32) {
	return func(dst, a []float32, p, q float32) {
		for i, x := range a {
			dst[i] = f(x, p, q)
		}
	}
}

func double(f func(float64) float64) func(dst, a []float32, p, q float32) {
	return each(func(x, _, _ float32) float32 { return float32(f(float64(x))) })
}
