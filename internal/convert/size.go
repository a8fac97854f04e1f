package convert

import (
	"context"
	"fmt"
	"math"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
	"github.com/gansr/gansr/upscale"
)

// resize gives a model the size that opt asks for. A size is taken off a model that computes the same at its own size, bit for bit, and at others
// the same in a tile as in the whole picture.
func (r *Report) resize(ctx context.Context, m *onnxio.Model, opt Options) (*onnxio.Model, error) {
	if !opt.AnySize && opt.Size == [2]int{} {
		return m, nil
	}
	sized, err := m.WithSize(opt.Size[0], opt.Size[1])
	if err != nil {
		return nil, err
	}
	fixed := fixedSize(m)
	if opt.Size != [2]int{} {
		if _, err := runAt(ctx, sized, opt.Size, opt); err != nil {
			return nil, fmt.Errorf("convert: the network does not take images of %dx%d pixels: %w", opt.Size[0], opt.Size[1], err)
		}
		r.say("size: %dx%d only", opt.Size[0], opt.Size[1])
		return sized, nil
	}
	if fixed == [2]int{} {
		r.say("size: the file states none, as it is")
		return m, nil
	}
	want, err := runAt(ctx, m, fixed, opt)
	if err != nil {
		return nil, err
	}
	got, err := runAt(ctx, sized, fixed, opt)
	if err != nil {
		return nil, err
	}
	if !graph.Equal(got, want) {
		return nil, fmt.Errorf("convert: without its size of %dx%d the network computes something else", fixed[0], fixed[1])
	}
	u, err := upscale.NewModel(ctx, sized, opt.Workers, nil, onnxio.Packed(graph.NewDirectWeights()))
	if err != nil {
		return nil, fmt.Errorf("convert: the graph itself is made for images of %dx%d pixels, so that its size cannot be taken off: %w", fixed[0], fixed[1], err)
	}
	said, err := tiled(ctx, u)
	if err != nil {
		return nil, err
	}
	r.say("size: any multiple of %d, from %dx%d; at that size it computes the same, bit for bit; %s", u.Facts().Multiple, fixed[0], fixed[1], said)
	return sized, nil
}

// fixedSize returns the height and width that a model states, zeros if it leaves one open.
func fixedSize(m *onnxio.Model) (size [2]int) {
	in := m.Graph().Inputs[0]
	for i, a := range (&runner{input: in}).image() {
		if !in.Dims[a].Known() {
			return [2]int{}
		}
		size[i] = in.Dims[a].Value
	}
	return size
}

// runAt returns what a model makes of an image of some height and width.
func runAt(ctx context.Context, m *onnxio.Model, size [2]int, opt Options) (*graph.Tensor, error) {
	r, err := newRunner(m, opt.Workers, 0, 1, onnxio.Packed(graph.NewDirectWeights()))
	if err != nil {
		return nil, err
	}
	return r.run(ctx, r.shapes([][2]int{size, size})[0])
}

// tiledFLOPs is what tiled lets a network compute.
const tiledFLOPs = 5e10

// tiled compares what a network makes of a picture with what it makes of a part of it, where that must be equal: at a distance of the
// receptive field from the edge of the part.
func tiled(ctx context.Context, u *upscale.Model) (said string, err error) {
	f := u.Facts()
	if f.WholeImage != "" {
		return "", fmt.Errorf("convert: without a size the network cannot be checked, as each pixel depends on the whole image: %s", f.WholeImage)
	}
	part := (f.Halo + 8 + f.Multiple - 1) / f.Multiple * f.Multiple
	whole := part + (f.Halo/f.Multiple+1)*f.Multiple
	if float64(u.FLOPs)*float64(whole*whole) > tiledFLOPs {
		return fmt.Sprintf("tiles are not compared, as that would take pictures of %d pixels in height", whole), nil
	}
	picture := graph.Data[float32](probeInput(graph.Float32, []int{f.Channels, whole, whole}, f.Range.Lo, max(f.Range.Hi, f.Range.Lo+1)))
	var corner []float32
	for c := range f.Channels {
		for y := range part {
			corner = append(corner, picture[(c*whole+y)*whole:][:part]...)
		}
	}
	run := func(src []float32, n int) ([]float32, error) {
		dst := make([]float32, len(src)*f.Scale*f.Scale)
		return dst, u.Run(ctx, dst, src, n, n, upscale.Window{W: n, H: n, ImageW: whole, ImageH: whole})
	}
	a, err := run(picture, whole)
	if err != nil {
		return "", err
	}
	b, err := run(corner, part)
	if err != nil {
		return "", err
	}
	worst, s, in := 0.0, f.Scale, part-f.Halo
	for c := range f.Channels {
		for y := range in * s {
			for x := range in * s {
				worst = max(worst, math.Abs(float64(a[(c*whole*s+y)*whole*s+x]-b[(c*part*s+y)*part*s+x])))
			}
		}
	}
	if worst /= span(a); !(worst <= tolerance) {
		return "", fmt.Errorf("convert: without its size the network makes something else of a picture of %dx%d pixels than of its part of %dx%d, by %.2g of the output's range", whole, whole, part, part, worst)
	}
	return fmt.Sprintf("a part of %dx%d of a picture of %dx%d differs by %.1g of the output's range", part, part, whole, whole, worst), nil
}
