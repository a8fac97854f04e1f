package kernel

import (
	"fmt"
	"hash/maphash"
	"maps"
	"sync"
	"sync/atomic"
	"unsafe"
	"weak"
)

// Weights lets the convolutions of a model, in sessions for any shapes, share weights that are packed alike. What no
// convolution uses any more is released. A nil *Weights shares nothing.
type Weights struct {
	seeds  [2]maphash.Seed
	direct bool // see NewDirectWeights

	mu   sync.Mutex
	sums map[sliceKey][2]uint64 // of weights that have been seen
	kept map[weightKey]weak.Pointer[packed]
	most int // how many are kept before what was released is looked for
}

// NewWeights returns weights for a model.
func NewWeights() *Weights {
	return &Weights{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, sums: map[sliceKey][2]uint64{}, kept: map[weightKey]weak.Pointer[packed]{}}
}

// NewDirectWeights returns weights for a model that runs a few times on small images: convolutions are computed directly, as those
// algorithms need the least memory and preparation.
func NewDirectWeights() *Weights {
	w := NewWeights()
	w.direct = true
	return w
}

// sliceKey is a slice, for as long as its memory is there: another slice has another key, also later in the same place.
type sliceKey struct {
	first weak.Pointer[float32]
	n     int
}

// maxSums bounds how many slices are remembered.
const maxSums = 1 << 14

// sum returns hashes of a slice's contents, which must not change any more.
func (w *Weights) sum(a []float32) (sums [2]uint64) {
	if len(a) == 0 {
		return sums
	}
	k := sliceKey{weak.Make(unsafe.SliceData(a)), len(a)}
	w.mu.Lock()
	defer w.mu.Unlock()
	if sums, ok := w.sums[k]; ok {
		return sums
	}
	for i, seed := range w.seeds {
		sums[i] = maphash.Bytes(seed, bytesOf(a))
	}
	if len(w.sums) >= maxSums {
		clear(w.sums)
	}
	w.sums[k] = sums
	return sums
}

// weightKey is the contents of a convolution's weights, and the form that they are packed in.
type weightKey struct {
	sums [4]uint64 // of the weights and of the scale
	form string
}

// packed is the weights of a convolution in the form that an algorithm wants, made when they are first needed.
type packed struct {
	size int // elements
	data atomic.Pointer[[]float32]

	mu   sync.Mutex
	pack func(p *Pool, to []float32) // nil once it is done: it holds what the weights are made of
}

// get returns the weights, which it packs with the workers of p unless that is done.
func (k *packed) get(p *Pool) []float32 {
	if d := k.data.Load(); d != nil {
		return *d
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if d := k.data.Load(); d != nil {
		return *d
	}
	d := alloc(k.size)
	k.pack(p, d)
	if !p.stopped() {
		k.data.Store(&d)
		k.pack = nil
	}
	return d
}

// source is the weights of a convolution before they are packed.
type source struct {
	*Weights
	shape ConvShape
	kernels
	scale []float32 // nil, or of one element, or of one for each output channel
	sums  [4]uint64
}

func (w *Weights) source(s ConvShape, k kernels, scale []float32) *source {
	src := &source{Weights: w, shape: s, kernels: k, scale: scale}
	if w != nil {
		a, b := w.sum(k.w), w.sum(scale)
		src.sums = [4]uint64{a[0], a[1], b[0], b[1]}
	}
	return src
}

// packed returns weights that are packed into size elements by pack, which gets the scaled weights.
func (s *source) packed(form string, size int, pack func(p *Pool, to []float32, k kernels)) *packed {
	k := &packed{size: size, pack: func(p *Pool, to []float32) { pack(p, to, s.scaled()) }}
	if s.Weights == nil {
		return k
	}
	c := s.shape
	key := weightKey{s.sums, fmt.Sprintf("%s %s%s %d %d %dx%d %d", cpu.path, s.form(), form, c.OC, c.C, c.KH, c.KW, c.Groups)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if have := s.kept[key].Value(); have != nil {
		return have
	}
	if len(s.kept) >= s.most {
		maps.DeleteFunc(s.kept, func(_ weightKey, w weak.Pointer[packed]) bool { return w.Value() == nil })
		s.most = 2*len(s.kept) + 100
	}
	s.kept[key] = weak.Make(k)
	return k
}

func (s *source) scaled() kernels {
	k := s.kernels
	if s.scale == nil {
		return k
	}
	w, area := make([]float32, len(k.w)), k.kh*k.kw
	for oc := range s.shape.OC {
		for ic := range s.shape.C / s.shape.Groups {
			at := oc*k.out + ic*k.in
			MulScalar(w[at:at+area], k.w[at:at+area], channelValue(s.scale, oc, 1))
		}
	}
	k.w = w
	return k
}

func bytesOf(a []float32) []byte {
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(a))), 4*len(a))
}

// alloc returns zeros that begin at a cache line.
func alloc(n int) []float32 { return aligned(Floats(n + cacheLine - 1))[:n:n] }
