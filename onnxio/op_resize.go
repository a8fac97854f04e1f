package onnxio

import (
	"math"
	"slices"

	"github.com/gansr/gansr/graph"
)

// opUpsample: scales were an attribute until opset 8. The deprecated operator works in the coordinates that later
// versions of Resize call asymmetric.
func opUpsample(c *call) []*graph.Value {
	var scales []float64
	if c.has(1) {
		scales = c.constFloats(1)
	} else {
		for _, s := range must(c.Floats("scales", nil)) {
			scales = append(scales, float64(s))
		}
	}
	r := graph.Resize{Mode: c.str("mode", "nearest"), Coordinates: "asymmetric", Nearest: "floor"}
	if r.Mode == "bilinear" {
		r.Mode = "linear"
	}
	return one(c.resize(r, c.value(0), scales))
}

// opResize: opset 10 had only scales, asymmetric coordinates, and rounding that depends on the direction; opset 11 added sizes, roi and
// coordinate modes, opset 18 axes, antialias and keep_aspect_ratio_policy, opset 19 half_pixel_symmetric.
func opResize(c *call) []*graph.Value {
	r := graph.Resize{Mode: c.str("mode", "nearest"), Coordinates: "asymmetric", Nearest: "floor"}
	if c.Version < 11 {
		return one(c.resizeOld(r, c.constFloats(1)))
	}
	r.Coordinates = c.str("coordinate_transformation_mode", "half_pixel")
	r.Nearest = c.str("nearest_mode", "round_prefer_floor")
	r.CubicA = float64(c.float("cubic_coeff_a", -0.75))
	r.ExcludeOutside = c.bool("exclude_outside", 0)
	r.Antialias = c.bool("antialias", 0) && r.Mode != "nearest"
	r.Extrapolation = float64(c.float("extrapolation_value", 0))

	rank := c.rank(0)
	axes := make([]int, rank)
	for i := range axes {
		axes[i] = i
	}
	if c.Has("axes") {
		axes = c.ints("axes", nil)
		for i, a := range axes {
			axes[i] = c.axis(a, rank)
		}
	}
	if r.Coordinates == "tf_crop_and_resize" {
		roi := c.constFloats(1)
		if len(roi) != 2*len(axes) {
			c.failf("roi %v should have a start and an end for each of the axes %v", roi, axes)
		}
		r.Roi = slices.Concat(make([]float64, rank), slices.Repeat([]float64{1}, rank))
		for i, a := range axes {
			r.Roi[a], r.Roi[rank+a] = roi[i], roi[len(axes)+i]
		}
	}
	hasScales := c.has(2) && c.value(2).Type().Len() > 0
	if hasScales == (c.has(3) && c.value(3).Type().Len() > 0) && rank > 0 {
		c.failf("one of scales and sizes should be given")
	}
	if hasScales {
		given := c.constFloats(2)
		if len(given) != len(axes) {
			c.failf("scales %v should be one for each of the axes %v", given, axes)
		}
		scales := slices.Repeat([]float64{1}, rank)
		for i, a := range axes {
			scales[a] = given[i]
		}
		return one(c.resize(r, c.value(0), scales))
	}
	c.sizes(&r, axes)
	return one(c.apply(r, c.value(0)))
}

// sizes fills in sizes and scales from input 3.
func (c *call) sizes(r *graph.Resize, axes []int) {
	shape := c.shape(0)
	r.Sizes, r.Scales = slices.Clone(shape), slices.Repeat([]float64{1}, len(shape))
	if len(shape) == 0 {
		return
	}
	given := c.constInts(3)
	if len(given) != len(axes) {
		c.failf("sizes %v should be one for each of the axes %v", given, axes)
	}
	lo, hi := math.Inf(1), 0.0
	for i, a := range axes {
		if given[i] < 0 || given[i] > 0 && shape[a] == 0 {
			c.failf("sizes %v are not possible for %v", given, shape)
		}
		r.Sizes[a] = given[i]
		r.Scales[a] = float64(given[i]) / max(float64(shape[a]), 1)
		lo, hi = min(lo, r.Scales[a]), max(hi, r.Scales[a])
	}
	policy := c.str("keep_aspect_ratio_policy", "stretch")
	switch policy {
	case "stretch":
		return
	case "not_larger":
	case "not_smaller":
		lo = hi
	default:
		c.failf("keep_aspect_ratio_policy %q is unknown; it should be stretch, not_larger or not_smaller", policy)
	}
	for _, a := range axes {
		r.Scales[a] = lo
		r.Sizes[a] = int(math.Floor(lo*float64(shape[a]) + 0.5))
	}
}

// resizeOld is opset 10, whose nearest rounding is up along axes that get shorter, down elsewhere.
func (c *call) resizeOld(r graph.Resize, scales []float64) *graph.Value {
	x := c.value(0)
	for _, nearest := range []string{"floor", "ceil"} {
		part, any := slices.Repeat([]float64{1}, len(scales)), false
		for i, s := range scales {
			if (s < 1) == (nearest == "ceil") {
				part[i], any = s, true
			}
		}
		if r.Nearest = nearest; any {
			x = c.resize(r, x, part)
		}
	}
	return x
}

// resize applies r to x with a factor for each axis. It rounds sizes down as ONNX's shape inference does, in float32.
func (c *call) resize(r graph.Resize, x *graph.Value, scales []float64) *graph.Value {
	shape := x.Type().Shape
	if len(scales) != len(shape) {
		c.failf("scales %v should be one for each axis of %v", scales, x.Type())
	}
	r.Scales, r.Sizes = scales, make([]int, len(shape))
	for i, d := range shape {
		size := float64(float32(d) * float32(scales[i]))
		if !(scales[i] > 0) || size > maxExtent {
			c.failf("scales %v are not possible for %v", scales, x.Type())
		}
		r.Sizes[i] = int(size)
	}
	return c.apply(r, x)
}

// opGridSample: opset 20 renamed the modes and allowed other than two spatial axes.
func opGridSample(c *call) []*graph.Value {
	g := graph.GridSample{Mode: c.str("mode", "linear"), Padding: c.str("padding_mode", "zeros"), AlignCorners: c.bool("align_corners", 0)}
	switch g.Mode {
	case "bilinear":
		g.Mode = "linear"
	case "bicubic":
		g.Mode = "cubic"
	}
	return one(c.apply(g, c.value(0), c.value(1)))
}
