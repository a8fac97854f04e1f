package graph

import (
	"errors"
	"fmt"
	"math"
)

// Reach says how an output image depends on the input image, in pixels of the input. Index 0 is the vertical axis, 1 the
// horizontal one. It is what tiling needs: a tile whose surroundings cover Before and After gives what the whole image gives.
type Reach struct {
	Before, After [2]int
	Scale         [2]float64 // output pixels per input pixel
	Axes          [2]int     // the output's vertical and horizontal axes: 2 and 3 for NCHW
	Align         int        // tiles must begin at multiples of this
	Whole         string     // why each output pixel depends on the whole image; "" if it does not
	Exceeds       bool       // that is because it depends on more pixels than this image has
	Coordinates   bool       // an operator works in coordinates of the whole image: run tiles with RunTile
}

// piece is a factor of one axis of a value: size positions, which lie stride input pixels apart along an axis of the image. An
// axis is split into several pieces when operators like pixel shuffling or window attention reshape it.
type piece struct {
	size   int
	axis   int // 0: vertical, 1: horizontal, -1: not an axis of the image
	stride float64
}

// footprint says where a value's elements come from. With p the sum of index times stride over the pieces of an image axis, an element depends on
// the pixels from p-before to p+after.
type footprint struct {
	image         bool // depends on the image at all
	dims          [][]piece
	before, after [2]float64
}

// errWhole carries the reason why a value depends on the whole image.
type errWhole struct {
	reason  string
	exceeds bool
}

func (e errWhole) Error() string { return e.reason }

func whole(format string, args ...any) error { return errWhole{reason: fmt.Sprintf(format, args...)} }

// tracer computes footprints of calls.
type tracer struct {
	extent      [2]int // the image's size
	known       map[*Value]footprint
	align       float64
	coordinates bool
}

// ReachOf analyses how output depends on input, a value of four dimensions whose vertical and horizontal axes are
// given (2 and 3 for NCHW). It is an error if the output has no such axes, or depends on the input in a way that is not understood.
func ReachOf(input, output *Value, vertical, horizontal int) (Reach, error) {
	if input.typ.Rank() != 4 {
		return Reach{}, fmt.Errorf("graph: %q is %v and not an image", input.name, input.typ)
	}
	t := tracer{extent: [2]int{input.typ.Shape[vertical], input.typ.Shape[horizontal]}, known: map[*Value]footprint{}, align: 1}
	f := footprint{image: true, dims: plain(input.typ.Shape)}
	f.dims[vertical][0] = piece{t.extent[0], 0, 1}
	f.dims[horizontal][0] = piece{t.extent[1], 1, 1}
	t.known[input] = f
	out, err := t.trace(output)
	var w errWhole
	if errors.As(err, &w) {
		return Reach{Whole: w.reason, Exceeds: w.exceeds, Coordinates: t.coordinates, Align: 1}, nil
	}
	if err != nil {
		return Reach{}, fmt.Errorf("graph: %w", err)
	}
	r := Reach{Align: int(math.Ceil(t.align - 1e-6)), Coordinates: t.coordinates, Axes: [2]int{-1, -1}}
	for k := range out.dims {
		out.refine(k)
		for _, p := range out.dims[k] {
			if p.axis < 0 {
				continue
			}
			if len(out.dims[k]) > 1 || r.Axes[p.axis] >= 0 {
				return Reach{}, fmt.Errorf("graph: output %v does not keep the image's axes apart", output.typ)
			}
			r.Axes[p.axis], r.Scale[p.axis] = k, 1/p.stride
		}
	}
	if r.Axes[0] < 0 || r.Axes[1] < 0 {
		return Reach{}, fmt.Errorf("graph: output %v is not an image made from the input", output.typ)
	}
	for a := range 2 {
		r.Before[a] = int(math.Ceil(max(0, out.before[a]) - 1e-6))
		r.After[a] = int(math.Ceil(max(0, out.after[a]) - 1e-6))
	}
	return r, nil
}

// plain returns the pieces of a shape without image axes.
func plain(shape []int) [][]piece {
	dims := make([][]piece, len(shape))
	for k, n := range shape {
		dims[k] = []piece{{n, -1, 0}}
	}
	return dims
}

