package finetune

import (
	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
	"github.com/gansr/gansr/upscale"
)

// space is how a network represents pixels: p from 0 to 1 is lo + (hi-lo)*(p-mean)/std.
type space struct {
	lo, hi    float64
	mean, std [3]float64
}

// spaces returns those of an RGB network's input and output, of which the file tells what differs from base.
func spaces(m *onnxio.Model, base upscale.Facts) (in, out space, err error) {
	facts, err := upscale.FactsFromMetadata(base, m.Metadata())
	if err != nil {
		return in, out, err
	}
	in = space{float64(facts.Range.Lo), float64(facts.Range.Hi), [3]float64{}, [3]float64{1, 1, 1}}
	if in.lo == in.hi {
		in.lo, in.hi = 0, 1
	}
	for i := range 3 {
		in.mean[i] = float64(facts.Mean[i])
		if facts.Std[i] != 0 {
			in.std[i] = float64(facts.Std[i])
		}
	}
	out = in
	if r := facts.OutRange; r != (upscale.Range{}) {
		out = space{float64(r.Lo), float64(r.Hi), [3]float64{}, [3]float64{1, 1, 1}}
	}
	return in, out, nil
}

// plain returns the space without its range.
func (s space) plain() space {
	s.lo, s.hi = 0, 1
	return s
}

// facts are what a network's file would tell of it.
func (s space) facts() upscale.Facts {
	f := upscale.Facts{Channels: 3, Range: upscale.Range{Lo: float32(s.lo), Hi: float32(s.hi)}}
	for i := range 3 {
		f.Mean[i], f.Std[i] = float32(s.mean[i]), float32(s.std[i])
	}
	return f
}

// affine returns the factor and the term for each channel that take values from s to another space.
func (s space) affine(to space) (factor, shift [3]float64) {
	for c := range 3 {
		factor[c] = s.std[c] / (s.hi - s.lo) * (to.hi - to.lo) / to.std[c]
		shift[c] = to.lo + (to.hi-to.lo)*(s.mean[c]-to.mean[c])/to.std[c] - s.lo*factor[c]
	}
	return factor, shift
}

// convert takes a picture (N x 3 x H x W) from one space to another.
func (f formula) convert(x *graph.Value, from, to space) *graph.Value {
	if from == to {
		return x
	}
	factor, shift := from.affine(to)
	count := x.Type().Shape[1]
	return f.add(f.mul(x, f.channels(factor[:count]...)), f.channels(shift[:count]...))
}

// channels is a number for each channel.
func (f formula) channels(v ...float64) *graph.Value {
	t := graph.NewTensor(graph.Float32, 1, len(v), 1, 1)
	for i := range v {
		graph.Data[float32](t)[i] = float32(v[i])
	}
	return f.b.Constant("channels", t)
}

// luma returns the luminance of RGB pictures from 0 to 1: ITU-R BT.601 in full range, as in upscaling.
func (f formula) luma(x *graph.Value) *graph.Value {
	s := x.Type().Shape
	sum := f.apply(graph.Reduce{By: graph.ReduceAdd, Axes: []int{1}}, f.mul(x, f.channels(0.299, 0.587, 0.114)))
	return f.apply(graph.Reshape{Shape: []int{s[0], 1, s[2], s[3]}}, sum)
}

// coloured returns RGB pictures of a luminance, with the colour differences of smaller pictures, which are enlarged.
func (f formula) coloured(luma, small *graph.Value, scale int) *graph.Value {
	s := small.Type().Shape
	x := float64(scale)
	large := f.apply(graph.Resize{Sizes: []int{s[0], 3, s[2] * scale, s[3] * scale}, Scales: []float64{1, 1, x, x}, Mode: "linear", Coordinates: "half_pixel"}, small)
	large = f.centre(large, luma.Type().Shape[2], luma.Type().Shape[3])
	return f.add(large, f.sub(luma, f.luma(large)))
}

// centre returns the middle of pictures.
func (f formula) centre(x *graph.Value, h, w int) *graph.Value {
	s := x.Type().Shape
	return f.part(f.part(x, 2, (s[2]-h)/2, h), 3, (s[3]-w)/2, w)
}

// enter takes pixels from 0 to 1 (N x 3 x plane) to s.
func (s space) enter(dst, src []float32, plane int) {
	factor, shift := space{0, 1, [3]float64{}, [3]float64{1, 1, 1}}.affine(s)
	for i := range dst {
		c := i / plane % 3
		dst[i] = float32(float64(src[i])*factor[c] + shift[c])
	}
}
