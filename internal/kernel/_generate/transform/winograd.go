package main

import "fmt"

// Winograd is F(m, 3) on the points 0, ±points..., ∞ (Lavin and Gray, 2015). Its products are scaled so that the input
// transform has no fractions but those of the points.
type Winograd struct {
	m, n   int
	points []float64 // the positive ones
}

func polyMul(a []float64, b ...float64) []float64 {
	r := make([]float64, len(a)+len(b)-1)
	for i, x := range a {
		for j, y := range b {
			r[i+j] += x * y
		}
	}
	return r
}

func newWinograd(m int, points ...float64) Winograd { return Winograd{m, m + 2, points} }

func (g *Graph) combine(coef []float64, x []*Node) (sum *Node) {
	for i, c := range coef {
		sum = g.add(sum, g.mul(c, x[i]))
	}
	return sum
}

// input is Bᵀx.
func (w Winograd) input(g *Graph, x []*Node) []*Node {
	zero := []float64{1} // the polynomial with all roots but 0
	for _, p := range w.points {
		zero = polyMul(zero, -p*p, 0, 1)
	}
	scaled := polyMul(zero, 1/zero[0])
	rows := []*Node{g.combine(scaled, x)}
	for i, p := range w.points {
		rest := []float64{0, 1}
		for j, q := range w.points {
			if i != j {
				rest = polyMul(rest, -q*q, 0, 1)
			}
		}
		// The rows of p and -p are an even plus or minus an odd part.
		even, odd := g.combine(polyMul(rest, 0, 1), x), g.combine(polyMul(rest, p), x)
		rows = append(rows, g.add(even, odd), g.sub(even, odd))
	}
	return append(rows, g.combine(polyMul(zero, 0, 1), x))
}

// scale is the product of the differences of a point and all others; that of its negative is the same.
func (w Winograd) scale(i int) float64 {
	p := w.points[i]
	scale := 2 * p * p
	for j, q := range w.points {
		if i != j {
			scale *= p*p - q*q
		}
	}
	return scale
}

// kernel is Gg.
func (w Winograd) kernel(g *Graph, k []*Node) []*Node {
	rows := []*Node{k[0]}
	for i, p := range w.points {
		scale := w.scale(i)
		even, odd := g.combine([]float64{1 / scale, 0, p * p / scale}, k), g.mul(p/scale, k[1])
		rows = append(rows, g.add(even, odd), g.sub(even, odd))
	}
	return append(rows, k[2])
}

// output is Aᵀy.
func (w Winograd) output(g *Graph, y []*Node) (outs []*Node) {
	for i := range w.m {
		var sum *Node
		if i == 0 {
			sum = y[0]
		}
		for j, p := range w.points {
			a, b := y[1+2*j], y[2+2*j]
			t := g.add(a, b)
			if i%2 == 1 {
				t = g.sub(a, b)
			}
			c := 1.0
			for range i {
				c *= p
			}
			sum = g.add(sum, g.mul(c, t))
		}
		if i == w.m-1 {
			sum = g.add(sum, y[w.n-1])
		}
		outs = append(outs, sum)
	}
	return outs
}

// gradient is Ag, the transpose of output: what an output's gradient means for the products.
func (w Winograd) gradient(g *Graph, y []*Node) []*Node {
	rows := []*Node{y[0]}
	for _, p := range w.points {
		even, odd := make([]float64, w.m), make([]float64, w.m)
		c := 1.0
		for i := range w.m {
			if i%2 == 0 {
				even[i] = c
			} else {
				odd[i] = c
			}
			c *= p
		}
		a, b := g.combine(even, y), g.combine(odd, y)
		rows = append(rows, g.add(a, b), g.sub(a, b))
	}
	return append(rows, y[w.m-1])
}

// weights is Gᵀq, the transpose of kernel: what the products' gradients mean for the kernel.
func (w Winograd) weights(g *Graph, q []*Node) []*Node {
	first, middle, last := q[0], (*Node)(nil), q[w.n-1]
	for i, p := range w.points {
		scale := w.scale(i)
		even, odd := g.add(q[1+2*i], q[2+2*i]), g.sub(q[1+2*i], q[2+2*i])
		first = g.add(first, g.mul(1/scale, even))
		middle = g.add(middle, g.mul(p/scale, odd))
		last = g.add(last, g.mul(p*p/scale, even))
	}
	return []*Node{first, middle, last}
}

// square is f along both axes of an n x n block as one program: the scheduler finds a better order than rows, then columns,
// and only what does not fit into registers goes through memory. rowsFirst is the axis done first.
func square(n int, from, to func(y, x int) Slot, rowsFirst bool, f func(*Graph, []*Node) []*Node) (outs []Output) {
	g := newGraph()
	at := func(y, x int) (int, int) {
		if rowsFirst {
			return y, x
		}
		return x, y
	}
	mid := make([][]*Node, n)
	for i := range mid {
		line := make([]*Node, n)
		for j := range line {
			line[j] = g.input(from(at(i, j)))
		}
		mid[i] = f(g, line)
	}
	for j := range mid[0] {
		line := make([]*Node, n)
		for i := range line {
			line[i] = mid[i][j]
		}
		for i, v := range f(g, line) {
			y, x := at(i, j)
			outs = append(outs, Output{to(y, x), v})
		}
	}
	return outs
}

func (w Winograd) algorithm() Algorithm {
	name := fmt.Sprintf("winograd%d", w.m)
	tile := func(y, x int) Slot { return Slot{Tile, y, x} }
	planes := func(y, x int) Slot { return plane(y*w.n + x) }
	one := func(role, doc string, outs []Output) Transform {
		return newTransform(role, name, fmt.Sprintf(doc+" F(%[2]d,3)", w.n, w.m), 0, Pass{count: 1, outs: outs})
	}
	return Algorithm{name, w.n, w.n * w.n, []Transform{
		one("forward", "transforms tiles of %[1]dx%[1]d for", square(w.n, tile, planes, true, w.input)),
		one("inverse", "returns %[2]dx%[2]d outputs of", square(w.n, planes, tile, false, w.output)),
		one("kernel", "transforms kernels of 3x3 for", square(3, tile, planes, true, w.kernel)),
		one("gradient", "transforms gradients of %[2]dx%[2]d outputs for", square(w.m, tile, planes, true, w.gradient)),
		one("weights", "returns gradients of kernels of 3x3 for", square(w.n, planes, tile, false, w.weights)),
	}}
}
