package kernel

// productFunc multiplies the tiles of a plane by a panel of weights; see genericProduct.
type productFunc = func(x, w, y []float32, xStride, yStride, chain, ahead, aheadStep, groups int)

var genericProducts = makeGenericProducts()

func makeGenericProducts() (products [2][]productFunc) {
	for width := range products {
		for tiles := range genericRows {
			products[width] = append(products[width], func(x, w, y []float32, xStride, yStride, chain, _, _, groups int) {
				genericProduct(groups*(tiles+1), width+1, x, w, y, xStride, yStride, chain)
			})
		}
	}
	return products
}

// genericProduct sets the width blocks of output channels of each tile, y[block*yStride+tile*L+...], to the product of its
// source channels, x[k/L*xStride+tile*L+k%L], and the panel w, [k][output channel]. L is the path's lanes, which divides
// the number of source channels, len(w)/(width*L), and chain: sums of so many products are summed up, to round less.
// A productFunc does so for groups of as many tiles as it is made for. Assembly also prefetches, for each source channel of a
// group, as much as the panel has for it, at least a cache line, ahead elements after the beginning of w, and adds aheadStep to
// ahead.
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

// genericScatter is the way back, through the beginning of an epilogue; see genericFinish. Res, which is laid out as dst is, may
// not be dst: assembly computes some elements twice where n is no multiple of L.
func genericScatter(add int, dst, src, res []float32, stride, n int, p []float32) {
	for c := range genericLanes {
		for i := range n {
			at := c*stride + i
			dst[at] = genericFinish(add, src[i*genericLanes+c], res[min(at, len(res)):], p[c:])
		}
	}
}

var genericStores = makeGenericStores()

func makeGenericStores() (stores [3]func(dst, src, res, p []float32)) {
	for add := range stores {
		stores[add] = func(dst, src, res, p []float32) {
			for i := range dst {
				dst[i] = genericFinish(add, src[i], res[min(i, len(res)):], p[i%genericLanes:])
			}
		}
	}
	return stores
}

// genericFinish is the beginning of an epilogue for v: a bias, a slope for what is negative, a scale and a shift, p[0], p[L],
// p[2*L] and p[3*L]. Res[0] is added after the bias or at last.
func genericFinish(add int, v float32, res, p []float32) float32 {
	const L = genericLanes
	v += p[0]
	if add == addFirst {
		v += res[0]
	}
	if v < 0 {
		v *= p[L]
	}
	v = v*p[2*L] + p[3*L]
	if add == addLast {
		v += res[0]
	}
	return v
}

// genericStream copies rows of a multiple of cacheLine elements, to rows that begin dstStep elements apart, a multiple as well. Dst begins on a cache
// line; other forms write past the caches.
func genericStream(dst, src []float32, dstStep, size, rows int) {
	for r := range rows {
		copy(dst[r*dstStep:][:size], src[r*size:])
	}
}
