package upscale

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/gansr/gansr/upscale/photo"
)

// tree makes files in a new folder; the content "photo:NAME" stands for a file of photo/testdata.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		data := []byte(content)
		if from, ok := strings.CutPrefix(content, "photo:"); ok {
			var err error
			if data, err = os.ReadFile(filepath.Join("photo", "testdata", from)); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		// Photos are older than their results.
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(path, old, old); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			out = append(out, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return out
}

// run gives results as text: input, "->" and output, or "skip", or "!" and the error, with dir shown as D.
func run(t *testing.T, dir string, paths []string, out string, o PathOptions) (string, Summary, error) {
	t.Helper()
	u, err := New(nearest(Facts{Scale: 2, Channels: 3}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	sum, err := u.Paths(t.Context(), paths, out, o, func(r Result) {
		switch {
		case r.Err != nil:
			b.WriteString("! " + r.Err.Error())
		case r.Skipped:
			b.WriteString("skip " + r.Input)
		default:
			b.WriteString(r.Input + " -> " + r.Output)
		}
		b.WriteString("\n")
	})
	return filepath.ToSlash(strings.ReplaceAll(b.String(), dir, "D")), sum, err
}

func equal(t *testing.T, got, want string) {
	t.Helper()
	if want = strings.TrimLeft(want, "\n"); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestFolder(t *testing.T) {
	dir := tree(t, map[string]string{
		"in/b.png": "photo:rgba.png", "in/a.JPG": "photo:420.jpg", "in/sub/deep/c.tif": "photo:lzw.tif", "in/sub/d": "photo:rgb.bmp",
		"in/notes.txt": "text", "in/e.webp": "", "in/f.gif": "GIF89a", "in/.hidden.png": "photo:rgba.png", "in/wrong.png": "photo:422.jpg",
	})
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "in", "out")
	const all = `
D/in/a.JPG -> D/in/out/a.JPG
D/in/b.png -> D/in/out/b.png
! D/in/e.webp: the file is empty
! D/in/f.gif: a GIF file: only PNG, JPEG, WebP, TIFF and BMP can be read
D/in/sub/d -> D/in/out/sub/d.png
D/in/sub/deep/c.tif -> D/in/out/sub/deep/c.png
D/in/wrong.png -> D/in/out/wrong.jpg
`
	order := func(s string) string { // failures that are known beforehand come first
		var bad, good []string
		for l := range strings.Lines(strings.TrimLeft(s, "\n")) {
			if strings.HasPrefix(l, "!") {
				bad = append(bad, l)
			} else {
				good = append(good, l)
			}
		}
		return strings.Join(append(bad, good...), "")
	}
	got, sum, err := run(t, dir, []string{in}, out, PathOptions{DryRun: true})
	if err != nil || sum.Done != 5 || len(files(t, out)) != 0 {
		t.Errorf("dry run: %+v, %v, files %q", sum, err, files(t, out))
	}
	equal(t, got, order(all))

	got, sum, err = run(t, dir, []string{in}, out, PathOptions{})
	if err != nil || sum.Done != 5 || sum.Failed != 2 || sum.Pixels != 5*4*37*23 {
		t.Errorf("%+v, %v", sum, err)
	}
	equal(t, got, order(all))
	for _, name := range files(t, out) {
		p, err := photo.Open(filepath.Join(out, name), photo.Limits{})
		if err != nil || p.Size != image.Pt(74, 46) {
			t.Errorf("%s: %v", name, err)
		}
	}

	got, sum, err = run(t, dir, []string{in}, out, PathOptions{})
	if err != nil || sum.Skipped != 5 || sum.Done != 0 {
		t.Errorf("second run: %+v, %v\n%s", sum, err, got)
	}
	// A photo that changed is done again.
	now := time.Now().Add(time.Hour)
	if err := os.Chtimes(filepath.Join(in, "b.png"), now, now); err != nil {
		t.Fatal(err)
	}
	if got, sum, _ = run(t, dir, []string{in}, out, PathOptions{}); sum.Skipped != 4 || sum.Done != 1 {
		t.Errorf("after a change: %+v\n%s", sum, got)
	}
	if _, sum, _ = run(t, dir, []string{in}, filepath.Join(dir, "flat"), PathOptions{NoRecursive: true}); sum.Done != 3 {
		t.Errorf("not recursive: %+v, %q", sum, files(t, filepath.Join(dir, "flat")))
	}
}

func TestSuffixBesidePhotos(t *testing.T) {
	dir := tree(t, map[string]string{"a.png": "photo:rgba.png", "s/b.jpg": "photo:420.jpg"})
	const want = "\nD/a.png -> D/a_x2.png\nD/s/b.jpg -> D/s/b_x2.jpg\n"
	got, _, err := run(t, dir, []string{dir}, dir, PathOptions{Suffix: "_x2"})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, got, want)
	got, _, _ = run(t, dir, []string{dir}, dir, PathOptions{Suffix: "_x2"})
	equal(t, got, "skip D/a.png\nskip D/s/b.jpg\n")
}

func TestNothingIsOverwritten(t *testing.T) {
	dir := tree(t, map[string]string{"in/a.png": "photo:rgba.png", "in/a.jpg": "photo:420.jpg", "in/b.tif": "photo:lzw.tif", "in/b.bmp": "photo:rgb.bmp",
		"in/c.png": "photo:rgb16.png", "in2/c.png": "photo:grey.png", "t/x.png": "photo:rgba.png", "t/x.tif": "photo:lzw.tif"})
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	got, _, err := run(t, dir, []string{in, filepath.Join(dir, "in2")}, out, PathOptions{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, got, `
! D/in/b.bmp: its result D/out/b.png is the result of D/in/b.tif, too
! D/in/b.tif: its result D/out/b.png is the result of D/in/b.bmp, too
! D/in/c.png: its result D/out/c.png is the result of D/in2/c.png, too
! D/in2/c.png: its result D/out/c.png is the result of D/in/c.png, too
D/in/a.jpg -> D/out/a.jpg
D/in/a.png -> D/out/a.png
`)
	got, _, _ = run(t, dir, []string{filepath.Join(dir, "t")}, filepath.Join(dir, "t"), PathOptions{})
	equal(t, got, `
! D/t/x.png: its result would overwrite the input D/t/x.png
! D/t/x.tif: its result would overwrite the input D/t/x.png
`)
	// The same photo named twice is no clash.
	got, _, _ = run(t, dir, []string{filepath.Join(in, "a.jpg"), in + "/../in/a.jpg"}, filepath.Join(dir, "twice"), PathOptions{})
	equal(t, got, "D/in/a.jpg -> D/twice/a.jpg\n")

	u, err := New(nearest(Facts{Scale: 2, Channels: 3}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := u.File(t.Context(), filepath.Join(in, "a.png"), filepath.Join(dir, "in2", "..", "in", "a.png")); err == nil {
		t.Error("File overwrote its input")
	}
}

func TestFileTarget(t *testing.T) {
	dir := tree(t, map[string]string{"a.png": "photo:rgba.png", "b.png": "photo:grey.png", "old.jpg": "an older result", "dir.png/x": ""})
	at := func(name string) string { return filepath.Join(dir, name) }
	got, _, err := run(t, dir, []string{at("a.png")}, at("old.jpg"), PathOptions{})
	if err != nil {
		t.Error(err)
	}
	equal(t, got, "D/a.png -> D/old.jpg\n")
	if h, err := photo.Stat(at("old.jpg"), photo.Limits{}); err != nil || h.Format != photo.JPEG {
		t.Errorf("the file was not replaced: %v", err)
	}
	got, _, _ = run(t, dir, []string{at("a.png")}, at("new/deep/c.PNG"), PathOptions{})
	equal(t, got, "D/a.png -> D/new/deep/c.PNG\n")
	got, _, _ = run(t, dir, []string{at("a.png")}, at("dir.png"), PathOptions{Format: photo.JPEG})
	equal(t, got, "D/a.png -> D/dir.png/a.jpg\n")
	got, _, _ = run(t, dir, []string{at("a.png"), at("absent.png")}, at("two.v1"), PathOptions{})
	equal(t, strings.Replace(got, "The system cannot find the file specified.", "no such file or directory", 1),
		"! stat D/absent.png: no such file or directory\nD/a.png -> D/two.v1/a.png\n")

	for _, c := range []struct {
		paths []string
		out   string
		o     PathOptions
		want  string
	}{
		{[]string{"a.png", "b.png"}, "c.png", PathOptions{}, "several inputs need a folder"},
		{[]string{"dir.png"}, "c.png", PathOptions{}, "the photos of folder"},
		{[]string{"a.png"}, "c.webp", PathOptions{}, "only .png and .jpg can be written"},
		{[]string{"a.png"}, "c.png", PathOptions{Format: photo.JPEG}, "does not end like a file of format jpeg"},
		{[]string{"a.png"}, "o", PathOptions{Format: photo.WebP}, `format "webp" cannot be written`},
		{[]string{"a.png"}, "o", PathOptions{Suffix: "/x"}, "suffix"},
		{nil, "o", PathOptions{}, "no photos were named"},
		{[]string{"a.png"}, "", PathOptions{}, "no place for the results"},
	} {
		for i := range c.paths {
			c.paths[i] = at(c.paths[i])
		}
		if c.out != "" {
			c.out = at(c.out)
		}
		_, _, err := run(t, dir, c.paths, c.out, c.o)
		var usage UsageError
		if !errors.As(err, &usage) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q to %s: error %v, want %q", c.paths, c.out, err, c.want)
		}
	}
	if _, _, err := run(t, dir, []string{t.TempDir()}, at("o"), PathOptions{}); !errors.Is(err, ErrNoPhotos) {
		t.Errorf("empty folder: %v", err)
	}
}

func TestSymbolicLinks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("making symbolic links needs a privilege on Windows")
	}
	dir := tree(t, map[string]string{"in/sub/a.png": "photo:rgba.png", "else/b.png": "photo:grey.png"})
	in := filepath.Join(dir, "in")
	for name, to := range map[string]string{"in/sub/loop": in, "in/link.png": filepath.Join(dir, "else", "b.png"), "in/gone.png": "nowhere",
		"named": in, "in/folder.png": filepath.Join(dir, "else")} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	got, _, err := run(t, dir, []string{filepath.Join(dir, "named")}, filepath.Join(dir, "out"), PathOptions{})
	if err != nil {
		t.Fatal(err)
	}
	equal(t, got, `
! stat D/named/gone.png: no such file or directory
D/named/link.png -> D/out/link.png
D/named/sub/a.png -> D/out/sub/a.png
`)
	// Through a link, too, an input is not overwritten.
	got, _, _ = run(t, dir, []string{in}, filepath.Join(dir, "named"), PathOptions{NoRecursive: true})
	if !strings.Contains(got, "would overwrite the input") {
		t.Errorf("%s", got)
	}
}

func TestCancelledFile(t *testing.T) {
	dir := tree(t, map[string]string{"in/a.png": "photo:rgba.png", "in/b.png": "photo:grey.png", "in/c.png": "photo:grey.png"})
	out := filepath.Join(dir, "out")
	gen := nearest(Facts{Scale: 2, Channels: 3})
	u, err := New(gen, Options{Tile: 20})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := contextAfter(t, gen, 4) // a.png has two tiles, b.png four
	defer cancel()
	var results []Result
	sum, err := u.Paths(ctx, []string{filepath.Join(dir, "in")}, out, PathOptions{}, func(r Result) { results = append(results, r) })
	if !errors.Is(err, context.Canceled) || len(results) != 1 || results[0].Err != nil || sum.Done != 1 {
		t.Errorf("%v, results %+v", err, results)
	}
	if got := files(t, out); len(got) != 1 || got[0] != "a.png" {
		t.Errorf("files %q", got)
	}
}

func TestFailureLeavesNothing(t *testing.T) {
	dir := tree(t, map[string]string{"a.png": "photo:rgba.png"})
	gen := nearest(Facts{Scale: 2, Channels: 3, Output: "sr"})
	gen.at = func(_ []float32, _, x, y, _, _ int, win Window) float32 {
		zero := float32(win.X+win.Y+x) * 0
		return zero / zero
	}
	u, err := New(gen, Options{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := u.File(t.Context(), filepath.Join(dir, "a.png"), filepath.Join(dir, "o", "b.png"))
	if err == nil || r.Err == nil || !strings.Contains(err.Error(), "a.png: model output") || len(files(t, filepath.Join(dir, "o"))) != 0 {
		t.Errorf("%v, files %q", err, files(t, dir))
	}
}

// TestFileKeeps checks that what a photo is survives: its pixels, bits, greyness and alpha.
func TestFileKeeps(t *testing.T) {
	u, err := New(nearest(Facts{Scale: 1, Channels: 3}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	for _, name := range []string{"rgba.png", "grey.png", "greyalpha.png", "palette.png", "bilevel.png", "rgb16.png", "rgba16.png", "grey16.png",
		"orient6.png", "orient5.jpg", "lossless.webp", "deflate.tif", "grey16.tif", "rgb.bmp", "cmyk.jpg"} {
		in, to := filepath.Join("photo", "testdata", name), filepath.Join(out, name+".png")
		r, err := u.File(t.Context(), in, to)
		if err != nil || len(r.Warnings) > 0 {
			t.Errorf("%s: %v, warnings %q", name, err, r.Warnings)
			continue
		}
		want, err := photo.Open(in, photo.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := photo.Open(to, photo.Limits{})
		if err != nil {
			t.Fatal(err)
		}
		if got.Gray != want.Gray || got.Deep != want.Deep || got.Alpha != want.Alpha || got.Orientation != 1 {
			t.Errorf("%s: grey %v, deep %v, alpha %v", name, got.Gray, got.Deep, got.Alpha)
		}
		if d := largest(got, want.FillTransparent()); d > 0 {
			t.Errorf("%s: differs by %d of 65535", name, d)
		}
	}
	to := filepath.Join(out, "white.jpg")
	r, err := u.File(t.Context(), filepath.Join("photo", "testdata", "rgba16.png"), to)
	if err != nil || len(r.Warnings) != 2 {
		t.Errorf("JPEG of a deep photo with alpha: %v, warnings %q", err, r.Warnings)
	}
	p, err := photo.Open(to, photo.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if c := p.NRGBA64At(2, 10); c.R < 0xf800 || c.G < 0xf800 || c.B < 0xf800 {
		t.Errorf("what is transparent became %v", c)
	}
}

func TestJPEGTooWide(t *testing.T) {
	dir := t.TempDir()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 33000, 2))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "wide.png"), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := New(nearest(Facts{Scale: 2, Channels: 3}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = u.File(t.Context(), filepath.Join(dir, "wide.png"), filepath.Join(dir, "out.jpg"))
	if err == nil || !strings.Contains(err.Error(), "write PNG instead") || len(files(t, dir)) != 1 {
		t.Errorf("%v, files %q", err, files(t, dir))
	}
}

// TestFinishedRowsAreWritten checks that the whole result is never in memory: everything that is allocated on the way, freed or
// not, is less.
func TestFinishedRowsAreWritten(t *testing.T) {
	const side, scale = 800, 10
	dir := t.TempDir()
	in := filepath.Join(dir, "in.png")
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, side, side))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(in, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	gen := nearest(Facts{Scale: scale, Channels: 1})
	u, err := New(gen, Options{Tile: 32, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	for _, out := range []string{"out.png", "out.jpg"} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := u.File(t.Context(), in, filepath.Join(dir, out)); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > side*side*scale*scale/2 {
			t.Errorf("%s: %d MiB were allocated for a result of %d MiB", out, got>>20, side*side*scale*scale>>20)
		} else {
			t.Logf("%s: %d KiB", out, got>>10)
		}
	}
}
