package data

import (
	"context"
	"errors"
	"image"
	"image/color"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestBatches(t *testing.T) {
	dir := photos(t, 7)
	for name, o := range map[string]Options{
		"bicubic":  {},
		"bilinear": {Downscale: Bilinear},
		"light":    {Degrade: Light()},
		"real":     {Degrade: Real()},
	} {
		o.Photos, o.Scale, o.Patch, o.Batch, o.Crops, o.Held, o.Seed = dir, 2, 8, 4, 3, -1, 5
		t.Run(name, func(t *testing.T) {
			o.Workers = 1
			one := open(t, o).Train()
			o.Workers, o.Cache = 7, 1
			many := open(t, o).Train() // nothing is kept, so all is decoded again
			if one.Len() != 6 {        // 21 patches
				t.Errorf("%d batches in an epoch", one.Len())
			}
			var all []Batch
			for i := range 13 {
				a, b := next(t, one), next(t, many)
				if !equal(a, b) {
					t.Fatalf("batch %d depends on the number of workers or the cache", i)
				}
				if a.N != 4 || a.H != 8 || a.W != 8 || len(a.LR) != 4*3*64 || len(a.HR) != 4*3*256 {
					t.Fatalf("%d x %dx%d, %d and %d values", a.N, a.H, a.W, len(a.LR), len(a.HR))
				}
				for _, v := range slices.Concat(a.LR, a.HR) {
					if v < 0 || v > 1 || float32(level(v))/255 != v {
						t.Fatalf("%g is no 8-bit value", v)
					}
				}
				for k, old := range all {
					if equal(old, a) {
						t.Errorf("batches %d and %d are equal", k, i)
					}
				}
				all = append(all, a)
			}
			o.Seed++
			if equal(next(t, open(t, o).Train()), all[0]) {
				t.Error("another seed makes the same batch")
			}
		})
	}
}

// A restored source goes on as the one whose state it has, in the middle of an epoch too.
func TestRestore(t *testing.T) {
	o := Options{Photos: photos(t, 6), Scale: 2, Patch: 8, Batch: 4, Degrade: Real(), Seed: 1}
	src := open(t, o).Train()
	states, batches := [][]byte{}, []Batch{}
	for range 5 {
		states = append(states, src.State())
		batches = append(batches, next(t, src))
	}
	for i := range states {
		again := open(t, o).Train()
		next(t, again)
		if err := again.Restore(states[i]); err != nil {
			t.Fatal(err)
		}
		for k := i; k < len(batches); k++ {
			if !equal(next(t, again), batches[k]) {
				t.Fatalf("restored before batch %d, batch %d differs", i, k)
			}
		}
	}
	for name, change := range map[string]func(){
		"seed":    func() { o.Seed = 2 },
		"patch":   func() { o.Patch = 4 },
		"photos":  func() { write(t, noisy(99, 60, 60), o.Photos, "new.png") },
		"degrade": func() { o.Degrade = Light() },
	} {
		change()
		if err := open(t, o).Train().Restore(states[0]); err == nil || strings.ContainsRune(err.Error(), '\n') {
			t.Errorf("another %s: %v", name, err)
		}
	}
	if src.Restore([]byte("{")) == nil || src.Restore(nil) == nil {
		t.Error("a state that is no state is accepted")
	}
}

// A patch is a part of its photo, in one of eight positions, and the LR patch is that part reduced. Over an epoch every photo is used.
func TestPatches(t *testing.T) {
	dir := t.TempDir()
	for i := range 3 { // every pixel tells where it is from
		img := image.NewNRGBA(image.Rect(0, 0, 32, 48))
		for y := range 48 {
			for x := range 32 {
				img.SetNRGBA(x, y, color.NRGBA{uint8(4 * x), uint8(4 * y), uint8(80 * i), 255})
			}
		}
		write(t, img, dir, string(rune('a'+i))+".png")
	}
	src := open(t, Options{Photos: dir, Scale: 4, Patch: 4, Batch: 3, Held: -1, Downscale: Bilinear}).Train()
	positions, places := map[[4]int]bool{}, map[int]bool{}
	for range 40 {
		b := next(t, src)
		seen := map[float32]bool{}
		for n := range 3 {
			hr := planes{16, 16, b.HR[n*3*256:][:3*256]}
			lr := planes{4, 4, b.LR[n*3*16:][:3*16]}
			seen[hr.pix[2*256]] = true
			slope := func(c, x, y int) int { return int(math.Round(float64(hr.row(c, y)[x]-hr.row(c, 0)[0]) * 255)) }
			positions[[4]int{slope(0, 1, 0), slope(0, 0, 1), slope(1, 1, 0), slope(1, 0, 1)}] = true
			places[int(slices.Min(hr.plane(0))*255)] = true
			// A reduced ramp is the mean of each block where the kernel sees no border.
			for c := range 2 {
				var mean float32
				for y := range 4 {
					for _, v := range hr.row(c, 4+y)[4:8] {
						mean += v / 16
					}
				}
				if d := math.Abs(float64(mean - lr.row(c, 1)[1])); d > 4.0/255 {
					t.Fatalf("LR and HR patches differ by %g", d)
				}
			}
		}
		if len(seen) != 3 {
			t.Errorf("an epoch used %d of 3 photos", len(seen))
		}
	}
	if len(positions) != 8 || len(places) < 3 {
		t.Errorf("%d positions and %d columns were seen", len(positions), len(places))
	}
}

func TestCancel(t *testing.T) {
	src := open(t, Options{Photos: photos(t, 3), Scale: 2, Patch: 8, Batch: 2}).Train()
	first := src.State()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := src.Next(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	} else if err != nil && string(src.State()) != string(first) {
		t.Error("a cancelled call moved the source")
	}
	if _, err := Open(ctx, Options{Photos: photos(t, 3), Scale: 2, Patch: 8, Batch: 2}); !errors.Is(err, context.Canceled) {
		t.Errorf("Open: %v", err)
	}
}
