package main

import (
	"fmt"
	"strings"
)

// Buffer names the memory a codelet works on.
type Buffer uint8

const (
	Tile   Buffer = iota // x: rows of vectors, the row stride given by the caller
	Planes               // p: one vector in each plane, the plane stride given by the caller
	Temp                 // scratch: constant row stride, known here
	Spill                // scratch, behind Temp
)

// Slot is the place of one vector: major*stride + minor vectors behind the buffer's pointer.
type Slot struct {
	buf          Buffer
	major, minor int
}

// Pass is a loop: count times the straight-line program, the pointers moved after each turn by step[buffer] strides
// (Temp: vectors).
type Pass struct {
	count int
	rows  bool // count is the most turns; how many there are is the parameter rows
	step  [3]int
	outs  []Output
}

// Transform is one function: it takes tiles of one channel block to planes or back.
type Transform struct {
	role, name, doc string // role is the field of the table that holds it, with others if it is a list
	list            bool
	temp            int // vectors of Temp
	passes          []Pass
}

func newTransform(role, algorithm, doc string, temp int, passes ...Pass) Transform {
	for i := range passes {
		passes[i].outs = lower(passes[i].outs)
	}
	return Transform{role: role, name: algorithm + strings.ToUpper(role[:1]) + role[1:], doc: doc, temp: temp, passes: passes}
}

func (tr Transform) signature() string {
	rows := ""
	if tr.role == "inverse" {
		rows = ", rows"
	}
	return "func(x []float32, xStride, xStep int, p []float32, pStride, n" + rows + " int, scratch []float32)"
}

// Algorithm is one row of the table: a way to convolve by tiles of t x t inputs.
type Algorithm struct {
	name       string
	t, planes  int
	transforms []Transform
}

func temp(i int) Slot { return Slot{Temp, 0, i} }

// An even power of two between the rows of Temp would put a column into few cache sets.
func tempRow(t int) int { return t + 1 }

// Half-complex rows of Temp: [re 0, re T/2, re 1, im 1, re 2, im 2, ...].
func halfRe(k, t int) int {
	if k == t/2 {
		return 1
	}
	return 2 * k
}
func halfIm(k int) int { return 2*k + 1 }

// Planes of an FFT tile are in the order that ../../transforms.go gives: columns 1 to T/2-1, then the real columns. There are n for each complex
// value.
func realColumnPlanes(t, n int) int { return n*(t/2-1) + 2 }
func realColumnStart(t, n int) int  { return n * t * (t/2 - 1) }
func plane(i int) Slot              { return Slot{Planes, i, 0} }
func realColumnPlane(k, t, n int) Slot { // ky = 0 or T/2
	p := realColumnStart(t, n) + n*(t/2-1)
	if k > 0 {
		p++
	}
	return plane(p)
}

// gauss is a complex value as the three left factors of Gauss's product.
func (g *Graph) gauss(v Complex) []*Node { return []*Node{v.re, v.im, g.add(v.re, v.im)} }

// conjugate is a complex value as the right factors of the product by its conjugate.
func (g *Graph) conjugate(v Complex) []*Node {
	return []*Node{g.neg(g.add(v.re, v.im)), g.sub(v.re, v.im), v.re}
}

// outer is the first and the last of conjugate, which give the other.
func (g *Graph) outer(v Complex) []*Node {
	return []*Node{g.neg(g.add(v.re, v.im)), v.re}
}

// ungauss reads a complex value from its three products.
func (g *Graph) ungauss(p int) Complex {
	a, b, c := g.input(plane(p)), g.input(plane(p+1)), g.input(plane(p+2))
	return Complex{g.sub(c, b), g.add(c, a)}
}

// partKernel is the size of kernels that are transformed column by column.
const partKernel = 7

// smallKernel is the size of kernels that are transformed with less work, as most of a tile of them is 0.
const smallKernel = 9

func fft(t int) Algorithm {
	name := fmt.Sprintf("fft%d", t)
	normal := 1 / float64(t*t)
	transforms := []Transform{
		fftForward("forward", "tiles", name, t, t, 1, 3, (*Graph).gauss),
		fftInverse(name, t, t-2),
		fftForward("kernel", "kernels", name, t, t, normal, 2, (*Graph).outer),
		fftForward("smallKernel", "kernels", name, t, smallKernel, normal, 2, (*Graph).outer),
		fftForward("gradient", "gradients of outputs", name, t, t, normal, 3, (*Graph).conjugate),
	}
	transforms = append(transforms, fftInverseParts(name, t, t-2)...)
	transforms = append(transforms, fftKernelParts(name, t, normal)...)
	return Algorithm{name, t, realColumnStart(t, 3) + 2*realColumnPlanes(t, 3), transforms}
}

