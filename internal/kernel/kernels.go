package kernel

// kernels is the weights of a convolution where they lie: kernel (oc, ic) has kh x kw taps from w[oc*out+ic*in] on. A convolution of stride 1
// may use them in another way, for itself or for one with strides: turned around, and taken apart by the places of their taps modulo strides.
// The parts, phases, count as output channels of their own if turned, as a transposed convolution has them, otherwise as source channels.
type kernels struct {
	w                []float32
	out, in          int
	kh, kw           int
	turned           bool
	strideH, strideW int // 1 if the kernels are whole
}

// plainKernels are weights [OC, C/Groups, KH, KW].
func plainKernels(s ConvShape, w []float32) kernels {
	area := s.KH * s.KW
	return kernels{w: w, out: s.C / s.Groups * area, in: area, kh: s.KH, kw: s.KW, strideH: 1, strideW: 1}
}

// turnedKernels are weights [C, OC, KH, KW] of a transposed convolution without groups, in the convolution that it is.
func turnedKernels(s ConvTransposeShape, w []float32) kernels {
	area := s.KH * s.KW
	return kernels{w: w, out: area, in: s.OC * area, kh: s.KH, kw: s.KW, turned: true, strideH: s.StrideH, strideW: s.StrideW}
}

// form tells kernels apart that are used in different ways.
func (k kernels) form() string {
	if k.turned {
		return "turned "
	}
	return ""
}

// put sets to[y*row+x*step] to the taps of a kernel of h x w. What it lacks, as its phase is smaller, stays as it is.
func (k kernels) put(to []float32, row, step, h, w, oc, ic int) {
	phase := 0
	if phases := k.strideH * k.strideW; phases > 1 {
		of := &ic
		if k.turned {
			of = &oc
		}
		*of, phase = *of/phases, *of%phases
	}
	from := k.w[oc*k.out+ic*k.in:][:k.kh*k.kw]
	x0, step0 := phase%k.strideW, step // where the first of a row's taps goes
	if k.turned {
		x0 += (w - 1) * k.strideW
	}
	for y := range h {
		sy := y
		if k.turned {
			sy = h - 1 - y
		}
		if sy = sy*k.strideH + phase/k.strideW; sy >= k.kh {
			continue
		}
		taps := from[sy*k.kw:][:k.kw]
		at := y * row
		switch {
		case k.turned:
			for x := x0; x >= 0; x -= k.strideW {
				if x < len(taps) {
					to[at] = taps[x]
				}
				at += step0
			}
		case k.strideW == 1:
			for _, v := range taps[:w] {
				to[at] = v
				at += step0
			}
		default:
			for x := x0; x < len(taps); x += k.strideW {
				to[at] = taps[x]
				at += step0
			}
		}
	}
}

// putBlock puts the kernels of n output channels from oc on side by side, as elements of vectors. Taps holds as many vectors as a kernel has
// taps, and a square of them at least.
func (k kernels) putBlock(f *functions, to []float32, row, h, w, oc, ic, n int, taps []float32) {
	lanes := f.lanes
	count := max(k.kh*k.kw, lanes) // more than the taps are read then
	whole := n == lanes && k.strideH*k.strideW == 1
	if !whole || len(k.w) < (oc+lanes-1)*k.out+ic*k.in+count {
		for i := range n {
			k.put(to[i:], row, lanes, h, w, oc+i, ic)
		}
		return
	}
	f.gather(taps, k.w[oc*k.out+ic*k.in:], k.out, count)
	for y := range h {
		if !k.turned {
			copy(to[y*row:][:w*lanes], taps[y*w*lanes:])
			continue
		}
		for x := range w {
			copy(to[y*row+x*lanes:][:lanes], taps[((h-y)*w-1-x)*lanes:])
		}
	}
}
