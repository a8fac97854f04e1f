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
// Assembly also prefetches, for each source channel, the cache line ahead elements after the beginning of w, and adds
// aheadStep to ahead.
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

// genericGather takes a block of channels from rows of n pixels, at least as many as the path has lanes; channels are
// stride elements apart.
func genericGather(dst, src []float32, stride, n int) {
	for c := range genericLanes {
		for i, v := range src[c*stride:][:n] {
			dst[i*genericLanes+c] = v
		}
	}
}

// genericScatter is the way back. It adds a shift, and multiplies what is negative by a slope.
func genericScatter(dst, src []float32, stride, n int, shift, slope []float32) {
	for c := range genericLanes {
		row := dst[c*stride:][:n]
		for i := range row {
			v := src[i*genericLanes+c] + shift[c]
			if v < 0 {
				v *= slope[c]
			}
			row[i] = v
		}
	}
}
