package onnxio

import (
	"fmt"
	"math"
	"slices"

	"github.com/gansr/gansr/graph"
)

// grow: constants that are as large as the image, among the operands of a node that computes element by element, or joins.
func (f *freer) grow(n *Node) []candidate {
	all := []candidate{asIs}
	for j, in := range n.Inputs {
		v := f.value(0, in)
		if v == nil || v.Known() == nil || v.Known().Len() < 2 {
			continue
		}
		options := f.masks(in, v.Known())
		if options == nil {
			options = f.lengthsAsNumbers(n, v.Known())
		}
		if options == nil {
			if f.varies[in] && f.broken[in] == nil {
				continue
			}
			wanted := f.wanted(n, j)
			if wanted == nil {
				continue
			}
			o, ok := f.larger(v.Known(), wanted, n.Name == "Concat")
			if !ok {
				return nil
			}
			options = []operand{o}
		}
		var next []candidate
		for _, c := range all {
			for i, o := range options {
				if o.emit == nil { // as it is
					next = append(next, c)
					continue
				}
				with := candidate{name: fmt.Sprintf("%s %d=%d", c.name, j, i), operands: map[int]operand{j: o}}
				for k, o := range c.operands {
					with.operands[k] = o
				}
				next = append(next, with)
			}
		}
		all = next
	}
	return all
}

// lengthsAsNumbers: the image's height and width in a constant of two elements, by which positions are divided.
func (f *freer) lengthsAsNumbers(n *Node, t *graph.Tensor) []operand {
	v, err := graph.Floats(t)
	if n.Name != "Div" && n.Name != "Mul" || err != nil || len(v) != 2 {
		return nil
	}
	var elements []element
	h, w := f.points[0].h, f.points[0].w
	switch {
	case v[0] == float64(w) && v[1] == float64(h):
		elements = []element{{form: constant(1)}, {form: constant(1)}}
		elements[0].symbols, elements[1].symbols = []int{1}, []int{0}
	case v[0] == float64(h) && v[1] == float64(w):
		elements = []element{{form: constant(1)}, {form: constant(1)}}
		elements[0].symbols, elements[1].symbols = []int{0}, []int{1}
	default:
		return nil
	}
	o := operand{at: []*graph.Tensor{t}, emit: func(e *emitter) string {
		return e.node("Reshape", []string{e.cast(e.list(elements), t.DType()), e.ints(t.Shape()...)})
	}}
	for range f.points {
		o.like = append(o.like, t.Type())
	}
	return []operand{o}
}

// wanted returns how long the axes of operand j of a node must be, nil for those that need not change; nil if none must.
func (f *freer) wanted(n *Node, j int) [][]int {
	own := f.shape(0, n.Inputs[j])
	wanted := make([][]int, len(own))
	skip := -1
	if n.Name == "Concat" {
		a, _ := n.Int("axis", 0)
		if skip = int(a); skip < 0 {
			skip += len(own)
		}
	}
	found := false
	for i, in := range n.Inputs {
		if i == j || !f.varies[in] {
			continue
		}
		other := f.dims(in)
		for a := range own {
			b := a - len(own) + len(other)
			if b < 0 || a == skip || same(other[b]) || other[b][0] != own[a] || own[a] == 1 {
				continue
			}
			wanted[a], found = other[b], true
		}
	}
	if !found {
		return nil
	}
	return wanted
}

// larger returns an operand that is t at the first size, and as long as wanted elsewhere, by a rule that gives t bit for bit. Unless it has to be
// whole, axes along which all is equal may have one element.
func (f *freer) larger(t *graph.Tensor, wanted [][]int, whole bool) (operand, bool) {
	grown := -1
	shape, types := make([]element, len(wanted)), make([]graph.Type, len(f.points))
	for k := range types {
		types[k] = graph.Type{DType: t.DType(), Shape: slices.Clone(t.Shape())}
	}
	part := t // what is not the same along an axis
	for a, w := range wanted {
		shape[a].form = constant(t.Shape()[a])
		if w == nil {
			continue
		}
		g, ok := f.fit(w)
		if !ok {
			return operand{}, false
		}
		shape[a].form = g
		same := firstAlong(part, a)
		even := (f.uniform || whole || a < len(wanted)-2) && uniform(part, same, a)
		if !even && grown >= 0 {
			return f.pieces(t, wanted)
		}
		if even {
			part = same
		} else {
			grown = a
		}
		for k := range types {
			if types[k].Shape[a] = w[k]; even && !whole {
				types[k].Shape[a] = 1
			}
		}
	}
	emit := func(e *emitter) string { return e.init(part) }
	if grown >= 0 {
		if part.Len() != part.Shape()[grown] {
			return f.pieces(t, wanted)
		}
		sequence, ok := f.sequence(part, shape[grown].form)
		if !ok {
			return operand{}, false
		}
		to := slices.Clone(part.Shape())
		to[grown] = -1
		emit = func(e *emitter) string { return e.node("Reshape", []string{sequence(e), e.ints(to...)}) }
	}
	o := operand{at: []*graph.Tensor{part}, like: types, emit: emit}
	if whole {
		o.at = []*graph.Tensor{t}
		o.emit = func(e *emitter) string { return e.node("Expand", []string{emit(e), e.list(shape)}) }
	}
	return o, true
}

