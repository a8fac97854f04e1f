package kernel

import "math"

// Sums are kept in float64, in 16 interleaved partial sums whatever the CPU path: sum l takes the elements l, l+16, ...
// of the longest prefix that is a multiple of 16; the sums are added in a fixed tree, then the rest in order. The
// result is the same bits on every path.

const sumLanes = 16

// Sum adds up a.
func Sum(a []float32) float64 {
	return sum(a, a, func(x, _ float32) float64 { return float64(x) })
}

// SumSquares adds up the squares of a.
func SumSquares(a []float32) float64 { return Dot(a, a) }

// Dot adds up a[i]*b[i] for the elements of a; b must be as long.
func Dot(a, b []float32) float64 {
	return sum(a, b, func(x, y float32) float64 { return float64(x) * float64(y) })
}

func sum(a, b []float32, f func(x, y float32) float64) float64 {
	b = b[:len(a)]
	var lanes [sumLanes]float64
	n := len(a) - len(a)%sumLanes
	for i, x := range a[:n] {
		lanes[i%sumLanes] += f(x, b[i])
	}
	for step := sumLanes / 2; step > 0; step /= 2 {
		for l := range step {
			lanes[l] += lanes[l+step]
		}
	}
	for i, x := range a[n:] {
		lanes[0] += f(x, b[n+i])
	}
	return lanes[0]
}

// ReduceMax is the largest element of a, NaN if any is; -Inf if there are none.
func ReduceMax(a []float32) float32 {
	m := float32(math.Inf(-1))
	for _, x := range a {
		m = max(m, x)
	}
	return m
}

// ReduceMin is the smallest element of a, NaN if any is; +Inf if there are none.
func ReduceMin(a []float32) float32 {
	m := float32(math.Inf(1))
	for _, x := range a {
		m = min(m, x)
	}
	return m
}
