package data

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"iter"
	"math/rand/v2"
	"sync"
)

// Batch is pairs of patches, NCHW, RGB from 0 (black) to 1 (white): LR is N x 3 x H x W and HR N x 3 x scale·H x scale·W.
type Batch struct {
	LR, HR  []float32
	N, H, W int // of LR
}

// Source yields batches without end. An epoch visits every photo Options.Crops times in an order of its own; its last
// batch is filled up from its start. A batch depends on the set, the options and its number only. One goroutine
// at a time should use a Source.
type Source struct {
	set   *Set
	slots chan struct{} // one for each pair in the making

	mu      sync.Mutex
	next    uint64    // number of the next batch
	pending []*future // batches next, next+1, ...
}

// future is a batch in the making.
type future struct {
	begun, done chan struct{} // closed when all its pairs are begun, and done
	batch       Batch
	err         error
}

// ahead is how many batches are made before they are asked for.
const ahead = 2

// Train returns a new source at its beginning. Making batches begins with the first call of Next.
func (s *Set) Train() *Source {
	return &Source{set: s, slots: make(chan struct{}, s.opt.Workers)}
}

// Len returns the number of batches in an epoch.
func (s *Source) Len() int {
	o := s.set.opt
	return (len(s.set.train)*o.Crops + o.Batch - 1) / o.Batch
}

// Next returns the next batch; the slices are the caller's. After an error, ctx being done or ErrNoPhotos, the source stands where it stood.
func (s *Source) Next(ctx context.Context) (Batch, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.set.train) == 0 {
		return Batch{}, s.set.empty()
	}
	s.prepare(1 + ahead)
	f := s.pending[0]
	select {
	case <-ctx.Done():
		return Batch{}, ctx.Err()
	case <-f.done:
	}
	if f.err != nil {
		return Batch{}, f.err
	}
	s.next++
	s.pending = s.pending[1:]
	s.prepare(ahead)
	return f.batch, nil
}

// prepare sees to it that n batches are in the making or ready.
func (s *Source) prepare(n int) {
	for len(s.pending) < n {
		var before <-chan struct{}
		if k := len(s.pending); k > 0 {
			before = s.pending[k-1].begun
		}
		f := &future{begun: make(chan struct{}), done: make(chan struct{})}
		number := s.next + uint64(len(s.pending))
		s.pending = append(s.pending, f)
		go s.fill(f, number, before)
	}
}

// fill makes a batch once all pairs of the batch before are begun.
func (s *Source) fill(f *future, number uint64, before <-chan struct{}) {
	defer close(f.done)
	if before != nil {
		<-before
	}
	o := s.set.opt
	epoch, first := number/uint64(s.Len()), int(number%uint64(s.Len()))*o.Batch
	order := o.stream(streamOrder, epoch, 0).Perm(len(s.set.train) * o.Crops)
	low, high := 3*o.Patch*o.Patch, 3*o.Patch*o.Patch*o.Scale*o.Scale
	f.batch = Batch{LR: make([]float32, o.Batch*low), HR: make([]float32, o.Batch*high), N: o.Batch, H: o.Patch, W: o.Patch}
	errs := make([]error, o.Batch)
	var wg sync.WaitGroup
	for i := range o.Batch {
		s.slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-s.slots }()
			hr, lr, err := s.sample(epoch, first+i, order)
			copy(f.batch.HR[i*high:], hr.pix)
			copy(f.batch.LR[i*low:], lr.pix)
			errs[i] = err
		})
	}
	close(f.begun)
	wg.Wait()
	f.err = errors.Join(errs...)
	for _, err := range errs { // all the same if photos are missing
		if errors.Is(err, ErrNoPhotos) {
			f.err = err
		}
	}
}

// sample makes pair i of an epoch.
func (s *Source) sample(epoch uint64, i int, order []int) (hr, lr planes, err error) {
	o := s.set.opt
	rng := o.stream(streamPatch, epoch, uint64(i))
	for k := range order {
		it := s.set.train[order[(i+k)%len(order)]/o.Crops]
		full, low, err := s.set.pictures(it)
		if err != nil {
			continue // told already; the next photo takes its place
		}
		x, y := rng.IntN(full.w/o.Scale-o.Patch+1), rng.IntN(full.h/o.Scale-o.Patch+1)
		position := rng.IntN(8)
		if o.NoFlips {
			position = 0
		}
		return o.patches(o.stream(streamDegrade, epoch, uint64(i)), full, low, image.Rect(x, y, x+o.Patch, y+o.Patch), position)
	}
	return hr, lr, s.set.empty()
}

