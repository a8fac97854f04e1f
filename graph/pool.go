package graph

import (
	"fmt"
	"math"
	"slices"

	"github.com/gansr/gansr/internal/kernel"
)

// MaxPool is the largest element under a window that moves over x (N x C x spatial). With Indices there is a second
// result, int64: where in x each comes from, counted in x's own order or, with ColumnMajor, with the first spatial axis
// fastest. NaN is larger than all; a window that covers no element gives the lowest number, and index -1.
type MaxPool struct {
	Sliding
	Indices, ColumnMajor bool
}

func (MaxPool) Name() string { return "MaxPool" }

func (m MaxPool) Infer(in []Type) ([]Type, error) {
	t, err := inferPool("MaxPool", m.Sliding, in)
	if err != nil {
		return nil, err
	}
	if !m.Indices {
		return []Type{t}, nil
	}
	return []Type{t, {Int64, t.Shape}}, nil
}

func inferPool(op string, s Sliding, in []Type) (Type, error) {
	if err := wantOperands(op, in, 1, 1); err != nil {
		return Type{}, err
	}
	x := in[0]
	if !x.DType.IsFloat() && (op != "MaxPool" || x.DType != Int8 && x.DType != Uint8) {
		return Type{}, fmt.Errorf("%s of %v is not defined", op, x.DType)
	}
	out, err := s.out(op, x)
	if err != nil {
		return Type{}, err
	}
	return Type{x.DType, slices.Concat(x.Shape[:2], out)}, nil
}

func (m MaxPool) Eval(x *Exec, out, in []*Tensor) error {
	switch out[0].dtype {
	case Float32:
		if !m.Indices && len(m.Kernel) == 3 && m.quarters(in[0].shape, out[0].shape) {
			dst, src := Data[float32](out[0]), Data[float32](in[0])
			width, half := rowLen(in[0].shape), rowLen(out[0].shape)
			eachQuarters(x, in[0].shape, out[0].shape, func(row, from, _ int) {
				kernel.PoolBlocks(dst[row:][:half], src[from:], src[from+width:])
			})
			return nil
		}
		maxPool(x, m, out, in[0], float32(math.Inf(-1)), kernel.Max)
	case Float64:
		maxPool(x, m, out, in[0], math.Inf(-1), larger[float64])
	case Int8:
		maxPool(x, m, out, in[0], math.MinInt8, larger[int8])
	case Uint8:
		maxPool(x, m, out, in[0], 0, larger[uint8])
	}
	return nil
}

func maxPool[T number](x *Exec, m MaxPool, out []*Tensor, in *Tensor, lowest T, larger func(dst, a, b []T)) {
	if m.Indices {
		maxIndices(x, m, out, in, lowest)
		return
	}
	slide(x, m.Sliding, out[0], in, pooling[T]{empty: lowest, join: larger})
}

// maxIndices is the form of maxPool that looks at single elements.
func maxIndices[T number](x *Exec, m MaxPool, out []*Tensor, in *Tensor, lowest T) {
	size, outSize := in.shape[2:], out[0].shape[2:]
	area, _ := Numel(size)
	outArea, _ := Numel(outSize)
	dst, index, src := Data[T](out[0]), Data[int64](out[1]), Data[T](in)
	// steps are what an axis adds to an index in the order that is asked for.
	steps := make([]int, len(size))
	for i, n := len(size)-1, 1; i >= 0; i-- {
		k := i
		if m.ColumnMajor {
			k = len(size) - 1 - i
		}
		steps[k] = n
		n *= size[k]
	}
	x.parallel(len(dst), 1024, func(lo, hi int) {
		at := make([]int, len(size))
		for o := lo; o < hi; o++ {
			unravel(at, o%outArea, outSize)
			plane := o / outArea * area
			best, where := largestUnder(m.Sliding, src[plane:][:area], at, size, steps, lowest)
			if where >= 0 {
				where += plane
			}
			dst[o], index[o] = best, int64(where)
		}
	})
}

