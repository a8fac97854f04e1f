package kernel

// productFunc multiplies the tiles of a plane by a panel of weights; see genericProduct.
type productFunc = func(x, w, y []float32, xStride, yStride, chain, ahead, aheadStep int)

var genericProducts = makeGenericProducts()

func makeGenericProducts() (products [2][]productFunc) {
	for width := range products {
		for tiles := range genericRows {
			products[width] = append(products[width], func(x, w, y []float32, xStride, yStride, chain, _, _ int) {
				genericProduct(tiles+1, width+1, x, w, y, xStride, yStride, chain)
			})
		}
	}
	return products
}

// genericProduct sets the width blocks of output channels of each tile, y[block*yStride+tile*L+...], to the product of its
// source channels, x[k/L*xStride+tile*L+k%L], and the panel w, [k][output channel]. L is the path's lanes, which divides
// the number of source channels, len(w)/(width*L), and chain: sums of so many products are summed up, to round less.
// Assembly also prefetches, for each source channel, as much as the panel has for it, at least a cache line, ahead elements
// after the beginning of w, and adds aheadStep to ahead.
func genericProduct(tiles, width int, x, w, y []float32, xStride, yStride, chain int) {
	const L = genericLanes
	for t := range tiles {
		for v := range width {
			y := (*[L]float32)(y[v*yStride+t*L:])
			*y = [L]float32{}
			x, w := x[t*L:], w
			for len(w) > 0 {
				part := w[:min(len(w), chain*width*L)]
				var s0, s1, s2, s3, s4, s5, s6, s7 float32
				for at := v * L; at < len(part); {
					for _, x := range (*[L]float32)(x) {
						w := (*[L]float32)(part[at:])
						s0 += x * w[0]
						s1 += x * w[1]
						s2 += x * w[2]
						s3 += x * w[3]
						s4 += x * w[4]
						s5 += x * w[5]
						s6 += x * w[6]
						s7 += x * w[7]
						at += width * L
					}
					x = x[min(len(x), xStride):]
				}
				for l, s := range [L]float32{s0, s1, s2, s3, s4, s5, s6, s7} {
					y[l] += s
				}
				w = w[len(part):]
			}
		}
	}
}

func genericAddTwice(dst, a, b []float32) {
	for i := range dst {
		dst[i] = a[i] + 2*b[i]
	}
}

// genericGather takes a block of channels from rows of n pixels, at least as many as the path has lanes; channels are
// stride elements apart.
func genericGather(dst, src []float32, stride, n int) {
	for c := range genericLanes {
		for i, v := range src[c*stride:][:n] {
			dst[i*genericLanes+c] = v
		}
	}
}

var genericScatters = makeGenericScatters()

func makeGenericScatters() (scatters [3]func(dst, src, res []float32, stride, n int, p []float32)) {
	for add := range scatters {
		scatters[add] = func(dst, src, res []float32, stride, n int, p []float32) {
			genericScatter(add, dst, src, res, stride, n, p)
		}
	}
	return scatters
}

// When a residual is added in a scatter.
const (
	addNever = iota
	addFirst
	addLast
)

// genericScatter is the way back, through the beginning of an epilogue: a bias, a slope for what is negative, a scale and a
// shift, p[0:L], p[L:2L], ... Res, which is laid out as dst is, is added after the bias or at last. Assembly computes some
// elements twice where n is no multiple of L, so that res may not be dst then.
func genericScatter(add int, dst, src, res []float32, stride, n int, p []float32) {
	const L = genericLanes
	for c := range L {
		row := dst[c*stride:][:n]
		for i := range row {
			v := src[i*L+c] + p[c]
			if add == addFirst {
				v += res[c*stride+i]
			}
			if v < 0 {
				v *= p[L+c]
			}
			v = v*p[2*L+c] + p[3*L+c]
			if add == addLast {
				v += res[c*stride+i]
			}
			row[i] = v
		}
	}
}
