package data

import (
	"image"
	"testing"
)

// The part with most detail is found wherever it lies, and a picture without any gives its first.
func TestDetailed(t *testing.T) {
	const w, h, scale = 211, 150, 2
	flat := func() *picture { return &picture{w, h, make([]uint8, 3*w*h)} }
	chequer := func(p *picture, r image.Rectangle) {
		for y := r.Min.Y; y < r.Max.Y; y++ {
			for x := r.Min.X; x < r.Max.X; x++ {
				p.pix[3*(y*w+x)+1] = uint8(255 * ((x + y) % 2))
			}
		}
	}
	if got, want := flat().detailed(20, scale), image.Rect(0, 0, 20, 20); got != want {
		t.Errorf("nothing: %v, want %v", got, want)
	}
	for _, at := range []image.Point{{0, 0}, {40, 30}, {170, 110}, {100, 0}, {0, 110}} {
		p := flat()
		r := image.Rectangle{Min: at, Max: at.Add(image.Pt(40, 40))}
		chequer(p, r)
		p.pix[0], p.pix[3*(w*h-1)] = 255, 255
		got := p.detailed(20, scale)
		if in := image.Rect(2*got.Min.X, 2*got.Min.Y, 2*got.Max.X, 2*got.Max.Y).Intersect(r); got.Dx() != 20 || got.Dy() != 20 || in.Dx()*in.Dy() < 1100 {
			t.Errorf("detail in %v: %v", r, got)
		}
	}
	p := flat()
	if got := p.detailed(90, scale); got != image.Rect(0, 0, 90, 75) {
		t.Errorf("a picture of 105x75: %v", got)
	}
}