// largestUnder returns the first of the largest elements of a plane under the window at a position, and where it is, counted by steps along
// each axis; lowest and -1 if the window covers none.
func largestUnder[T number](s Sliding, plane []T, at, size, steps []int, lowest T) (best T, where int) {
	best, where = lowest, -1
	var walk func(axis, from, name int)
	walk = func(axis, from, name int) {
		if axis == len(size) {
			if v := plane[from]; where < 0 || v > best || v != v && best == best {
				best, where = v, name
			}
			return
		}
		k, end := s.span(axis, at[axis], size[axis])
		for ; k < end; k++ {
			p := at[axis]*s.Strides[axis] - s.Pads[axis] + k*s.Dilations[axis]
			walk(axis+1, from*size[axis]+p, name+p*steps[axis])
		}
	}
	walk(0, 0, 0)
	return best, where
}

// AveragePool is the mean under a window that moves over x (N x C x spatial). The mean is over the elements of x under the window, or
// with CountPads over the elements of x with its pads; it is 0 if there are none.
type AveragePool struct {
	Sliding
	CountPads bool
}

func (AveragePool) Name() string { return "AveragePool" }

func (a AveragePool) Infer(in []Type) ([]Type, error) {
	t, err := inferPool("AveragePool", a.Sliding, in)
	return []Type{t}, err
}

func (a AveragePool) Eval(x *Exec, out, in []*Tensor) error {
	switch out[0].dtype {
	case Float32:
		averagePool(x, a, out[0], in[0], kernel.Add)
	case Float64:
		averagePool(x, a, out[0], in[0], add[float64])
	}
	return nil
}

func averagePool[T float](x *Exec, a AveragePool, out, in *Tensor, add func(dst, a, b []T)) {
	counts := a.counts(in.shape[2:], out.shape[2:])
	slide(x, a.Sliding, out, in, pooling[T]{join: add, finish: func(row []T, at []int) {
		outer := 1
		for i, o := range at {
			outer *= counts[i][o]
		}
		along := counts[len(at)]
		unit := len(row) / len(along)
		for i, c := range along {
			for k := range unit {
				row[i*unit+k] /= T(max(1, outer*c))
			}
		}
	}})
}

// LpPool is the root of order P of the sum of |x|**P under a window that moves over x (N x C x spatial).
type LpPool struct {
	Sliding
	P int
}

func (LpPool) Name() string { return "LpPool" }

func (l LpPool) Infer(in []Type) ([]Type, error) {
	if l.P < 1 {
		return nil, fmt.Errorf("LpPool of order %d: it should be 1 or more", l.P)
	}
	t, err := inferPool("LpPool", l.Sliding, in)
	return []Type{t}, err
}

func (l LpPool) Eval(x *Exec, out, in []*Tensor) error {
	switch out[0].dtype {
	case Float32:
		lpPool(x, l, out[0], in[0], kernel.Add)
	case Float64:
		lpPool(x, l, out[0], in[0], add[float64])
	}
	return nil
}

func lpPool[T float](x *Exec, l LpPool, out, in *Tensor, add func(dst, a, b []T)) {
	p := float64(l.P)
	slide(x, l.Sliding, out, in, pooling[T]{join: add,
		start: func(dst, src []T) {
			for i, v := range src {
				dst[i] = T(math.Pow(math.Abs(float64(v)), p))
			}
		},
		finish: func(row []T, _ []int) {
			for i, v := range row {
				row[i] = T(math.Pow(float64(v), 1/p))
			}
		}})
}

// pooling says how the elements under a window become one.
type pooling[T any] struct {
	empty  T                          // the result of no elements
	start  func(dst, src []T)         // what is done to each element before; nil for nothing
	join   func(dst, a, b []T)        // dst may be a
	finish func(row []T, outer []int) // what is done to a row of results, at a position along the spatial axes before; nil for nothing
}