// fftForward transforms m x m elements, t x t with the zeros that follow them, times a factor, to n planes for each complex value.
func fftForward(role, what, name string, t, m int, factor float64, n int, planes func(*Graph, Complex) []*Node) Transform {
	h, row := t/2, tempRow(t)
	store := func(g *Graph, p int, v Complex) (outs []Output) {
		for i, x := range planes(g, v) {
			outs = append(outs, Output{plane(p + i), x})
		}
		return outs
	}

	g := newGraph() // rows: real to half-complex
	x := make([]Complex, t)
	for i := range m {
		x[i] = Complex{re: g.mul(factor, g.input(Slot{Tile, 0, i}))}
	}
	rows := Pass{count: m, step: [3]int{Tile: 1, Temp: row}}
	for k, v := range g.dft(x, -1, false)[:h+1] {
		rows.outs = append(rows.outs, Output{temp(halfRe(k, t)), v.re})
		if v.im != nil {
			rows.outs = append(rows.outs, Output{temp(halfIm(k)), v.im})
		}
	}

	g = newGraph() // columns 1..T/2-1: complex
	for i := range m {
		x[i] = Complex{g.input(temp(i*row + 2)), g.input(temp(i*row + 3))}
	}
	complexes := Pass{count: h - 1, step: [3]int{Temp: 2, Planes: n * t}}
	for k, v := range g.dft(x, -1, false) {
		complexes.outs = append(complexes.outs, store(g, n*k, v)...)
	}

	g = newGraph() // columns 0 and T/2: real
	for i := range m {
		x[i] = Complex{re: g.input(temp(i * row))}
	}
	reals := Pass{count: 2, step: [3]int{Temp: 1, Planes: realColumnPlanes(t, n)}}
	for k, v := range g.dft(x, -1, false)[:h+1] {
		if v.im == nil {
			reals.outs = append(reals.outs, Output{realColumnPlane(k, t, n), v.re})
		} else {
			reals.outs = append(reals.outs, store(g, realColumnStart(t, n)+n*(k-1), v)...)
		}
	}
	return newTransform(role, name, fmt.Sprintf("transforms %s of %dx%d to spectra of %dx%d", what, m, m, t, t), m*row, rows, complexes, reals)
}

// fftKernelParts transform kernels row by row and then column by column; see ../../transforms.go.
func fftKernelParts(name string, t int, factor float64) (list []Transform) {
	h := t / 2
	part := func(role, doc string, outs []Output) {
		list = append(list, newTransform(role, name, fmt.Sprintf(doc, partKernel, t, t), 0, Pass{count: 1, outs: outs}))
	}
	g := newGraph()
	x := make([]Complex, t)
	for i := range partKernel {
		x[i] = Complex{re: g.mul(factor, g.input(Slot{Tile, 0, i}))}
	}
	var outs []Output
	for k, v := range g.dft(x, -1, false)[:h+1] {
		outs = append(outs, Output{plane(halfRe(k, t)), v.re})
		if v.im != nil {
			outs = append(outs, Output{plane(halfIm(k)), v.im})
		}
	}
	part("kernelRow", "transforms a row of %d elements, the first step to spectra of %dx%d", outs)

	for i := range kernelColumns(t) {
		g = newGraph()
		for i := range partKernel {
			x[i] = Complex{g.input(Slot{Tile, 0, i}), g.input(Slot{Tile, 1, i})}
		}
		outs = nil
		for ky, v := range g.dft(x, -1, false) {
			if ky%(t/4)/2 == i {
				for _, n := range g.outer(v) {
					outs = append(outs, Output{plane(len(outs)), n})
				}
			}
		}
		part("kernelColumns", "transforms %d elements of a complex column to a part of spectra of %dx%d", outs)
		column := &list[len(list)-1]
		column.name, column.list = fmt.Sprint(column.name, i), true
	}

	g = newGraph()
	for i := range partKernel {
		x[i] = Complex{re: g.input(Slot{Tile, 0, i})}
	}
	outs = nil
	reals := g.dft(x, -1, false)
	for _, v := range reals[1:h] {
		for _, n := range g.outer(v) {
			outs = append(outs, Output{plane(len(outs)), n})
		}
	}
	outs = append(outs, Output{plane(len(outs)), reals[0].re}, Output{plane(len(outs) + 1), reals[h].re})
	part("kernelReals", "transforms %d elements of a real column to spectra of %dx%d", outs)
	return list
}

