package data

import (
	"image"

	"github.com/gansr/gansr/internal/interp"
	"github.com/gansr/gansr/upscale/photo"
)

// picture is a photo as it is kept in memory: 8-bit RGB, interleaved.
type picture struct {
	w, h int
	pix  []uint8
}

// newPicture copies a photo. Colours of fully transparent pixels, which files often leave black, are continued from visible ones.
func newPicture(p *photo.Photo) *picture {
	if p.Alpha {
		p = p.FillTransparent()
	}
	size := p.Bounds().Size()
	pic := &picture{size.X, size.Y, make([]uint8, 3*size.X*size.Y)}
	i := 0
	for y := range pic.h {
		for x := range pic.w {
			c := p.NRGBA64At(x, y)
			pic.pix[i], pic.pix[i+1], pic.pix[i+2] = to8(c.R), to8(c.G), to8(c.B)
			i += 3
		}
	}
	return pic
}

// to8 rounds, and gives v back for 257 v.
func to8(v uint16) uint8 { return uint8((uint32(v) + 128) / 257) }

// crop returns the part of the picture that r covers.
func (p *picture) crop(r image.Rectangle) planes {
	out := newPlanes(r.Dx(), r.Dy())
	for y := range out.h {
		in := p.pix[3*((r.Min.Y+y)*p.w+r.Min.X):]
		for c := range 3 {
			row := out.row(c, y)
			for x := range row {
				row[x] = float32(in[3*x+c]) / 255
			}
		}
	}
	return out
}

// downscaled returns the part r of the picture reduced by scale: the same pixels as that part of the whole reduced picture
// has. Columns and rows at the far edges that make no whole pixel are left out first.
func (p *picture) downscaled(r image.Rectangle, scale int, m interp.Method) planes {
	w, h := p.w/scale*scale, p.h/scale*scale
	across := m.Line(r.Min.X, r.Max.X, float64(scale), 0, w)
	down := m.Line(r.Min.Y, r.Max.Y, float64(scale), 0, h)
	first, last := h, 0
	for _, t := range down {
		first, last = min(first, t.Lo), max(last, t.Lo+len(t.Weights))
	}
	mid := newPlanes(r.Dx(), last-first)
	for y := range mid.h {
		in := p.pix[3*(first+y)*p.w:]
		for x, t := range across {
			var sum [3]float32
			px := in[3*t.Lo:]
			for i, w := range t.Weights {
				sum[0] += w * float32(px[3*i])
				sum[1] += w * float32(px[3*i+1])
				sum[2] += w * float32(px[3*i+2])
			}
			for c, v := range sum {
				mid.row(c, y)[x] = v / 255
			}
		}
	}
	for i := range down {
		down[i].Lo -= first
	}
	out := mid.resizeDown(down)
	out.quantise()
	return out
}