// trace returns the footprint of v, computing those of its operands first, without recursion.
func (t *tracer) trace(v *Value) (footprint, error) {
	stack := []*Value{v}
	for len(stack) > 0 {
		top := stack[len(stack)-1]
		if _, ok := t.known[top]; ok {
			stack = stack[:len(stack)-1]
			continue
		}
		if top.from == nil {
			t.known[top] = footprint{dims: plain(top.typ.Shape)}
			continue
		}
		missing := false
		for _, in := range top.from.in {
			if _, ok := t.known[in]; !ok {
				stack = append(stack, in)
				missing = true
			}
		}
		if missing {
			continue
		}
		f, err := t.call(top)
		if err != nil {
			return footprint{}, err
		}
		t.known[top] = f
	}
	return t.known[v], nil
}

func (t *tracer) call(v *Value) (footprint, error) {
	in := make([]footprint, len(v.from.in))
	image := false
	for i, o := range v.from.in {
		in[i] = t.known[o]
		image = image || in[i].image
	}
	if !image {
		return footprint{dims: plain(v.typ.Shape)}, nil
	}
	var f footprint
	if err := t.operator(&f, v.from.op, in, v.from.in, v); err != nil {
		return footprint{}, err
	}
	for a := range 2 {
		if f.before[a] > float64(t.extent[a]) && f.after[a] > float64(t.extent[a]) {
			return footprint{}, errWhole{fmt.Sprintf("the receptive field is larger than %d pixels", t.extent[a]), true}
		}
	}
	for _, d := range f.dims {
		for _, p := range d {
			if p.axis >= 0 {
				t.align = max(t.align, p.stride)
			}
		}
	}
	return f, nil
}

// set makes f the result of a function that may fail.
func (f *footprint) set(g footprint, err error) error {
	*f = g
	return err
}

func (f footprint) clone() footprint {
	dims := make([][]piece, len(f.dims))
	for k, d := range f.dims {
		dims[k] = append([]piece(nil), d...)
	}
	f.dims = dims
	return f
}

// refine makes one piece of a dimension that consists of a piece of the image and, behind it, channels: pixel shuffling puts
// them in between the positions.
func (f *footprint) refine(k int) {
	d := f.dims[k]
	if len(d) < 2 || d[0].axis < 0 {
		return
	}
	r := 1
	for _, p := range d[1:] {
		if p.axis >= 0 {
			return
		}
		r *= p.size
	}
	p := d[0]
	f.before[p.axis] += p.stride * (1 - 1/float64(r))
	f.dims[k] = []piece{{p.size * r, p.axis, p.stride / float64(r)}}
}

// single returns the piece that a whole dimension consists of, and false if there are several.
func (f *footprint) single(k int) (piece, bool) {
	f.refine(k)
	return f.dims[k][0], len(f.dims[k]) == 1
}

// spatial reports whether dimension k has a piece of an image axis.
func (f footprint) spatial(k int) bool {
	for _, p := range f.dims[k] {
		if p.axis >= 0 {
			return true
		}
	}
	return false
}

// move replaces the positions of dimension k by new ones: position o of the result is computed from positions
// o*step+lo to o*step+hi of the operand, and there are n of them.
func (f *footprint) move(k, n int, step, lo, hi float64) error {
	p, ok := f.single(k)
	if !ok {
		if !f.spatial(k) {
			f.dims[k] = []piece{{n, -1, 0}}
			return nil
		}
		return whole("positions are moved along an axis that has been reshaped")
	}
	if p.axis >= 0 {
		f.before[p.axis] -= lo * p.stride
		f.after[p.axis] += hi * p.stride
	}
	f.dims[k] = []piece{{n, p.axis, p.stride * step}}
	return nil
}

// mix makes every position of dimension k depend on all of them (softmax, normalisation).
func (t *tracer) mix(f *footprint, k int, op string) error {
	for _, p := range f.dims[k] {
		if p.axis < 0 {
			continue
		}
		if t.major(p) {
			return whole("%s works over the whole image", op)
		}
		f.before[p.axis] += float64(p.size-1) * p.stride
		f.after[p.axis] += float64(p.size-1) * p.stride
	}
	return nil
}

