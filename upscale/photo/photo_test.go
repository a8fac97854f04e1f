package photo

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestAgainstPillow compares every file of testdata with what Pillow sees in it.
func TestAgainstPillow(t *testing.T) {
	names, err := os.ReadFile("testdata/expect.txt")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("testdata/expect.bin")
	if err != nil {
		t.Fatal(err)
	}
	// JPEG decoders may round their inverse DCT differently (IEEE 1180), and the chroma interpolation dithers its rounding
	// in libjpeg; lossy WebP has the latter only.
	tolerance := func(name string) int {
		switch {
		case strings.HasPrefix(name, "42"), strings.HasPrefix(name, "progressive"):
			return 6
		case strings.HasSuffix(name, ".jpg"), strings.HasPrefix(name, "lossy"):
			return 3
		}
		return 0
	}
	for _, name := range strings.Fields(string(names)) {
		w, h := int(binary.LittleEndian.Uint32(data)), int(binary.LittleEndian.Uint32(data[4:]))
		want := image.NRGBA{Pix: data[8 : 8+4*w*h], Stride: 4 * w, Rect: image.Rect(0, 0, w, h)}
		data = data[8+4*w*h:]
		t.Run(name, func(t *testing.T) {
			p, err := Open(filepath.Join("testdata", name), Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if p.Bounds() != want.Rect {
				t.Fatalf("bounds %v, Pillow %v", p.Bounds(), want.Rect)
			}
			worst, sum := 0, 0
			for y := range h {
				for x := range w {
					got, want := p.NRGBA64At(x, y), want.NRGBAAt(x, y)
					if want.A == 0 && name == "palettealpha.png" {
						want.R, want.G, want.B = 0, 0, 0 // Go's palettes lose invisible colours
					}
					for _, d := range []int{int(got.R>>8) - int(want.R), int(got.G>>8) - int(want.G),
						int(got.B>>8) - int(want.B), int(got.A>>8) - int(want.A)} {
						worst, sum = max(worst, d, -d), sum+max(d, -d)
					}
				}
			}
			t.Logf("largest difference %d, mean %.3f", worst, float64(sum)/float64(4*w*h))
			if worst > tolerance(name) {
				t.Errorf("largest difference %d of 255, tolerance %d", worst, tolerance(name))
			}
			if gray := strings.HasPrefix(name, "grey") || name == "bilevel.png"; p.Gray != gray {
				t.Errorf("Gray is %v", p.Gray)
			}
			if deep := strings.Contains(name, "16"); p.Deep != deep {
				t.Errorf("Deep is %v", p.Deep)
			}
			alpha := strings.Contains(name, "alpha") || strings.HasPrefix(name, "rgba") || name == "lossless.webp" || name == "deflate.tif"
			if p.Alpha != alpha {
				t.Errorf("Alpha is %v", p.Alpha)
			}
			if head, err := Stat(filepath.Join("testdata", name), Limits{}); err != nil || head.Size != p.Size {
				t.Errorf("Stat: %v, %v", head.Size, err)
			}
		})
	}
}

func TestContentNotName(t *testing.T) {
	b, err := os.ReadFile("testdata/420.jpg")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "photo.png")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if p, err := Open(path, Limits{}); err != nil || p.Format != JPEG {
		t.Errorf("a JPEG named .png: %v", err)
	}
}

func TestErrors(t *testing.T) {
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	huge := read("rgba.png")
	binary.BigEndian.PutUint32(huge[16:], 60000)
	binary.BigEndian.PutUint32(huge[20:], 60000)
	binary.BigEndian.PutUint32(huge[29:], crc(huge[12:29]))
	wide := read("rgba.png")
	binary.BigEndian.PutUint32(wide[16:], 10000)
	binary.BigEndian.PutUint32(wide[20:], 10000)
	binary.BigEndian.PutUint32(wide[29:], crc(wide[12:29]))

	dir := t.TempDir()
	for _, c := range []struct {
		name string
		data []byte
		lim  Limits
		want string
	}{
		{"empty.png", nil, Limits{}, "the file is empty"},
		{"text.png", []byte("this is no photo\n"), Limits{}, "not a PNG, JPEG, WebP, TIFF or BMP file"},
		{"short.png", read("rgba.png")[:200], Limits{}, "not enough pixel data"},
		{"short.jpg", read("420.jpg")[:700], Limits{}, "short Huffman data"},
		{"short.webp", read("lossy.webp")[:100], Limits{}, "webp: "},
		{"short.tif", read("lzw.tif")[:300], Limits{}, "tiff: "},
		{"short.bmp", read("rgb.bmp")[:300], Limits{}, "the file is cut short"},
		{"magic.jpg", []byte("\xff\xd8\xff"), Limits{}, "the file is cut short"},
		{"still.gif", []byte("GIF89a..........."), Limits{}, "a GIF file: only PNG"},
		{"phone.heic", []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00"), Limits{}, "a HEIC file: only PNG"},
		{"huge.png", huge, Limits{}, "60000x60000 pixels: the limit is 268 megapixels"},
		{"claims.png", wide, Limits{}, "10000x10000 pixels, more than its"},
		{"pixels.png", read("rgba.png"), Limits{Pixels: 500}, "37x23 pixels: the limit"},
		{"bytes.png", read("rgba16.png"), Limits{Bytes: 5000}, "decoding takes"},
	} {
		path := filepath.Join(dir, c.name)
		if err := os.WriteFile(path, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(path, c.lim)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.name) ||
			strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %q, want one line with %q", c.name, err, c.want)
		}
	}
	if _, err := Open(dir, Limits{}); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("folder: %v", err)
	}
	if _, err := Open(filepath.Join(dir, "absent.png"), Limits{}); err == nil || !strings.Contains(err.Error(), "absent.png") {
		t.Errorf("absent: %v", err)
	}
}

