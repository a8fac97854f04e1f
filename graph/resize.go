package graph

import (
	"fmt"
	"math"
	"slices"
)

// Resize resamples every axis k to Sizes[k] positions, as ONNX's Resize (opset 19) defines it: output position o of an axis lies at a
// position of the operand that Coordinates chooses, and Mode says how the elements around it make a value. Axes are
// independent of each other.
//
// In a tile of a larger image, positions along H and W of N x C x H x W are those of the whole image.
type Resize struct {
	Sizes  []int
	Scales []float64 // results per element of the operand, one for each axis
	Mode   string    // "nearest", "linear" or "cubic"
	// Coordinates is "half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric",
	// "tf_crop_and_resize" or "tf_half_pixel_for_nn" (opsets 11 and 12).
	Coordinates string
	// Nearest says how a position is rounded in that mode: "round_prefer_floor", "round_prefer_ceil", "floor" or "ceil".
	Nearest string
	CubicA  float64 // the parameter of Keys' cubic convolution, in that mode
	// ExcludeOutside leaves elements outside of the operand out of a mean, instead of repeating the edge.
	ExcludeOutside bool
	// Antialias widens linear and cubic kernels where the result is smaller.
	Antialias bool
	// Roi is the part to resize for tf_crop_and_resize: the starts of all axes, then their ends, 0 and 1 being the
	// first and last element. Positions outside the operand become Extrapolation.
	Roi           []float64
	Extrapolation float64
}

func (Resize) Name() string { return "Resize" }
func (Resize) halfAware()   {}

// WholeImage reports whether positions depend on the size of the whole axis.
func (r Resize) WholeImage() bool {
	return slices.Contains([]string{"align_corners", "half_pixel_symmetric", "tf_crop_and_resize"}, r.Coordinates)
}

