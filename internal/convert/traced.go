package convert

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
	"github.com/gansr/gansr/upscale"
)

// Traced is what is wrong with a model that states no size, but whose graph was made for one.
type Traced struct {
	Size         [2]int   // for which the graph was made
	Right, Wrong [][2]int // sizes at which it computes what it should, and at which it computes something else or nothing
	Left         [][2]int // sizes that are not compared, as that would take long
	Free         *onnxio.Model
	Said         string // of Free, or why there is none
}

// String says at which sizes the file is right.
func (t *Traced) String() string {
	s := fmt.Sprintf("the graph was made for images of %s: it is right there", sizeText(t.Size))
	if len(t.Right) > 1 {
		s += " and at " + sizesText(t.Right[1:])
	}
	if len(t.Wrong) > 0 {
		s += ", and not at " + sizesText(t.Wrong)
	}
	if len(t.Left) > 0 {
		s += " (" + sizesText(t.Left) + " would take long to compare)"
	}
	return s
}

func sizeText(s [2]int) string { return fmt.Sprintf("%dx%d", s[0], s[1]) }

func sizesText(all [][2]int) string {
	var parts []string
	for _, s := range all {
		parts = append(parts, sizeText(s))
	}
	return strings.Join(parts, ", ")
}

// tracedFLOPs is what FindTraced lets a network compute at a time, unless it is to be thorough.
const tracedFLOPs = 1e10

// FindTraced finds out whether a model that states no height and width was made for one, by what it makes of parts of pictures and, at sizes that its
// constants name, by what it makes of them when they are freed. It returns nil if nothing of the kind was found. If it is not thorough it takes a few
// seconds, and may know the size alone.
func FindTraced(ctx context.Context, m *onnxio.Model, workers *graph.Workers, thorough bool) (*Traced, error) {
	if len(m.Graph().Inputs) != 1 || len(m.Graph().Inputs[0].Dims) != 4 || fixedSize(m) != [2]int{} || len(m.Unsupported()) > 0 {
		return nil, nil
	}
	sizes := m.TracedSizes()
	if len(sizes) == 0 {
		return nil, nil
	}
	limit := tracedFLOPs
	if thorough {
		limit = tiledFLOPs
	}
	u, err := upscale.NewModel(ctx, m, workers, nil, onnxio.Packed(graph.NewDirectWeights()))
	f := upscale.Facts{}
	if err == nil {
		f = u.Facts()
	}
	runs := err == nil && f.FixedH == 0 // at sizes that its constants do not name
	switch {
	case runs:
		if f.WholeImage != "" {
			return nil, nil
		}
		if _, err := tiled(ctx, u, limit); err == nil {
			return nil, nil
		}
	case err == nil && float64(u.FLOPs)*float64(f.FixedH*f.FixedW) > limit:
		size := [2]int{f.FixedH, f.FixedW}
		return &Traced{Size: size, Right: [][2]int{size}, Said: "that would take long"}, nil
	}
	opt := Options{Workers: workers}
	var found *Traced
	for _, size := range sizes {
		want, err := runAt(ctx, m, size, opt)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil || len(want.Shape()) != 4 {
			continue
		}
		r := &Report{}
		free, err := r.free(ctx, m, size, opt)
		t := &Traced{Size: size, Right: [][2]int{size}, Free: free}
		if err == nil {
			t.Said = strings.Join(r.Said, "; ")
			return t.compare(ctx, m, limit, opt)
		}
		if t.Said = strings.TrimPrefix(err.Error(), "convert: "); found == nil && !runs {
			found = t
		}
	}
	return found, ctx.Err()
}

// compare finds sizes at which the model and the freed one compute the same, the smallest first, where both together compute no more than limit.
// It returns nil if they do everywhere.
func (t *Traced) compare(ctx context.Context, m *onnxio.Model, limit float64, opt Options) (*Traced, error) {
	u, err := upscale.NewModel(ctx, t.Free, opt.Workers, nil, onnxio.Packed(graph.NewDirectWeights()))
	if err != nil {
		return nil, err
	}
	step, h, w := u.Facts().Multiple, t.Size[0], t.Size[1]
	sizes := [][2]int{{h + step, w}, {h, w + 2*step}, {3 * h, w}, {2 * h, 2 * w}}
	slices.SortStableFunc(sizes, func(a, b [2]int) int { return a[0]*a[1] - b[0]*b[1] })
	for _, size := range sizes {
		cost := 2 * float64(u.FLOPs) * float64(size[0]*size[1])
		if cost > limit {
			t.Left = append(t.Left, size)
			continue
		}
		got, err := runAt(ctx, m, size, opt)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			t.Wrong = append(t.Wrong, size)
			continue
		}
		limit -= cost
		want, err := runAt(ctx, t.Free, size, opt)
		if err != nil {
			return nil, err
		}
		if slices.Equal(got.Shape(), want.Shape()) && difference(graph.Data[float32](got), graph.Data[float32](want)) <= tolerance*span(graph.Data[float32](want)) {
			t.Right = append(t.Right, size)
		} else {
			t.Wrong = append(t.Wrong, size)
		}
	}
	if len(t.Wrong)+len(t.Left) == 0 {
		return nil, nil
	}
	return t, nil
}
