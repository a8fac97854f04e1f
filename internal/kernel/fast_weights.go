package kernel

// value is what is multiplied at once: a plane, or the three of a complex value. Of these the weights are kept for the first
// and the last only: those for the second are the first and twice the last.
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

// values are the transform's values; see transform for their order.
func (tr *transform) values() []value {
	var vs []value
	plane, weights := 0, 0
	add := func(n, planes, kept int) {
		for range n {
			vs = append(vs, value{plane, weights, planes > 1})
			plane += planes
			weights += kept
		}
	}
	if tr.winograd() {
		add(tr.planes, 1, 1)
		return vs
	}
	h := tr.t / 2
	add(tr.t*(h-1)+h-1, 3, 2)
	add(2, 1, 1)
	add(h-1, 3, 2)
	add(2, 1, 1)
	return vs
}

// weightPlanes is how many planes of weights are kept.
func (f *fast) weightPlanes() int {
	last := f.values[len(f.values)-1] // is real
	return last.weights + 1
}

// weightSize is how many elements the transformed weights have.
func (f *fast) weightSize() int { return f.weightPlanes() * f.wStride }

// streamFrom is how many elements of weights do not stay in caches until they are read: they are written past these.
const streamFrom = 2 << 20

// streamTogether is how many elements are written so at a time.
const streamTogether = 16 << 10

// transformWeights transforms the weights into to, and sets those of channels that fill blocks to zero.
func (f *fast) transformWeights(p *Pool, to []float32, k kernels) {
	f.transformPanels(p, to, k, f.weightPlanes(), f.wStride, f.cpu.lanes, f.tr.transformKernels)
}

// transformPanels puts what transform makes of each source channel's kernels for a block of output channels into planes of to, stride elements
// apart: size elements of each, [panel][source channel][block of the panel].
func (f *fast) transformPanels(p *Pool, to []float32, k kernels, planes, stride, size int, transform kernelsFunc) {
	const together = 8 // source channels, for whole cache lines and more to be written at a time
	lanes, in := f.cpu.lanes, f.ci*f.cpu.lanes
	bufferSize, scratchSize := planes*together*2*size, f.tr.kernelScratch(k.kh*k.kw, lanes)
	own := bufferSize + scratchSize
	memory := takeScratch(p.Threads() * own)
	defer scratches.Put(memory)
	p.Run(p.Threads(), func(_, i int) { clear((*memory)[i*own+bufferSize:][:scratchSize]) })
	groups := ceilDiv(in, together)
	p.Run(groups*ceilDiv(f.co, 2), func(worker, i int) {
		mine := (*memory)[worker*own:][:own]
		buffer, scratch := mine[:bufferSize], mine[bufferSize:]
		panel, from := i/groups, i%groups*together
		n, width := min(together, in-from), min(2, f.co-2*panel)
		row := n * width * size
		for v := range n * width {
			c, out := from+v/width, (2*panel+v%width)*lanes
			count := 0 // channels
			if c < f.s.C {
				count = min(lanes, f.s.OC-out)
			}
			transform(f.cpu, buffer[v*size:], row, k, out, c, count, f.s.KH, f.s.KW, scratch)
		}
		f.cpu.writePlanes(to, (2*panel*in+from*width)*size, stride, buffer, row, planes)
	})
}

// writePlanes copies n planes of size elements each into weights, from the element at on, to places that are stride apart: past caches if
// the weights are large.
func (f *functions) writePlanes(weights []float32, at, stride int, planes []float32, size, n int) {
	write := genericStream
	if len(weights) >= streamFrom && unaligned(weights) == 0 {
		write = f.stream
	}
	together := max(1, streamTogether/size)
	for i := 0; i < n; i += together {
		write(weights[i*stride+at:], planes[i*size:], stride, size, min(together, n-i))
	}
}

// transformCost estimates the time of transformWeights, in ns of one thread.
func (f *fast) transformCost() float64 {
	kernels, costs := float64(f.ci*f.cpu.lanes*f.co), costsOf[f.cpu.path]
	transform := costs.transforms[f.tr.name][0]
	if !f.tr.winograd() && max(f.s.KH, f.s.KW) <= smallKernelSize {
		transform *= smallShare
	}
	return kernels*(transform+tapCost*float64(f.s.KH*f.s.KW*f.cpu.lanes)) + float64(f.weightSize())*costs.memory
}

const smallShare = 0.35 // what smallKernel takes, of what forward does
