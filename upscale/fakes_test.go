package upscale

import (
	"context"
	"errors"
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"testing"
)

// fake is a Generator made of a function from one pixel of the tile to its Scale x Scale results.
type fake struct {
	facts Facts
	// at returns the value of channel c at output pixel (x, y) of the tile.
	at      func(src []float32, c, x, y, h, w int, win Window) float32
	windows []Window
	memory  func(h, w int) int64
}

func (f *fake) Facts() Facts { return f.facts }

func (f *fake) Memory(h, w int) int64 {
	if f.memory == nil {
		return 1 << 10
	}
	return f.memory(h, w)
}

func (f *fake) Run(_ context.Context, dst, src []float32, h, w int, win Window) error {
	f.windows = append(f.windows, win)
	s, m := f.facts.Scale, max(f.facts.Multiple, 1)
	switch {
	case len(src) != f.facts.Channels*h*w || len(dst) != len(src)*s*s:
		return errors.New("fake: wrong lengths")
	case h%m != 0 || w%m != 0 || win.X%m != 0 || win.Y%m != 0 || win.ImageW%m != 0 || win.ImageH%m != 0:
		return errors.New("fake: not on the network's grid")
	case f.facts.FixedW > 0 && (w != f.facts.FixedW || h != f.facts.FixedH):
		return errors.New("fake: not the fixed size")
	case win.W != w || win.H != h || win.X < 0 || win.Y < 0 || win.X+w > win.ImageW || win.Y+h > win.ImageH:
		return errors.New("fake: the window leaves the picture")
	}
	for c := range f.facts.Channels {
		for y := range h * s {
			for x := range w * s {
				dst[(c*h*s+y)*w*s+x] = f.at(src, c, x, y, h, w, win)
			}
		}
	}
	return nil
}

// nearest repeats pixels.
func nearest(facts Facts) *fake {
	s := facts.Scale
	return &fake{facts: facts, at: func(src []float32, c, x, y, h, w int, _ Window) float32 {
		return src[(c*h+y/s)*w+x/s]
	}}
}

// convolution is a random linear layer with zero padding whose receptive radius is r, and sub-pixel outputs.
func convolution(facts Facts, r int) *fake {
	rng := rand.New(rand.NewPCG(3, 4))
	s, k := facts.Scale, 2*r+1
	weights := make([]float32, s*s*facts.Channels*k*k)
	for i := range weights {
		weights[i] = (rng.Float32() - 0.3) / float32(k*k)
	}
	facts.Halo = r
	return &fake{facts: facts, at: func(src []float32, c, x, y, h, w int, _ Window) float32 {
		var sum float32
		for ch := range facts.Channels {
			kernel := weights[(((y%s)*s+x%s)*facts.Channels+(c+ch)%facts.Channels)*k*k:]
			for j := range k {
				for i := range k {
					yy, xx := y/s+j-r, x/s+i-r
					if yy >= 0 && yy < h && xx >= 0 && xx < w {
						sum += kernel[j*k+i] * src[(ch*h+yy)*w+xx]
					}
				}
			}
		}
		return sum
	}}
}

// blocks mixes each pixel with the mean of its block of m x m pixels and the block to the right: its result depends on how
// the tile lies on a grid of m.
func blocks(facts Facts, m int) *fake {
	facts.Multiple, facts.Halo = m, 2*m-1
	s := facts.Scale
	return &fake{facts: facts, at: func(src []float32, c, x, y, h, w int, _ Window) float32 {
		x, y = x/s, y/s
		var sum float32
		for j := y / m * m; j < y/m*m+m; j++ {
			for i := x / m * m; i < min(x/m*m+2*m, w); i++ {
				sum += src[(c*h+j)*w+i]
			}
		}
		return 0.5*src[(c*h+y)*w+x] + 0.25*sum/float32(m*m)
	}}
}

// global multiplies by a ramp over the whole picture.
func global(facts Facts) *fake {
	s := facts.Scale
	return &fake{facts: facts, at: func(src []float32, c, x, y, h, w int, win Window) float32 {
		gx, gy := float32(x+s*win.X)/float32(s*win.ImageW), float32(y+s*win.Y)/float32(s*win.ImageH)
		return src[(c*h+y/s)*w+x/s] * (0.5 + 0.25*gx + 0.25*gy)
	}}
}

// noise returns a picture of random 16-bit colours, with soft and hard transparency if asked.
func noise(w, h int, alpha bool) *image.NRGBA64 {
	rng := rand.New(rand.NewPCG(5, 6))
	m := image.NewNRGBA64(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			c := color.NRGBA64{R: uint16(rng.Uint32()), G: uint16(rng.Uint32()), B: uint16(rng.Uint32()), A: 0xffff}
			if alpha {
				c.A = uint16(math.Max(0, 65535*math.Sin(float64(x+y)/9)))
			}
			m.SetNRGBA64(x, y, c)
		}
	}
	return m
}

func enlarge(t *testing.T, gen Generator, opt Options, img image.Image) image.Image {
	t.Helper()
	u, err := New(gen, opt)
	if err != nil {
		t.Fatal(err)
	}
	out, err := u.Image(t.Context(), img)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := out.Bounds(), (image.Rectangle{Max: img.Bounds().Size().Mul(u.Scale())}); got != want {
		t.Fatalf("the result is %v, want %v", got, want)
	}
	return out
}

// largest returns the largest difference of two pictures on a scale of 0 to 65535. Invisible colours count.
func largest(a, b image.Image) int {
	worst := 0
	straight := func(c color.Color) [4]int {
		if c, ok := c.(color.NRGBA64); ok {
			return [4]int{int(c.R), int(c.G), int(c.B), int(c.A)}
		}
		if c, ok := c.(color.NRGBA); ok {
			return [4]int{257 * int(c.R), 257 * int(c.G), 257 * int(c.B), 257 * int(c.A)}
		}
		r, g, b, a := c.RGBA()
		return [4]int{int(r), int(g), int(b), int(a)}
	}
	for y := range a.Bounds().Dy() {
		for x := range a.Bounds().Dx() {
			p, q := straight(a.At(x, y)), straight(b.At(x, y))
			for i := range p {
				worst = max(worst, p[i]-q[i], q[i]-p[i])
			}
		}
	}
	return worst
}

// contextAfter returns a context that is cancelled while the generator runs its n-th tile from now.
func contextAfter(t *testing.T, gen *fake, n int) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(t.Context())
	at, last := gen.at, len(gen.windows)+n
	gen.at = func(src []float32, c, x, y, h, w int, win Window) float32 {
		if len(gen.windows) >= last {
			cancel()
		}
		return at(src, c, x, y, h, w, win)
	}
	return ctx, cancel
}
