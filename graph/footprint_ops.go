package graph

import "slices"

// operator sets f to the footprint of v, a result of op on operands with the footprints in. Operators that are not listed are
// taken to depend on the whole image.
func (t *tracer) operator(f *footprint, op Operator, in []footprint, args []*Value, v *Value) error {
	shape := v.typ.Shape
	*f = in[0].clone()
	switch op := op.(type) {
	case Conv:
		if slices.ContainsFunc(in[1:], func(w footprint) bool { return w.image }) {
			return whole("the weights of a Conv are computed from the image")
		}
		return t.slide(f, op.Name(), shape, args[1].typ.Shape[2:], op.Strides, op.Dilations, op.Pads, true)
	case Transpose:
		for k, from := range op.Perm {
			f.dims[k] = in[0].dims[from]
		}
		*f = f.clone()
		return nil
	case Reshape:
		return f.set(f.reshape(shape))
	case Expand:
		return f.set(t.merge(shape, op.Name(), *f))
	case DepthToSpace:
		return t.shuffle(f, op.Name(), shape, 1/float64(op.Block))
	case SpaceToDepth:
		return t.shuffle(f, op.Name(), shape, float64(op.Block))
	case Concat:
		if source, shift := rotation(op, args); source != nil {
			// Shifted windows of attention: what comes in from the other side of the image is masked there.
			*f = t.known[source].clone()
			return f.move(op.Axis, shape[op.Axis], 1, shift, shift)
		}
		for i, o := range in {
			if o.spatial(op.Axis) {
				return whole("a Concat joins pieces along an axis of the image")
			}
			in[i] = o.clone()
			in[i].dims[op.Axis] = []piece{{shape[op.Axis], -1, 0}}
		}
		return f.set(t.merge(shape, op.Name(), in...))
	case Slice:
		for k := range shape {
			if op.Sizes[k] == args[0].typ.Shape[k] && op.Starts[k] == 0 && op.Steps[k] == 1 {
				continue
			}
			if op.Steps[k] < 0 && f.spatial(k) {
				return whole("a Slice reverses an axis of the image")
			}
			start := float64(op.Starts[k])
			if err := f.move(k, shape[k], float64(op.Steps[k]), start, start); err != nil {
				return err
			}
		}
		return nil
	case Pad:
		for k, b := range op.Begin {
			if b == 0 && op.End[k] == 0 {
				continue
			}
			if op.Mode == PadWrap && f.spatial(k) {
				return whole("a Pad takes pixels from the other side of the image")
			}
			if err := f.move(k, shape[k], 1, -float64(b), -float64(b)); err != nil {
				return err
			}
		}
		return nil
	case Gather:
		if in[1].image || f.spatial(op.Axis) {
			return whole("a Gather picks positions of the image")
		}
		f.dims = slices.Concat(f.dims[:op.Axis], plain(args[1].typ.Shape), f.dims[op.Axis+1:])
		return nil
	case MatMul:
		return f.set(t.matMul(op, in, shape))
	case ConvTranspose:
		for i, stride := range op.Strides {
			// Position o takes what lies at (o + pad - offset) / stride for the offsets of the kernel.
			s, pad := float64(stride), float64(op.Pads[i])
			reach := float64((args[1].typ.Shape[2+i] - 1) * op.Dilations[i])
			if err := f.move(2+i, shape[2+i], 1/s, (pad-reach)/s, pad/s); err != nil {
				return err
			}
		}
		return t.drop(f, 1, shape[1], op.Name())
	case MaxPool:
		return t.pool(f, op.Name(), shape, op.Sliding)
	case AveragePool:
		return t.pool(f, op.Name(), shape, op.Sliding)
	case LpPool:
		return t.pool(f, op.Name(), shape, op.Sliding)
	case Resize:
		return t.resize(f, op, args[0].typ.Shape)
	case CumSum:
		return t.mix(f, op.Axis, op.Name())
	case LayerNorm:
		for k := op.Axis; k < len(shape); k++ {
			if err := t.mix(f, k, op.Name()); err != nil {
				return err
			}
		}
		return nil
	case GroupNorm:
		for k := 1; k < len(shape); k++ {
			if err := t.mix(f, k, op.Name()); err != nil {
				return err
			}
		}
		return nil
	case LRN:
		return t.mix(f, 1, op.Name())
	case Softmax:
		return t.mix(f, op.Axis, op.Name())
	case ArgMax:
		return t.drop(f, op.Axis, 1, op.Name())
	case Reduce:
		for _, k := range op.Axes {
			if err := t.drop(f, k, 1, op.Name()); err != nil {
				return err
			}
		}
		return nil
	}
	if elementwise(op) {
		return f.set(t.merge(shape, op.Name(), in...))
	}
	return whole("it is not known where %s takes its values from", op.Name())
}

