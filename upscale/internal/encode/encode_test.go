package encode

import (
	"bytes"
	"errors"
	"fmt"
	"hash/adler32"
	"image"
	"image/color"
	stdjpeg "image/jpeg"
	stdpng "image/png"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
)

// picture returns rows with smooth parts, noise and runs, so that every filter is the best one somewhere.
func picture(cfg Config) []byte {
	rng := rand.New(rand.NewPCG(1, 2))
	pix := make([]byte, cfg.RowBytes()*cfg.Height)
	for i := range pix {
		y, x := i/cfg.RowBytes(), i%cfg.RowBytes()
		switch y / 8 % 4 {
		case 0:
			pix[i] = byte(x*3 + y*5)
		case 1:
			pix[i] = byte(rng.IntN(256))
		case 2:
			pix[i] = byte(128 + x*y/64 + rng.IntN(4))
		}
	}
	return pix
}

// write feeds rows in bands of uneven heights.
func write(t *testing.T, w *Writer, cfg Config, pix []byte) {
	t.Helper()
	for i, n := 0, 0; len(pix) > 0; i++ {
		n = min(len(pix), cfg.RowBytes()*(1+i*i*7%90))
		if _, err := w.Write(pix[:n]); err != nil {
			t.Fatal(err)
		}
		pix = pix[n:]
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestPNG(t *testing.T) {
	for _, size := range []image.Point{{1, 1}, {7, 3}, {300, 450}, {5000, 200}} {
		for channels := 1; channels <= 4; channels++ {
			for _, deep := range []bool{false, true} {
				cfg := Config{Width: size.X, Height: size.Y, Channels: channels, Deep: deep, Threads: 3}
				t.Run(fmt.Sprint(cfg), func(t *testing.T) {
					pix := picture(cfg)
					var b bytes.Buffer
					w, err := PNG(&b, cfg)
					if err != nil {
						t.Fatal(err)
					}
					write(t, w, cfg, pix)
					img, err := stdpng.Decode(&b)
					if err != nil {
						t.Fatal(err)
					}
					if got := pixels(img, channels, deep); !bytes.Equal(got, pix) {
						t.Error("the standard library decodes other pixels")
					}
				})
			}
		}
	}
}

// pixels returns what image/png decoded in the form that Writer takes.
func pixels(img image.Image, channels int, deep bool) []byte {
	var out []byte
	put := func(v uint16) {
		if deep {
			out = append(out, byte(v>>8))
		}
		out = append(out, byte(v))
	}
	b := img.Bounds()
	for y := range b.Dy() {
		for x := range b.Dx() {
			var v [4]uint16
			switch c := img.At(x, y).(type) {
			case color.Gray:
				v[0] = uint16(c.Y)
			case color.Gray16:
				v[0] = c.Y
			case color.RGBA:
				v = [4]uint16{uint16(c.R), uint16(c.G), uint16(c.B)}
			case color.RGBA64:
				v = [4]uint16{c.R, c.G, c.B}
			case color.NRGBA:
				v = [4]uint16{uint16(c.R), uint16(c.G), uint16(c.B), uint16(c.A)}
			case color.NRGBA64:
				v = [4]uint16{c.R, c.G, c.B, c.A}
			}
			if channels == 2 {
				v[1] = v[3]
			}
			for _, v := range v[:channels] {
				put(v)
			}
		}
	}
	return out
}

func TestJPEG(t *testing.T) {
	for _, size := range []image.Point{{1, 1}, {17, 33}, {301, 450}, {64, 640}} {
		for _, channels := range []int{1, 3} {
			cfg := Config{Width: size.X, Height: size.Y, Channels: channels, Quality: 90, Threads: 3}
			t.Run(fmt.Sprint(cfg), func(t *testing.T) {
				pix := picture(cfg)
				var b, whole bytes.Buffer
				w, err := JPEG(&b, cfg)
				if err != nil {
					t.Fatal(err)
				}
				write(t, w, cfg, pix)
				r := image.Rectangle{Max: size}
				var src image.Image = &image.Gray{Pix: pix, Stride: size.X, Rect: r}
				if channels == 3 {
					m := image.NewRGBA(r)
					for i := range size.X * size.Y {
						copy(m.Pix[4*i:], pix[3*i:3*i+3])
						m.Pix[4*i+3] = 255
					}
					src = m
				}
				if err := stdjpeg.Encode(&whole, src, &stdjpeg.Options{Quality: 90}); err != nil {
					t.Fatal(err)
				}
				got, err := stdjpeg.Decode(&b)
				if err != nil {
					t.Fatal(err)
				}
				want, err := stdjpeg.Decode(&whole)
				if err != nil {
					t.Fatal(err)
				}
				if got.Bounds() != want.Bounds() {
					t.Fatalf("bounds %v, want %v", got.Bounds(), want.Bounds())
				}
				for y := range size.Y {
					for x := range size.X {
						if got.At(x, y) != want.At(x, y) {
							t.Fatalf("(%d, %d): %v, image/jpeg's own file has %v", x, y, got.At(x, y), want.At(x, y))
						}
					}
				}
			})
		}
	}
}

func TestAdlerJoin(t *testing.T) {
	b := make([]byte, 200000)
	for i := range b {
		b[i] = 255 - byte(i/5000)
	}
	for _, n := range []int{0, 1, 65520, 65521, 65522, 131042, len(b)} {
		got := adlerJoin(adler32.Checksum(b[:n]), adler32.Checksum(b[n:]), uint32(len(b)-n))
		if want := adler32.Checksum(b); got != want {
			t.Errorf("joined at %d: %08x, want %08x", n, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	if _, err := JPEG(io.Discard, Config{Width: 70000, Height: 10, Channels: 3}); err == nil ||
		!strings.Contains(err.Error(), "write PNG instead") {
		t.Errorf("wide JPEG: %v", err)
	}
	if _, err := JPEG(io.Discard, Config{Width: 7, Height: 10, Channels: 4}); err == nil {
		t.Error("JPEG with four channels: no error")
	}
	if _, err := PNG(io.Discard, Config{Width: 7, Height: 0, Channels: 4}); err == nil {
		t.Error("PNG without rows: no error")
	}
	cfg := Config{Width: 4, Height: 4, Channels: 1}
	w, err := PNG(io.Discard, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 8)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err == nil || !strings.Contains(err.Error(), "2 rows of 4") {
		t.Errorf("missing rows: %v", err)
	}
	w, err = PNG(io.Discard, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(make([]byte, 20)); err == nil {
		t.Error("too many rows: no error")
	}
	full := &fullDisk{left: 60}
	if w, err = PNG(full, cfg); err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(make([]byte, 16))
	if err := w.Close(); !errors.Is(err, errFull) {
		t.Errorf("full disk: %v", err)
	}
}

var errFull = errors.New("disk full")

type fullDisk struct{ left int }

func (d *fullDisk) Write(b []byte) (int, error) {
	if d.left -= len(b); d.left < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func BenchmarkPNG(b *testing.B) {
	benchmark(b, PNG, Config{Width: 4000, Height: 1024, Channels: 3})
}

func BenchmarkJPEG(b *testing.B) {
	benchmark(b, JPEG, Config{Width: 4000, Height: 1024, Channels: 3, Quality: 95})
}

func benchmark(b *testing.B, start func(io.Writer, Config) (*Writer, error), cfg Config) {
	pix := picture(cfg)
	b.SetBytes(int64(len(pix)))
	for b.Loop() {
		w, err := start(io.Discard, cfg)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := w.Write(pix); err != nil {
			b.Fatal(err)
		}
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
