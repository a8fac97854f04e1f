package graph

import "fmt"

// SpectralNorm adds the division of weights by their largest singular value (Miyato et al., arXiv:1802.05957). w is OC x ..., taken as
// a matrix of OC rows; u (OC) and v (the length of a row) are estimates of the singular vectors, of length 1, which steps of power
// iteration improve first. It returns w/sigma, u and v after them. As in PyTorch, u and v are constants to Gradients, and epsilon is the
// least length by which a vector is divided.
func (b *Builder) SpectralNorm(w, u, v *Value, steps int, epsilon float64) (normalized, newU, newV *Value, err error) {
	err = b.compose(func(c composer) error {
		if w.typ.Rank() < 2 || w.typ.Len() == 0 {
			return fmt.Errorf("graph: SpectralNorm of %v: it should be a matrix, or the weights of a convolution", w.typ)
		}
		rows := w.typ.Shape[0]
		cols := w.typ.Len() / rows
		matrix := c.reshape(w, rows, cols)
		fixed := c.apply(Detach{}, matrix)
		unit := func(x *Value) *Value {
			length := c.apply(Sqrt{}, c.sum(c.mul(x, x), 0, 1))
			return c.div(x, c.apply(Max{}, length, c.scalar(x.typ.DType, epsilon)))
		}
		newU, newV = c.apply(Detach{}, c.reshape(u, rows, 1)), c.apply(Detach{}, c.reshape(v, cols, 1))
		for range steps {
			newV = unit(c.apply(MatMul{TransA: true}, fixed, newU))
			newU = unit(c.apply(MatMul{}, fixed, newV))
		}
		sigma := c.apply(MatMul{TransA: true}, newU, c.apply(MatMul{}, matrix, newV))
		normalized = c.reshape(c.div(matrix, sigma), w.typ.Shape...)
		newU, newV = c.reshape(newU, rows), c.reshape(newV, cols)
		return nil
	})
	return normalized, newU, newV, err
}
