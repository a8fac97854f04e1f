package photo

import (
	"image"
	"image/color"
)

// Bounds returns the photo's rectangle as shown; it starts at (0, 0).
func (p *Photo) Bounds() image.Rectangle { return image.Rectangle{Max: p.Size} }

// ColorModel returns color.NRGBA64Model.
func (p *Photo) ColorModel() color.Model { return color.NRGBA64Model }

// At returns the colour at (x, y) of the photo as shown.
func (p *Photo) At(x, y int) color.Color { return p.NRGBA64At(x, y) }

// NRGBA64At returns the straight colour at (x, y) of the photo as shown. 8-bit values v are 257 v.
func (p *Photo) NRGBA64At(x, y int) color.NRGBA64 {
	if !(image.Point{x, y}).In(p.Bounds()) {
		return color.NRGBA64{}
	}
	right, bottom := p.stored.X-1, p.stored.Y-1
	switch p.Orientation {
	case 2:
		x = right - x
	case 3:
		x, y = right-x, bottom-y
	case 4:
		y = bottom - y
	case 5:
		x, y = y, x
	case 6:
		x, y = y, bottom-x
	case 7:
		x, y = right-y, bottom-x
	case 8:
		x, y = right-y, x
	}
	return p.at(x, y)
}

// pixels returns the reader of img's straight colours, with its bounds moved to (0, 0). studio says that YCbCr values
// are in BT.601's studio range, as WebP's are, instead of JPEG's full range.
func pixels(img image.Image, studio bool) func(x, y int) color.NRGBA64 {
	min := img.Bounds().Min
	switch m := img.(type) {
	case *image.YCbCr:
		return newYCbCr(m, studio).at
	case *image.NYCbCrA:
		y := newYCbCr(&m.YCbCr, studio)
		return func(x0, y0 int) color.NRGBA64 {
			c := y.at(x0, y0)
			c.A = 257 * uint16(m.A[m.AOffset(x0+min.X, y0+min.Y)])
			return c
		}
	case *image.NRGBA:
		return func(x, y int) color.NRGBA64 {
			c := m.NRGBAAt(x+min.X, y+min.Y)
			return color.NRGBA64{R: 257 * uint16(c.R), G: 257 * uint16(c.G), B: 257 * uint16(c.B), A: 257 * uint16(c.A)}
		}
	case *image.NRGBA64:
		return func(x, y int) color.NRGBA64 { return m.NRGBA64At(x+min.X, y+min.Y) }
	case *Photo:
		return m.NRGBA64At
	case image.RGBA64Image:
		return func(x, y int) color.NRGBA64 {
			c := m.RGBA64At(x+min.X, y+min.Y)
			if c.A == 0xffff {
				return color.NRGBA64(c)
			}
			return color.NRGBA64Model.Convert(c).(color.NRGBA64)
		}
	}
	return func(x, y int) color.NRGBA64 {
		return color.NRGBA64Model.Convert(img.At(x+min.X, y+min.Y)).(color.NRGBA64)
	}
}

// ycbcr reads a YCbCr image. Chroma that is stored at half the size is interpolated with weights 3:1 (libjpeg's and libwebp's
// "fancy upsampling") where the image package repeats it: repeated chroma shows as blocks once enlarged.
type ycbcr struct {
	*image.YCbCr
	halfX, halfY int             // 1 where chroma is at half the size
	chroma       image.Rectangle // of the chroma planes, in their own absolute coordinates
	studio       bool
}

func newYCbCr(m *image.YCbCr, studio bool) ycbcr {
	y := ycbcr{YCbCr: m, studio: studio}
	switch m.SubsampleRatio {
	case image.YCbCrSubsampleRatio420:
		y.halfX, y.halfY = 1, 1
	case image.YCbCrSubsampleRatio422:
		y.halfX = 1
	case image.YCbCrSubsampleRatio440:
		y.halfY = 1
	}
	b := m.Bounds()
	y.chroma = image.Rect(b.Min.X>>y.halfX, b.Min.Y>>y.halfY, (b.Max.X-1)>>y.halfX+1, (b.Max.Y-1)>>y.halfY+1)
	return y
}

func (m ycbcr) at(x, y int) color.NRGBA64 {
	x, y = x+m.Rect.Min.X, y+m.Rect.Min.Y
	luma := m.Y[m.YOffset(x, y)]
	var cb, cr uint8
	if m.halfX+m.halfY == 0 {
		i := m.COffset(x, y)
		cb, cr = m.Cb[i], m.Cr[i]
	} else {
		x0, x1 := neighbours(x, m.halfX, m.chroma.Min.X, m.chroma.Max.X)
		y0, y1 := neighbours(y, m.halfY, m.chroma.Min.Y, m.chroma.Max.Y)
		near, far := (y0-m.chroma.Min.Y)*m.CStride-m.chroma.Min.X, (y1-m.chroma.Min.Y)*m.CStride-m.chroma.Min.X
		mix := func(p []uint8) uint8 {
			n := 3*int(p[near+x0]) + int(p[near+x1])
			f := 3*int(p[far+x0]) + int(p[far+x1])
			return uint8((3*n + f + 8) >> 4)
		}
		cb, cr = mix(m.Cb), mix(m.Cr)
	}
	var r, g, b uint8
	if m.studio {
		r, g, b = studioToRGB(luma, cb, cr)
	} else {
		r, g, b = color.YCbCrToRGB(luma, cb, cr)
	}
	return color.NRGBA64{R: 257 * uint16(r), G: 257 * uint16(g), B: 257 * uint16(b), A: 0xffff}
}

// neighbours returns the chroma samples that lie nearest and second nearest to luma sample v, clamped to [lo, hi); both
// are v itself where chroma has the full size.
func neighbours(v, half, lo, hi int) (near, far int) {
	if half == 0 {
		return v, v
	}
	near = v >> 1
	far = near + 2*(v&1) - 1
	return near, max(lo, min(far, hi-1))
}

// studioToRGB converts BT.601 with luma in 16..235 and chroma in 16..240.
func studioToRGB(y, cb, cr uint8) (r, g, b uint8) {
	yy := 76309 * (int32(y) - 16) // 255/219 in 16 fractional bits
	u, v := int32(cb)-128, int32(cr)-128
	to8 := func(x int32) uint8 { return uint8(max(0, min((x+1<<15)>>16, 255))) }
	return to8(yy + 104597*v), to8(yy - 25675*u - 53279*v), to8(yy + 132201*u)
}
