package upscale

import (
	"context"
	"errors"
	"fmt"
)

// Generator runs a network on one tile.
type Generator interface {
	Facts() Facts
	// Run enlarges src (1 x Channels x h x w, float32, NCHW, in the network's own range) into dst
	// (1 x Channels x h*Scale x w*Scale). window tells where the tile lies in the whole picture, for operators that use
	// global coordinates. Calls do not overlap.
	Run(ctx context.Context, dst, src []float32, h, w int, window Window) error
}

// MemoryEstimator is a Generator that knows how much memory it needs.
type MemoryEstimator interface {
	// Memory returns the bytes that Run needs for h x w input pixels beside dst and src.
	Memory(h, w int) int64
}

// HaloMeasurer is a Generator that can find out how far tiles must overlap for their error to be invisible, where its Halo is
// too large to be practical.
type HaloMeasurer interface {
	// MeasureHalo returns that overlap in input pixels. It may take as long as a few tiles.
	MeasureHalo(ctx context.Context) (int, error)
}

// Window is a tile's place in the whole picture, in input pixels. The picture is the photo extended to the network's
// required size.
type Window struct {
	X, Y, W, H     int
	ImageW, ImageH int
}

// Range is an interval of values that black to white maps to; the zero value stands for 0 to 1.
type Range struct{ Lo, Hi float32 }

// Facts describe a network as far as upscaling depends on it.
type Facts struct {
	Scale    int // output pixels for an input pixel on each axis; 1 for restorers
	Channels int // 3 for RGB, 1 for luminance (Y)
	Multiple int // input height and width must be multiples of it; 0 and 1: any

	// Halo is the receptive radius: the input pixels around an output pixel that can change it. Tiles that overlap by it equal
	// the whole picture.
	Halo int
	// ReducedHalo is used in place of a Halo that is too large to be practical, if it is not 0: an overlap whose error is
	// known to be invisible.
	ReducedHalo int
	// WholeImage is the reason why tiles cannot equal the whole picture, such as "GlobalAveragePool node_7 sees the whole
	// image"; empty if they can.
	WholeImage string

	FixedH, FixedW int // the only input size of a network frozen to one; 0: any size
	// FixedWhy is why other sizes would be wrong, if the file allows them.
	FixedWhy string

	// A pixel p from 0 to 1 enters as Range.Lo + (Range.Hi-Range.Lo) * (p-Mean)/Std by channel, and results leave by the inverse.
	// A Std of 0 stands for 1.
	Range     Range
	Mean, Std [3]float32
	// OutRange, if not zero, is the range of results, and Mean and Std do not apply to them.
	OutRange Range

	Output       string // the name of the network's output, for messages
	Architecture string // what the model's author calls it; for people
}

// check returns an error if f contradicts itself.
func (f Facts) check() (Facts, error) {
	f.Multiple = max(f.Multiple, 1)
	switch {
	case f.Scale < 1:
		return f, fmt.Errorf("upscale: the model's scale %d is not positive", f.Scale)
	case f.Channels != 1 && f.Channels != 3:
		return f, fmt.Errorf("upscale: a model with %d channels cannot take photos: it needs 3 (RGB) or 1 (luminance)", f.Channels)
	case f.Halo < 0 || f.ReducedHalo < 0:
		return f, errors.New("upscale: the model's halo is negative")
	case f.Range.empty():
		return f, fmt.Errorf("upscale: the model's value range from %g to %g is empty", f.Range.Lo, f.Range.Hi)
	case f.OutRange.empty():
		return f, fmt.Errorf("upscale: the model's output range from %g to %g is empty", f.OutRange.Lo, f.OutRange.Hi)
	case (f.FixedH == 0) != (f.FixedW == 0) || f.FixedH < 0 || f.FixedW < 0:
		return f, fmt.Errorf("upscale: the model's fixed size %dx%d is no size", f.FixedW, f.FixedH)
	case f.FixedH%f.Multiple != 0 || f.FixedW%f.Multiple != 0:
		return f, fmt.Errorf("upscale: the model's fixed size %dx%d is no multiple of %d", f.FixedW, f.FixedH, f.Multiple)
	}
	return f, nil
}

func (r Range) empty() bool { return r != Range{} && r.Lo >= r.Hi }

// bounds returns what r stands for.
func (r Range) bounds() (lo, length float32) {
	if r == (Range{}) {
		return 0, 1
	}
	return r.Lo, r.Hi - r.Lo
}

// encode returns a and b of the mapping a*p + b from pixels to the network's values of channel c.
func (f *Facts) encode(c int) (a, b float32) {
	lo, length := f.Range.bounds()
	a = length / f.std(c)
	return a, lo - a*f.Mean[c]
}

// decode returns a and b of the mapping a*v + b from the network's values of channel c to pixels.
func (f *Facts) decode(c int) (a, b float32) {
	if f.OutRange != (Range{}) {
		lo, length := f.OutRange.bounds()
		return 1 / length, -lo / length
	}
	lo, length := f.Range.bounds()
	a = f.std(c) / length
	return a, f.Mean[c] - a*lo
}

func (f *Facts) std(c int) float32 {
	if f.Std[c] == 0 {
		return 1
	}
	return f.Std[c]
}
