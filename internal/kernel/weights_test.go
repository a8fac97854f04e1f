package kernel

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

func convLayer(c, oc, k, size int) ConvShape {
	return ConvShape{1, c, size, size, oc, k, k, 1, 1, 1, 1, k / 2, k / 2, k / 2, k / 2, 1}
}

// TestWeightsShared checks which convolutions share packed weights, that sharing changes no bit, and that what nobody uses
// any more is forgotten.
func TestWeightsShared(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		t.Setenv("GANSR_CONV", "winograd4")
		r := rand.New(rand.NewPCG(1, 2))
		weight, scale := random(r, 20*20*9), random(r, 20)
		w := NewWeights()
		prepare := func(size int, weight, scale []float32) *Conv {
			var ep Epilogue
			if scale != nil {
				ep = Epilogue{{Kind: StageAffine, Scale: scale}}
			}
			c, err := w.PrepareConv(convLayer(20, 20, 3, size), weight, ep)
			if err != nil {
				t.Fatal(err)
			}
			return c
		}
		a, b := prepare(30, weight, scale), prepare(17, slices.Clone(weight), slices.Clone(scale))
		if a.weights != b.weights {
			t.Error("equal weights are packed twice")
		}
		other := slices.Clone(weight)
		other[1000]++
		for _, c := range []*Conv{prepare(30, other, scale), prepare(30, weight, nil), prepare(30, weight, scale[:1])} {
			if c.weights == a.weights {
				t.Error("different weights are shared")
			}
		}
		t.Setenv("GANSR_CONV", "winograd2")
		if prepare(30, weight, scale).weights == a.weights {
			t.Error("different forms are shared")
		}
		t.Setenv("GANSR_CONV", "winograd4")
		alone, err := PrepareConv(convLayer(20, 20, 3, 17), weight, Epilogue{{Kind: StageAffine, Scale: scale}})
		if err != nil {
			t.Fatal(err)
		}
		src := random(r, 20*17*17)
		want := runGuarded(t, alone, 1, 20*17*17, src, nil)
		runGuarded(t, a, 3, 20*30*30, random(r, 20*30*30), nil) // packs
		if !slices.Equal(runGuarded(t, b, 2, 20*17*17, src, nil), want) {
			t.Error("shared weights give another result")
		}
		runtime.KeepAlive(a)
		for range 100 { // the finalizers of weak pointers
			runtime.GC()
			if w.kept[keyOf(w, "winograd4")].Value() == nil {
				return
			}
			time.Sleep(time.Millisecond)
		}
		t.Error("weights are kept that nobody uses")
	})
}

// keyOf is a key of w with that algorithm.
func keyOf(w *Weights, form string) weightKey {
	for k := range w.kept {
		if len(k.form) > len(cpu.path) && k.form[len(cpu.path)+1:][:len(form)] == form {
			return k
		}
	}
	return weightKey{}
}

// TestDirectWeights checks that convolutions with such weights are computed directly, also where a transform is forced, and share them.
func TestDirectWeights(t *testing.T) {
	t.Setenv("GANSR_CONV", "winograd4")
	weight := random(rand.New(rand.NewPCG(1, 2)), 20*20*9)
	w := NewDirectWeights()
	var convs []*Conv
	for _, size := range []int{30, 17} {
		c, err := w.PrepareConv(convLayer(20, 20, 3, size), weight, nil)
		if err != nil {
			t.Fatal(err)
		}
		convs = append(convs, c)
	}
	if convs[0].Algorithm() != "direct" || convs[0].weights != convs[1].weights {
		t.Errorf("computed by %s", convs[0].Algorithm())
	}
}

// TestWeightsPackedOnce packs from several goroutines, one of which is cancelled meanwhile.
func TestWeightsPackedOnce(t *testing.T) {
	packs := 0
	ctx, cancel := context.WithCancel(context.Background())
	k := &packed{size: 3, pack: func(p *Pool, to []float32) {
		if packs++; packs == 1 {
			cancel()
			return // what a cancelled pool leaves undone
		}
		to[0] = 7
	}}
	k.get((*Pool)(nil).Until(ctx))
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if w := k.get(nil); w[0] != 7 {
				t.Errorf("got %v", w)
			}
		})
	}
	all.Wait()
	if packs != 2 || k.pack != nil {
		t.Errorf("packed %d times", packs)
	}
}

// TestFit bounds the memory of convolutions.
func TestFit(t *testing.T) {
	eachPath(t, func(t *testing.T) {
		if _, measured := costsOf[cpu.path]; !measured {
			t.Skip("has no costs")
		}
		r := rand.New(rand.NewPCG(3, 4))
		large, small := random(r, 128*128*49), random(r, 64*64*9)
		prepare := func() []*Conv {
			var convs []*Conv
			w := NewWeights()
			for _, l := range []struct {
				c, k   int
				weight []float32
			}{{128, 7, large}, {64, 3, small}, {64, 3, small}} {
				c, err := w.PrepareConv(convLayer(l.c, l.c, l.k, 64), l.weight, nil)
				if err != nil {
					t.Fatal(err)
				}
				convs = append(convs, c)
			}
			return convs
		}
		names := func(convs []*Conv) (s []string) {
			for _, c := range convs {
				s = append(s, c.Algorithm())
			}
			return s
		}
		total := func(convs []*Conv) float64 {
			sum := 0.0
			for _, c := range convs {
				sum += c.time
			}
			return sum
		}
		convs := prepare()
		fastest := names(convs)
		weights, workspace, fits := Fit(convs, 2, 0)
		if !fits || !slices.Equal(names(convs), fastest) || weights != 4*int64(convs[0].weights.size+convs[1].weights.size) {
			t.Errorf("without a limit: %v become %v, weights of %d bytes", fastest, names(convs), weights)
		}
		last, lastTime := weights+workspace, total(convs)
		for limit := last; ; limit -= 1 << 20 {
			convs, again := prepare(), prepare()
			weights, workspace, fits := Fit(convs, 2, limit)
			Fit(again, 2, limit)
			if !slices.Equal(names(convs), names(again)) {
				t.Errorf("%d bytes: %v, then %v", limit, names(convs), names(again))
			}
			if need := weights + workspace; fits != (need <= limit) || need > last || total(convs) < lastTime {
				t.Errorf("%d bytes: %v take %d, before that %d; estimated at %g ns, before at %g", limit, names(convs), need, last, total(convs), lastTime)
			}
			last, lastTime = weights+workspace, total(convs)
			if !fits {
				if want := []string{"direct", "direct", "direct"}; !slices.Equal(names(convs), want) {
					t.Errorf("%v does not fit into %d bytes", names(convs), limit)
				}
				return
			}
		}
	})
}
