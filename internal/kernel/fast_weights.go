package kernel

// value is what is multiplied at once: a plane, or the three of a complex value. Of these the weights are kept for the first
// and the last only, where memory matters: those for the second are the first and twice the last.
type value struct {
	plane   int // of x and y, the first
	weights int // their plane, the first
	complex bool
}

// planes is how many planes of x and y a value has.
func (v value) planes() int {
	if v.complex {
		return 3
	}
	return 1
}

// values are the transform's values; see transform for their order. Where complex ones are not wanted all are planes.
func (tr *transform) values(complex bool) []value {
	var vs []value
	plane, weights := 0, 0
	add := func(n int, complex bool) {
		for range n {
			vs = append(vs, value{plane, weights, complex})
			plane += vs[len(vs)-1].planes()
			weights++
			if complex {
				weights++
			}
		}
	}
	if tr.kernel != nil || !complex {
		add(tr.planes, false)
		return vs
	}
	h := tr.t / 2
	add(tr.t*(h-1)+h-1, true)
	add(2, false)
	add(h-1, true)
	add(2, false)
	return vs
}

// weightPlanes is how many planes of weights are kept.
func (f *fast) weightPlanes() int {
	last := f.values[len(f.values)-1] // is real
	return last.weights + 1
}

// weightSize is how many elements the transformed weights have.
func (f *fast) weightSize() int { return f.weightPlanes() * f.wStride }

// transformWeights transforms the weights into to, and sets those of channels that fill blocks to zero.
func (f *fast) transformWeights(p *Pool, to []float32, k kernels) {
	const together = 8 // source channels, for whole cache lines and more to be written at a time
	lanes, in := f.cpu.lanes, f.ci*f.cpu.lanes
	size := f.tr.planes * together * 2 * lanes
	memory := make([]float32, p.Threads()*(size+f.tr.kernelScratch(lanes)))
	groups := ceilDiv(in, together)
	p.Run(groups*ceilDiv(f.co, 2), func(worker, i int) {
		planes := memory[worker*(size+f.tr.kernelScratch(lanes)):]
		planes, scratch := planes[:size], planes[size:][:f.tr.kernelScratch(lanes)]
		panel, from := i/groups, i%groups*together
		n, width := min(together, in-from), min(2, f.co-2*panel)
		for c := range n {
			if from+c >= f.s.C {
				for plane := range f.tr.planes {
					clear(planes[(plane*n+c)*width*lanes:][:width*lanes])
				}
				continue
			}
			for b := range width {
				out := (2*panel + b) * lanes
				f.tr.transformKernels(planes[(c*width+b)*lanes:], n*width*lanes, k, out, from+c, min(lanes, f.s.OC-out), f.s.KH, f.s.KW, lanes, scratch)
			}
		}
		at := (2*panel*f.ci*lanes + from*width) * lanes
		keep := func(weights, plane int) {
			copy(to[weights*f.wStride+at:], planes[plane*n*width*lanes:][:n*width*lanes])
		}
		for _, v := range f.values {
			keep(v.weights, v.plane)
			if v.complex {
				keep(v.weights+1, v.plane+2)
			}
		}
	})
}

// transformCost estimates the time of transformWeights, in ns of one thread.
func (f *fast) transformCost() float64 {
	kernels := float64(f.ci * f.cpu.lanes * f.co)
	return kernels*(costsOf[f.cpu.path].transforms[f.tr.name][0]+tapCost*float64(f.s.KH*f.s.KW*f.cpu.lanes)) + float64(f.weightSize())*memoryCost
}