// pieces is larger for a constant whose pieces along a short axis have rules of their own, such as the two coordinates of each pixel.
func (f *freer) pieces(t *graph.Tensor, wanted [][]int) (operand, bool) {
	const most = 4
	for a, n := range t.Shape() {
		if wanted[a] != nil || n < 2 || n > most {
			continue
		}
		var each []operand
		for i := range n {
			o, ok := f.larger(along(t, a, i), wanted, true)
			if !ok {
				break
			}
			each = append(each, o)
		}
		if len(each) < n {
			continue
		}
		o := operand{at: []*graph.Tensor{t}, like: each[0].like, emit: func(e *emitter) string {
			var parts []string
			for _, o := range each {
				parts = append(parts, o.emit(e))
			}
			return e.node("Concat", parts, Attr{"axis", a})
		}}
		for k := range o.like {
			o.like[k].Shape[a] = n
		}
		return o, true
	}
	return operand{}, false
}

// firstAlong returns what is first along an axis, and uniform reports whether the rest equals it.
func firstAlong(t *graph.Tensor, axis int) *graph.Tensor { return along(t, axis, 0) }

// along returns what is at a place along an axis.
func along(t *graph.Tensor, axis, i int) *graph.Tensor {
	shape := slices.Clone(t.Shape())
	inner := t.DType().Size()
	for _, d := range shape[axis+1:] {
		inner *= d
	}
	raw, step := toRaw(t), inner*shape[axis]
	shape[axis] = 1
	var kept []byte
	for at := i * inner; at < len(raw); at += step {
		kept = append(kept, raw[at:at+inner]...)
	}
	part := graph.NewTensor(t.DType(), shape...)
	fromRaw(part, kept)
	return part
}

func uniform(t, first *graph.Tensor, axis int) bool {
	size := t.DType().Size()
	inner := size
	for _, d := range t.Shape()[axis+1:] {
		inner *= d
	}
	raw, one := toRaw(t), toRaw(first)
	for at := 0; at < len(raw); at += inner {
		from := at / (inner * t.Shape()[axis]) * inner
		if string(raw[at:at+inner]) != string(one[from:from+inner]) {
			return false
		}
	}
	return true
}

// sequence returns nodes that compute t, of one dimension, from its length, if a common rule does.
func (f *freer) sequence(t *graph.Tensor, length form) (func(e *emitter) string, bool) {
	counted := func(e *emitter, dt graph.DType) string {
		n := e.node("Range", []string{e.init(graph.Scalar(int64(0))), e.node("Squeeze", []string{e.form(length)}), e.init(graph.Scalar(int64(1)))})
		if dt == graph.Int64 {
			return n
		}
		return e.cast(n, dt)
	}
	switch v := t.Data().(type) {
	case []int64:
		first, step := v[0], v[1]-v[0]
		for i, x := range v {
			if x != first+int64(i)*step {
				return nil, false
			}
		}
		return func(e *emitter) string {
			n := e.node("Mul", []string{counted(e, graph.Int64), e.ints(int(step))})
			return e.node("Add", []string{n, e.ints(int(first))})
		}, true
	case []float32:
		for _, r := range rules(v) {
			fits := true
			for i, x := range v {
				fits = fits && math.Float32bits(r.at(i, len(v))) == math.Float32bits(x)
			}
			if fits {
				return func(e *emitter) string { return r.emit(e, counted(e, graph.Float32), length) }, true
			}
		}
	}
	return nil, false
}

// rule is the sequence (i*times + plus) / (n + more) * scale + shift of n numbers in float32, without division if more is negative and large.
type rule struct{ times, plus, more, scale, shift float32 }

const undivided = -1e9

