package kernel

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The largest of two by two pixels, and the first of the largest gets the gradient, by channel, whatever there is.
func TestPoolBlocks(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		nan := float32(math.NaN())
		values := []float32{0, negativeZero, 1, 2, -1, nan, float32(math.Inf(1)), float32(math.Inf(-1))}
		r := rand.New(rand.NewPCG(65, 66))
		lanes := Lanes()
		lengths := []int{longest/lanes + 3}
		for n := range 40 {
			lengths = append(lengths, n)
		}
		for _, pixels := range lengths {
			n := pixels * lanes
			a, b, g := random(r, 2*n), random(r, 2*n), random(r, n)
			for i := range a {
				if pixels%3 > 0 {
					a[i], b[i] = values[r.IntN(len(values))], values[r.IntN(len(values))]
				}
			}
			dst, check := guarded(t, n)
			da, checkA := guarded(t, 2*n)
			db, checkB := guarded(t, 2*n)
			PoolBlocks(dst, a, b)
			PoolBlocksGradient(da, db, a, b, g)
			check()
			checkA()
			checkB()
			for i, v := range g {
				l := i + i/lanes*lanes
				under, got := []float32{a[l], a[l+lanes], b[l], b[l+lanes]}, []float32{da[l], da[l+lanes], db[l], db[l+lanes]}
				best := 0
				for k, x := range under {
					if x > under[best] || x != x && under[best] == under[best] {
						best = k
					}
				}
				if want := under[best]; dst[i] != want && (dst[i] == dst[i] || want == want) {
					t.Fatalf("%d pixels: element %d of %v is %v, want %v", pixels, i, under, dst[i], want)
				}
				for k, x := range got {
					if want := map[bool]float32{true: v}[k == best]; x != want {
						t.Fatalf("%d pixels: element %d, %d of %v, gets %v, want %v", pixels, i, k, under, x, want)
					}
				}
			}
		}
	})
}
