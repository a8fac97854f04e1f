package data

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/gansr/gansr/upscale/photo"
)

// Set is the photos of Options after they were checked.
type Set struct {
	opt         Options
	cache       *cache
	train, held []*item
	digest      string

	mu      sync.Mutex
	leftOut []LeftOut
}

// item is an HR photo and, in pairs, its LR photo.
type item struct {
	name   string
	hr, lr *file
}

// Photo describes one photo that is used.
type Photo struct {
	Name   string      // path below its folder, with slashes; of pairs without what their names differ in
	HR, LR string      // paths; LR is empty where LR is made
	Size   image.Point // of HR
	Held   bool        // held out for validation
}

// Open looks through the folders that o names. Photos that cannot be read, are smaller than an HR patch, or have no
// partner of the right size are left out, with a warning each. All headers and contents (for the digest) are read; photos are decoded
// too as long as all fit in the cache, so broken ones are found at once. In larger sets a broken photo is found when it is needed, and
// the next one in the epoch's order takes its place; results are the same either way. It returns ErrNoPhotos if no photo can be trained on, unless
// all were to be held out.
func Open(ctx context.Context, o Options) (*Set, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Set{opt: o, cache: newCache(o.Cache)}
	items, err := s.find(ctx)
	if err != nil {
		return nil, err
	}
	side := o.Patch * o.Scale
	items = slices.DeleteFunc(items, func(it *item) bool {
		small := min(it.hr.size.X, it.hr.size.Y) < side
		if small {
			s.leaveOut(it.hr.path, fmt.Errorf("has %dx%d pixels, less than a patch of %dx%d", it.hr.size.X, it.hr.size.Y, side, side))
		}
		return small
	})
	s.digest = digest(items)
	s.train, s.held = split(items, o.Held)
	broken, err := s.warm(ctx)
	if err != nil {
		return nil, err
	}
	usable := len(s.held)
	if o.Held < 1 {
		usable = len(s.train) - broken
	}
	if usable <= 0 {
		return nil, s.empty()
	}
	return s, nil
}

func (s *Set) find(ctx context.Context) ([]*item, error) {
	if s.opt.Photos == "" {
		hr, err := scan(ctx, s.opt.HR, s.opt.Limits, s.leaveOut)
		if err != nil {
			return nil, err
		}
		lr, err := scan(ctx, s.opt.LR, s.opt.Limits, s.leaveOut)
		if err != nil {
			return nil, err
		}
		if s.opt.HR == s.opt.LR { // a folder of both, as test sets have it
			hr, lr = ending(hr, "_hr"), ending(lr, "_lr")
		}
		return pair(hr, lr, s.opt.Scale, s.leaveOut), nil
	}
	files, err := scan(ctx, s.opt.Photos, s.opt.Limits, s.leaveOut)
	items := make([]*item, len(files))
	for i, f := range files {
		items[i] = &item{name: f.name, hr: f}
	}
	return items, err
}

// warm decodes all photos if the cache holds them, and counts those to train on that are broken.
func (s *Set) warm(ctx context.Context) (broken int, err error) {
	var bytes int64
	all := slices.Concat(s.train, s.held)
	for _, it := range all {
		bytes += it.hr.bytes()
		if it.lr != nil {
			bytes += it.lr.bytes()
		}
	}
	if bytes > s.opt.Cache {
		return 0, nil
	}
	bad := make([]bool, len(all))
	err = each(ctx, len(all), func(i int) {
		_, _, err := s.pictures(all[i])
		bad[i] = err != nil
	})
	for i := range s.train {
		if bad[i] {
			broken++
		}
	}
	return broken, err
}

func (s *Set) empty() error {
	where := s.opt.Photos
	if where == "" {
		where = s.opt.HR
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.leftOut) == 0 {
		return fmt.Errorf("data: %w in %s", ErrNoPhotos, where)
	}
	first := s.leftOut[0]
	return fmt.Errorf("data: %w in %s: %d left out, the first: %s", ErrNoPhotos, where, len(s.leftOut), first)
}

// String is the path and the reason, on one line.
func (l LeftOut) String() string {
	if strings.HasPrefix(l.Err.Error(), l.Path) {
		return l.Err.Error()
	}
	return l.Path + ": " + l.Err.Error()
}

func (s *Set) leaveOut(path string, err error) {
	s.mu.Lock()
	known := slices.ContainsFunc(s.leftOut, func(l LeftOut) bool { return l.Path == path })
	if !known {
		s.leftOut = append(s.leftOut, LeftOut{path, err})
	}
	s.mu.Unlock()
	if !known {
		s.opt.Log.Warn("photo left out", "photo", path, "reason", strings.TrimPrefix(err.Error(), path+": "))
	}
}