// drop makes dimension k, reduced to n positions that depend on all of the old ones, part of no image axis.
func (t *tracer) drop(f *footprint, k, n int, op string) error {
	for _, p := range f.dims[k] {
		if p.axis < 0 {
			continue
		}
		if t.major(p) {
			return whole("%s works over the whole image", op)
		}
		f.after[p.axis] += float64(p.size-1) * p.stride
	}
	f.dims[k] = []piece{{n, -1, 0}}
	return nil
}

// major reports whether a piece spans its axis of the image.
func (t *tracer) major(p piece) bool {
	return p.axis >= 0 && p.size > 1 && float64(p.size)*p.stride >= 0.75*float64(t.extent[p.axis])
}

// merge combines values whose dimensions have been broadcast to those of shape.
func (t *tracer) merge(shape []int, op string, in ...footprint) (footprint, error) {
	out := footprint{image: true, dims: make([][]piece, len(shape))}
	for i := range in {
		in[i] = in[i].clone()
		for k := range in[i].dims {
			in[i].refine(k)
		}
	}
	for k, n := range shape {
		out.dims[k] = []piece{{n, -1, 0}}
		for _, f := range in {
			j := k - len(shape) + len(f.dims)
			if j < 0 || !f.image || !f.spatial(j) {
				continue
			}
			if out.spatial(k) && !samePieces(out.dims[k], f.dims[j]) {
				return out, whole("%s combines values that lie differently in the image", op)
			}
			out.dims[k] = f.dims[j]
		}
	}
	// How far the result's pieces can move p away from that of an operand that lacks them.
	for _, f := range in {
		if !f.image {
			continue
		}
		before, after := f.before, f.after
		for k := range shape {
			j := k - len(shape) + len(f.dims)
			if j >= 0 && f.spatial(j) {
				continue
			}
			for _, p := range out.dims[k] {
				if p.axis >= 0 && t.major(p) {
					return out, whole("%s combines the image with a value that does not lie in it", op)
				}
				if p.axis >= 0 {
					before[p.axis] += float64(p.size-1) * p.stride
				}
			}
		}
		for a := range 2 {
			out.before[a], out.after[a] = max(out.before[a], before[a]), max(out.after[a], after[a])
		}
	}
	return out.clone(), nil
}

func samePieces(a, b []piece) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].size != b[i].size || a[i].axis != b[i].axis || math.Abs(a[i].stride-b[i].stride) > 1e-9 {
			return false
		}
	}
	return true
}

// reshape distributes the pieces over new dimensions.
func (f footprint) reshape(shape []int) (footprint, error) {
	var flat []piece
	for _, d := range f.dims {
		for _, p := range d {
			if p.size != 1 {
				flat = append(flat, p)
			}
		}
	}
	out := f
	out.dims = make([][]piece, len(shape))
	for k, n := range shape {
		have := 1
		for have < n {
			if len(flat) == 0 {
				return f, whole("a reshape to %v takes the image apart", shape)
			}
			p := flat[0]
			need := n / have
			switch {
			case need%p.size == 0:
				flat = flat[1:]
			case p.size%need == 0:
				rest := p.size / need
				flat[0].size = rest
				p = piece{need, p.axis, p.stride * float64(rest)}
			default:
				return f, whole("a reshape to %v takes the image apart", shape)
			}
			have *= p.size
			out.dims[k] = append(out.dims[k], p)
		}
		out.dims[k] = joined(out.dims[k], n)
	}
	return out, nil
}

// joined puts neighbouring pieces together that are channels, or parts of one axis of the image.
func joined(d []piece, n int) []piece {
	if len(d) == 0 {
		return []piece{{n, -1, 0}}
	}
	out := d[:1:1]
	for _, p := range d[1:] {
		last := &out[len(out)-1]
		switch {
		case last.axis < 0 && p.axis < 0:
			last.size *= p.size
		case p.axis == last.axis && math.Abs(last.stride-p.stride*float64(p.size)) < 1e-9:
			*last = piece{last.size * p.size, p.axis, p.stride}
		default:
			out = append(out, p)
		}
	}
	return out
}