// slide applies a pooling. It joins whole rows under the window first, then positions along the row. A position is one element, or
// unit of them: those along a short last axis on which the window keeps still.
func slide[T Element](x *Exec, s Sliding, out, in *Tensor, p pooling[T]) {
	size, outSize := in.shape[2:], out.shape[2:]
	dst, src := Data[T](out), Data[T](in)
	if len(dst) == 0 {
		return
	}
	last, unit := len(size)-1, 1
	if last > 0 && size[last] <= shortAxis && s.still(last) {
		unit = size[last]
		last--
	}
	width, outWidth := size[last]*unit, outSize[last]*unit
	area, _ := Numel(size)
	outer, _ := Numel(outSize[:last])
	rows := out.shape[0] * out.shape[1] * outer
	taps, _ := Numel(s.Kernel)
	x.parallel(rows, max(1, 4*grain/max(1, outWidth*min(taps, area))), func(lo, hi int) {
		joined, tmp, phases := make([]T, width), make([]T, width), newPhases[T](size[last], s.Strides[last], unit)
		at := make([]int, last)
		for r := lo; r < hi; r++ {
			unravel(at, r%outer, outSize[:last])
			fill(joined, p.empty)
			plane := r / outer * area
			begun := false
			var walk func(axis, from int)
			walk = func(axis, from int) {
				if axis == last {
					row := src[plane+from*width:][:width]
					if p.start != nil {
						p.start(tmp, row)
						row = tmp[:width]
					}
					if begun {
						p.join(joined, joined, row)
					} else {
						copy(joined, row)
					}
					begun = true
					return
				}
				k, end := s.span(axis, at[axis], size[axis])
				for ; k < end; k++ {
					walk(axis+1, from*size[axis]+at[axis]*s.Strides[axis]-s.Pads[axis]+k*s.Dilations[axis])
				}
			}
			walk(0, 0)
			row := dst[r*outWidth : (r+1)*outWidth]
			joinRow(s, last, unit, row, joined, phases, p)
			if p.finish != nil {
				p.finish(row, at)
			}
		}
	})
}

// shortAxis is how many elements a position has at most: rows of them are to stay in a cache, and be many.
const shortAxis = 32

// still reports whether the window keeps still on an axis.
func (s Sliding) still(axis int) bool {
	return s.Kernel[axis] == 1 && s.Strides[axis] == 1 && s.Pads[axis] == 0 && s.Pads[len(s.Kernel)+axis] == 0
}

// newPhases makes room for a row's positions apart by their places modulo a stride.
func newPhases[T any](width, stride, unit int) [][]T {
	phases := make([][]T, min(stride, width))
	for i := range phases {
		phases[i] = make([]T, (width-i+stride-1)/stride*unit)
	}
	return phases
}

// spread puts each position of src into its phase.
func spread[T any](phases [][]T, src []T, unit int) {
	if unit > 1 {
		for at := 0; at*unit < len(src); at++ {
			copy(phases[at%len(phases)][at/len(phases)*unit:][:unit], src[at*unit:])
		}
		return
	}
	if p, ok := any(phases).([][]float32); ok && len(p) == 2 {
		n := len(p[1]) // the first may have one more
		kernel.Deinterleave(any(src).([]float32), p[0][:n], p[1])
		copy(phases[0][n:], src[2*n:])
		return
	}
	for i, phase := range phases {
		at := i
		for k := range phase {
			phase[k] = src[at]
			at += len(phases)
		}
	}
}

// joinRow joins the positions under the window along a row of src, which are put into phases first. The row lies along an axis.
func joinRow[T any](s Sliding, axis, unit int, dst, src []T, phases [][]T, p pooling[T]) {
	fill(dst, p.empty)
	stride := s.Strides[axis]
	if stride > 1 {
		spread(phases, src, unit)
	}
	width, outWidth := len(src)/unit, len(dst)/unit
	dilation, pad := s.Dilations[axis], s.Pads[axis]
	end := min(s.Kernel[axis], ceilDiv(width+pad, dilation))
	for k := max(0, ceilDiv(pad-(outWidth-1)*stride, dilation)); k < end; k++ {
		off := k*dilation - pad
		lo, hi := max(0, ceilDiv(-off, stride)), min(outWidth, ceilDiv(width-off, stride))
		if lo >= hi {
			continue
		}
		run, at := src, lo*stride+off
		if stride > 1 {
			run, at = phases[at%stride], at/stride
		}
		p.join(dst[lo*unit:hi*unit], dst[lo*unit:hi*unit], run[at*unit:][:(hi-lo)*unit])
	}
}

