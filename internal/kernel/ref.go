package kernel

// Number is what the plain-Go references compute with. Products and sums are made in the type itself.
type Number interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

// RefGemm sets c = op(a)·op(b), or adds to c with accumulate. op(a) is m by k, op(b) k by n, c m by n, all row-major
// with rows lda, ldb and ldc elements apart; transA says that a is stored k by m, transB that b is stored n by k.
func RefGemm[T Number](m, n, k int, a []T, lda int, transA bool, b []T, ldb int, transB bool, c []T, ldc int, accumulate bool) {
	if n == 0 {
		return
	}
	for i := range m {
		row := c[i*ldc : i*ldc+n]
		if !accumulate {
			clear(row)
		}
		for l := range k {
			x := a[at(i, l, lda, transA)]
			if transB {
				for j := range row {
					row[j] += x * b[j*ldb+l]
				}
				continue
			}
			for j, y := range b[l*ldb : l*ldb+n] {
				row[j] += x * y
			}
		}
	}
}

func at(row, column, ld int, trans bool) int {
	if trans {
		row, column = column, row
	}
	return row*ld + column
}

// ShapeND is a convolution over any number of spatial axes: source [N, C, In...], kernels of size Kernel, output
// [N, OC, Out()...]. All slices but OutPads have one value an axis; OutPads may be nil.
type ShapeND struct {
	N, C, OC, Groups   int
	In, Kernel         []int
	Strides, Dilations []int
	PadsBegin, PadsEnd []int // may be negative: the source is cropped
	OutPads            []int // transposed convolution only: zeros added at the output's end
}

// Out is the spatial size of a convolution's output, 0 where the kernel does not fit.
func (s ShapeND) Out() []int {
	out := make([]int, len(s.In))
	for i := range out {
		room := s.In[i] + s.PadsBegin[i] + s.PadsEnd[i] - (s.Kernel[i]-1)*s.Dilations[i] - 1
		if room >= 0 {
			out[i] = room/s.Strides[i] + 1
		}
	}
	return out
}

// TransposedOut is the spatial size of a transposed convolution's output.
func (s ShapeND) TransposedOut() []int {
	out := make([]int, len(s.In))
	for i := range out {
		out[i] = (s.In[i]-1)*s.Strides[i] - s.PadsBegin[i] - s.PadsEnd[i] + (s.Kernel[i]-1)*s.Dilations[i] + 1
		if s.OutPads != nil {
			out[i] += s.OutPads[i]
		}
		out[i] = max(out[i], 0)
	}
	return out
}

// RefConv is convolution as ONNX's Conv defines it: weight [OC, C/Groups, Kernel...], bias nil or OC values.
func RefConv[T Number](s ShapeND, dst, src, weight, bias []T) {
	out := s.Out()
	small, large := product(out), product(s.In)
	ci, co, taps := s.C/s.Groups, s.OC/s.Groups, product(s.Kernel)
	for i := range s.N * s.OC {
		fill(dst[i*small:(i+1)*small], bias, i%s.OC)
	}
	s.eachTap(out, s.In, func(tap, from, to, count, stride int) {
		for i := range s.N * s.OC {
			n, oc := i/s.OC, i%s.OC
			d := dst[i*small+from:][:count]
			for c := range ci {
				w := weight[(oc*ci+c)*taps+tap]
				x := src[(n*s.C+oc/co*ci+c)*large+to:]
				for j := range d {
					d[j] += w * x[j*stride]
				}
			}
		}
	})
}

// RefConvTranspose is transposed convolution as ONNX's ConvTranspose defines it: weight [C, OC/Groups, Kernel...], bias
// nil or OC values; the pads crop the output.
func RefConvTranspose[T Number](s ShapeND, dst, src, weight, bias []T) {
	out := s.TransposedOut()
	small, large := product(s.In), product(out)
	ci, co, taps := s.C/s.Groups, s.OC/s.Groups, product(s.Kernel)
	for i := range s.N * s.OC {
		fill(dst[i*large:(i+1)*large], bias, i%s.OC)
	}
	s.eachTap(s.In, out, func(tap, from, to, count, stride int) {
		for i := range s.N * s.OC {
			n, oc := i/s.OC, i%s.OC
			d := dst[i*large+to:]
			for c := range ci {
				w := weight[((oc/co*ci+c)*co+oc%co)*taps+tap]
				x := src[(n*s.C+oc/co*ci+c)*small+from:][:count]
				for j, v := range x {
					d[j*stride] += w * v
				}
			}
		}
	})
}

// eachTap pairs the pixels of the smaller grid with those of the larger that a kernel tap joins: pixel p of the small
// grid with p*stride + k*dilation - pad of the large one. It calls row for every run along the last axis: count pixels
// from index from on in the small grid, and from index to on, stride apart, in the large one.
func (s ShapeND) eachTap(small, large []int, row func(tap, from, to, count, stride int)) {
	rank := len(small)
	var walk func(axis, tap, from, to, count, stride int)
	walk = func(axis, tap, from, to, count, stride int) {
		if axis == rank {
			row(tap, from, to, count, stride)
			return
		}
		for k := range s.Kernel[axis] {
			off := k*s.Dilations[axis] - s.PadsBegin[axis]
			lo := max(0, ceilDiv(-off, s.Strides[axis]))
			hi := min(small[axis], ceilDiv(large[axis]-off, s.Strides[axis]))
			if lo >= hi {
				continue
			}
			tap, from, to := tap*s.Kernel[axis]+k, from*small[axis], to*large[axis]
			if axis == rank-1 {
				walk(rank, tap, from+lo, to+lo*s.Strides[axis]+off, hi-lo, s.Strides[axis])
				continue
			}
			for p := lo; p < hi; p++ {
				walk(axis+1, tap, from+p, to+p*s.Strides[axis]+off, 1, 1)
			}
		}
	}
	walk(0, 0, 0, 0, 1, 1)
}

func fill[T Number](dst, bias []T, channel int) {
	var b T
	if bias != nil {
		b = bias[channel]
	}
	for i := range dst {
		dst[i] = b
	}
}

func product(sizes []int) int {
	p := 1
	for _, v := range sizes {
		p *= v
	}
	return p
}

// ceilDiv is the quotient rounded up; b is positive.
func ceilDiv(a, b int) int {
	if a <= 0 {
		return -(-a / b)
	}
	return (a + b - 1) / b
}
