package onnxio

import (
	"slices"

	"github.com/gansr/gansr/graph"
)

// mask is what attention in shifted windows adds, or where it looks: for each window of an image, row by row, whether a pixel of it sees
// another, which it does on the same side of where the image was before it was shifted.
type mask struct {
	axis         int // of the windows in the shape
	rows, cols   int // windows
	h, w         int // of a window
	down, across int // by how much the image is shifted
	apart        *graph.Tensor
	together     *graph.Tensor // the values of pairs, 0-d
}

// maskAxis returns the axis of windows if a mask can have a shape.
func maskAxis(shape []int) (axis int, ok bool) {
	n := len(shape)
	if n < 3 || shape[n-1] != shape[n-2] || shape[n-1] < 2 {
		return 0, false
	}
	for a, d := range shape[:n-2] {
		if d != 1 && shape[axis] != 1 {
			return 0, false
		}
		if d != 1 {
			axis = a
		}
	}
	return axis, true
}

// masksOf returns what shifted windows a constant can be a mask of.
func masksOf(t *graph.Tensor) []mask {
	s := t.Shape()
	axis, ok := maskAxis(s)
	if !ok {
		return nil
	}
	n := s[len(s)-1]
	apart, values := twoValues(t)
	if apart == nil {
		return nil
	}
	count := s[axis]
	window := func(i int) []bool { return apart[i*n*n : (i+1)*n*n] }
	corner := window(count - 1)
	var all []mask
	for h := 1; h <= n; h++ {
		w := n / h
		if h*w != n {
			continue
		}
		m := mask{axis: axis, h: h, w: w, together: values[0], apart: values[1]}
		for y := range h {
			if corner[y*w] {
				m.down = h - y
				break
			}
		}
		for x := range w {
			if corner[x] {
				m.across = w - x
				break
			}
		}
		if m.down == 0 && m.across == 0 {
			continue
		}
		kinds := [4][]bool{m.window(false, false), m.window(false, true), m.window(true, false), m.window(true, true)}
		for m.rows = 1; m.rows <= count; m.rows++ {
			if m.cols = count / m.rows; m.rows*m.cols != count {
				continue
			}
			fits := true
			for i := 0; i < count && fits; i++ {
				kind := 0
				if i/m.cols == m.rows-1 {
					kind = 2
				}
				if i%m.cols == m.cols-1 {
					kind++
				}
				fits = slices.Equal(window(i), kinds[kind])
			}
			if fits {
				all = append(all, m)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b mask) int { return max(a.h, a.w) - max(b.h, b.w) }) // most windows are square
	return all
}

// at reports whether t is the mask of an image of so many windows.
func (m mask) at(t *graph.Tensor, rows, cols int) bool {
	for _, other := range masksOf(t) {
		if other.rows == rows && other.cols == cols && other.h == m.h && other.w == m.w && other.down == m.down && other.across == m.across {
			return graph.Equal(other.apart, m.apart) && graph.Equal(other.together, m.together)
		}
	}
	return false
}

// window returns which pairs of pixels of a window are apart, where it is the last of a column, or of a row.
func (m mask) window(bottom, right bool) []bool {
	n := m.h * m.w
	side := func(i int) (s int) {
		if bottom && i/m.w >= m.h-m.down {
			s = 2
		}
		if right && i%m.w >= m.w-m.across {
			s++
		}
		return s
	}
	apart := make([]bool, n*n)
	for i := range n {
		for j := range n {
			apart[i*n+j] = side(i) != side(j)
		}
	}
	return apart
}

// twoValues returns where a tensor does not have its first value, if it has one other, and the two.
func twoValues(t *graph.Tensor) (other []bool, values [2]*graph.Tensor) {
	size, raw := t.DType().Size(), graph.Bytes(t)
	if raw == nil {
		raw = toRaw(t)
	}
	if size == 0 || len(raw) != t.Len()*size || t.Len() == 0 {
		return nil, values
	}
	first, second := string(raw[:size]), ""
	other = make([]bool, t.Len())
	for i := range other {
		switch string(raw[i*size : (i+1)*size]) {
		case first:
			continue
		case second:
		default:
			if second != "" {
				return nil, values
			}
			second = string(raw[i*size : (i+1)*size])
		}
		other[i] = true
	}
	if second == "" {
		return nil, values
	}
	for i, v := range []string{first, second} {
		values[i] = graph.NewTensor(t.DType())
		fromRaw(values[i], []byte(v))
	}
	return other, values
}

// masks returns the operands that can take the place of a value that is t at the first size, nil if that is no mask. One without nodes
// stands for the value itself, where the file computes it rightly.
func (f *freer) masks(name string, t *graph.Tensor) []operand {
	var all []operand
	var seen [][]int
	for _, m := range masksOf(t) {
		for _, v := range f.proportional(m.rows*m.h, 0) {
			for _, h := range f.proportional(m.cols*m.w, 1) {
				high, ok := f.at(v)
				wide, also := f.at(h)
				if !ok || !also {
					continue
				}
				var count []int
				for k := range f.points {
					if high[k]%m.h == 0 && wide[k]%m.w == 0 {
						count = append(count, high[k]/m.h*(wide[k]/m.w))
					}
				}
				if len(count) != len(f.points) || slices.ContainsFunc(seen, func(c []int) bool { return slices.Equal(c, count) }) {
					continue
				}
				seen = append(seen, count)
				o := operand{at: []*graph.Tensor{t}, emit: func(e *emitter) string { return e.mask(m, t, v, h) }}
				right := true
				for k := range f.points {
					ty := graph.Type{DType: t.DType(), Shape: slices.Clone(t.Shape())}
					ty.Shape[m.axis] = count[k]
					o.like = append(o.like, ty)
					if v := f.value(k, name); right && k > 0 {
						right = v != nil && v.Known() != nil && v.Type().Equal(ty) && m.at(v.Known(), high[k]/m.h, wide[k]/m.w)
					}
				}
				if right {
					return []operand{{}}
				}
				all = append(all, o)
			}
		}
	}
	return all
}

// mask adds nodes that compute a mask for images of a height and width.
func (e *emitter) mask(m mask, like *graph.Tensor, height, width form) string {
	side := func(length form, shift int, shape ...int) string {
		n := e.form(length)
		places := e.node("Range", []string{e.init(graph.Scalar(int64(0))), e.node("Squeeze", []string{n}), e.init(graph.Scalar(int64(1)))})
		before := e.node("Less", []string{places, e.node("Sub", []string{n, e.ints(shift)})})
		return e.node("Reshape", []string{e.cast(before, graph.Int64), e.ints(shape...)})
	}
	rows := e.node("Mul", []string{side(height, m.down, -1, 1, m.h, 1), e.ints(2)})
	sides := e.node("Add", []string{rows, side(width, m.across, 1, -1, 1, m.w)})
	n := m.h * m.w
	together := e.node("Equal", []string{e.node("Reshape", []string{sides, e.ints(-1, n, 1)}), e.node("Reshape", []string{sides, e.ints(-1, 1, n)})})
	v := e.node("Where", []string{together, e.init(m.together), e.init(m.apart)})
	shape := slices.Clone(like.Shape())
	shape[m.axis] = -1
	return e.node("Reshape", []string{v, e.ints(shape...)})
}
