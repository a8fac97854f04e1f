package upscale

import (
	"fmt"
	"image"
)

const (
	// maxHalo is the largest receptive radius that tiles are overlapped by without asking: around a tile of 256 pixels
	// it makes the network's work 2.25 times as large.
	maxHalo = 64
	// globalHalo overlaps the tiles of a network that sees the whole image: no overlap makes them equal to the whole.
	globalHalo = 32
	// kernelReach is how far the bicubic kernel looks, in input pixels.
	kernelReach = 2
	minCore     = 16
)

// Span is the share of one column or row of tiles: the network sees Tile pixels from Start on and gives [Lo, Hi) of the
// result. In input pixels.
type Span struct{ Start, Lo, Hi int }

// Plan says how a photo is cut into tiles of one shape. Tiles at the far edges are moved inwards, so that the network meets the
// edges of the picture and nothing beyond. All lengths are in input pixels.
type Plan struct {
	Picture  image.Point // the photo's size, extended by reflection to what the network requires
	Tile     image.Point // what the network sees at once
	Overlap  int         // what neighbouring tiles share on each side
	Columns  []Span
	Rows     []Span
	Memory   int64 // bytes that tiles, the network and the rows being finished are expected to take
	Warnings []string
}

// Tiles returns the number of tiles.
func (p *Plan) Tiles() int { return len(p.Columns) * len(p.Rows) }

// request is what a plan depends on beside the network.
type request struct {
	size    image.Point
	tile    int // 0: choose
	overlap int // 0: choose, NoOverlap: none
	margin  int // overlap that is needed beside the halo
	budget  int64
	// cost returns the bytes for tiles of the given size that finish so many rows of input pixels at once.
	cost func(tile image.Point, rows int) int64
}

func (f *Facts) plan(r request) (Plan, error) {
	m := f.Multiple
	p := Plan{Picture: image.Pt(roundUp(r.size.X, m), roundUp(r.size.Y, m))}
	if f.FixedW > 0 {
		err := f.planFixed(&p, r)
		return p, err
	}
	if f.WholeImage != "" && r.tile == 0 {
		p.Memory = r.cost(p.Picture, r.size.Y)
		if p.Memory <= r.budget {
			p.Tile = p.Picture
			p.cut(r.size)
			return p, nil
		}
	}
	p.Overlap = f.overlap(&p, r)
	if f.WholeImage != "" {
		why := "a tile size was given"
		if r.tile == 0 {
			why = fmt.Sprintf("the whole takes %s of %s", mib(p.Memory), mib(r.budget))
		}
		p.Warnings = append(p.Warnings, fmt.Sprintf("tiles may show seams: %s, and %s", f.WholeImage, why))
	}
	if r.tile > 0 {
		core := roundUp(r.tile, m) + 2*p.Overlap
		p.Tile = image.Pt(min(core, p.Picture.X), min(core, p.Picture.Y))
		p.cut(r.size)
		p.Memory = r.cost(p.Tile, p.tallest())
		return p, nil
	}
	// Larger tiles repeat less work at their borders.
	core := roundUp(max(256, min(8*p.Overlap, 512)), m)
	for {
		p.Tile = image.Pt(p.even(p.Picture.X, core, m), p.even(p.Picture.Y, core, m))
		p.cut(r.size)
		if p.Memory = r.cost(p.Tile, p.tallest()); p.Memory <= r.budget {
			return p, nil
		}
		smaller := roundUp(core/2, m)
		if smaller < minCore || smaller == core {
			return p, fmt.Errorf("upscale: a photo of %dx%d pixels takes %s even in tiles of %dx%d, the memory limit leaves %s",
				r.size.X, r.size.Y, mib(p.Memory), p.Tile.X, p.Tile.Y, mib(r.budget))
		}
		core = smaller
	}
}

func (f *Facts) planFixed(p *Plan, r request) error {
	p.Tile = image.Pt(f.FixedW, f.FixedH)
	p.Picture = image.Pt(max(p.Picture.X, p.Tile.X), max(p.Picture.Y, p.Tile.Y))
	if p.Picture != p.Tile {
		if f.FixedWhy != "" {
			p.Warnings = append(p.Warnings, f.FixedWhy+`: tiles of that size are used; "gansr convert --size dynamic" makes a file for any`)
		}
		p.Overlap = f.overlap(p, r)
		if most := min(p.Tile.X, p.Tile.Y) / 4 / f.Multiple * f.Multiple; p.Overlap > most {
			p.Warnings = append(p.Warnings, fmt.Sprintf("tiles may show seams: the model's fixed size %dx%d allows an overlap of %d, and %d are needed",
				p.Tile.X, p.Tile.Y, most, p.Overlap))
			p.Overlap = most
		}
		if f.WholeImage != "" {
			p.Warnings = append(p.Warnings, fmt.Sprintf("tiles may show seams: %s, and its size is fixed to %dx%d", f.WholeImage, p.Tile.X, p.Tile.Y))
		}
	}
	p.cut(r.size)
	if p.Memory = r.cost(p.Tile, p.tallest()); p.Memory > r.budget {
		return fmt.Errorf("upscale: the model's fixed size %dx%d takes %s, the memory limit leaves %s",
			p.Tile.X, p.Tile.Y, mib(p.Memory), mib(r.budget))
	}
	return nil
}

// overlap returns the overlap on each side: a multiple of f.Multiple, so that every tile starts on the network's grid.
func (f *Facts) overlap(p *Plan, r request) int {
	switch {
	case r.overlap == NoOverlap:
		return 0
	case r.overlap > 0:
		return roundUp(r.overlap, f.Multiple)
	}
	halo := f.Halo
	switch {
	case halo > maxHalo && f.ReducedHalo > 0:
		halo = min(halo, f.ReducedHalo)
	case halo > maxHalo:
		halo = maxHalo
		p.Warnings = append(p.Warnings, fmt.Sprintf("tiles may show seams: they overlap by %d pixels, the model's receptive radius is %d", halo, f.Halo))
	}
	if f.WholeImage != "" {
		halo = max(halo, globalHalo)
	}
	return roundUp(halo+r.margin, f.Multiple)
}

// even returns the tile length on an axis of n pixels: as few tiles as cores of the given length allow, of even shares.
func (p *Plan) even(n, core, multiple int) int {
	inner := n - 2*p.Overlap
	if inner <= core {
		return n
	}
	tiles := (inner + core - 1) / core
	return roundUp((inner+tiles-1)/tiles, multiple) + 2*p.Overlap
}

// cut places the tiles over the picture; shares end at the photo's own size.
func (p *Plan) cut(size image.Point) {
	p.Columns = spans(p.Picture.X, p.Tile.X, p.Overlap, size.X)
	p.Rows = spans(p.Picture.Y, p.Tile.Y, p.Overlap, size.Y)
}

func spans(picture, tile, overlap, size int) []Span {
	var out []Span
	lo := 0
	for start := 0; ; start += tile - 2*overlap {
		if start+tile >= picture {
			return append(out, Span{picture - tile, lo, size})
		}
		hi := start + tile - overlap
		out = append(out, Span{start, lo, hi})
		lo = hi
	}
}

// tallest returns the rows of the tallest row of tiles.
func (p *Plan) tallest() int {
	most := 0
	for _, s := range p.Rows {
		most = max(most, s.Hi-s.Lo)
	}
	return most
}

func roundUp(n, multiple int) int { return (n + multiple - 1) / multiple * multiple }

func mib(bytes int64) string { return fmt.Sprintf("%.1f MiB", float64(bytes)/(1<<20)) }
