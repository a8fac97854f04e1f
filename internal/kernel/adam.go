package kernel

import "math"

// AdamStep is a step of Adam (Kingma and Ba, arXiv:1412.6980): a gradient is d = g + Decay*w, its running means m += Rest1*(d-m) and
// v = Beta2*v + Rest2*d*d, and the weight becomes Keep*w - Rate*m/(sqrt(v)/Root + Epsilon).
type AdamStep struct{ Decay, Rest1, Beta2, Rest2, Keep, Rate, Root, Epsilon float32 }

// Adam does the step for weights w, gradients g, which become 0, and running means m and v, equally long. The bits do not depend on the path.
func Adam(w, g, m, v []float32, s AdamStep) {
	p := []float32{s.Decay, s.Rest1, s.Beta2, s.Rest2, s.Keep, s.Rate, s.Root, s.Epsilon}
	g, m, v = g[:len(w)], m[:len(w)], v[:len(w)]
	for len(w) > 0 {
		n, f := min(len(w), longest), cpu.adam
		if n >= cpu.lanes {
			n -= n % cpu.lanes
		} else {
			f = genericAdam
		}
		f(w[:n], g[:n], m[:n], v[:n], p)
		w, g, m, v = w[n:], g[n:], m[n:], v[n:]
	}
}

func genericAdam(w, g, m, v, p []float32) {
	decay, rest1, beta2, rest2, keep, rate, root, epsilon := p[0], p[1], p[2], p[3], p[4], p[5], p[6], p[7]
	for i, x := range w {
		d := g[i] + float32(decay*x)
		mean := m[i] + float32(rest1*(d-m[i]))
		square := float32(beta2*v[i]) + float32(float32(rest2*d)*d)
		m[i], v[i], g[i] = mean, square, 0
		w[i] = float32(keep*x) - float32(rate*(mean/(float32(math.Sqrt(float64(square)))/root+epsilon)))
	}
}