func crc(b []byte) uint32 {
	table := func(v uint32) uint32 {
		for range 8 {
			v = v>>1 ^ -(v&1)&0xedb88320
		}
		return v
	}
	c := ^uint32(0)
	for _, v := range b {
		c = table((c^uint32(v))&255) ^ c>>8
	}
	return ^c
}

func TestGuardRecovers(t *testing.T) {
	_, err := guard(TIFF, func(io.Reader) (int, error) { panic("index out of range\nstack") }, bytes.NewReader(nil), 0)
	if want := "tiff: broken data stopped the decoder: index out of range"; fmt.Sprint(err) != want {
		t.Errorf("error %v, want %q", err, want)
	}
}

func TestNew(t *testing.T) {
	full := image.NewRGBA64(image.Rect(0, 0, 8, 8))
	for i := range full.Pix {
		full.Pix[i] = uint8(i * 7)
	}
	for y := range 8 {
		for x := range 8 {
			c := full.RGBA64At(x, y)
			c.A = 0xffff
			full.SetRGBA64(x, y, c)
		}
	}
	p := New(full.SubImage(image.Rect(2, 3, 7, 8)))
	if p.Bounds() != image.Rect(0, 0, 5, 5) || p.Alpha || !p.Deep {
		t.Errorf("bounds %v, alpha %v, deep %v", p.Bounds(), p.Alpha, p.Deep)
	}
	if got, want := p.NRGBA64At(1, 2), color.NRGBA64(full.RGBA64At(3, 5)); got != want {
		t.Errorf("pixel %v, want %v", got, want)
	}
	// A part of a 4:2:0 image that starts at odd coordinates sees the chroma of the whole.
	m := image.NewYCbCr(image.Rect(0, 0, 9, 9), image.YCbCrSubsampleRatio420)
	for i := range m.Cb {
		m.Cb[i], m.Cr[i] = uint8(20*i), uint8(250-20*i)
	}
	part, whole := New(m.SubImage(image.Rect(3, 1, 8, 8))), New(m)
	for y := 1; y < 4; y++ { // at the part's own border chroma is clamped
		for x := 1; x < 3; x++ {
			if got, want := part.NRGBA64At(x, y), whole.NRGBA64At(x+3, y+1); got != want {
				t.Errorf("(%d, %d): %v, want %v", x, y, got, want)
			}
		}
	}
}

func TestFillTransparent(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 9, 7))
	for i := range m.Pix {
		m.Pix[i] = 0
	}
	for y := range 7 { // red on the left, blue on the right, green hidden in the middle
		m.SetNRGBA(0, y, color.NRGBA{R: 200, A: 255})
		m.SetNRGBA(8, y, color.NRGBA{B: 100, A: 1})
		m.SetNRGBA(4, y, color.NRGBA{G: 255})
	}
	p := New(m).FillTransparent()
	for x, want := range []color.NRGBA64{
		{R: 200 * 257, A: 0xffff}, {R: 200 * 257}, {R: 200 * 257}, {R: 200 * 257}, {R: 100 * 257, B: 50 * 257},
		{B: 100 * 257}, {B: 100 * 257}, {B: 100 * 257}, {B: 100 * 257, A: 257},
	} {
		if got := p.NRGBA64At(x, 3); got != want {
			t.Errorf("column %d: %v, want %v", x, got, want)
		}
	}
	if m.NRGBAAt(4, 0).G != 255 {
		t.Error("the source was changed")
	}
	clear := New(image.NewNRGBA(image.Rect(0, 0, 3, 3))).FillTransparent()
	if c := clear.NRGBA64At(1, 1); c != (color.NRGBA64{}) {
		t.Errorf("nothing visible: %v", c)
	}
}

// FuzzDecode feeds hostile files to every decoder: no panic, and no more memory than the limits allow.
func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.*")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		if Sniff(b) != "" {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		lim := Limits{Pixels: 1 << 14, Bytes: 1 << 18}
		start := time.Now()
		p, err := Decode(bytes.NewReader(b), int64(len(b)), lim)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("decoding took %v", took)
		}
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error has several lines: %q", err)
			}
			return
		}
		if n := int64(p.Size.X) * int64(p.Size.Y); n > lim.Pixels {
			t.Errorf("%v pixels", p.Size)
		}
		p = p.FillTransparent()
		for y := range p.Size.Y {
			for x := range p.Size.X {
				p.NRGBA64At(x, y)
			}
		}
		if err := png.Encode(io.Discard, p); err != nil {
			t.Error(err)
		}
	})
}
