package graph

import (
	"fmt"
	"math"
	"slices"

	"github.com/gansr/gansr/internal/kernel"
)

// Reductions that only Reduce does. ReduceL2 is the root of the sum of squares, of floating-point numbers.
const (
	ReduceMean Reduction = "mean"
	ReduceL2   Reduction = "l2"
)

var reduceNames = map[Reduction]string{ReduceAdd: "ReduceSum", ReduceMul: "ReduceProd", ReduceMax: "ReduceMax", ReduceMin: "ReduceMin", ReduceMean: "ReduceMean", ReduceL2: "ReduceL2"}

// Reduce joins the elements along axes, which remain with one element each. Sums and products of float32 are kept in float64;
// those of integers wrap, and their mean is rounded towards zero. Of no elements the sum is 0, the product 1, the mean NaN (0 for
// integers), the largest element the least value of the type and the smallest one the greatest. The extremes are NaN if an element is.
type Reduce struct {
	By   Reduction
	Axes []int // not negative, no two equal; if there are none each element stands alone
}

func (r Reduce) Name() string {
	if name, ok := reduceNames[r.By]; ok {
		return name
	}
	return "Reduce"
}

func (r Reduce) Infer(in []Type) ([]Type, error) {
	if err := wantOperands(r.Name(), in, 1, 1); err != nil {
		return nil, err
	}
	if r.Name() == "Reduce" || in[0].DType == Bool || r.By == ReduceL2 && !in[0].DType.IsFloat() {
		return nil, fmt.Errorf("%s of %v with reduction %q is not defined", r.Name(), in[0].DType, r.By)
	}
	shape := slices.Clone(in[0].Shape)
	for i, a := range r.Axes {
		if a < 0 || a >= len(shape) || slices.Contains(r.Axes[:i], a) {
			return nil, fmt.Errorf("%s of %v over axes %v: they should be different and less than %d", r.Name(), in[0], r.Axes, len(shape))
		}
		shape[a] = 1
	}
	return []Type{{in[0].DType, shape}}, nil
}

func (r Reduce) Eval(x *Exec, out, in []*Tensor) error {
	p := planReduction(in[0].shape, r.Axes)
	minusInf, inf := math.Inf(-1), math.Inf(1)
	switch a := in[0].data.(type) {
	case []float32:
		d := Data[float32](out[0])
		switch r.By {
		case ReduceAdd, ReduceMean:
			f := foldBy[float32](r.By, minusInf, inf)
			f.run = func(sum float64, a []float32) float64 { return sum + kernel.Sum(a) }
			f.rows = func(sums []float64, a []float32) {
				a = a[:len(sums)]
				for i := range sums {
					sums[i] += float64(a[i])
				}
			}
			reduce(x, p, f, d, a)
		case ReduceL2:
			f := foldBy[float32](r.By, minusInf, inf)
			f.run = func(sum float64, a []float32) float64 { return sum + kernel.SumSquares(a) }
			reduce(x, p, f, d, a)
		case ReduceMax:
			f := foldBy[float32](r.By, float32(minusInf), 0)
			f.run = func(m float32, a []float32) float32 { return max(m, kernel.ReduceMax(a)) }
			f.rows = func(m, a []float32) { kernel.Max(m, m, a) }
			reduce(x, p, f, d, a)
		case ReduceMin:
			f := foldBy[float32](r.By, 0, float32(inf))
			f.run = func(m float32, a []float32) float32 { return min(m, kernel.ReduceMin(a)) }
			f.rows = func(m, a []float32) { kernel.Min(m, m, a) }
			reduce(x, p, f, d, a)
		default:
			reduce(x, p, foldBy[float32](r.By, minusInf, inf), d, a)
		}
	case []float64:
		reduce(x, p, foldBy[float64](r.By, minusInf, inf), Data[float64](out[0]), a)
	case []int8:
		reduce(x, p, foldBy[int8, int64](r.By, math.MinInt8, math.MaxInt8), Data[int8](out[0]), a)
	case []int16:
		reduce(x, p, foldBy[int16, int64](r.By, math.MinInt16, math.MaxInt16), Data[int16](out[0]), a)
	case []int32:
		reduce(x, p, foldBy[int32, int64](r.By, math.MinInt32, math.MaxInt32), Data[int32](out[0]), a)
	case []int64:
		reduce(x, p, foldBy[int64, int64](r.By, math.MinInt64, math.MaxInt64), Data[int64](out[0]), a)
	case []uint8:
		reduce(x, p, foldBy[uint8, uint64](r.By, 0, math.MaxUint8), Data[uint8](out[0]), a)
	case []uint16:
		reduce(x, p, foldBy[uint16, uint64](r.By, 0, math.MaxUint16), Data[uint16](out[0]), a)
	case []uint32:
		reduce(x, p, foldBy[uint32, uint64](r.By, 0, math.MaxUint32), Data[uint32](out[0]), a)
	case []uint64:
		reduce(x, p, foldBy[uint64, uint64](r.By, 0, math.MaxUint64), Data[uint64](out[0]), a)
	}
	return nil
}

// fold is a reduction of elements T that is kept in A.
type fold[T, A number] struct {
	start  A
	run    func(a A, elements []T) A // joins a and all elements
	rows   func(a []A, elements []T) // joins a[i] and elements[i]
	finish func(a A, elements int) T // the result for that many elements
}