// patches cuts the pair at r (in LR pixels) out of a photo, turned to one of eight positions.
func (o *Options) patches(rng *rand.Rand, full, low *picture, r image.Rectangle, position int) (hr, lr planes, err error) {
	hr = full.crop(image.Rectangle{Min: r.Min.Mul(o.Scale), Max: r.Max.Mul(o.Scale)}).turned(position)
	switch {
	case low != nil:
		lr = low.crop(r).turned(position)
	case o.Degrade != nil: // after turning: compression and noise lie as in a file
		lr, err = o.Degrade.apply(rng, hr, hr.w/o.Scale, hr.h/o.Scale)
	default:
		lr = full.downscaled(r, o.Scale, o.Downscale.method()).turned(position)
	}
	return hr, lr, err
}

// The random streams. Each number of each has a generator of its own, so results do not depend on who draws first.
const (
	streamOrder = iota
	streamPatch
	streamDegrade
	streamValidation
)

func (o *Options) stream(kind, a, b uint64) *rand.Rand {
	var key [32]byte
	for i, v := range []uint64{o.Seed, kind, a, b} {
		binary.LittleEndian.PutUint64(key[8*i:], v)
	}
	return rand.New(rand.NewChaCha8(key))
}

// state is the JSON text of State.
type state struct {
	Batch    uint64 `json:"batch"`
	Digest   string `json:"digest"`
	Settings string `json:"settings"`
}

// State returns where the source stands: Restore continues there, with the same batches bit for bit.
func (s *Source) State() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	text, _ := json.Marshal(state{s.next, s.set.digest, s.set.fingerprint()}) // strings and numbers always have JSON
	return text
}

// Restore moves to where State was called, in this or another process. It fails, and leaves the source as it is, if the photos or the
// settings that decide what batches hold are others.
func (s *Source) Restore(text []byte) error {
	var st state
	if err := json.Unmarshal(text, &st); err != nil {
		return fmt.Errorf("data: restore the data order: %w", err)
	}
	switch {
	case st.Digest != s.set.digest:
		return errors.New("data: the photos are not those that training began with: some were added, removed or changed")
	case st.Settings != s.set.fingerprint():
		return errors.New("data: settings of the data (scale, patch, batch, degradation, seed, held-out share) are not those that training began with")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.next, s.pending = st.Batch, nil
	return nil
}

// Sample is a held-out photo, or a part of it, as a batch of one.
type Sample struct {
	Name string
	Batch
}

// Validation yields the held-out photos by name: whole photos, or if crop is positive and the photo is larger the parts of crop x crop
// LR pixels with most detail, which lie at the same places each time. The LR picture of a photo is the same each time, for the same seed. Photos that turn out to be broken are left out.
// The only error is that of ctx.
func (s *Set) Validation(ctx context.Context, crop int) iter.Seq2[Sample, error] {
	return func(yield func(Sample, error) bool) {
		for _, it := range s.held {
			if err := ctx.Err(); err != nil {
				yield(Sample{}, err)
				return
			}
			full, low, err := s.pictures(it)
			if err != nil {
				continue
			}
			r := image.Rect(0, 0, full.w/s.opt.Scale, full.h/s.opt.Scale)
			if crop > 0 {
				r = full.detailed(crop, s.opt.Scale)
			}
			hr, lr, err := s.opt.patches(s.opt.stream(streamValidation, it.place(), 0), full, low, r, 0)
			if err != nil {
				s.leaveOut(it.hr.path, err)
				continue
			}
			if !yield(Sample{it.name, Batch{lr.pix, hr.pix, 1, lr.h, lr.w}}, nil) {
				return
			}
		}
	}
}

// Digest identifies the photos, as Set.Digest does.
func (s *Source) Digest() string { return s.set.digest }
