package photo

import (
	"image"
	"image/color"
)

// FillTransparent returns the photo with the colours of its fully transparent pixels, which nobody sees but a network
// would, continued from the nearest visible ones: each ring of pixels around the visible ones gets the mean of its
// neighbours in the rings before. Alpha stays. A photo without alpha is returned as it is; otherwise the result is a copy.
func (p *Photo) FillTransparent() *Photo {
	if !p.Alpha {
		return p
	}
	w, h := p.Size.X, p.Size.Y
	var img image.Image
	var set func(x, y int, c color.NRGBA64)
	if p.Deep {
		m := image.NewNRGBA64(p.Bounds())
		img, set = m, m.SetNRGBA64
	} else {
		m := image.NewNRGBA(p.Bounds())
		img, set = m, func(x, y int, c color.NRGBA64) {
			m.SetNRGBA(x, y, color.NRGBA{R: uint8(c.R >> 8), G: uint8(c.G >> 8), B: uint8(c.B >> 8), A: uint8(c.A >> 8)})
		}
	}
	const unknown, queued, known = 0, 1, 2
	state := make([]uint8, w*h)
	for y := range h {
		for x := range w {
			c := p.NRGBA64At(x, y)
			set(x, y, c)
			if c.A != 0 {
				state[y*w+x] = known
			}
		}
	}
	around := func(i int, visit func(x, y, i int)) {
		for y := max(i/w-1, 0); y <= min(i/w+1, h-1); y++ {
			for x := max(i%w-1, 0); x <= min(i%w+1, w-1); x++ {
				if j := y*w + x; j != i {
					visit(x, y, j)
				}
			}
		}
	}
	filled := *p
	filled.Orientation, filled.stored, filled.at = 1, p.Size, pixels(img, false)

	var ring, next []int
	queue := func(_, _, j int) {
		if state[j] == unknown {
			state[j] = queued
			next = append(next, j)
		}
	}
	for i, s := range state {
		if s == known {
			around(i, queue)
		}
	}
	for len(next) > 0 {
		ring, next = next, ring[:0]
		for _, i := range ring {
			var r, g, b, n uint32
			around(i, func(x, y, j int) {
				if state[j] == known {
					c := filled.at(x, y)
					r, g, b, n = r+uint32(c.R), g+uint32(c.G), b+uint32(c.B), n+1
				}
			})
			set(i%w, i/w, color.NRGBA64{R: uint16(r / n), G: uint16(g / n), B: uint16(b / n)})
		}
		for _, i := range ring {
			state[i] = known
		}
		for _, i := range ring {
			around(i, queue)
		}
	}
	return &filled
}
