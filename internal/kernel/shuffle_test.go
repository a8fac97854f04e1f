package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestInterleave(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(61, 62))
		for rows := 1; rows <= 5; rows++ {
			for _, n := range []int{0, 1, 7, 8, 9, 31, 100, 256, 300, 2000} {
				parts, back, checks := make([][]float32, rows), make([][]float32, rows), make([]func(), rows)
				for i := range parts {
					parts[i] = random(r, n)
					back[i], checks[i] = guarded(t, n)
				}
				dst, check := guarded(t, n*rows)
				Interleave(dst, parts...)
				check()
				for i, v := range dst {
					if v != parts[i%rows][i/rows] {
						t.Fatalf("%d rows of %d: element %d is %v, want %v", rows, n, i, v, parts[i%rows][i/rows])
					}
				}
				Deinterleave(dst, back...)
				for i, row := range back {
					checks[i]()
					for j, v := range row {
						if v != parts[i][j] {
							t.Fatalf("%d rows of %d: element %d of row %d came back as %v, want %v", rows, n, j, i, v, parts[i][j])
						}
					}
				}
			}
		}
	})
}

// The first of the largest of two by two gets the gradient, whatever there is.
func TestPoolGradient(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		nan := float32(math.NaN())
		values := []float32{0, negativeZero, 1, 2, -1, nan, float32(math.Inf(1)), float32(math.Inf(-1))}
		r := rand.New(rand.NewPCG(63, 64))
		for n := range 70 {
			a, b, g := random(r, 2*n), random(r, 2*n), random(r, n)
			for i := range a {
				if n%3 > 0 {
					a[i], b[i] = values[r.IntN(len(values))], values[r.IntN(len(values))]
				}
			}
			da, checkA := guarded(t, 2*n)
			db, checkB := guarded(t, 2*n)
			fillNaN(da)
			fillNaN(db)
			PoolGradient(da, db, a, b, g)
			checkA()
			checkB()
			for i, v := range g {
				under, got := []float32{a[2*i], a[2*i+1], b[2*i], b[2*i+1]}, []float32{da[2*i], da[2*i+1], db[2*i], db[2*i+1]}
				best := 0
				for k, x := range under {
					if x > under[best] || x != x && under[best] == under[best] {
						best = k
					}
				}
				for k, x := range got {
					if want := map[bool]float32{true: v}[k == best]; x != want {
						t.Fatalf("%d elements: element %d, %d of %v, gets %v, want %v", n, i, k, under, x, want)
					}
				}
			}
		}
	})
}