// rotation recognises a Concat of two parts of one value in exchanged order, and returns that value and the position
// along the axis that comes first.
func rotation(op Concat, args []*Value) (source *Value, shift float64) {
	if len(args) != 2 {
		return nil, 0
	}
	var starts, sizes [2]int
	for i, a := range args {
		if a.from == nil {
			return nil, 0
		}
		s, ok := a.from.op.(Slice)
		if !ok || source != nil && source != a.from.in[0] {
			return nil, 0
		}
		source = a.from.in[0]
		for k, n := range source.typ.Shape {
			if s.Steps[k] != 1 || k != op.Axis && s.Sizes[k] != n {
				return nil, 0
			}
		}
		starts[i], sizes[i] = s.Starts[op.Axis], s.Sizes[op.Axis]
	}
	n := source.typ.Shape[op.Axis]
	if starts[1] != 0 || starts[0] != sizes[1] || sizes[0]+sizes[1] != n {
		return nil, 0
	}
	shift = float64(starts[0])
	if starts[0] > n/2 {
		shift -= float64(n)
	}
	return source, shift
}

// elementwise reports whether each element of op's result is computed from the elements at its own place.
func elementwise(op Operator) bool {
	switch op.(type) {
	case Cast, Compare:
		return true
	}
	_, ok := op.(inPlacer)
	return ok
}

// slide follows a kernel that moves over the spatial axes, from 2 on, and, if mixed, over all channels.
func (t *tracer) slide(f *footprint, op string, shape, kernel, strides, dilations, pads []int, mixed bool) error {
	for i := range kernel {
		lo := -float64(pads[i])
		if err := f.move(2+i, shape[2+i], float64(strides[i]), lo, lo+float64((kernel[i]-1)*dilations[i])); err != nil {
			return err
		}
	}
	if mixed {
		return t.drop(f, 1, shape[1], op)
	}
	return nil
}

func (t *tracer) pool(f *footprint, op string, shape []int, s Sliding) error {
	return t.slide(f, op, shape, s.Kernel, s.Strides, s.Dilations, s.Pads, false)
}

func (t *tracer) resize(f *footprint, op Resize, from []int) error {
	t.coordinates = t.coordinates || op.WholeImage()
	for k, size := range op.Sizes {
		scale := op.Scales[k]
		if size == from[k] && scale == 1 || !f.spatial(k) {
			continue
		}
		if op.Coordinates == "tf_crop_and_resize" {
			return whole("a Resize crops the image")
		}
		// Exec.spatial is asked about axes 2 and 3.
		if op.WholeImage() && slices.ContainsFunc(f.dims[k], func(p piece) bool { return p.axis >= 0 && (p.axis != k-2 || len(op.Sizes) != 4) }) {
			return whole("a Resize along axis %d of %d works in coordinates of the whole image", k, len(op.Sizes))
		}
		radius := map[string]float64{"nearest": 1, "linear": 1, "cubic": 2}[op.Mode]
		if op.Antialias && scale < 1 {
			radius /= scale
		}
		// How far the position that a result is taken from lies from result/scale.
		lo, hi := 0.0, 0.0
		switch op.Coordinates {
		case "half_pixel", "pytorch_half_pixel":
			lo = 0.5/scale - 0.5
			hi = lo
		case "align_corners", "half_pixel_symmetric":
			lo, hi = -1, 1
		case "tf_half_pixel_for_nn":
			hi = 0.5 / scale
		}
		if err := f.move(k, size, 1/scale, lo-radius, hi+radius); err != nil {
			return err
		}
	}
	return nil
}

// shuffle follows the exchange of channels and positions: step operand positions lie between those of the result.
func (t *tracer) shuffle(f *footprint, op string, shape []int, step float64) error {
	lo, hi := 0.0, max(0, step-1)
	if step < 1 {
		lo = step - 1
	}
	for _, k := range []int{2, 3} {
		if err := f.move(k, shape[k], step, lo, hi); err != nil {
			return err
		}
	}
	return t.drop(f, 1, shape[1], op)
}

// matMul sums over one of the last two axes of each operand.
func (t *tracer) matMul(op MatMul, in []footprint, shape []int) (footprint, error) {
	a, b := in[0].clone(), in[1].clone()
	rows, sumA := len(a.dims)-2, len(a.dims)-1
	sumB, cols := len(b.dims)-2, len(b.dims)-1
	if op.TransA {
		rows, sumA = sumA, rows
	}
	if op.TransB {
		sumB, cols = cols, sumB
	}
	if err := t.drop(&a, sumA, 1, "MatMul"); err != nil {
		return a, err
	}
	if err := t.drop(&b, sumB, 1, "MatMul"); err != nil {
		return b, err
	}
	if a.image && b.image {
		// Attention: the second operand's columns lie all over a window; the result keeps the place of the rows.
		if err := t.drop(&b, cols, shape[len(shape)-1], "MatMul"); err != nil {
			return b, err
		}
	}
	one := []piece{{1, -1, 0}}
	a.dims = slices.Concat(a.dims[:len(a.dims)-2], [][]piece{a.dims[rows], one})
	b.dims = slices.Concat(b.dims[:len(b.dims)-2], [][]piece{one, b.dims[cols]})
	return t.merge(shape, "MatMul", a, b)
}
