package upscale

import (
	"context"
	"errors"
	"fmt"
	"image"
	"time"

	"github.com/gansr/gansr/upscale/photo"
)

// NoOverlap, as Options.Overlap, cuts tiles without any overlap.
const NoOverlap = -1

// Options are the same for every photo. The zero value is a good default.
type Options struct {
	Scale   int   // enlargement of the result; 0: the network's. Smaller ones are reduced from it by bicubic interpolation
	Tile    int   // input pixels that a tile adds to the result on each axis, the overlap comes on top; 0: choose
	Overlap int   // input pixels that a tile sees beyond its share on each side; 0: choose
	Memory  int64 // bytes that decoding, tiles and the network may take together, if debug.SetMemoryLimit keeps garbage to it; 0: 2 GiB
	Threads int   // for writing; 0: one for each processor
	Quality int   // of JPEG, 1 to 100; 0: 95

	MaxPixels int64 // the largest photo read, in pixels; 0: photo.Limits' default

	Progress func(Progress) // called after every tile, unless nil
}

// Progress tells how far a call has come.
type Progress struct {
	Input               string // the photo in work
	File, Files         int    // its number, from 1, among those to be done
	Tile, Tiles         int    // finished tiles, and all of this photo
	Pixels, TotalPixels int64  // input pixels finished, and to be done in this call
}

// Result tells what became of one input.
type Result struct {
	Input, Output string
	Err           error       // why it failed; names the file
	Skipped       bool        // Output was there already
	In, Out       image.Point // sizes as shown, if known
	Duration      time.Duration
	Warnings      []string // what the result lacks, such as alpha in a JPEG
}

// UsageError reports arguments that cannot be meant.
type UsageError string

func (e UsageError) Error() string { return "upscale: " + string(e) }

func usage(format string, args ...any) error { return UsageError(fmt.Sprintf(format, args...)) }

// Upscaler enlarges photos with one generator. It does one photo at a time and is not for use by several goroutines.
type Upscaler struct {
	gen   Generator
	facts Facts
	opt   Options
}

// New pairs a generator with options. It fails if they, or the generator's facts, make no sense.
func New(gen Generator, opt Options) (*Upscaler, error) {
	facts, err := gen.Facts().check()
	if err != nil {
		return nil, err
	}
	if opt.Scale == 0 {
		opt.Scale = facts.Scale
	}
	if opt.Memory == 0 {
		opt.Memory = 2 << 30
	}
	if opt.Quality == 0 {
		opt.Quality = 95
	}
	switch {
	case opt.Scale < 0 || opt.Scale > facts.Scale:
		return nil, usage("scale %d is not possible with a model that enlarges by %d", opt.Scale, facts.Scale)
	case opt.Tile < 0:
		return nil, usage("tile size %d is negative", opt.Tile)
	case opt.Tile > 0 && facts.FixedW > 0:
		return nil, usage("tile size %d was given, and the model's input is fixed to %dx%d", opt.Tile, facts.FixedW, facts.FixedH)
	case opt.Overlap < NoOverlap:
		return nil, usage("overlap %d is negative", opt.Overlap)
	case opt.Memory < 0:
		return nil, usage("memory limit %d is negative", opt.Memory)
	case opt.Quality < 1 || opt.Quality > 100:
		return nil, usage("quality %d is not from 1 to 100", opt.Quality)
	}
	return &Upscaler{gen, facts, opt}, nil
}

// Scale returns the enlargement of the results.
func (u *Upscaler) Scale() int { return u.opt.Scale }

func (u *Upscaler) limits() photo.Limits {
	return photo.Limits{Pixels: u.opt.MaxPixels, Bytes: u.opt.Memory / 2}
}

// Plan returns how a photo with that header is cut into tiles, without decoding it.
func (u *Upscaler) Plan(h photo.Header) (Plan, error) {
	return u.plan(h, form{gray: h.Gray, alpha: true, deep: h.Deep})
}

func (u *Upscaler) plan(h photo.Header, f form) (Plan, error) {
	r := request{
		size: h.Size, tile: u.opt.Tile, overlap: u.opt.Overlap,
		// The rest is for the model as its file has it, and for garbage.
		budget: max(u.opt.Memory-h.Memory(), u.opt.Memory/8) / 4 * 3,
		cost: func(tile image.Point, rows int) int64 {
			s := int64(u.opt.Scale)
			band := int64(rows) * s * int64(h.Size.X) * s * int64(f.bytes())
			return u.runBytes(tile) + tilerBytes(&u.facts, tile) + band
		},
	}
	if f.alpha || u.facts.Channels == 1 && !h.Gray || u.opt.Scale != u.facts.Scale {
		r.margin = kernelReach
	}
	return u.facts.plan(r)
}