// rules are those that common code has for positions in an image.
func rules(v []float32) []rule {
	var all []rule
	for _, a := range [][2]float32{{1, 0}, {1, 0.5}, {2, 1}, {2, 0}} {
		for _, more := range []float32{0, -1} {
			for _, scale := range []float32{1, 2} {
				for _, shift := range []float32{0, -0.5, -1} {
					all = append(all, rule{a[0], a[1], more, scale, shift})
				}
			}
		}
	}
	return append(all, rule{1, 0, undivided, v[1] - v[0], v[0]})
}

func (r rule) at(i, n int) float32 {
	v := float32(i)*r.times + r.plus
	if r.more != undivided {
		v /= float32(n) + r.more
	}
	v = v * r.scale
	return v + r.shift
}

func (r rule) emit(e *emitter, v string, length form) string {
	step := func(op string, x, unless float32) {
		if x != unless {
			v = e.node(op, []string{v, e.init(graph.Scalar(x))})
		}
	}
	step("Mul", r.times, 1)
	step("Add", r.plus, 0)
	if r.more != undivided {
		n := e.cast(e.form(length), graph.Float32)
		if r.more != 0 {
			n = e.node("Add", []string{n, e.init(graph.Scalar(r.more))})
		}
		v = e.node("Div", []string{v, n})
	}
	step("Mul", r.scale, 1)
	step("Add", r.shift, 0)
	return v
}

func (e *emitter) cast(v string, to graph.DType) string {
	num, ok := elemNumber(to)
	if !ok && e.err == nil {
		e.err = fmt.Errorf("a tensor of %v cannot be written", to)
	}
	return e.node("Cast", []string{v}, Attr{"to", int(num)})
}

// gather: an index for each place along an axis of the image, or of windows of it.
func (f *freer) gather(n *Node) []candidate {
	if f.varies[n.Inputs[1]] || !f.varies[n.Inputs[0]] {
		return nil
	}
	from, index := f.dims(n.Inputs[0]), f.value(0, n.Inputs[1])
	if index == nil || index.Known() == nil || index.Known().Len() < 2 || index.Type().DType != graph.Int64 {
		return nil
	}
	a, _ := n.Int("axis", 0)
	if a < 0 {
		a += int64(len(from))
	}
	if a < 0 || a >= int64(len(from)) || same(from[a]) {
		return nil
	}
	d, v, shape := from[a], graph.Data[int64](index.Known()), index.Type().Shape
	if slices.Max(v) != int64(d[0]-1) || slices.Min(v) != 0 {
		return nil
	}
	strides := make([]int, len(shape)) // of the values along each axis
	for i, place := len(shape)-1, 1; i >= 0; i-- {
		if shape[i] > 1 {
			strides[i] = int(v[place] - v[0])
		}
		place *= shape[i]
	}
	for at, x := range v {
		want := int(v[0])
		for i, rest := len(shape)-1, at; i >= 0; i-- {
			want += rest % shape[i] * strides[i]
			rest /= shape[i]
		}
		if int(x) != want {
			return nil
		}
	}
	var all []candidate
	for i, stride := range strides {
		if stride < 1 {
			continue
		}
		var length []int
		for k := range f.points {
			more := d[k] - d[0]
			if more%stride != 0 {
				length = nil
				break
			}
			length = append(length, shape[i]+more/stride)
		}
		g, ok := f.fit(length)
		if len(length) == 0 || !ok {
			continue
		}
		first := firstAlong(index.Known(), i)
		to := make([]int, len(shape))
		for j := range to {
			to[j] = 1
		}
		to[i] = -1
		o := operand{at: []*graph.Tensor{index.Known()}, emit: func(e *emitter) string {
			r := e.node("Range", []string{e.init(graph.Scalar(int64(0))), e.node("Squeeze", []string{e.form(g)}), e.init(graph.Scalar(int64(1)))})
			r = e.node("Reshape", []string{e.node("Mul", []string{r, e.ints(stride)}), e.ints(to...)})
			return e.node("Add", []string{r, e.init(first)})
		}}
		for k := range f.points {
			ty := graph.Type{DType: graph.Int64, Shape: slices.Clone(shape)}
			ty.Shape[i] = length[k]
			o.like = append(o.like, ty)
		}
		all = append(all, candidate{name: fmt.Sprint("axis ", i), operands: map[int]operand{1: o}})
		if stride > 1 { // windows that step over the image, not their elements
			all = slices.Insert(all[:len(all)-1], 0, all[len(all)-1])
		}
	}
	return append(all, asIs)
}
