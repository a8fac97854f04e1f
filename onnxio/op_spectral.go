package onnxio

import (
	"math"
	"slices"

	"github.com/gansr/gansr/graph"
)

// opWindow: opset 17. Sums of cosines over a period of N, or of N-1 for a symmetric window.
func opWindow(c *call) []*graph.Value {
	terms := map[string][]float64{"HannWindow": {0.5, -0.5}, "HammingWindow": {25.0 / 46, -21.0 / 46}, "BlackmanWindow": {0.42, -0.5, 0.08}}[c.Name]
	n := c.constInt(0)
	if n < 0 || n > maxFill {
		c.failf("a window of %d is not possible", n)
	}
	period := n
	if !c.bool("periodic", 1) {
		period--
	}
	w := make([]float64, n)
	for i := range w {
		for k, a := range terms {
			w[i] += a * math.Cos(2*math.Pi*float64(k*i)/float64(period))
		}
	}
	return one(c.castOutput(must(graph.FromSlice(w, n))))
}

// castOutput adds a constant in the type that output_datatype says.
func (c *call) castOutput(t *graph.Tensor) *graph.Value {
	return c.cast(c.constant(t), must(DType(int64(c.int("output_datatype", 1)))))
}

// opMelWeightMatrix: opset 17. Triangles whose corners are equally far apart on the mel scale.
func opMelWeightMatrix(c *call) []*graph.Value {
	bins, length, rate := c.constInt(0), c.constInt(1), c.constInt(2)
	low, high := c.constFloat(3), c.constFloat(4)
	rows := length/2 + 1
	if bins < 0 || length < 0 || rate < 1 || bins > maxExtent || rows > maxFill/max(1, bins) {
		c.failf("%d bins of a transform of %d at a rate of %d are not possible", bins, length, rate)
	}
	mel := func(f float64) float64 { return 2595 * math.Log10(1+f/700) }
	step := (mel(high) - mel(low)) / float64(bins+2)
	corners := make([]int, bins+2)
	for i := range corners {
		f := 700 * (math.Pow(10, (mel(low)+float64(i)*step)/2595) - 1)
		corners[i] = int(math.Floor(float64(length+1) * f / float64(rate)))
		if corners[i] < 0 || corners[i] >= rows {
			c.failf("edges %v and %v are outside of the spectrum", low, high)
		}
	}
	w := make([]float64, rows*bins)
	for i := range bins {
		from, top, to := corners[i], corners[i+1], corners[i+2]
		if from == top {
			w[top*bins+i] = 1
		}
		for j := from; j <= top && from < top; j++ {
			w[j*bins+i] = float64(j-from) / float64(top-from)
		}
		for j := top; j < to; j++ {
			w[j*bins+i] = float64(to-j) / float64(to-top)
		}
	}
	return one(c.castOutput(must(graph.FromSlice(w, rows, bins))))
}

// opDFT: opset 17; 20 made the axis an input. The last axis has real and imaginary parts, or real ones alone.
func opDFT(c *call) []*graph.Value {
	rank := c.rank(0)
	axis := -2
	if c.Version < 20 {
		axis = c.int("axis", 1)
	} else if c.has(2) {
		axis = c.constInt(2)
	}
	if axis = c.axis(axis, rank); axis == rank-1 {
		c.failf("axis %d of %v holds the parts of complex numbers", axis, c.value(0).Type())
	}
	inverse, onesided := c.bool("inverse", 0), c.bool("onesided", 0)
	n := c.shape(0)[axis]
	if inverse && onesided {
		n = 2 * (n - 1)
	}
	if c.has(1) {
		n = c.constInt(1)
	}
	return one(c.dft(c.value(0), axis, n, inverse, onesided))
}

// dft is the discrete Fourier transform of length n along an axis, as a product with a matrix of cosines and sines. With onesided it leaves out,
// or of an inverse expects to be left out, the half of the frequencies that a real signal repeats.
func (c *call) dft(x *graph.Value, axis, n int, inverse, onesided bool) *graph.Value {
	shape := x.Type().Shape
	rank := len(shape)
	parts := shape[rank-1]
	if n < 1 || n > maxFill/4/max(1, n) || parts != 1 && parts != 2 {
		c.failf("a transform of length %d of %v is not possible", n, x.Type())
	}
	real := inverse && onesided
	have, outs, outParts := min(shape[axis], n), n, 2
	if real {
		have, outParts = min(have, n/2+1), 1
	} else if onesided {
		outs = n/2 + 1
	}
	s := wholeSlice(x)
	s.Sizes[axis] = have
	x = c.slice(x, s)
	w := make([]float64, have*parts*outs*outParts)
	for i := range have {
		for k := range outs {
			angle := -2 * math.Pi * float64(i*k%n) / float64(n)
			scale := 1.0
			if inverse {
				angle, scale = -angle, 1/float64(n)
			}
			if real && i > 0 && 2*i != n { // stands for its mirror image too
				scale *= 2
			}
			cos, sin := scale*math.Cos(angle), scale*math.Sin(angle)
			for p, v := range [][]float64{{cos, sin}, {-sin, cos}}[:parts] {
				copy(w[((i*parts+p)*outs+k)*outParts:], v[:outParts])
			}
		}
	}
	perm := slices.DeleteFunc(allAxes(rank), func(k int) bool { return k == axis || k == rank-1 })
	back := slices.Insert(allAxes(rank-2), axis, rank-2)
	perm = append(perm, axis, rank-1)
	x = c.transpose(x, perm...)
	front := slices.Clone(x.Type().Shape[:rank-2])
	rows, _ := graph.Numel(front)
	dt := x.Type().DType
	m := c.cast(c.constant(must(graph.FromSlice(w, have*parts, outs*outParts))), wide(dt))
	y := c.apply(graph.MatMul{}, c.cast(c.reshape(x, rows, have*parts), wide(dt)), m)
	y = c.reshape(c.cast(y, dt), slices.Concat(front, []int{outs, outParts})...)
	return c.transpose(y, append(back, rank-1)...)
}

// opSTFT: opset 17. Frames of the signal, multiplied by the window, are transformed one by one.
func opSTFT(c *call) []*graph.Value {
	x := c.value(0)
	if c.rank(0) < 2 || c.rank(0) > 3 {
		c.failf("signal %v should be batch x positions x parts", x.Type())
	}
	shape := c.shape(0)
	if len(shape) == 2 {
		x = c.reshape(x, shape[0], shape[1], 1)
	}
	step, n := c.constInt(1), shape[1]
	if w := c.opt(2); w != nil {
		n = w.Type().Len()
	}
	if c.has(3) {
		n = c.constInt(3)
	}
	if step < 1 || n < 1 || n > shape[1] {
		c.failf("frames of %d in steps of %d are not possible in %v", n, step, x.Type())
	}
	frames := (shape[1]-n)/step + 1
	at := make([]int64, frames*n)
	for i := range at {
		at[i] = int64(i/n*step + i%n)
	}
	v := c.apply(graph.Gather{Axis: 1}, x, c.constant(must(graph.FromSlice(at, frames, n))))
	if w := c.opt(2); w != nil {
		if w.Type().Len() != n {
			c.failf("window %v should have %d elements", w.Type(), n)
		}
		v = c.apply(graph.Mul{}, v, c.reshape(w, 1, 1, n, 1))
	}
	return one(c.dft(v, 2, n, false, c.bool("onesided", 1)))
}
