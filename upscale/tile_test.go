package upscale

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"strings"
	"testing"
)

// TestTiledEqualsWhole compares tiles of many shapes with the whole picture at 16 bits. Sums are made in the same order, so
// the results are the same to the bit.
func TestTiledEqualsWhole(t *testing.T) {
	for name, gen := range map[string]*fake{
		"nearest x3":        nearest(Facts{Scale: 3, Channels: 3}),
		"convolution x1":    convolution(Facts{Scale: 1, Channels: 3}, 2),
		"convolution x2":    convolution(Facts{Scale: 2, Channels: 3}, 3),
		"convolution -1..1": convolution(Facts{Scale: 2, Channels: 3, Range: Range{-1, 1}, Mean: [3]float32{.4, .5, .6}}, 1),
		"luminance x2":      convolution(Facts{Scale: 2, Channels: 1}, 2),
		"multiple of 4":     blocks(Facts{Scale: 2, Channels: 3}, 4),
		"multiple of 3":     blocks(Facts{Scale: 1, Channels: 1}, 3),
		"coordinates":       global(Facts{Scale: 2, Channels: 3}),
	} {
		for _, size := range []image.Point{{1, 1}, {5, 40}, {53, 38}} {
			for _, alpha := range []bool{false, true} {
				for scale := 1; scale <= gen.facts.Scale; scale++ {
					img := noise(size.X, size.Y, alpha)
					whole := enlarge(t, gen, Options{Tile: 1000, Scale: scale}, img)
					for _, tile := range []int{1, 7, 16} {
						if tile == 1 && size.X*size.Y > 400 {
							continue
						}
						gen.windows = nil
						tiled := enlarge(t, gen, Options{Tile: tile, Scale: scale}, img)
						if d := largest(whole, tiled); d > 0 {
							t.Errorf("%s, %v pixels, alpha %v, scale %d, tiles of %d: differs by %d of 65535", name, size, alpha, scale, tile, d)
						}
						for _, w := range gen.windows {
							if w.W != gen.windows[0].W || w.H != gen.windows[0].H {
								t.Errorf("%s: tiles of different shapes: %v and %v", name, gen.windows[0], w)
							}
						}
					}
				}
			}
		}
	}
}

// TestSeamWithoutOverlap shows that the test above can fail.
func TestSeamWithoutOverlap(t *testing.T) {
	gen := convolution(Facts{Scale: 2, Channels: 3}, 3)
	img := noise(50, 30, false)
	whole := enlarge(t, gen, Options{Tile: 1000}, img)
	for _, overlap := range []int{NoOverlap, 2} {
		if largest(whole, enlarge(t, gen, Options{Tile: 16, Overlap: overlap}, img)) == 0 {
			t.Errorf("overlap %d is less than the receptive radius and shows no difference", overlap)
		}
	}
}

func TestFixedSize(t *testing.T) {
	gen := convolution(Facts{Scale: 2, Channels: 3, FixedH: 20, FixedW: 24}, 3)
	free := convolution(Facts{Scale: 2, Channels: 3}, 3)
	img := noise(61, 47, true)
	if d := largest(enlarge(t, gen, Options{}, img), enlarge(t, free, Options{}, img)); d > 0 {
		t.Errorf("differs by %d from the network of free size", d)
	}
	enlarge(t, gen, Options{}, noise(9, 70, false)) // smaller than the tile on one axis
	enlarge(t, gen, Options{}, noise(3, 2, false))
}

// TestResample compares with Pillow's bicubic interpolation of float32 planes.
func TestResample(t *testing.T) {
	data, err := os.ReadFile("testdata/bicubic.bin")
	if err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile("testdata/bicubic.txt")
	if err != nil {
		t.Fatal(err)
	}
	take := func(w, h int) plane {
		p := newPlane(image.Rect(0, 0, w, h))
		for i := range p.pix {
			p.pix[i] = math.Float32frombits(binary.LittleEndian.Uint32(data))
			data = data[4:]
		}
		return p
	}
	for line := range strings.Lines(string(index)) {
		var w, h, w2, h2 int
		if _, err := fmt.Sscan(line, &w, &h, &w2, &h2); err != nil {
			t.Fatal(err)
		}
		src, want := take(w, h), take(w2, h2)
		got := newPlane(want.rect)
		resample(got, src, w2, w, src.rect)
		var worst float64
		for i, v := range got.pix {
			worst = max(worst, math.Abs(float64(v-want.pix[i])))
		}
		if worst > 1e-6 {
			t.Errorf("%dx%d to %dx%d: differs by %g from Pillow", w, h, w2, h2, worst)
		}
		// A part of the result is the same as that part of the whole.
		part := newPlane(image.Rect(w2/3, h2/3, w2/2+1, h2/2+1))
		resample(part, src, w2, w, src.rect)
		for y := part.rect.Min.Y; y < part.rect.Max.Y; y++ {
			for i, v := range part.row(y, part.rect.Min.X, part.rect.Max.X) {
				if v != got.row(y, part.rect.Min.X, part.rect.Max.X)[i] {
					t.Fatalf("%dx%d to %dx%d: a part differs", w, h, w2, h2)
				}
			}
		}
	}
}

