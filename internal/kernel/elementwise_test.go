package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// lengths are all short ones, and some that take more than one call of assembly.
func lengths() []int {
	var l []int
	for n := range 71 {
		l = append(l, n)
	}
	l = append(l, 127, 1000)
	if testing.Short() {
		return l
	}
	return append(l, longest, longest+1, 2*longest+77)
}

// values has the numbers that functions may get wrong, then random ones.
func values(r *rand.Rand, n int) []float32 {
	special := []float32{
		0, negativeZero, 1, -1, 0.5, -0.5, 1e-45, -1e-45, 1e-38, math.MaxFloat32, -math.MaxFloat32,
		float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), 88.7, 88.8, -87.3, -103, -104, 0.625, 4, -4, 1e-4,
	}
	a := make([]float32, n)
	for i := range a {
		switch r.IntN(4) {
		case 0:
			a[i] = special[r.IntN(len(special))]
		case 1:
			a[i] = float32(r.NormFloat64() * 30)
		default:
			a[i] = float32(r.NormFloat64())
		}
	}
	return a
}

// near reports whether got is want within some units in the last place of want, or within an absolute error.
func near(got, want float32, ulps int, absolute float64) bool {
	if got == want || got != got && want != want {
		return true
	}
	d := math.Abs(float64(got) - float64(want))
	ulp := math.Abs(float64(math.Nextafter32(want, float32(math.Inf(1))) - want))
	return d <= absolute || d <= float64(ulps)*ulp
}

func TestBinary(t *testing.T) {
	for _, f := range []struct {
		name string
		fast func(dst, a, b []float32)
		op   binaryOp
	}{{"Add", Add, opAdd}, {"Sub", Sub, opSub}, {"Mul", Mul, opMul}, {"Div", Div, opDiv}, {"Max", Max, opMax}, {"Min", Min, opMin}} {
		t.Run(f.name, func(t *testing.T) {
			eachPath(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(3, 4))
				for _, n := range lengths() {
					a, b, want := values(r, n), values(r, n), make([]float32, n)
					genericBinary[f.op](want, a, b)
					testInto(t, a, want, func(dst, a []float32) { f.fast(dst, a, b) }, 0, 0)
					testInto(t, b, want, func(dst, b []float32) { f.fast(dst, a, b) }, 0, 0)
				}
			})
		})
	}
}

func TestGate(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, n := range lengths() {
			for _, slope := range []float32{0, 0.2, -1} {
				a, by, want := values(r, n), values(r, n), make([]float32, n)
				for i := range want {
					if want[i] = a[i]; by[i] <= 0 {
						want[i] = a[i] * slope
					}
				}
				testInto(t, a, want, func(dst, a []float32) { Gate(dst, a, by, slope) }, 0, 0)
				testInto(t, by, want, func(dst, by []float32) { Gate(dst, a, by, slope) }, 0, 0)
			}
		}
	})
}

func TestRowsOfSlopes(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		for _, n := range lengths() {
			a, by, slopes, gates, prelus := values(r, n), values(r, n), random(r, n), make([]float32, n), make([]float32, n)
			for i := range a {
				gates[i], prelus[i] = a[i], a[i]
				if by[i] <= 0 {
					gates[i] *= slopes[i]
				}
				if a[i] < 0 {
					prelus[i] *= slopes[i]
				}
			}
			testInto(t, a, gates, func(dst, a []float32) { Gates(dst, a, by, slopes) }, 0, 0)
			testInto(t, slopes, gates, func(dst, slopes []float32) { Gates(dst, a, by, slopes) }, 0, 0)
			testInto(t, a, prelus, func(dst, a []float32) { PRelus(dst, a, slopes) }, 0, 0)
			testInto(t, slopes, prelus, func(dst, slopes []float32) { PRelus(dst, a, slopes) }, 0, 0)
		}
	})
}