// kernelColumns is into how many parts the values of a complex column are divided: those that are the same modulo t/4, which share most of the
// work, stay together.
func kernelColumns(t int) int { return (t/4 + 1) / 2 }

// fftInverse keeps at most the first m rows and columns: the outputs without wrap-around. It is not normalised. Leaving
// out more columns than a 3x3 kernel allows would save little, leaving out rows is the caller's choice.
func fftInverse(name string, t, m int) Transform {
	row := tempRow(t)
	columns := Pass{count: t/2 - 1, step: [3]int{Temp: 2, Planes: 3 * t}}
	columns.outs = inverseColumn(t, m, func(y, part int) Slot { return temp(y*row + 2 + part) })
	reals := Pass{count: 2, step: [3]int{Temp: 1, Planes: realColumnPlanes(t, 3)}}
	reals.outs = inverseReals(t, m, realColumnStart(t, 3), func(y int) Slot { return temp(y * row) })
	rows := Pass{count: m, rows: true, step: [3]int{Tile: 1, Temp: row}}
	rows.outs = inverseRow(t, m, temp, func(x int) Slot { return Slot{Tile, 0, x} })
	return newTransform("inverse", name, fmt.Sprintf("returns rows of %d outputs from spectra of %dx%d", m, t, t), m*row,
		columns, reals, rows)
}

// fftInverseParts are the turns of the inverse's passes as transforms of their own; see ../../transforms.go.
func fftInverseParts(name string, t, m int) []Transform {
	column := inverseColumn(t, m, func(y, part int) Slot { return Slot{Tile, y, part} })
	reals := inverseReals(t, m, 0, func(y int) Slot { return Slot{Tile, y, 0} })
	row := inverseRow(t, m, func(i int) Slot { return Slot{Tile, i / 2, i % 2} }, plane)
	part := func(role, doc string, outs []Output) Transform {
		return newTransform(role, name, fmt.Sprintf(doc, m, t, t), 0, Pass{count: 1, outs: outs})
	}
	return []Transform{
		part("inverseColumn", "returns %d elements of a complex column of spectra of %dx%d", column),
		part("inverseReals", "returns %d elements of a real column of spectra of %dx%d", reals),
		part("inverseRow", "returns a row of %d outputs from columns of spectra of %dx%d that were transformed back", row),
	}
}

// inverseColumn transforms a complex column back; to gives the places of the real and the imaginary part of an element.
func inverseColumn(t, m int, to func(y, part int) Slot) (outs []Output) {
	g := newGraph()
	x := make([]Complex, t)
	for k := range x {
		x[k] = g.ungauss(3 * k)
	}
	for y, v := range g.dft(x, 1, true)[:m] {
		outs = append(outs, Output{to(y, 0), v.re}, Output{to(y, 1), v.im})
	}
	return outs
}

// inverseReals transforms a real column back, the first of whose planes is start.
func inverseReals(t, m, start int, to func(y int) Slot) []Output {
	g, h := newGraph(), t/2
	x := make([]Complex, t)
	x[0], x[h] = Complex{re: g.input(plane(start + 3*(h-1)))}, Complex{re: g.input(plane(start + 3*(h-1) + 1))}
	for k := 1; k < h; k++ {
		x[k] = g.ungauss(start + 3*(k-1))
	}
	return g.hermitian(x, m, to)
}

// inverseRow transforms a half-complex row back.
func inverseRow(t, m int, from, to func(x int) Slot) []Output {
	g, h := newGraph(), t/2
	x := make([]Complex, t)
	x[0], x[h] = Complex{re: g.input(from(halfRe(0, t)))}, Complex{re: g.input(from(halfRe(h, t)))}
	for k := 1; k < h; k++ {
		x[k] = Complex{g.input(from(halfRe(k, t))), g.input(from(halfIm(k)))}
	}
	return g.hermitian(x, m, to)
}

// hermitian completes x[0..T/2] and returns the first m of the outputs, which are real.
func (g *Graph) hermitian(x []Complex, m int, to func(i int) Slot) (outs []Output) {
	t := len(x)
	for k := 1; k < t/2; k++ {
		x[t-k] = Complex{x[k].re, g.neg(x[k].im)}
	}
	for i, v := range g.dft(x, 1, true)[:m] {
		outs = append(outs, Output{to(i), v.re})
	}
	return outs
}
