package graph

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// convolutions returns a network of two convolutions of 7x7 for images of n x n, and an input.
func convolutions(t *testing.T, n int) (in, out []*Value, x *Tensor) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	noise := func(shape ...int) *Tensor {
		x := NewTensor(Float32, shape...)
		for i := range Data[float32](x) {
			Data[float32](x)[i] = rng.Float32() - 0.5
		}
		return x
	}
	b := NewBuilder("net")
	v, err := b.Input("x", Type{Float32, []int{1, 64, n, n}})
	if err != nil {
		t.Fatal(err)
	}
	in = []*Value{v}
	for range 2 {
		w := b.Constant("w", noise(64, 64, 7, 7))
		if v, err = b.Apply1(Conv{Strides: []int{1, 1}, Dilations: []int{1, 1}, Pads: []int{3, 3, 3, 3}, Groups: 1}, v, w); err != nil {
			t.Fatal(err)
		}
	}
	return in, []*Value{v}, noise(1, 64, n, n)
}

func memoryOf(s *Session) int64 { return s.WeightBytes() + s.ArenaBytes() + s.WorkspaceBytes() }

func algorithms(s *Session) string {
	var names []string
	for _, st := range s.Steps() {
		names = append(names, st.Algorithm)
	}
	return strings.Join(names, " ")
}

func TestMaxMemory(t *testing.T) {
	in, out, x := convolutions(t, 48)
	free, err := NewSession(in, out, nil)
	if err != nil {
		t.Fatal(err)
	}
	want, err := free.Run(context.Background(), []*Tensor{x})
	if err != nil {
		t.Fatal(err)
	}
	need, fastest := memoryOf(free), algorithms(free)
	for _, part := range []int64{100, 90, 60, 40} {
		limit := need * part / 100
		var chosen string
		for range 2 {
			s, err := NewSession(in, out, nil, MaxMemory(limit))
			if err != nil {
				t.Fatalf("%d %%: %v", part, err)
			}
			if memoryOf(s) > limit || (algorithms(s) == fastest) != (part == 100 || fastest == "direct direct") || chosen != "" && algorithms(s) != chosen {
				t.Errorf("%d of %d bytes: %d are taken by %s, at first it was %s, without a limit %s", limit, need, memoryOf(s), algorithms(s), chosen, fastest)
			}
			chosen = algorithms(s)
			got, err := s.Run(context.Background(), []*Tensor{x})
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range Data[float32](got[0]) {
				if d := v - Data[float32](want[0])[i]; d > 1e-2 || d < -1e-2 || d != d {
					t.Fatalf("%s: element %d is %g, with %s %g", chosen, i, v, fastest, Data[float32](want[0])[i])
				}
			}
		}
	}
	var tooMuch *MemoryError
	if _, err := NewSession(in, out, nil, MaxMemory(1<<20)); !errors.As(err, &tooMuch) || tooMuch.Need < 1<<21 || tooMuch.Need > need {
		t.Errorf("got %v", err)
	}
}

// TestMaxMemoryWithoutConvolutions checks that there is an error where nothing can be chosen.
func TestMaxMemoryWithoutConvolutions(t *testing.T) {
	b := NewBuilder("net")
	x, err0 := b.Input("x", Type{Float32, []int{1000}})
	y, err1 := b.Apply1(Transpose{Perm: []int{0}}, x)
	z, err2 := b.Apply1(Concat{Axis: 0}, y, y)
	w, err3 := b.Apply1(Neg{}, z)
	if err := errors.Join(err0, err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	var tooMuch *MemoryError
	if _, err := NewSession([]*Value{x}, []*Value{w}, nil, MaxMemory(1)); !errors.As(err, &tooMuch) || tooMuch.Need < 4000 {
		t.Errorf("got %v", err)
	}
}

// TestSessionsShareWeights runs sessions for two shapes at once, which pack their weights together, and compares them with
// sessions of their own.
func TestSessionsShareWeights(t *testing.T) {
	weights := NewWeights()
	var all sync.WaitGroup
	for _, n := range []int{24, 33, 24} {
		in, out, x := convolutions(t, n)
		alone, err := NewSession(in, out, nil)
		if err != nil {
			t.Fatal(err)
		}
		want, err := alone.Run(context.Background(), []*Tensor{x})
		if err != nil {
			t.Fatal(err)
		}
		workers := NewWorkers(2)
		defer workers.Close()
		s, err := NewSession(in, out, workers, ShareWeights(weights))
		if err != nil {
			t.Fatal(err)
		}
		all.Go(func() {
			for range 3 {
				if got, err := s.Run(context.Background(), []*Tensor{x}); err != nil || !Equal(got[0], want[0]) {
					t.Errorf("%d pixels: differs from the session alone, error %v", n, err)
				}
			}
		})
	}
	all.Wait()
}

// stopping cancels when eleven of many parts are computed, and counts those that are computed at all.
type stopping struct {
	Relu
	cancel func()
	parts  *int
}

func (s stopping) Eval(x *Exec, _, _ []*Tensor) error {
	var mu sync.Mutex
	x.Pool.Run(1000, func(_, _ int) {
		mu.Lock()
		defer mu.Unlock()
		if *s.parts++; *s.parts == 11 {
			s.cancel()
		}
	})
	return nil
}

// TestCancel cancels within an operator: it is not finished, and nothing is left running.
func TestCancel(t *testing.T) {
	before := runtime.NumGoroutine()
	for _, threads := range []int{0, 1, 4} {
		var workers *Workers
		if threads > 0 {
			workers = NewWorkers(threads)
		}
		ctx, cancel := context.WithCancel(context.Background())
		parts := 0
		b := NewBuilder("net")
		x, err0 := b.Input("x", Type{Float32, []int{1}})
		y, err1 := b.Apply1(stopping{cancel: cancel, parts: &parts}, x)
		s, err2 := NewSession([]*Value{x}, []*Value{y}, workers)
		if err := errors.Join(err0, err1, err2); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Run(ctx, []*Tensor{NewTensor(Float32, 1)}); !errors.Is(err, context.Canceled) {
			t.Errorf("%d threads: got %v", threads, err)
		}
		if parts < 11 || parts > 11+threads {
			t.Errorf("%d threads: %d parts were computed", threads, parts)
		}
		workers.Close()
	}
	for range 1000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d goroutines, before there were %d", runtime.NumGoroutine(), before)
}
