package kernel

import "math"

// Sums are kept in float64, in sumLanes interleaved partial sums whatever the CPU path: sum l takes the elements l,
// l+16, ... of the longest prefix that is a multiple of 16; the partial sums are added in a fixed tree, then the rest in
// order. The result is the same bits on every path.
const sumLanes = 16

// extremeLanes is the unit of elements of the reductions to an extreme.
const extremeLanes = 64

// longest is how many elements are handed to one call of assembly.
const longest = 1 << 16

// Sum adds up a, in float64.
func Sum(a []float32) float64 {
	var s float64
	for len(a) >= sumLanes {
		n := min(len(a)-len(a)%sumLanes, longest)
		s += cpu.sum(a[:n])
		a = a[n:]
	}
	for _, x := range a {
		s += float64(x)
	}
	return s
}

// Sums adds a[i] to sums[i%16], in float64: sums by channel of pixels of a block of channels, as Lanes divides 16.
func Sums(sums []float64, a []float32) {
	for len(a) >= sumLanes {
		n := min(len(a)-len(a)%sumLanes, longest)
		cpu.sums(a[:n], sums[:sumLanes])
		a = a[n:]
	}
	for i, x := range a {
		sums[i] += float64(x)
	}
}

// SumSquares adds up the squares of a, in float64.
func SumSquares(a []float32) float64 { return Dot(a, a) }

// Dot adds up a[i]*b[i] for the elements of a, in float64; b must be as long.
func Dot(a, b []float32) float64 {
	var s float64
	b = b[:len(a)]
	for len(a) >= sumLanes {
		n := min(len(a)-len(a)%sumLanes, longest)
		s += cpu.dot(a[:n], b[:n])
		a, b = a[n:], b[n:]
	}
	for i, x := range a {
		s += float64(x) * float64(b[i])
	}
	return s
}

// ReduceMax is the largest element of a, NaN if any is; -Inf if there are none.
func ReduceMax(a []float32) float32 {
	m := float32(math.Inf(-1))
	for len(a) >= extremeLanes {
		n := min(len(a)-len(a)%extremeLanes, longest)
		m = max(m, cpu.reduceMax(a[:n]))
		a = a[n:]
	}
	for _, x := range a {
		m = max(m, x)
	}
	return m
}

// ReduceMin is the smallest element of a, NaN if any is; +Inf if there are none.
func ReduceMin(a []float32) float32 {
	m := float32(math.Inf(1))
	for len(a) >= extremeLanes {
		n := min(len(a)-len(a)%extremeLanes, longest)
		m = min(m, cpu.reduceMin(a[:n]))
		a = a[n:]
	}
	for _, x := range a {
		m = min(m, x)
	}
	return m
}

func genericSum(a []float32) float64 {
	var lanes [sumLanes]float64
	for ; len(a) > 0; a = a[sumLanes:] {
		for l, x := range a[:sumLanes] {
			lanes[l] += float64(x)
		}
	}
	return tree(&lanes)
}

func genericSums(a []float32, sums []float64) {
	for ; len(a) > 0; a = a[sumLanes:] {
		for l, x := range a[:sumLanes] {
			sums[l] += float64(x)
		}
	}
}

func genericDot(a, b []float32) float64 {
	var lanes [sumLanes]float64
	for ; len(a) > 0; a, b = a[sumLanes:], b[sumLanes:] {
		for l, x := range a[:sumLanes] {
			lanes[l] += float64(x) * float64(b[l])
		}
	}
	return tree(&lanes)
}

func tree(lanes *[sumLanes]float64) float64 {
	for step := sumLanes / 2; step > 0; step /= 2 {
		for l := range step {
			lanes[l] += lanes[l+step]
		}
	}
	return lanes[0]
}

func genericReduce(a []float32, m float32, f func(x, y float32) float32) float32 {
	for _, x := range a {
		m = f(m, x)
	}
	return m
}
