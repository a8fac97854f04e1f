package data

import "github.com/gansr/gansr/internal/interp"

// planes is a picture to compute with: three planes (R, G, B) of float32 in 0..1, one after the other, as in an NCHW tensor.
type planes struct {
	w, h int
	pix  []float32
}

func newPlanes(w, h int) planes { return planes{w, h, make([]float32, 3*w*h)} }

func (p planes) plane(c int) []float32 { return p.pix[c*p.w*p.h : (c+1)*p.w*p.h] }

func (p planes) row(c, y int) []float32 {
	at := (c*p.h + y) * p.w
	return p.pix[at : at+p.w]
}

// quantise clamps to 0..1 and rounds to multiples of 1/255.
func (p planes) quantise() {
	for i, v := range p.pix {
		p.pix[i] = float32(level(v)) / 255
	}
}

// level returns the 8-bit value nearest to v in 0..1; values outside are clamped.
func level(v float32) uint8 { return uint8(max(0, min(255*v+0.5, 255))) }

func (p planes) clamp() {
	for i, v := range p.pix {
		p.pix[i] = max(0, min(v, 1))
	}
}

// resizeAcross and resizeDown replace each row, or each column, by the samples that taps make of it.
func (p planes) resizeAcross(taps []interp.Taps) planes {
	out := newPlanes(len(taps), p.h)
	for y := range 3 * p.h { // the rows of the planes follow each other
		in, row := p.pix[y*p.w:(y+1)*p.w], out.pix[y*out.w:(y+1)*out.w]
		for x, t := range taps {
			var sum float32
			for i, v := range in[t.Lo:][:len(t.Weights)] {
				sum += v * t.Weights[i]
			}
			row[x] = sum
		}
	}
	return out
}

func (p planes) resizeDown(taps []interp.Taps) planes {
	out := newPlanes(p.w, len(taps))
	for c := range 3 {
		for y, t := range taps {
			row := out.row(c, y)
			for i, w := range t.Weights {
				for x, v := range p.row(c, t.Lo+i) {
					row[x] += w * v
				}
			}
		}
	}
	return out
}

// turned returns the picture in one of the eight positions of a rectangle: bit 2 transposes it, then bit 1 mirrors it top to
// bottom and bit 0 left to right.
func (p planes) turned(position int) planes {
	if position == 0 {
		return p
	}
	w, h := p.w, p.h
	if position&4 != 0 {
		w, h = h, w
	}
	out := newPlanes(w, h)
	for c := range 3 {
		in := p.plane(c)
		for y := range h {
			row := out.row(c, y)
			for x := range row {
				sx, sy := x, y
				if position&1 != 0 {
					sx = w - 1 - x
				}
				if position&2 != 0 {
					sy = h - 1 - y
				}
				if position&4 != 0 {
					sx, sy = sy, sx
				}
				row[x] = in[sy*p.w+sx]
			}
		}
	}
	return out
}
