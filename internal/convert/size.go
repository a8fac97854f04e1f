package convert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
	"github.com/gansr/gansr/upscale"
)

// resize gives a model the size that opt asks for. A size is taken off a model that computes the same at its own size, bit for bit, and at others
// the same in a tile as in the whole picture. If it is not said on what to compare, and the file is right at some sizes only, opt then says those.
func (r *Report) resize(ctx context.Context, m *onnxio.Model, opt *Options) (*onnxio.Model, error) {
	if opt.Size != [2]int{} {
		sized, err := m.WithSize(opt.Size[0], opt.Size[1])
		if err != nil {
			return nil, err
		}
		if _, err := runAt(ctx, sized, opt.Size, *opt); err != nil {
			return nil, fmt.Errorf("convert: the network does not take images of %dx%d pixels: %w", opt.Size[0], opt.Size[1], err)
		}
		r.say("size: %dx%d only", opt.Size[0], opt.Size[1])
		return sized, nil
	}
	if fixed := fixedSize(m); opt.AnySize && fixed != [2]int{} {
		return r.free(ctx, m, fixed, *opt)
	}
	t, err := FindTraced(ctx, m, opt.Workers, opt.AnySize)
	switch {
	case err != nil:
		return nil, err
	case t == nil && opt.AnySize:
		r.say("size: the file states none, as it is")
	case t != nil && !opt.AnySize:
		r.say("warning: the file states no size, but %v; --size dynamic mends that if it can be, --size %s says it", t, sizeText(t.Size))
		if len(opt.Sizes) == 0 {
			opt.Sizes = t.Right
		}
	case t != nil && t.Free == nil:
		return nil, fmt.Errorf("convert: the file states no size, but %v; that cannot be mended: %s", t, t.Said)
	case t != nil:
		r.say("size: the file states none, but %v", t)
		r.say("%s", t.Said)
		return t.Free, nil
	}
	return m, nil
}

// free takes the size off a model.
func (r *Report) free(ctx context.Context, m *onnxio.Model, fixed [2]int, opt Options) (*onnxio.Model, error) {
	want, err := runAt(ctx, m, fixed, opt)
	if err != nil {
		return nil, err
	}
	var facts upscale.Facts
	var said string
	var unsure []reading
	free, err := m.Freed(ctx, fixed[0], fixed[1], func(c onnxio.Reading) error {
		got, err := runAt(ctx, c.Model, fixed, opt)
		if err != nil {
			return err
		}
		if !graph.Equal(got, want) {
			return fmt.Errorf("convert: without its size of %dx%d the network computes something else", fixed[0], fixed[1])
		}
		if c.Multiple > 1 {
			c.Model.SetMetadata("gansr.multiple", strconv.Itoa(c.Multiple))
		}
		u, err := upscale.NewModel(ctx, c.Model, opt.Workers, nil, onnxio.Packed(graph.NewDirectWeights()))
		if err != nil {
			return err
		}
		facts = u.Facts()
		if facts.WholeImage != "" && len(c.Whole) > 0 { // see whether the rest of it agrees
			if u, err = holding(ctx, c, fixed, opt); err != nil {
				return err
			}
		}
		if said, err = tiled(ctx, u, tiledFLOPs); !errors.Is(err, onnxio.ErrUndecided) {
			return err
		}
		y, failed := runAt(ctx, c.Model, [2]int{fixed[0] + facts.Multiple, fixed[1] + 2*facts.Multiple}, opt)
		if failed != nil {
			return failed
		}
		unsure = append(unsure, reading{c, graph.Data[float32](y)})
		return onnxio.ErrUndecided
	})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err == nil:
	case len(unsure) > 0:
		if free, said, err = only(unsure, facts.WholeImage); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("convert: the graph itself is made for images of %dx%d pixels, so that its size cannot be taken off: %w", fixed[0], fixed[1], err)
	}
	sizes := fmt.Sprintf("any multiple of %d", facts.Multiple)
	if fixed[0]%facts.Multiple != 0 || fixed[1]%facts.Multiple != 0 { // it pads
		sizes = "any"
	}
	r.say("size: %s, from %dx%d; at that size it computes the same, bit for bit; %s", sizes, fixed[0], fixed[1], said)
	return free, nil
}

// holding returns a generator of a reading whose values that summarise the whole image are as for one image of a size.
func holding(ctx context.Context, c onnxio.Reading, size [2]int, opt Options) (*upscale.Model, error) {
	r, err := newRunner(c.Model, opt.Workers, 0, 1)
	if err != nil {
		return nil, err
	}
	held, err := c.Model.Holding(ctx, map[string]*graph.Tensor{r.input.Name: r.probe(r.shapes([][2]int{size, size})[0])}, c.Whole, opt.Workers)
	if err != nil {
		return nil, err
	}
	return upscale.NewModel(ctx, held, opt.Workers, nil, onnxio.Packed(graph.NewDirectWeights()))
}

