package data

import "math"

// blurKernel is a square of weights that sum to 1; its side is 2*radius + 1.
type blurKernel struct {
	radius  int
	weights []float64
}

// newKernel fills a kernel with at(x, y), where (0, 0) is the centre, and divides by the sum.
func newKernel(radius int, at func(x, y float64) float64) blurKernel {
	k := blurKernel{radius, make([]float64, 0, (2*radius+1)*(2*radius+1))}
	var sum float64
	for y := -radius; y <= radius; y++ {
		for x := -radius; x <= radius; x++ {
			w := at(float64(x), float64(y))
			k.weights = append(k.weights, w)
			sum += w
		}
	}
	for i := range k.weights {
		k.weights[i] /= sum
	}
	return k
}

// mahalanobis returns the squared distance from the centre in standard deviations s1, s2 along axes turned by theta.
func mahalanobis(s1, s2, theta float64) func(x, y float64) float64 {
	sin, cos := math.Sincos(theta)
	return func(x, y float64) float64 {
		u, v := (x*cos+y*sin)/s1, (y*cos-x*sin)/s2
		return u*u + v*v
	}
}

// generalGaussian is exp(-d^beta / 2), d the squared distance: a Gaussian for beta = 1.
func generalGaussian(radius int, s1, s2, theta, beta float64) blurKernel {
	d := mahalanobis(s1, s2, theta)
	return newKernel(radius, func(x, y float64) float64 { return math.Exp(-math.Pow(d(x, y), beta) / 2) })
}

// plateau is 1 / (1 + d^beta).
func plateau(radius int, s1, s2, theta, beta float64) blurKernel {
	d := mahalanobis(s1, s2, theta)
	return newKernel(radius, func(x, y float64) float64 { return 1 / (1 + math.Pow(d(x, y), beta)) })
}

// sinc is the ideal low-pass filter of two dimensions, with the cutoff in radians a pixel, cut off at the radius: it leaves ringing.
func sinc(radius int, cutoff float64) blurKernel {
	return newKernel(radius, func(x, y float64) float64 {
		r := math.Hypot(x, y)
		if r == 0 {
			return cutoff * cutoff / (4 * math.Pi)
		}
		return cutoff * math.J1(cutoff*r) / (2 * math.Pi * r)
	})
}

// blurred convolves every plane with k; pictures are continued by reflection about their edge pixels.
func (p planes) blurred(k blurKernel) planes {
	side, r := 2*k.radius+1, k.radius
	pw := p.w + 2*r
	out, padded := newPlanes(p.w, p.h), make([]float32, pw*(p.h+2*r))
	columns := make([]int, pw)
	for x := range columns {
		columns[x] = reflected(x-r, p.w)
	}
	for c := range 3 {
		for y := range p.h + 2*r {
			in := p.row(c, reflected(y-r, p.h))
			for x, from := range columns {
				padded[y*pw+x] = in[from]
			}
		}
		for y := range p.h {
			row := out.row(c, y)
			for ky := range side {
				convolve(row, padded[(y+ky)*pw:][:pw], k.weights[ky*side:][:side])
			}
		}
	}
	return out
}

// convolve adds to row what weights make of in: row[x] += sum of weights[i] * in[x+i]. Four weights at a time halve the work of one
// at a time; narrow kernels are zero almost everywhere.
func convolve(row, in []float32, weights []float64) {
	const tiny = 1e-8
	for i := 0; i < len(weights); i += 4 {
		var w [4]float32
		largest := 0.0
		for k, v := range weights[i:min(i+4, len(weights))] {
			w[k] = float32(v)
			largest = max(largest, math.Abs(v))
		}
		if largest < tiny {
			continue
		}
		if i+4 > len(weights) {
			for k, v := range w[:len(weights)-i] {
				for x, a := range in[i+k:][:len(row)] {
					row[x] += v * a
				}
			}
			return
		}
		w0, w1, w2, w3 := w[0], w[1], w[2], w[3]
		n := len(row)
		b, c, d := in[i+1:][:n], in[i+2:][:n], in[i+3:][:n]
		for x, a := range in[i:][:n] {
			row[x] += w0*a + w1*b[x] + w2*c[x] + w3*d[x]
		}
	}
}

// reflected returns which of n samples continues a line at i: ... 2 1 0 1 2 ... n-1 n-2 ...
func reflected(i, n int) int {
	if n == 1 {
		return 0
	}
	i %= 2*n - 2
	if i < 0 {
		i += 2*n - 2
	}
	return min(i, 2*n-2-i)
}