// testInto runs f into a guarded slice, and in place, and compares.
func testInto(t *testing.T, a, want []float32, f func(dst, a []float32), ulps int, absolute float64) {
	t.Helper()
	dst, check := guarded(t, len(a))
	f(dst, a)
	check()
	in, checkIn := guarded(t, len(a))
	copy(in, a)
	f(in, in)
	checkIn()
	for i := range want {
		if !near(dst[i], want[i], ulps, absolute) {
			t.Fatalf("n=%d: element %d, of %v (%#08x), is %v, want %v", len(a), i, a[i], math.Float32bits(a[i]), dst[i], want[i])
		}
		if math.Float32bits(in[i]) != math.Float32bits(dst[i]) {
			t.Fatalf("n=%d: element %d, of %v, is %v in place, else %v", len(a), i, a[i], in[i], dst[i])
		}
	}
}

func TestUnary(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	each := func(f func(x, s float32) float32) func(dst, a []float32, s float32) {
		return func(dst, a []float32, s float32) {
			for i, x := range a {
				dst[i] = f(x, s)
			}
		}
	}
	of := func(f func(float64) float64) func(dst, a []float32, s float32) {
		return each(func(x, _ float32) float32 { return float32(f(float64(x))) })
	}
	without := func(f func(dst, a []float32)) func(dst, a []float32, s float32) {
		return func(dst, a []float32, _ float32) { f(dst, a) }
	}
	for _, f := range []struct {
		name       string
		fast, want func(dst, a []float32, s float32)
		scalars    []float32
		ulps       int
		absolute   float64
	}{
		{"AddScalar", AddScalar, each(func(x, s float32) float32 { return x + s }), []float32{0, 1.5, nan, inf}, 0, 0},
		{"SubScalar", SubScalar, each(func(x, s float32) float32 { return x - s }), []float32{0, 1.5, nan, inf}, 0, 0},
		{"ScalarSub", func(dst, a []float32, s float32) { ScalarSub(dst, s, a) }, each(func(x, s float32) float32 { return s - x }), []float32{0, 1.5, nan, inf}, 0, 0},
		{"MulScalar", MulScalar, each(func(x, s float32) float32 { return x * s }), []float32{0, 1.5, nan, inf}, 0, 0},
		{"DivScalar", DivScalar, each(func(x, s float32) float32 { return x / s }), []float32{0, 1.5, nan, inf}, 0, 0},
		{"ScalarDiv", func(dst, a []float32, s float32) { ScalarDiv(dst, s, a) }, each(func(x, s float32) float32 { return s / x }), []float32{0, 1.5, nan, inf}, 0, 0},
		{"MaxScalar", MaxScalar, each(func(x, s float32) float32 { return max(x, s) }), []float32{0, 1.5, nan, inf}, 0, 0},
		{"MinScalar", MinScalar, each(func(x, s float32) float32 { return min(x, s) }), []float32{0, 1.5, nan, inf}, 0, 0},
		{"ScaleShift", func(dst, a []float32, s float32) { ScaleShift(dst, a, s, 0.75) },
			each(func(x, s float32) float32 { return float32(float64(x)*float64(s) + 0.75) }), []float32{0, 1.5, -3, nan, inf}, 1, 1e-6},
		{"Relu", without(Relu), each(func(x, _ float32) float32 { return max(x, 0) }), []float32{0}, 0, 0},
		{"PRelu", PRelu, each(func(x, s float32) float32 {
			if x >= 0 || x != x {
				return x
			}
			if s == 0 {
				return 0
			}
			return x * s
		}), []float32{0, 0.25, -2, 1}, 0, 0},
		{"Clip", func(dst, a []float32, s float32) { Clip(dst, a, -0.5, s) }, each(func(x, s float32) float32 { return min(max(x, -0.5), s) }), []float32{0, 1, -1, inf}, 0, 0},
		{"Abs", without(Abs), of(math.Abs), []float32{0}, 0, 0},
		{"Neg", without(Neg), each(func(x, _ float32) float32 { return -x }), []float32{0}, 0, 0},
		{"Sqrt", without(Sqrt), of(math.Sqrt), []float32{0}, 0, 0},
		{"Exp", without(Exp), of(math.Exp), []float32{0}, 2, 0},
		{"ExpSub", ExpSub, each(func(x, s float32) float32 { return float32(math.Exp(float64(x - s))) }), []float32{0, 1.5, nan}, 2, 0},
		{"Sigmoid", without(Sigmoid), of(func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }), []float32{0}, 2, 1e-37},
		{"Tanh", without(Tanh), of(math.Tanh), []float32{0}, 2, 0},
		{"Softplus", without(Softplus), of(func(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }), []float32{0}, 3, 1e-37},
		{"Erf", without(Erf), of(math.Erf), []float32{0}, 3, 0},
		{"Gelu", without(Gelu), of(func(x float64) float64 { return x / 2 * (1 + math.Erf(x/math.Sqrt2)) }), []float32{0}, 3, 5e-7},
	} {
		t.Run(f.name, func(t *testing.T) {
			eachPath(t, func(t *testing.T) {
				r := rand.New(rand.NewPCG(5, 6))
				for _, s := range f.scalars {
					for _, n := range lengths() {
						a, want := values(r, n), make([]float32, n)
						f.want(want, a, s)
						testInto(t, a, want, func(dst, a []float32) { f.fast(dst, a, s) }, f.ulps, f.absolute)
					}
				}
			})
		})
	}
}