func (r Resize) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("Resize", in, 1, 1); err != nil {
		return nil, err
	}
	x := in[0]
	n := x.Rank()
	if len(r.Sizes) != n || len(r.Scales) != n {
		return nil, fmt.Errorf("Resize of %v: sizes %v and scales %v should be one for each axis", x, r.Sizes, r.Scales)
	}
	for k, d := range x.Shape {
		size, scale := r.Sizes[k], r.Scales[k]
		more := scale*float64(d) - float64(size) // sizes are rounded down, or to the nearest number
		switch slack := 1e-6 * float64(size); {
		case size < 0 || size > 0 && d == 0:
			return nil, fmt.Errorf("Resize of %v to %v is not possible", x, r.Sizes)
		case size > 0 && !(more >= -0.5-slack && more <= 1+slack):
			return nil, fmt.Errorf("Resize of %v to %v: scale %v of axis %d does not fit", x, r.Sizes, scale, k)
		}
	}
	for _, c := range []struct {
		what, value string
		known       []string
	}{
		{"mode", r.Mode, []string{"nearest", "linear", "cubic"}},
		{"coordinates", r.Coordinates, []string{"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric", "tf_crop_and_resize", "tf_half_pixel_for_nn"}},
		{"nearest mode", r.Nearest, []string{"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}},
	} {
		if !slices.Contains(c.known, c.value) && (c.what != "nearest mode" || r.Mode == "nearest") {
			return nil, fmt.Errorf("Resize with %s %q is not supported; it should be one of %q", c.what, c.value, c.known)
		}
	}
	if r.Coordinates == "tf_crop_and_resize" && len(r.Roi) != 2*n {
		return nil, fmt.Errorf("Resize of %v: roi %v should have a start and an end for each axis", x, r.Roi)
	}
	for _, v := range r.Roi {
		if !(math.Abs(v) < 1e6) {
			return nil, fmt.Errorf("Resize with roi %v: it should be of the order of 0 to 1", r.Roi)
		}
	}
	if x.DType == Bool && r.Mode != "nearest" {
		return nil, fmt.Errorf("Resize of bool with mode %q is not defined", r.Mode)
	}
	return []Type{{x.DType, slices.Clone(r.Sizes)}}, nil
}

func (r Resize) Eval(x *Exec, out, in []*Tensor) error {
	dst, src := out[0], in[0]
	if dst.Len() == 0 {
		return nil
	}
	passes := r.passes(x, src.shape)
	switch {
	case len(passes) == 0:
		copyTensor(dst, src)
	case r.Mode == "nearest":
		moveData(mover4{pickAll[uint8](x, passes), pickAll[uint16](x, passes), pickAll[uint32](x, passes), pickAll[uint64](x, passes)}, dst, src)
	case src.dtype == Float32:
		mixAll32(x, passes, Data[float32](dst), Data[float32](src))
	case src.dtype == Float64:
		mixAll64(x, passes, Data[float64](dst), Data[float64](src))
	case src.dtype.IsHalf():
		d := make([]float32, dst.Len())
		mixAll32(x, passes, d, Data[float32](widen(src)))
		fromFloat(dst, d)
	default:
		s, d := make([]float64, src.Len()), make([]float64, dst.Len())
		convert(&Tensor{Float64, src.shape, s}, src)
		mixAll64(x, passes, d, s)
		for i, v := range d {
			d[i] = math.RoundToEven(v)
		}
		fromFloat(dst, d)
	}
	r.extrapolate(passes, dst)
	return nil
}

// extrapolate sets the positions of dst that lie outside the operand.
func (r Resize) extrapolate(passes []pass, dst *Tensor) {
	value := NewTensor(dst.dtype, 1)
	convert(value, Scalar(r.Extrapolation))
	for _, p := range passes {
		for _, a := range []*sampling{p.rows, p.columns} {
			if a == nil {
				continue
			}
			inner, _ := Numel(dst.shape[a.index+1:])
			for o, outside := range a.outside {
				if outside {
					moveData(mover4{setAll[uint8](o, a.out, inner), setAll[uint16](o, a.out, inner), setAll[uint32](o, a.out, inner), setAll[uint64](o, a.out, inner)}, dst, value)
				}
			}
		}
	}
}

// setAll returns a function that sets position o of the middle axis of outer x n x inner to src[0].
func setAll[T any](o, n, inner int) func(dst, src []T) {
	return func(dst, src []T) {
		for at := o * inner; at < len(dst); at += n * inner {
			fill(dst[at:at+inner], src[0])
		}
	}
}

// sampling says where the positions of one axis of the result come from.
type sampling struct {
	index, in, out int
	first          []int     // the first element that each position takes
	taps           int       // how many elements each position takes
	weights        []float64 // out x taps; nil for nearest
	outside        []bool    // nil if no position lies outside
}

// axis returns how axis k of n elements is resized, nil if it stays as it is.
func (r Resize) axis(x *Exec, rank, k, n int) *sampling {
	crop := r.Coordinates == "tf_crop_and_resize" && (r.Roi[k] != 0 || r.Roi[rank+k] != 1)
	a := &sampling{index: k, in: n, out: r.Sizes[k], taps: 1}
	scale := r.Scales[k]
	if a.out == n && scale == 1 && !crop {
		return nil
	}
	begin, whole, wholeOut := 0.0, float64(n), float64(a.out)
	if rank == 4 && k >= 2 {
		if begin, whole = x.spatial(k-2, n); whole != float64(n) {
			wholeOut = math.Floor(whole*scale + 1e-3)
		}
	}
	origin := r.origin(k, rank, whole, wholeOut)
	beginOut := math.Round(begin * scale)
	a.first = make([]int, a.out)
	stretch := 1.0
	if r.Antialias {
		stretch = min(scale, 1)
	}
	radius, kernel := 1.0, tent
	if r.Mode == "cubic" {
		radius, kernel = 2, func(t float64) float64 { return keys(t, r.CubicA) }
	}
	start := int(math.Floor(-radius/stretch)) + 1
	reach := 2 - 2*start // elements under the kernel
	if r.Mode != "nearest" {
		a.taps = min(reach, n)
		a.weights = make([]float64, a.out*a.taps)
	}
	w := make([]float64, reach)
	for o := range a.out {
		p := origin(beginOut + float64(o))
		if crop && (p < 0 || p > whole-1) {
			if a.outside == nil {
				a.outside = make([]bool, a.out)
			}
			a.outside[o] = true
		}
		p = min(max(p-begin, float64(-reach)), float64(n+reach)) // all further positions are equal
		if r.Mode == "nearest" {
			a.first[o] = min(max(int(nearest(p, r.Nearest)), 0), n-1)
			continue
		}
		left := int(math.Ceil(p)) - 1 + start
		sum := 0.0
		for i := range w {
			w[i] = kernel(stretch * (float64(left+i) - p))
			if r.ExcludeOutside && (left+i < 0 || left+i >= n) {
				w[i] = 0
			}
			sum += w[i]
		}
		if !r.Antialias && !r.ExcludeOutside || sum == 0 {
			sum = 1
		}
		a.first[o] = min(max(left, 0), n-a.taps)
		for i, v := range w {
			a.weights[o*a.taps+min(max(left+i, 0), n-1)-a.first[o]] += v / sum
		}
	}
	return a
}

// origin returns the function that maps output positions of axis k to positions of the operand, which has in
// elements and the result out.
func (r Resize) origin(k, rank int, in, out float64) func(o float64) float64 {
	scale := r.Scales[k]
	length := in * scale // ONNX computes with the length that the scale asks for, not with the one that it is rounded to
	single := math.Abs(length-1) < 1e-6
	switch r.Coordinates {
	case "align_corners":
		if single {
			return func(float64) float64 { return 0 }
		}
		return func(o float64) float64 { return o * (in - 1) / (length - 1) }
	case "asymmetric":
		return func(o float64) float64 { return o / scale }
	case "tf_crop_and_resize":
		start, end := r.Roi[k], r.Roi[rank+k]
		if single {
			return func(float64) float64 { return (start + end) / 2 * (in - 1) }
		}
		return func(o float64) float64 { return start*(in-1) + o*(end-start)*(in-1)/(length-1) }
	case "pytorch_half_pixel":
		if single {
			return func(float64) float64 { return 0 }
		}
	case "tf_half_pixel_for_nn":
		return func(o float64) float64 { return (o + 0.5) / scale }
	case "half_pixel_symmetric":
		offset := in / 2 * (1 - out/length)
		return func(o float64) float64 { return offset + (o+0.5)/scale - 0.5 }
	}
	return func(o float64) float64 { return (o+0.5)/scale - 0.5 }
}

func nearest(p float64, mode string) float64 {
	switch mode {
	case "floor":
		return math.Floor(p)
	case "ceil":
		return math.Ceil(p)
	case "round_prefer_ceil":
		return math.Floor(p + 0.5)
	}
	return math.Ceil(p - 0.5)
}

func tent(t float64) float64 { return max(0, 1-math.Abs(t)) }

// keys is the kernel of cubic convolution (Keys, "Cubic convolution interpolation for digital image processing", 1981).
func keys(t, a float64) float64 {
	switch t = math.Abs(t); {
	case t <= 1:
		return ((a+2)*t-(a+3))*t*t + 1
	case t < 2:
		return a * (((t-5)*t+8)*t - 4)
	}
	return 0
}

// gradient: the operator is linear in x, but for what it extrapolates.
func (r Resize) gradient(d *derivation) []*Value {
	return []*Value{d.apply(ResizeTransposed{Of: r, Shape: d.in[0].typ.Shape}, d.grad(0))}
}