// TestLuminanceNetwork compares with Pillow: its luminance repeated, its colour differences enlarged.
func TestLuminanceNetwork(t *testing.T) {
	read := func(name string) image.Image {
		f, err := os.Open("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		img, err := png.Decode(f)
		if err != nil {
			t.Fatal(err)
		}
		return img
	}
	got := enlarge(t, nearest(Facts{Scale: 2, Channels: 1}), Options{}, read("photo.png"))
	if d := largest(got, read("photo_y2.png")); d > 257 { // a value near a half may be rounded the other way
		t.Errorf("differs by %d of 65535 from Pillow", d)
	}
}

func TestGray(t *testing.T) {
	img := image.NewGray(image.Rect(0, 0, 9, 7))
	for i := range img.Pix {
		img.Pix[i] = uint8(i * 4)
	}
	for _, channels := range []int{1, 3} {
		out, ok := enlarge(t, nearest(Facts{Scale: 2, Channels: channels}), Options{Tile: 4}, img).(*image.Gray)
		if !ok {
			t.Fatalf("%d channels: a grey picture became coloured", channels)
		}
		for y := range 14 {
			for x := range 18 {
				if got, want := out.GrayAt(x, y), img.GrayAt(x/2, y/2); got != want {
					t.Fatalf("%d channels: (%d, %d) is %v, want %v", channels, x, y, got, want)
				}
			}
		}
	}
}

// TestRanges checks that a network sees its own range, and that repeating pixels gives the same picture back.
func TestRanges(t *testing.T) {
	img := noise(12, 9, false)
	img.SetNRGBA64(0, 0, color.NRGBA64{A: 0xffff})
	img.SetNRGBA64(1, 0, color.NRGBA64{R: 0xffff, G: 0xffff, B: 0xffff, A: 0xffff})
	for _, c := range []struct {
		facts        Facts
		black, white [3]float32
	}{
		{Facts{}, [3]float32{}, [3]float32{1, 1, 1}},
		{Facts{Range: Range{0, 255}}, [3]float32{}, [3]float32{255, 255, 255}},
		{Facts{Range: Range{-1, 1}}, [3]float32{-1, -1, -1}, [3]float32{1, 1, 1}},
		{Facts{Mean: [3]float32{.5, .25, 0}, Std: [3]float32{.5, .25, 1}}, [3]float32{-1, -1, 0}, [3]float32{1, 3, 1}},
	} {
		c.facts.Scale, c.facts.Channels = 1, 3
		gen := nearest(c.facts)
		var seen []float32
		at := gen.at
		gen.at = func(src []float32, ch, x, y, h, w int, win Window) float32 {
			seen = append([]float32(nil), src...)
			return at(src, ch, x, y, h, w, win)
		}
		if d := largest(img, enlarge(t, gen, Options{}, img)); d > 0 {
			t.Errorf("%+v: the same picture comes back with a difference of %d", c.facts, d)
		}
		for ch := range 3 {
			black, white := seen[ch*12*9], seen[ch*12*9+1]
			if d := black - c.black[ch]; d > 1e-4 || d < -1e-4 {
				t.Errorf("%+v: black is %g in channel %d, want %g", c.facts, black, ch, c.black[ch])
			}
			if d := white - c.white[ch]; d > 1e-4 || d < -1e-4 {
				t.Errorf("%+v: white is %g in channel %d, want %g", c.facts, white, ch, c.white[ch])
			}
		}
	}
	// Input from 0 to 1 with a mean, output from -1 to 1.
	gen := nearest(Facts{Scale: 1, Channels: 3, Mean: [3]float32{.1, .2, .3}, OutRange: Range{-1, 1}})
	gen.at = func(_ []float32, _, x, _, _, _ int, _ Window) float32 { return float32(x%3) - 1 }
	out := enlarge(t, gen, Options{}, img).(*image.NRGBA64)
	for x, want := range []uint16{0, 0x8000, 0xffff} {
		if got := out.NRGBA64At(x, 0).G; got != want {
			t.Errorf("output range: column %d is %d, want %d", x, got, want)
		}
	}
}

// TestRounding checks rounding half up and clamping.
func TestRounding(t *testing.T) {
	values := []float32{-3, -0.001, 0.4999 / 255, 0.5 / 255, 1.4999 / 255, 254.5 / 255, 1.001, 1e30}
	want := []uint8{0, 0, 0, 1, 1, 255, 255, 255}
	gen := nearest(Facts{Scale: 1, Channels: 1})
	gen.at = func(_ []float32, _, x, _, _, _ int, _ Window) float32 { return values[x] }
	out := enlarge(t, gen, Options{}, image.NewGray(image.Rect(0, 0, len(values), 1))).(*image.Gray)
	for i, v := range want {
		if out.Pix[i] != v {
			t.Errorf("%g became %d, want %d", values[i], out.Pix[i], v)
		}
	}
}

func TestNotFinite(t *testing.T) {
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		gen := nearest(Facts{Scale: 2, Channels: 3, Output: "sr"})
		gen.at = func(_ []float32, c, x, y, _, _ int, win Window) float32 {
			if c == 1 && x+2*win.X == 70 && y+2*win.Y == 41 {
				return float32(bad)
			}
			return 0
		}
		u, err := New(gen, Options{Tile: 20})
		if err != nil {
			t.Fatal(err)
		}
		out, err := u.Image(t.Context(), noise(50, 50, false))
		if out != nil || err == nil || !strings.Contains(err.Error(), `model output "sr"`) ||
			!strings.Contains(err.Error(), "channel 1 at column 70, row 41") {
			t.Errorf("%g: %v", bad, err)
		}
	}
}