// TestPositionIndependent checks that a value's result is the same bits wherever it lies in a slice.
func TestPositionIndependent(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(7, 8))
		for op := range numUnary {
			for _, x := range values(r, 50) {
				a := make([]float32, 37)
				for i := range a {
					a[i] = x
				}
				unary(op, a, a, 0.3, 0.7)
				for i := range a {
					if math.Float32bits(a[i]) != math.Float32bits(a[0]) {
						t.Fatalf("operation %d of %v is %v at 0 and %v at %d", op, x, a[0], a[i], i)
					}
				}
			}
		}
	})
}

func TestSums(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(9, 10))
		for _, n := range lengths() {
			a := random(r, n)
			got, want := make([]float64, 16), make([]float64, 16)
			for i := range got {
				got[i], want[i] = float64(i), float64(i)
			}
			Sums(got, a)
			for i, x := range a {
				want[i%16] += float64(x)
			}
			if !slices.Equal(got, want) { // each is a sum in order, on every path
				t.Fatalf("n=%d: got %v, want %v", n, got, want)
			}
		}
	})
}

func TestReductions(t *testing.T) {
	// Every path adds in the same order, so the results are the same bits.
	type sums struct{ sum, squares, dot float64 }
	first := map[int]sums{}
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(9, 10))
		for _, n := range lengths() {
			a, b := random(r, n), random(r, n)
			got := sums{Sum(a), SumSquares(a), Dot(a, b)}
			var want, magnitude sums
			for i, x := range a {
				x, y := float64(x), float64(b[i])
				want = sums{want.sum + x, want.squares + x*x, want.dot + x*y}
				magnitude = sums{magnitude.sum + math.Abs(x), magnitude.squares + x*x, magnitude.dot + math.Abs(x*y)}
			}
			for _, c := range [][3]float64{{got.sum, want.sum, magnitude.sum}, {got.squares, want.squares, magnitude.squares}, {got.dot, want.dot, magnitude.dot}} {
				if !(math.Abs(c[0]-c[1]) <= 1e-12*c[2]) {
					t.Fatalf("n=%d: got %v, want %v", n, c[0], c[1])
				}
			}
			if f, ok := first[n]; ok && f != got {
				t.Fatalf("n=%d: got %v, another path %v", n, got, f)
			}
			first[n] = got
		}
	})
}

func TestExtremes(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(11, 12))
		for _, n := range append(lengths(), 128, 192, 193) {
			a := random(r, n)
			check := func(name string) {
				t.Helper()
				lo, hi := float32(math.Inf(1)), float32(math.Inf(-1))
				for _, x := range a {
					lo, hi = min(lo, x), max(hi, x)
				}
				if got := ReduceMax(a); !near(got, hi, 0, 0) {
					t.Fatalf("n=%d %s: maximum %v, want %v", n, name, got, hi)
				}
				if got := ReduceMin(a); !near(got, lo, 0, 0) {
					t.Fatalf("n=%d %s: minimum %v, want %v", n, name, got, lo)
				}
			}
			check("random")
			for i := 0; i < n; i += 1 + i/3 {
				old := a[i]
				for _, v := range []float32{1e9, -1e9, float32(math.NaN())} {
					a[i] = v
					check(fmt.Sprintf("with %v at %d", v, i))
				}
				a[i] = old
			}
		}
	})
}
