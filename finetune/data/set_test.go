package data

import (
	"context"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gansr/gansr/internal/interp"
	"github.com/gansr/gansr/upscale/photo"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// noisy is a picture that differs everywhere and from every other seed's.
func noisy(seed uint64, w, h int) *image.NRGBA {
	rng := rand.New(rand.NewPCG(seed, 0))
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range img.Pix {
		img.Pix[i] = uint8(rng.IntN(256)) | uint8(max(0, i%4-2)*255)
	}
	return img
}

func write(t testing.TB, img image.Image, elem ...string) string {
	t.Helper()
	path := filepath.Join(elem...)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if strings.HasSuffix(path, ".jpg") {
		err = jpeg.Encode(f, img, nil)
	} else {
		err = png.Encode(f, img)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// photos writes n photos of different sizes, some in a folder inside.
func photos(t testing.TB, n int) string {
	dir := t.TempDir()
	for i := range n {
		write(t, noisy(uint64(i), 40+i, 50-i), dir, []string{"", "inside"}[i%2], string(rune('a'+i))+[]string{".png", ".jpg"}[i/2%2])
	}
	return dir
}

func open(t testing.TB, o Options) *Set {
	t.Helper()
	o.Log = quiet
	s, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func next(t testing.TB, s *Source) Batch {
	t.Helper()
	b, err := s.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func equal(a, b Batch) bool {
	return a.N == b.N && a.H == b.H && a.W == b.W && slices.Equal(a.LR, b.LR) && slices.Equal(a.HR, b.HR)
}

// TestDownscale compares with Pillow and with the definition of imresize.
func TestDownscale(t *testing.T) {
	load := func(name string) *picture {
		p, err := photo.Open(filepath.Join("testdata", name), photo.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return newPicture(p)
	}
	src := load("photo.png")
	for _, c := range []struct {
		file   string
		method interp.Method
		off    int // Pillow rounds to 8 bits between the axes
	}{{"bilinear.png", Bilinear.method(), 1}, {"bicubic.png", Bicubic.method(), 0}} {
		want := load(c.file)
		whole := src.downscaled(image.Rect(0, 0, 14, 10), 4, c.method)
		worst, differ := 0, 0
		for y := range 10 {
			for x := range 14 {
				for ch := range 3 {
					d := int(level(whole.row(ch, y)[x])) - int(want.pix[3*(14*y+x)+ch])
					worst = max(worst, d, -d)
					if d != 0 {
						differ++
					}
				}
			}
		}
		if worst > c.off || differ > 60 {
			t.Errorf("%s: differs by up to %d, in %d of 420 values", c.file, worst, differ)
		}
		part := src.downscaled(image.Rect(3, 2, 9, 10), 4, c.method)
		for ch := range 3 {
			for y := range part.h {
				if !slices.Equal(part.row(ch, y), whole.row(ch, y+2)[3:9]) {
					t.Fatalf("%s: a part is not the same as that of the whole", c.file)
				}
			}
		}
	}
}

func TestPairs(t *testing.T) {
	lr, hr := t.TempDir(), t.TempDir()
	for i := range 4 {
		high := noisy(uint64(i), 32, 48)
		low := image.NewNRGBA(image.Rect(0, 0, 16, 24)) // every second pixel, so that pairs can be recognised
		for y := range 24 {
			for x := range 16 {
				low.SetNRGBA(x, y, high.NRGBAAt(2*x, 2*y))
			}
		}
		name := string(rune('a' + i))
		write(t, high, hr, "sub", name+"_HR.png")
		write(t, low, lr, "sub", name+"x2.png")
	}
	write(t, noisy(8, 32, 32), hr, "only-hr.png")
	write(t, noisy(8, 16, 16), lr, "only-lr.png")
	write(t, noisy(8, 32, 32), hr, "size.png")
	write(t, noisy(8, 15, 16), lr, "size.png")
	write(t, noisy(8, 32, 32), hr, "twice.png")
	write(t, noisy(8, 16, 16), lr, "twice.png")
	write(t, noisy(8, 16, 16), lr, "twice.jpg")
	set := open(t, Options{LR: lr, HR: hr, Scale: 2, Patch: 8, Batch: 5, NoFlips: true, Held: -1})
	var out []string
	for _, l := range set.LeftOut() {
		out = append(out, filepath.Base(l.Path)+": "+l.Err.Error())
	}
	slices.Sort(out)
	text := strings.Join(out, "\n")
	for _, want := range []string{"only-hr.png: has no LR photo", "only-lr.png: has no HR photo", "size.png: has 32x32 pixels, but scale 2 of", "twice.png: has the same name as"} {
		if !strings.Contains(text, want) {
			t.Errorf("nothing like %q in\n%s", want, text)
		}
	}
	if len(out) != 4 || len(set.Photos()) != 5 || set.Photos()[0].LR == "" {
		t.Errorf("left out:\n%s\nused: %v", text, set.Photos())
	}
	found := 0
	for range 10 {
		b := next(t, set.Train())
		for n := range b.N {
			h, l := planes{16, 16, b.HR[n*768:][:768]}, planes{8, 8, b.LR[n*192:][:192]}
			same := true
			for y := range 8 {
				for x := range 8 {
					same = same && h.row(0, 2*y)[2*x] == l.row(0, y)[x]
				}
			}
			if same {
				found++
			}
		}
	}
	if found != 40 { // all but "twice"
		t.Errorf("%d of 50 pairs belong together, want 40", found)
	}
}

// Files that cannot be used are named, and the rest is used.
func TestLeftOut(t *testing.T) {
	dir := photos(t, 4)
	write(t, noisy(1, 20, 14), dir, "small.png")
	whole, err := os.ReadFile(write(t, noisy(1, 64, 64), dir, "cut.png"))
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"cut.png": whole[:len(whole)/2], "empty.jpg": nil, "text.jpg": []byte("no picture"), "notes.txt": []byte("x"), ".hidden.png": whole[:50]} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, room := range []int64{0, 1} { // 1: nothing is decoded before it is needed
		var log strings.Builder
		set, err := Open(t.Context(), Options{Photos: dir, Scale: 2, Patch: 8, Batch: 4, Held: -1, Cache: room, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		src := set.Train()
		for range 2 * src.Len() {
			next(t, src)
		}
		var names []string
		for _, l := range set.LeftOut() {
			names = append(names, filepath.Base(l.Path))
			if strings.Count(log.String(), l.Path) < 1 || strings.ContainsRune(l.String(), '\n') {
				t.Errorf("%s is not named in one line: %q, log:\n%s", l.Path, l, log.String())
			}
		}
		if want := []string{"cut.png", "empty.jpg", "small.png", "text.jpg"}; !slices.Equal(names, want) {
			t.Errorf("room %d: left out %v, want %v", room, names, want)
		}
		if n := strings.Count(log.String(), "\n"); n != 4 {
			t.Errorf("%d lines for 4 photos:\n%s", n, log.String())
		}
	}
}

func TestEmpty(t *testing.T) {
	broken := t.TempDir()
	path := write(t, noisy(1, 64, 64), broken, "a.png")
	if err := os.Truncate(path, 3000); err != nil {
		t.Fatal(err)
	}
	small := t.TempDir()
	write(t, noisy(1, 8, 8), small, "a.png")
	for _, dir := range []string{t.TempDir(), small, broken} {
		o := Options{Photos: dir, Scale: 2, Patch: 8, Batch: 1, Log: quiet}
		if _, err := Open(t.Context(), o); !errors.Is(err, ErrNoPhotos) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	s := open(t, Options{Photos: broken, Scale: 2, Patch: 8, Batch: 3, Cache: 1}).Train()
	for range 2 {
		if _, err := s.Next(t.Context()); !errors.Is(err, ErrNoPhotos) || strings.ContainsRune(err.Error(), '\n') {
			t.Errorf("all photos are broken: %v", err)
		}
	}
	if _, err := Open(t.Context(), Options{Photos: filepath.Join(small, "none"), Scale: 2, Patch: 8, Batch: 1}); err == nil || errors.Is(err, ErrNoPhotos) {
		t.Errorf("no folder: %v", err)
	}
}

func TestHeldOut(t *testing.T) {
	dir := photos(t, 20)
	names := func(s *Set) (train, held []string) {
		for _, p := range s.Photos() {
			if p.Held {
				held = append(held, p.Name)
			} else {
				train = append(train, p.Name)
			}
		}
		return
	}
	o := Options{Photos: dir, Scale: 2, Patch: 8, Batch: 1, Held: 0.3, Degrade: Light()}
	set := open(t, o)
	train, held := names(set)
	if len(train)+len(held) != 20 || len(held) < 2 || len(held) > 11 {
		t.Errorf("%d and %d photos", len(train), len(held))
	}
	var crops []Sample
	for range 2 {
		for s, err := range set.Validation(context.Background(), 10) {
			if err != nil {
				t.Fatal(err)
			}
			crops = append(crops, s)
		}
	}
	if len(crops) != 2*len(held) {
		t.Fatalf("%d samples for %d photos", len(crops), len(held))
	}
	for i, name := range held {
		a, b := crops[i], crops[len(held)+i]
		if a.Name != name || a.H != 10 || a.W != 10 || len(a.HR) != 3*400 || !equal(a.Batch, b.Batch) {
			t.Errorf("%s: %s, %dx%d, not the same again, or not a part", name, a.Name, a.W, a.H)
		}
	}
	for s, err := range set.Validation(context.Background(), 0) {
		if err != nil || s.H*s.W < 15*20 {
			t.Errorf("%s: whole photo of %dx%d, %v", s.Name, s.W, s.H, err)
		}
	}
	// Without one photo the others stay on their sides.
	if err := os.Remove(filepath.Join(dir, filepath.FromSlash(train[0]))); err != nil {
		t.Fatal(err)
	}
	less := open(t, o)
	if train2, held2 := names(less); !slices.Equal(held, held2) || !slices.Equal(train[1:], train2) {
		t.Error("the split changes with a photo")
	}
	if less.Digest() == set.Digest() || less.Digest() != open(t, o).Digest() {
		t.Error("the digest does not follow the photos")
	}
	o.Held = 1
	if train, held := names(open(t, o)); len(train) != 0 || len(held) != 19 {
		t.Errorf("all held out: %d and %d", len(train), len(held))
	}
	for _, share := range []float64{0.0001, 0.9999} {
		o.Held = share
		if train, held := names(open(t, o)); len(train) == 0 || len(held) == 0 {
			t.Errorf("a share of %g leaves %d and %d", share, len(train), len(held))
		}
	}
}

// A folder named by a link is searched; links to folders inside, which may lead in circles, are not.
func TestLinks(t *testing.T) {
	dir := photos(t, 4)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Skip(err)
	}
	if err := os.Symlink(dir, filepath.Join(dir, "circle")); err != nil {
		t.Fatal(err)
	}
	o := Options{Photos: link, Scale: 2, Patch: 8, Batch: 1}
	set := open(t, o)
	if o.Photos = dir; len(set.Photos()) != 4 || set.Digest() != open(t, o).Digest() || !strings.HasPrefix(set.Photos()[0].HR, link) {
		t.Errorf("photos: %v", set.Photos())
	}
	o.Photos = set.Photos()[0].HR
	o.Log = quiet
	if _, err := Open(t.Context(), o); err == nil || !strings.Contains(err.Error(), "no folder") {
		t.Errorf("a file as a folder: %v", err)
	}
}

func TestOptions(t *testing.T) {
	good := Options{Photos: "x", Scale: 4, Patch: 8, Batch: 2}
	for name, change := range map[string]func(*Options){
		"nothing named": func(o *Options) { o.Photos = "" }, "both": func(o *Options) { o.LR, o.HR = "a", "b" },
		"half": func(o *Options) { o.Photos, o.LR = "", "a" }, "scale": func(o *Options) { o.Scale = 0 },
		"patch": func(o *Options) { o.Patch = -1 }, "batch": func(o *Options) { o.Batch = 0 },
		"held": func(o *Options) { o.Held = 2 }, "NaN": func(o *Options) { o.Held = math.NaN() },
		"method": func(o *Options) { o.Downscale = "nearest" }, "two ways": func(o *Options) { o.Downscale, o.Degrade = Bicubic, Light() },
	} {
		o := good
		change(&o)
		if _, err := o.withDefaults(); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
	if o, err := good.withDefaults(); err != nil || o.Held != 0.1 || o.Downscale != Bicubic || o.Workers < 1 {
		t.Errorf("defaults: %+v, %v", o, err)
	}
}
