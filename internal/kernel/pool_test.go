package kernel

import (
	"context"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

func TestPoolRunsEveryIndexOnce(t *testing.T) {
	for _, threads := range []int{1, 2, 3, 8} {
		p := NewPool(threads)
		if p.Threads() != threads {
			t.Fatalf("Threads() = %d, want %d", p.Threads(), threads)
		}
		inUse := make([]atomic.Bool, threads)
		for n := range 200 {
			seen := make([]atomic.Int32, n)
			p.Run(n, func(worker, i int) {
				if !inUse[worker].CompareAndSwap(false, true) {
					t.Errorf("worker %d is in two calls at once", worker)
				}
				seen[i].Add(1)
				inUse[worker].Store(false)
			})
			for i := range seen {
				if c := seen[i].Load(); c != 1 {
					t.Fatalf("%d threads, n=%d: index %d ran %d times", threads, n, i, c)
				}
			}
		}
		p.Close()
		p.Close()
		ran := 0
		p.Run(3, func(worker, i int) { ran++ })
		if ran != 3 {
			t.Errorf("after Close %d of 3 calls ran", ran)
		}
	}
}

func TestPoolNested(t *testing.T) {
	p := NewPool(4)
	defer p.Close()
	var total atomic.Int64
	p.Run(20, func(_, i int) {
		p.Run(10, func(worker, j int) {
			if worker != 0 {
				t.Errorf("nested call on worker %d", worker)
			}
			total.Add(int64(10*i + j))
		})
	})
	if total.Load() != 199*200/2 {
		t.Errorf("sum of indices %d, want %d", total.Load(), 199*200/2)
	}
}

func TestPoolSharedByGoroutines(t *testing.T) {
	p := NewPool(3)
	defer p.Close()
	done := make(chan int)
	for range 4 {
		go func() {
			var n atomic.Int64
			for range 100 {
				p.Run(7, func(_, i int) { n.Add(1) })
			}
			done <- int(n.Load())
		}()
	}
	for range 4 {
		if n := <-done; n != 700 {
			t.Errorf("%d of 700 calls ran", n)
		}
	}
}

func TestPoolPassesPanicsOn(t *testing.T) {
	p := NewPool(2)
	defer p.Close()
	for range 50 {
		func() {
			defer func() {
				if v := recover(); v != "boom" {
					t.Errorf("recovered %v", v)
				}
			}()
			p.Run(10, func(_, i int) {
				if i == 3 {
					panic("boom")
				}
			})
			t.Error("Run returned")
		}()
	}
}

func TestNilPool(t *testing.T) {
	var p *Pool
	sum := 0
	p.Run(4, func(worker, i int) { sum += i + worker })
	if sum != 6 || p.Threads() != 1 {
		t.Errorf("sum %d with %d threads", sum, p.Threads())
	}
	p.Close()
}

// TestPoolUntil checks that after the call that cancels none begins but those that are handed out already.
func TestPoolUntil(t *testing.T) {
	for _, threads := range []int{0, 1, 2, 5} {
		var p *Pool // for 0
		if threads > 0 {
			p = NewPool(threads)
			defer p.Close()
		}
		ctx, cancel := context.WithCancel(context.Background())
		u := p.Until(ctx)
		if u.Threads() != p.Threads() {
			t.Errorf("%d threads of %d", u.Threads(), p.Threads())
		}
		var calls, late atomic.Int64
		u.Run(1000, func(_, _ int) {
			if ctx.Err() != nil {
				late.Add(1)
			}
			if calls.Add(1) == 11 {
				cancel()
			}
		})
		if n := calls.Load(); n < 11 || late.Load() > int64(p.Threads()) {
			t.Errorf("%d threads: %d calls, %d of them after the end", threads, n, late.Load())
		}
		if !u.stopped() || p.stopped() {
			t.Errorf("%d threads: stopped: %v, the pool itself: %v", threads, u.stopped(), p.stopped())
		}
		u.Run(10, func(_, _ int) { t.Errorf("%d threads: called after the end", threads) })
		calls.Store(0)
		p.Run(10, func(_, _ int) { calls.Add(1) })
		if calls.Load() != 10 {
			t.Errorf("%d threads: the pool itself made %d of 10 calls", threads, calls.Load())
		}
	}
}

// TestPoolEnds checks that Close leaves no goroutine behind, whether workers are parked or wait actively.
func TestPoolEnds(t *testing.T) {
	before := runtime.NumGoroutine()
	for i := range 200 {
		p := NewPool(4)
		if p.Run(i%3*5, func(_, _ int) {}); i%2 == 0 {
			time.Sleep(50 * time.Microsecond)
		}
		p.Close()
	}
	for range 1000 {
		if runtime.NumGoroutine() <= before {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Errorf("%d goroutines, before there were %d", runtime.NumGoroutine(), before)
}
