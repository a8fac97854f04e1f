package finetune

import (
	"math"

	"github.com/gansr/gansr/graph"
)

// globalNorm returns the Euclidean length of all gradients together. Sums are of float64, in an order that does not depend on the
// workers. It is not finite if an element is not.
func globalNorm(workers *graph.Workers, grads [][]float32) float64 {
	sum := 0.0
	for _, g := range grads {
		parts := make([]float64, (len(g)+chunk-1)/chunk)
		chunks(workers, len(g), func(lo, hi int) {
			s := 0.0
			for _, v := range g[lo:hi] {
				s += float64(v) * float64(v)
			}
			parts[lo/chunk] = s
		})
		for _, s := range parts {
			sum += s
		}
	}
	return math.Sqrt(sum)
}

// clipNorm scales gradients of a global norm down to at most a length, as torch.nn.utils.clip_grad_norm_ does; 0 means any.
func clipNorm(workers *graph.Workers, grads [][]float32, norm, most float64) {
	by := float32(most / (norm + 1e-6))
	if most <= 0 || by >= 1 {
		return
	}
	for _, g := range grads {
		chunks(workers, len(g), func(lo, hi int) {
			for i := range g[lo:hi] {
				g[lo+i] *= by
			}
		})
	}
}

// clamp limits weights to -most..most.
func clamp(workers *graph.Workers, weights []float32, most float32) {
	chunks(workers, len(weights), func(lo, hi int) {
		for i, v := range weights[lo:hi] {
			weights[lo+i] = min(max(v, -most), most)
		}
	})
}

// blend moves averages towards values: an exponential moving average that keeps a share of itself.
func blend(workers *graph.Workers, average, values []float32, keep float64) {
	rest := float32(1 - keep)
	chunks(workers, len(values), func(lo, hi int) {
		for i, v := range values[lo:hi] {
			average[lo+i] += rest * (v - average[lo+i])
		}
	})
}
