package graph

import (
	"fmt"
	"slices"
)

// composer makes values from others. What fails ends the compose that it came from.
type composer struct{ b *Builder }

// compositionError carries an error out of a composition.
type compositionError struct{ error }

// compose calls f and returns its error, or the error of what f's composer could not make.
func (b *Builder) compose(f func(c composer) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			e, ok := v.(compositionError)
			if !ok {
				panic(v)
			}
			err = e.error
		}
	}()
	return f(composer{b})
}

func (composer) fail(err error) { panic(compositionError{err}) }

func (c composer) applyAll(op Operator, in ...*Value) []*Value {
	outs, err := c.b.Apply(op, in...)
	if err != nil {
		c.fail(err)
	}
	return outs
}

func (c composer) apply(op Operator, in ...*Value) *Value { return c.applyAll(op, in...)[0] }

// scalar returns a 0-d constant, the same one for the same number.
func (c composer) scalar(dt DType, v float64) *Value {
	key := fmt.Sprintf("%v %v", dt, v)
	if c.b.scalars[key] == nil {
		c.b.scalars[key] = c.b.Constant(key, Scalar(v).Converted(dt))
	}
	return c.b.scalars[key]
}

func (c composer) add(x, y *Value) *Value { return c.apply(Add{}, x, y) }
func (c composer) sub(x, y *Value) *Value { return c.apply(Sub{}, x, y) }
func (c composer) mul(x, y *Value) *Value { return c.apply(Mul{}, x, y) }
func (c composer) div(x, y *Value) *Value { return c.apply(Div{}, x, y) }
func (c composer) neg(x *Value) *Value    { return c.apply(Neg{}, x) }

// scale returns x times a number.
func (c composer) scale(x *Value, by float64) *Value { return c.mul(x, c.scalar(x.typ.DType, by)) }

// keep returns x where cond holds and zero elsewhere.
func (c composer) keep(cond, x *Value) *Value {
	return c.apply(Where{}, cond, x, c.scalar(x.typ.DType, 0))
}

func (c composer) less(x, y *Value) *Value { return c.apply(Compare{Is: IsLess}, x, y) }

func (c composer) sum(x *Value, axes ...int) *Value {
	if len(axes) == 0 {
		return x
	}
	return c.apply(Reduce{By: ReduceAdd, Axes: axes}, x)
}

func (c composer) reshape(x *Value, shape ...int) *Value {
	if slices.Equal(x.typ.Shape, shape) {
		return x
	}
	return c.apply(Reshape{Shape: shape}, x)
}

func (c composer) expand(x *Value, shape []int) *Value {
	if slices.Equal(x.typ.Shape, shape) {
		return x
	}
	return c.apply(Expand{Shape: shape}, x)
}

// channels returns a vector with a value for each channel in the form that broadcasts to N x C x spatial with so many axes.
func (c composer) channels(x *Value, rank int) *Value {
	shape := slices.Repeat([]int{1}, rank)
	shape[1] = x.typ.Shape[0]
	return c.reshape(x, shape...)
}

// sumTo is the transpose of broadcasting shape to full: the sum over the axes that were repeated, of g, which stands for what it
// broadcasts to in full.
func (c composer) sumTo(g *Value, full, shape []int) *Value {
	rank := len(full)
	repeats := 1.0
	var axes []int
	for k, n := range full {
		from, have := k-(rank-len(shape)), k-(rank-g.typ.Rank())
		if n == 1 || from >= 0 && shape[from] == n {
			continue
		}
		if have >= 0 && g.typ.Shape[have] == n {
			axes = append(axes, have)
		} else {
			repeats *= float64(n)
		}
	}
	g = c.sum(g, axes...)
	if repeats != 1 {
		g = c.scale(g, repeats)
	}
	thin := slices.Clone(g.typ.Shape)
	if len(thin) > len(shape) { // the axes in front have one element by now
		thin = thin[len(thin)-len(shape):]
	}
	return c.reshape(g, thin...)
}
