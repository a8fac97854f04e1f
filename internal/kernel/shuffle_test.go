package kernel

import (
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
