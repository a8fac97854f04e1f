package data

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"image"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/gansr/gansr/upscale/photo"
)

// file is one picture file.
type file struct {
	path, name string // name is the path below its folder, with slashes
	size       image.Point
	hash       [sha256.Size]byte // of the content
}

func (f *file) bytes() int64 { return 3 * int64(f.size.X) * int64(f.size.Y) }

// LeftOut is a photo that is not used.
type LeftOut struct {
	Path string
	Err  error // why; one line
}

// scan finds the photos of a folder and of those inside it, in the order of their names, and reads their headers and hashes.
// Hidden files, links to folders, and files that are no pictures by content and name are passed over; pictures that cannot be read are
// told to leftOut.
func scan(ctx context.Context, dir string, lim photo.Limits, leftOut func(path string, err error)) ([]*file, error) {
	var files []*file
	root, err := filepath.EvalSymlinks(dir) // WalkDir does not follow a link that it starts at
	if where := (*fs.PathError)(nil); errors.As(err, &where) {
		return nil, fmt.Errorf("data: folder of photos %s: %w", dir, where.Err)
	}
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil && path == root:
			return err
		case err != nil:
			leftOut(path, err)
			return nil
		case path == root && !d.IsDir():
			return fmt.Errorf("%s is no folder", dir)
		case path == root:
			return nil
		case strings.HasPrefix(d.Name(), ".") && d.IsDir():
			return fs.SkipDir
		case strings.HasPrefix(d.Name(), "."), d.IsDir():
			return nil
		}
		if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
			return nil
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		files = append(files, &file{path: filepath.Join(dir, name), name: filepath.ToSlash(name)})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("data: %w", err)
	}
	slices.SortFunc(files, func(a, b *file) int { return strings.Compare(a.name, b.name) })
	errs := make([]error, len(files))
	if err := each(ctx, len(files), func(i int) { errs[i] = files[i].read(lim) }); err != nil {
		return nil, err
	}
	kept := files[:0]
	for i, f := range files {
		switch {
		case errs[i] == nil:
			kept = append(kept, f)
		case !errors.Is(errs[i], errNoPicture):
			leftOut(f.path, errs[i])
		}
	}
	return kept, nil
}

var errNoPicture = errors.New("no picture")

// read fills in the size and the hash.
func (f *file) read(lim photo.Limits) error {
	h, err := photo.Stat(f.path, lim)
	if err != nil {
		if h.Format == "" && !pictureName(f.name) {
			return errNoPicture
		}
		return err
	}
	f.size = h.Size
	in, err := os.Open(f.path)
	if err != nil {
		return err
	}
	defer in.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, in); err != nil {
		return err
	}
	sum.Sum(f.hash[:0])
	return nil
}

// pictureName says whether a file is named like a picture, also one of a format that cannot be read.
func pictureName(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".heic", ".heif", ".avif", ".jxl":
		return true
	}
	return false
}

// each calls do for 0 to n-1 on as many goroutines as there are CPUs.
func each(ctx context.Context, n int, do func(i int)) error {
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i := range n {
		if ctx.Err() != nil {
			break
		}
		slots <- struct{}{}
		wg.Go(func() {
			do(i)
			<-slots
		})
	}
	wg.Wait()
	return ctx.Err()
}

// pair finds the LR photo of each HR photo: the one whose name is the same without extension, and without what
// test sets add to it: x4, _x4 (for scale 4), _LR, _HR.
func pair(hr, lr []*file, scale int, leftOut func(path string, err error)) []*item {
	index := func(files []*file) map[string]*file {
		m := map[string]*file{}
		for _, f := range files {
			key := pairKey(f.name, scale)
			if first := m[key]; first != nil {
				leftOut(f.path, fmt.Errorf("has the same name as %s", first.path))
				continue
			}
			m[key] = f
		}
		return m
	}
	lows, highs := index(lr), index(hr)
	var items []*item
	for _, h := range hr {
		key := pairKey(h.name, scale)
		l := lows[key]
		switch {
		case highs[key] != h: // told already
		case l == nil:
			leftOut(h.path, errors.New("has no LR photo of its name"))
		case h.size != l.size.Mul(scale):
			leftOut(h.path, fmt.Errorf("has %dx%d pixels, but scale %d of %s with %dx%d makes %dx%d",
				h.size.X, h.size.Y, scale, l.path, l.size.X, l.size.Y, scale*l.size.X, scale*l.size.Y))
		default:
			items = append(items, &item{name: key, hr: h, lr: l})
		}
	}
	for _, l := range lr {
		key := pairKey(l.name, scale)
		if lows[key] == l && highs[key] == nil {
			leftOut(l.path, errors.New("has no HR photo of its name"))
		}
	}
	return items
}

func pairKey(name string, scale int) string {
	name = strings.TrimSuffix(name, filepath.Ext(name))
	for _, ending := range []string{fmt.Sprintf("_x%d", scale), fmt.Sprintf("x%d", scale), "_lr", "_hr"} {
		if n := len(name) - len(ending); n > 0 && strings.EqualFold(name[n:], ending) {
			return name[:n]
		}
	}
	return name
}

// ending returns the files whose names without extension end so, in capitals or not.
func ending(files []*file, end string) []*file {
	var list []*file
	for _, f := range files {
		if name := strings.TrimSuffix(f.name, filepath.Ext(f.name)); strings.HasSuffix(strings.ToLower(name), end) {
			list = append(list, f)
		}
	}
	return list
}