// foldBy returns the plain form of a reduction. lo and hi are the least and greatest values.
func foldBy[T, A number](by Reduction, lo, hi A) fold[T, A] {
	f := fold[T, A]{finish: func(a A, _ int) T { return T(a) }}
	var join func(a A, v T) A
	switch by {
	case ReduceAdd, ReduceMean:
		join = func(a A, v T) A { return a + A(v) }
	case ReduceMax:
		f.start, join = lo, func(a A, v T) A { return max(a, A(v)) }
	case ReduceMin:
		f.start, join = hi, func(a A, v T) A { return min(a, A(v)) }
	case ReduceMul:
		f.start, join = 1, func(a A, v T) A { return a * A(v) }
	case ReduceL2:
		join = func(a A, v T) A { return a + A(v)*A(v) }
		f.finish = func(a A, _ int) T { return T(math.Sqrt(float64(a))) }
	}
	if by == ReduceMean {
		f.finish = func(a A, n int) T {
			if n == 0 {
				return T(lo - lo) // NaN for floating-point numbers
			}
			return T(a / A(n))
		}
	}
	f.run = func(a A, elements []T) A {
		for _, v := range elements {
			a = join(a, v)
		}
		return a
	}
	f.rows = func(a []A, elements []T) {
		for i, v := range elements {
			a[i] = join(a[i], v)
		}
	}
	return f
}

// reduction describes the memory of a Reduce: results lie in rows of cols elements, and each row is joined of pieces that
// consist of run elements for each column.
type reduction struct {
	kept, joined walk
	cols, run    int // one of them is 1
	elements     int // that are joined to one
}

// offset returns the offset of element i.
func (w walk) offset(i int) int {
	at := w.at
	for k := len(w.dims) - 1; k >= 0; k-- {
		at += i % w.dims[k] * w.strides[k]
		i /= w.dims[k]
	}
	return at
}

func planReduction(shape, axes []int) reduction {
	p := reduction{cols: 1, run: 1, elements: 1}
	stride, inner := 1, true
	// Axes from the last one; neighbours that are both kept or both joined count as one.
	for k := len(shape) - 1; k >= 0; {
		if shape[k] == 1 {
			k--
			continue
		}
		n, join := 1, slices.Contains(axes, k)
		for ; k >= 0 && (shape[k] == 1 || slices.Contains(axes, k) == join); k-- {
			n *= shape[k]
		}
		if join {
			p.elements *= n
		}
		switch {
		case inner && join:
			p.run = n
		case inner:
			p.cols = n
		case join:
			p.joined.dims, p.joined.strides = slices.Insert(p.joined.dims, 0, n), slices.Insert(p.joined.strides, 0, stride)
		default:
			p.kept.dims, p.kept.strides = slices.Insert(p.kept.dims, 0, n), slices.Insert(p.kept.strides, 0, stride)
		}
		stride *= n
		inner = false
	}
	return p
}

func reduce[T, A number](x *Exec, p reduction, f fold[T, A], dst, src []T) {
	rows, _ := Numel(p.kept.dims)
	pieces, _ := Numel(p.joined.dims)
	if p.run == 0 {
		pieces = 0
	}
	width := min(p.cols, chunk)
	if width == 0 {
		return
	}
	parts := (p.cols + width - 1) / width
	x.parallel(rows*parts, max(1, grain/max(1, pieces*p.run*width)), func(lo, hi int) {
		acc := make([]A, width)
		for i := lo; i < hi; i++ {
			row, from := i/parts, i%parts*width
			to := min(from+width, p.cols)
			a := acc[:to-from]
			for j := range a {
				a[j] = f.start
			}
			at := p.kept.offset(row) + from
			for k := range pieces {
				piece := src[at+p.joined.offset(k):]
				if p.cols == 1 {
					a[0] = f.run(a[0], piece[:p.run])
				} else {
					f.rows(a, piece[:len(a)])
				}
			}
			for j, v := range a {
				dst[row*p.cols+from+j] = f.finish(v, p.elements)
			}
		}
	})
}

// gradient: that of an extreme is shared by the elements that are equal to it.
func (r Reduce) gradient(d *derivation) []*Value {
	g := d.thin(0)
	switch r.By {
	case ReduceMean:
		return []*Value{d.scale(g, 1/float64(max(1, d.in[0].typ.Len()/max(1, d.outs[0].typ.Len()))))}
	case ReduceMax, ReduceMin:
		most := d.keep(d.apply(Compare{Is: IsEqual}, d.in[0], d.outs[0]), d.num(1))
		return []*Value{d.mul(d.div(g, d.sum(most, r.Axes...)), most)}
	case ReduceL2: // where all elements are 0, so is the gradient
		y, one := d.outs[0], d.num(1)
		some := d.less(d.num(0), y)
		return []*Value{d.mul(d.in[0], d.keep(some, d.div(g, d.apply(Where{}, some, y, one))))}
	case ReduceMul:
		return d.through(func(in []*Value) *Value { return r.product(d.composer, in[0]) })
	}
	return []*Value{g}
}

// product makes ReduceMul of products of halves, so that its gradient has no divisions and zeros do no harm.
func (r Reduce) product(c composer, x *Value) *Value {
	shape, n := slices.Clone(x.typ.Shape), 1
	var perm []int
	for k := range shape {
		if !slices.Contains(r.Axes, k) {
			perm = append(perm, k)
		}
	}
	kept := len(perm)
	for _, a := range r.Axes {
		perm, n, shape[a] = append(perm, a), n*shape[a], 1
	}
	moved := c.apply(Transpose{Perm: perm}, x)
	if n == 0 {
		return c.expand(c.scalar(x.typ.DType, 1), shape)
	}
	flat := c.reshape(moved, append(slices.Clone(moved.typ.Shape[:kept]), n)...)
	for n > 1 {
		half := n / 2
		low := c.mul(c.slice(flat, kept, 0, half), c.slice(flat, kept, half, half))
		if n%2 == 1 {
			low = c.apply(Concat{Axis: kept}, low, c.slice(flat, kept, n-1, 1))
		}
		flat, n = low, half+n%2
	}
	return c.reshape(flat, shape...)
}