// gradient adds each result's to the element that it was taken from.
func (m MaxPool) gradient(d *derivation) []*Value {
	return []*Value{d.apply(MaxPoolGradient{m.Sliding}, d.in[0], d.grad(0))}
}

func (a AveragePool) gradient(d *derivation) []*Value {
	x, g := d.in[0].typ.Shape, d.outs[0].typ.Shape
	shares := NewTensor(Float64, g[2:]...)
	counts := a.counts(x[2:], g[2:])
	at := make([]int, len(counts))
	for i := range Data[float64](shares) {
		unravel(at, i, g[2:])
		n := 1
		for k, o := range at {
			n *= counts[k][o]
		}
		Data[float64](shares)[i] = 1 / float64(max(1, n))
	}
	return []*Value{d.cover(a.Sliding, d.mul(d.grad(0), d.b.Constant("shares", shares.Converted(d.in[0].typ.DType))), x)}
}

// cover adds each element of g, which a window's positions over a shape made, to all elements under the window: a transposed convolution
// with ones, of each channel alone, unless each element lies under one window.
func (c composer) cover(s Sliding, g *Value, shape []int) *Value {
	from := g.typ.Shape
	if s.divides(shape[2:]) {
		parts, whole := slices.Clone(from[:2]), slices.Clone(from[:2])
		for i, k := range s.Kernel {
			parts, whole = append(parts, from[2+i], 1), append(whole, from[2+i], k)
		}
		return c.reshape(c.apply(Expand{Shape: whole}, c.reshape(g, parts...)), shape...)
	}
	ones := NewTensor(Float64, slices.Concat([]int{1, 1}, s.Kernel)...)
	fill(Data[float64](ones), 1)
	conv := Conv{Strides: s.Strides, Dilations: s.Dilations, Pads: s.Pads, Groups: 1}
	planes := c.reshape(g, slices.Concat([]int{from[0] * from[1], 1}, from[2:])...)
	return c.reshape(c.apply(conv.transposed(from[2:], shape[2:], s.Kernel), planes, c.b.Constant("ones", ones.Converted(g.typ.DType))), shape...)
}

// gradient: x |x|**(P-2) for each element, times that of the root of the sum. Under a window of zeros it is 0.
func (l LpPool) gradient(d *derivation) []*Value {
	x, y, p := d.in[0], d.outs[0], float64(l.P)
	root := d.grad(0)
	if l.P > 1 {
		some := d.less(d.num(0), y)
		root = d.keep(some, d.mul(root, d.apply(Pow{}, d.apply(Where{}, some, y, d.num(1)), d.num(1-p))))
	}
	own := x
	switch {
	case l.P == 1:
		own = d.apply(Sign{}, x)
	case l.P > 2:
		own = d.mul(x, d.apply(Pow{}, d.apply(Abs{}, x), d.num(p-2)))
	}
	return []*Value{d.mul(d.cover(l.Sliding, root, x.typ.Shape), own)}
}

// divides reports whether the windows divide an image of that size.
func (s Sliding) divides(size []int) bool {
	for i, k := range s.Kernel {
		if s.Strides[i] != k || s.Dilations[i] != 1 || s.Pads[i] != 0 || s.Pads[len(s.Kernel)+i] != 0 || size[i]%k != 0 {
			return false
		}
	}
	return true
}

// counts returns how many positions of each axis count for a mean, by output position.
func (a AveragePool) counts(size, out []int) [][]int {
	counts := make([][]int, len(a.Kernel))
	for i := range counts {
		counts[i] = make([]int, out[i])
		for o := range counts[i] {
			lo, hi := a.span(i, o, size[i])
			if a.CountPads {
				lo, hi = 0, min(a.Kernel[i], ceilDiv(size[i]+a.Pads[i]+a.Pads[len(counts)+i]-o*a.Strides[i], a.Dilations[i]))
			}
			counts[i][o] = hi - lo
		}
	}
	return counts
}
