package watch

import (
	"image"
	"image/color"
)

// FromPlanes returns three planes of h x w values in 0..1 (R, G, B; one picture of an NCHW tensor) as an 8-bit picture.
// Values outside are clamped, and NaN is black.
func FromPlanes(pix []float32, h, w int) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range h * w {
		for c := range 3 {
			if v := pix[c*h*w+i]; v > 0 {
				img.Pix[4*i+c] = uint8(min(255*v+0.5, 255))
			}
		}
		img.Pix[4*i+3] = 255
	}
	return img
}

// Grid puts pictures side by side, row below row, with thin lines between. In each row they are enlarged to the height of
// the tallest by repeating pixels, which shows an LR picture as it is.
func Grid(rows [][]image.Image) *image.NRGBA {
	const gap = 2
	var size image.Point
	for _, row := range rows {
		width, height := -gap, tallest(row)
		for _, img := range row {
			width += gap + img.Bounds().Dx()*height/img.Bounds().Dy()
		}
		size.X, size.Y = max(size.X, width), size.Y+height+gap
	}
	out := image.NewNRGBA(image.Rect(0, 0, max(size.X, 1), max(size.Y-gap, 1)))
	for i := range out.Pix {
		out.Pix[i] = 255
	}
	y := 0
	for _, row := range rows {
		x, height := 0, tallest(row)
		for _, img := range row {
			b := img.Bounds()
			width := b.Dx() * height / b.Dy()
			for dy := range height {
				for dx := range width {
					c := color.NRGBAModel.Convert(img.At(b.Min.X+dx*b.Dx()/width, b.Min.Y+dy*b.Dy()/height)).(color.NRGBA)
					out.SetNRGBA(x+dx, y+dy, c)
				}
			}
			x += width + gap
		}
		y += height + gap
	}
	return out
}

func tallest(row []image.Image) (h int) {
	for _, img := range row {
		h = max(h, img.Bounds().Dy())
	}
	return h
}
