package finetune

import (
	"fmt"
	"slices"

	"github.com/gansr/gansr/graph"
)

// formula writes arithmetic on a graph. What fails ends the write that it came from.
type formula struct{ b *graph.Builder }

type formulaError struct{ error }

// write calls f, and returns its error or the one that ended it.
func write(b *graph.Builder, f func(f formula) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			e, ok := v.(formulaError)
			if !ok {
				panic(v)
			}
			err = e.error
		}
	}()
	return f(formula{b})
}

func (formula) check(err error) {
	if err != nil {
		panic(formulaError{err})
	}
}

func (f formula) apply(op graph.Operator, in ...*graph.Value) *graph.Value {
	v, err := f.b.Apply1(op, in...)
	f.check(err)
	return v
}

func (f formula) input(name string, shape ...int) *graph.Value {
	v, err := f.b.Input(name, graph.Type{DType: graph.Float32, Shape: shape})
	f.check(err)
	return v
}

func (f formula) number(v float64) *graph.Value {
	return f.b.Constant(fmt.Sprint(v), graph.Scalar(float32(v)))
}

func (f formula) add(a, b *graph.Value) *graph.Value { return f.apply(graph.Add{}, a, b) }
func (f formula) sub(a, b *graph.Value) *graph.Value { return f.apply(graph.Sub{}, a, b) }
func (f formula) mul(a, b *graph.Value) *graph.Value { return f.apply(graph.Mul{}, a, b) }
func (f formula) neg(a *graph.Value) *graph.Value    { return f.apply(graph.Neg{}, a) }
func (f formula) abs(a *graph.Value) *graph.Value    { return f.apply(graph.Abs{}, a) }
func (f formula) square(a *graph.Value) *graph.Value { return f.mul(a, a) }

func (f formula) scale(a *graph.Value, by float64) *graph.Value {
	if by == 1 {
		return a
	}
	return f.mul(a, f.number(by))
}

func (f formula) shift(a *graph.Value, by float64) *graph.Value { return f.add(a, f.number(by)) }

// mean returns that of all elements, 0-d.
func (f formula) mean(a *graph.Value) *graph.Value {
	var axes []int
	for k := range a.Type().Shape {
		axes = append(axes, k)
	}
	return f.apply(graph.Reshape{Shape: []int{}}, f.apply(graph.Reduce{By: graph.ReduceMean, Axes: axes}, a))
}

// sum returns the sum of terms, 0 of none.
func (f formula) sum(terms ...*graph.Value) *graph.Value {
	if len(terms) == 0 {
		return f.number(0)
	}
	total := terms[0]
	for _, t := range terms[1:] {
		total = f.add(total, t)
	}
	return total
}

// part returns some elements along an axis.
func (f formula) part(a *graph.Value, axis, start, size int) *graph.Value {
	sizes := slices.Clone(a.Type().Shape)
	starts, ones := make([]int, len(sizes)), slices.Repeat([]int{1}, len(sizes))
	starts[axis], sizes[axis] = start, size
	return f.apply(graph.Slice{Starts: starts, Sizes: sizes, Steps: ones}, a)
}

// steps returns the differences of neighbours along an axis.
func (f formula) steps(a *graph.Value, axis int) *graph.Value {
	n := a.Type().Shape[axis] - 1
	return f.sub(f.part(a, axis, 0, n), f.part(a, axis, 1, n))
}
