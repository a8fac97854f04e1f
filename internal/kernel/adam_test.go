package kernel

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestAdam(t *testing.T) {
	s := AdamStep{Decay: 0.01, Rest1: 0.1, Beta2: 0.999, Rest2: 0.001, Keep: 0.99, Rate: 0.3, Root: 0.7, Epsilon: 1e-8}
	p := []float32{s.Decay, s.Rest1, s.Beta2, s.Rest2, s.Keep, s.Rate, s.Root, s.Epsilon}
	eachPath(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		for _, n := range lengths() {
			var got, want [4][]float32
			var checks [4]func()
			for i := range got {
				want[i] = random(r, n)
				if i == 3 {
					Mul(want[i], want[i], want[i])
				}
				got[i], checks[i] = guarded(t, n)
				copy(got[i], want[i])
			}
			Adam(got[0], got[1], got[2], got[3], s)
			genericAdam(want[0], want[1], want[2], want[3], p)
			for i := range got {
				checks[i]()
				if !slices.Equal(got[i], want[i]) {
					t.Fatalf("n=%d: operand %d is %v, want %v", n, i, got[i], want[i])
				}
			}
		}
	})
}