// runBytes returns what the generator needs for a tile.
func (u *Upscaler) runBytes(tile image.Point) int64 {
	if m, ok := u.gen.(MemoryEstimator); ok {
		return m.Memory(tile.Y, tile.X)
	}
	// Four layers of 64 channels alive at the input's size.
	return 4 * 64 * 4 * int64(tile.X) * int64(tile.Y)
}

// Image enlarges a picture in memory. The result is an *image.Gray, *image.Gray16, *image.NRGBA or *image.NRGBA64 after
// img's kind; its bounds start at (0, 0).
func (u *Upscaler) Image(ctx context.Context, img image.Image) (image.Image, error) {
	p := photo.New(img)
	if p.Size.X <= 0 || p.Size.Y <= 0 {
		return nil, errors.New("upscale: the picture is empty")
	}
	f := form{gray: p.Gray && !p.Alpha, alpha: p.Alpha, deep: p.Deep}
	rows, dst := collect(image.Rectangle{Max: p.Size.Mul(u.opt.Scale)}, f)
	n := int64(p.Size.X) * int64(p.Size.Y)
	if _, err := u.pixels(ctx, p, f, rows, u.meter(Progress{File: 1, Files: 1, TotalPixels: n}, n)); err != nil {
		return nil, err
	}
	return dst, nil
}

// collect returns a function that takes rows of the given form, and the image that they fill.
func collect(r image.Rectangle, f form) (func([]byte) error, image.Image) {
	var pix []byte
	var img image.Image
	switch {
	case f.gray && f.deep:
		m := image.NewGray16(r)
		pix, img = m.Pix, m
	case f.gray:
		m := image.NewGray(r)
		pix, img = m.Pix, m
	case f.deep:
		m := image.NewNRGBA64(r)
		pix, img = m.Pix, m
	default:
		m := image.NewNRGBA(r)
		pix, img = m.Pix, m
	}
	return func(rows []byte) error {
		if f.gray || f.alpha {
			pix = pix[copy(pix, rows):]
			return nil
		}
		n := f.bytes()
		for ; len(rows) > 0; rows = rows[n:] {
			k := copy(pix, rows[:n])
			for range n / 3 {
				pix[k] = 0xff
				k++
			}
			pix = pix[k:]
		}
		return nil
	}, img
}

// pixels enlarges a photo and gives its rows, in the given form, to write. A photo with alpha whose form has none is shown
// over white.
func (u *Upscaler) pixels(ctx context.Context, p *photo.Photo, f form, write func([]byte) error, done func(tile, tiles int)) (Plan, error) {
	plan, err := u.plan(p.Header, f)
	if err == nil && plan.Tiles() > 1 {
		plan, err = u.measured(ctx, plan, p.Header, f)
	}
	if err != nil {
		return plan, err
	}
	t := newTiler(u.gen, u.facts, u.opt.Scale, p.FillTransparent(), f, &plan)
	return plan, t.rows(ctx, &plan, write, func(n int) { done(n, plan.Tiles()) })
}

// measured returns a new plan if the network's receptive radius is too large to overlap by and a smaller overlap can be
// measured. That happens once, and only for photos that need several tiles.
func (u *Upscaler) measured(ctx context.Context, plan Plan, h photo.Header, f form) (Plan, error) {
	m, ok := u.gen.(HaloMeasurer)
	if !ok || u.facts.Halo <= maxHalo || u.facts.ReducedHalo > 0 || u.opt.Overlap != 0 || u.facts.FixedW > 0 {
		return plan, nil
	}
	halo, err := m.MeasureHalo(ctx)
	if err != nil {
		return plan, fmt.Errorf("upscale: measuring how far tiles must overlap: %w", err)
	}
	u.facts.ReducedHalo = halo
	return u.plan(h, f)
}

// meter returns what to call after every tile of a photo of n pixels, when p is the state before it.
func (u *Upscaler) meter(p Progress, n int64) func(tile, tiles int) {
	before := p.Pixels
	return func(tile, tiles int) {
		if u.opt.Progress != nil {
			p.Tile, p.Tiles, p.Pixels = tile, tiles, before+n*int64(tile)/int64(tiles)
			u.opt.Progress(p)
		}
	}
}