// LeftOut returns the photos that are not used, by path. More may be found while training on a set that the cache does not hold.
func (s *Set) LeftOut() []LeftOut {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(slices.Values(s.leftOut), func(a, b LeftOut) int { return strings.Compare(a.Path, b.Path) })
}

// Photos returns the photos to train on and then the held-out ones, each by name.
func (s *Set) Photos() []Photo {
	var list []Photo
	for i, it := range slices.Concat(s.train, s.held) {
		p := Photo{Name: it.name, HR: it.hr.path, Size: it.hr.size, Held: i >= len(s.train)}
		if it.lr != nil {
			p.LR = it.lr.path
		}
		list = append(list, p)
	}
	return list
}

// Memory returns the bytes that photos and the batches of one source take: those that are kept, one in the making for each worker, and the batches made ahead.
func (s *Set) Memory() int64 {
	var all, largest int64
	for _, it := range slices.Concat(s.train, s.held) {
		for _, f := range []*file{it.hr, it.lr} {
			if f != nil {
				all, largest = all+f.bytes(), max(largest, f.bytes())
			}
		}
	}
	const decoding = 4 // times what is kept
	o := s.opt
	batch := 4 * 3 * int64(o.Batch) * int64(o.Patch*o.Patch) * int64(1+o.Scale*o.Scale)
	return min(o.Cache, all) + int64(o.Workers)*decoding*largest + (1+ahead)*batch
}

// Digest returns a hexadecimal SHA-256 over the names, sizes and contents of all photos, held out or not. It does not
// depend on where the folders lie.
func (s *Set) Digest() string { return s.digest }

func digest(items []*item) string {
	sum := sha256.New()
	for _, it := range items {
		for _, f := range []*file{it.hr, it.lr} {
			if f != nil {
				fmt.Fprintf(sum, "%q %d %d %x\n", f.name, f.size.X, f.size.Y, f.hash)
			}
		}
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}

// split holds out the photos whose hashed name falls into the share, so that a photo stays on its side when others come or go.
// A share between 0 and 1 leaves at least one photo on each side, if there are two.
func split(items []*item, share float64) (train, held []*item) {
	place := func(it *item) float64 { return float64(it.place()>>11) / (1 << 53) }
	if len(items) >= 2 && share > 0 && share < 1 {
		places := make([]float64, len(items))
		for i, it := range items {
			places[i] = place(it)
		}
		slices.Sort(places)
		share = max(share, (places[0]+places[1])/2)
		share = min(share, (places[len(places)-2]+places[len(places)-1])/2)
	} else if share < 1 {
		share = 0
	}
	for _, it := range items {
		if place(it) < share {
			held = append(held, it)
		} else {
			train = append(train, it)
		}
	}
	return train, held
}

// place hashes the name.
func (it *item) place() uint64 {
	sum := sha256.Sum256([]byte(it.name))
	return binary.BigEndian.Uint64(sum[:])
}

// pictures returns the decoded photos of an item; lr is nil where it is made.
func (s *Set) pictures(it *item) (hr, lr *picture, err error) {
	if hr, err = s.picture(it.hr); err == nil && it.lr != nil {
		lr, err = s.picture(it.lr)
	}
	return hr, lr, err
}

func (s *Set) picture(f *file) (*picture, error) {
	pic, err := s.cache.get(f.path, f.bytes(), func(path string) (*picture, error) {
		p, err := photo.Open(path, s.opt.Limits)
		switch {
		case err != nil:
			return nil, err
		case p.Size != f.size:
			return nil, errors.New("has changed since training began")
		}
		return newPicture(p), nil
	})
	if err != nil {
		s.leaveOut(f.path, err)
	}
	return pic, err
}

// fingerprint hashes everything that decides what batches hold.
func (s *Set) fingerprint() string {
	o := s.opt
	sum := sha256.New()
	fmt.Fprintln(sum, o.Scale, o.Patch, o.Batch, o.Crops, o.Downscale, o.NoFlips, o.Seed)
	if o.Degrade != nil {
		fmt.Fprintf(sum, "%+v\n", *o.Degrade)
	}
	for _, it := range s.train {
		_, _ = io.WriteString(sum, it.name+"\n")
	}
	return fmt.Sprintf("%x", sum.Sum(nil))
}