func TestTransparentColoursDoNotBleed(t *testing.T) {
	img := image.NewNRGBA(image.Rect(0, 0, 20, 10))
	for y := range 10 {
		for x := range 20 {
			c := color.NRGBA{R: 200, G: 100, B: 50, A: 255}
			if x >= 10 {
				c = color.NRGBA{G: 255} // invisible green
			}
			img.SetNRGBA(x, y, c)
		}
	}
	gen := convolution(Facts{Scale: 2, Channels: 3}, 2)
	box := func(src []float32, c, x, y, h, w int, _ Window) float32 { // a blur
		x, y = x/2, y/2
		var sum, n float32
		for j := max(y-2, 0); j <= min(y+2, h-1); j++ {
			for i := max(x-2, 0); i <= min(x+2, w-1); i++ {
				sum, n = sum+src[(c*h+j)*w+i], n+1
			}
		}
		return sum / n
	}
	gen.at = box
	out := enlarge(t, gen, Options{}, img).(*image.NRGBA)
	visible := 0
	for y := range 20 {
		for x := range 40 {
			c := out.NRGBAAt(x, y)
			if c.A == 0 {
				continue
			}
			visible++
			if c.R != 200 || c.G != 100 || c.B != 50 {
				t.Fatalf("(%d, %d) is %v", x, y, c)
			}
		}
	}
	if visible < 20*20 || visible > 20*24 {
		t.Errorf("%d pixels are visible", visible)
	}
}

func TestProgressAndCancel(t *testing.T) {
	var seen []Progress
	gen := nearest(Facts{Scale: 2, Channels: 3})
	u, err := New(gen, Options{Tile: 16, Progress: func(p Progress) { seen = append(seen, p) }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.Image(t.Context(), noise(40, 20, false)); err != nil {
		t.Fatal(err)
	}
	if n := len(seen); n != 6 || seen[0].Tiles != 6 || seen[5].Tile != 6 || seen[5].Pixels != 800 || seen[2].TotalPixels != 800 {
		t.Errorf("progress %+v", seen)
	}
	ctx, cancel := contextAfter(t, gen, 3)
	defer cancel()
	if _, err := u.Image(ctx, noise(40, 20, false)); !errors.Is(err, ctx.Err()) || err == nil {
		t.Errorf("cancelled: %v", err)
	}
}