// reading is one that tiles cannot check, with what it makes of an image of another size.
type reading struct {
	onnxio.Reading
	output []float32
}

// only returns the first model if all readings compute the same.
func only(all []reading, whole string) (*onnxio.Model, string, error) {
	first := all[0]
	for _, c := range all[1:] {
		if len(c.output) == len(first.output) && difference(c.output, first.output) <= tolerance*span(first.output) {
			continue
		}
		for _, node := range slices.Sorted(maps.Keys(first.Meanings)) {
			if first.Meanings[node] != c.Meanings[node] {
				return nil, "", fmt.Errorf("convert: the constants of %s can be meant in more than one way, and tiles cannot tell which, as each pixel depends on the whole image: %s", node, whole)
			}
		}
	}
	return first.Model, "there is nothing else that its constants can mean; tiles are not compared, as each pixel depends on the whole image: " + whole, nil
}

func difference(a, b []float32) (worst float64) {
	for i, x := range a {
		worst = max(worst, math.Abs(float64(x-b[i])))
	}
	return worst
}

// fixedSize returns the height and width that a model states, zeros if it leaves one open.
func fixedSize(m *onnxio.Model) (size [2]int) {
	in := m.Graph().Inputs[0]
	if len(in.Dims) != 4 {
		return size
	}
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

// tiledFLOPs is what converting lets a network compute for a comparison of tiles.
const tiledFLOPs = 5e10

// tiled compares what a network makes of a picture with what it makes of a part of it, where that must be equal: at a distance of the
// receptive field from the edges of the part, which is the lower right one so that two of them are the picture's. Where the field is not known, a
// corner has to be equal, or the error wraps onnxio.ErrUndecided. A network that would compute more than limit is not run.
func tiled(ctx context.Context, u *upscale.Model, limit float64) (said string, err error) {
	f := u.Facts()
	halo, more := f.Halo, (f.Halo/f.Multiple+1)*f.Multiple
	part := roundUp(halo+8, f.Multiple)
	if f.WholeImage != "" {
		const corner, wide = 8, 96
		in := roundUp(corner, 2*f.Multiple)
		part, more = roundUp(max(wide, 4*in), f.Multiple), f.Multiple
		halo = part - in
	}
	h := part + more
	w := h + f.Multiple // so that height and width cannot be taken for each other
	if float64(u.FLOPs)*float64(h*w) > limit {
		return fmt.Sprintf("tiles are not compared, as that would take pictures of %d pixels in height", h), nil
	}
	picture := graph.Data[float32](probeInput(graph.Float32, []int{f.Channels, h, w}, f.Range.Lo, max(f.Range.Hi, f.Range.Lo+1)))
	var corner []float32
	for c := range f.Channels {
		for y := h - part; y < h; y++ {
			corner = append(corner, picture[(c*h+y)*w+w-part:][:part]...)
		}
	}
	run := func(src []float32, height, width int) ([]float32, error) {
		dst := make([]float32, len(src)*f.Scale*f.Scale)
		return dst, u.Run(ctx, dst, src, height, width, upscale.Window{X: w - width, Y: h - height, W: width, H: height, ImageW: w, ImageH: h})
	}
	a, err := run(picture, h, w)
	if err != nil {
		return "", err
	}
	b, err := run(corner, part, part)
	if err != nil {
		return "", err
	}
	worst, s, in := 0.0, f.Scale, part-halo
	for c := range f.Channels {
		for y := range in * s { // from below
			worst = max(worst, difference(b[((c+1)*part*s-y)*part*s-in*s:][:in*s], a[((c+1)*h*s-y)*w*s-in*s:]))
		}
	}
	worst /= span(a)
	switch {
	case worst <= tolerance:
		return fmt.Sprintf("a part of %dx%d of a picture of %dx%d differs by %.1g of the output's range", part, part, h, w, worst), nil
	case f.WholeImage != "":
		return "", fmt.Errorf("convert: %w: %s", onnxio.ErrUndecided, f.WholeImage)
	}
	return "", fmt.Errorf("convert: without its size the network makes something else of a picture of %dx%d pixels than of its part of %dx%d, by %.2g of the output's range", h, w, part, part, worst)
}

func roundUp(n, multiple int) int { return (n + multiple - 1) / multiple * multiple }
