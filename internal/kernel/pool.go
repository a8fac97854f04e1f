package kernel

import (
	"context"
	"runtime"
	"sync/atomic"
	"time"
)

// Pool runs work on a fixed number of persistent workers, which wait actively for a moment when idle and then park. The
// goroutine that calls Run is worker 0. A nil *Pool runs everything on the caller.
type Pool struct {
	*crew
	stop <-chan struct{} // closed when what is left is not worth doing any more
}

// crew is the workers of a pool, which all of its forms share.
type crew struct {
	busy atomic.Bool // held by the one Run that may use the workers, and for ever once closed
	job  atomic.Pointer[job]
	jobs uint64  // the last one's number; guarded by busy
	wake []waker // one for each worker but the caller
	spin bool
}

// waker parks and wakes a worker.
type waker struct {
	parked atomic.Bool // or about to be; who sets it to false again has to send, or to receive nothing
	token  chan struct{}
}

// job is one Run. Workers that wake too late find next past n and touch nothing else.
type job struct {
	number   uint64
	n        int64
	f        func(worker, i int)
	stop     <-chan struct{}
	next     atomic.Int64 // the next i to hand out
	done     atomic.Int64 // how many are finished
	panicked atomic.Pointer[any]
	finished chan struct{}
}

// spinTime is how long a worker waits actively: longer than what most networks do between two jobs, as to wake a worker that is
// parked takes some 50 µs, as long as a layer of a small network. The work of another process on the same CPU is held up by no more.
const spinTime = 200 * time.Microsecond

// DefaultThreads is the number of threads that the process may use at once: GOMAXPROCS, which the Go runtime limits by
// the CPU affinity and the cgroup.
func DefaultThreads() int { return runtime.GOMAXPROCS(0) }

// NewPool starts a pool of the given number of workers, the caller of Run included; 0 or less means DefaultThreads.
// Close ends them.
func NewPool(threads int) *Pool {
	if threads <= 0 {
		threads = DefaultThreads()
	}
	p := &Pool{crew: &crew{wake: make([]waker, threads-1), spin: threads <= DefaultThreads()}}
	for w := range p.wake {
		p.wake[w].token = make(chan struct{}, 1)
		go p.work(w + 1)
	}
	return p
}

// Until is the same pool for work that is worth doing only until ctx is done: then Run leaves out the calls that it has
// not begun.
func (p *Pool) Until(ctx context.Context) *Pool {
	u := &Pool{stop: ctx.Done(), crew: &crew{}}
	if p != nil {
		u.crew = p.crew
	}
	return u
}

// stopped reports whether Run may have left out calls.
func (p *Pool) stopped() bool { return p != nil && stopped(p.stop) }

func stopped(stop <-chan struct{}) bool {
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// Threads is the number of workers: worker indices passed by Run are below it.
func (p *Pool) Threads() int {
	if p == nil {
		return 1
	}
	return len(p.wake) + 1
}

// Close ends the workers. It must not be called while Run is running; afterwards Run works on the caller alone.
func (p *Pool) Close() {
	if p == nil || !p.busy.CompareAndSwap(false, true) {
		return
	}
	for i := range p.wake {
		close(p.wake[i].token)
	}
}

// Run calls f(worker, i) for every i in [0, n), handed out in order to whichever worker is free, and returns when all
// calls have returned. Calls with the same worker never overlap, so a worker may own scratch memory. A Run that finds
// the pool taken (a call from inside f, or from another goroutine) works on the caller alone, as worker 0 of that call.
// A panic in f is passed on to the caller once the other calls have returned.
func (p *Pool) Run(n int, f func(worker, i int)) {
	if p == nil || len(p.wake) == 0 || n <= 1 || !p.busy.CompareAndSwap(false, true) {
		for i := range n {
			if p.stopped() {
				return
			}
			f(0, i)
		}
		return
	}
	defer p.busy.Store(false)
	p.jobs++
	j := &job{number: p.jobs, n: int64(n), f: f, stop: p.stop, finished: make(chan struct{})}
	p.job.Store(j)
	for i := range p.wake[:min(len(p.wake), n-1)] {
		if w := &p.wake[i]; w.parked.CompareAndSwap(true, false) {
			w.token <- struct{}{}
		}
	}
	j.work(0)
	if !p.await(func() bool { return j.done.Load() == j.n }) {
		<-j.finished
	}
	p.job.Store(nil) // f may hold on to much memory
	if v := j.panicked.Load(); v != nil {
		panic(*v)
	}
}

// await waits actively for a condition, for a moment at most, and returns whether it holds.
func (c *crew) await(condition func() bool) bool {
	if !c.spin {
		return condition()
	}
	for began := time.Now(); ; runtime.Gosched() { // others may want to run: a collection, or another pool
		for range 100 {
			for range 20 {
				if condition() {
					return true
				}
			}
			if time.Since(began) > spinTime {
				return false
			}
		}
	}
}

func (c *crew) work(worker int) {
	w, last := &c.wake[worker-1], uint64(0)
	var j *job
	isNew := func() bool {
		j = c.job.Load()
		return j != nil && j.number != last
	}
	for {
		if !c.await(isNew) {
			w.parked.Store(true)
			if !isNew() || !w.parked.CompareAndSwap(true, false) {
				j = nil
				if _, open := <-w.token; !open {
					return
				}
				continue
			}
		}
		last = j.number
		j.work(worker)
		j = nil
	}
}

func (j *job) work(worker int) {
	for i := j.next.Add(1) - 1; i < j.n; i = j.next.Add(1) - 1 {
		j.call(worker, int(i))
	}
}

func (j *job) call(worker, i int) {
	defer func() {
		if v := recover(); v != nil {
			j.panicked.CompareAndSwap(nil, &v)
		}
		if j.done.Add(1) == j.n {
			close(j.finished)
		}
	}()
	if !stopped(j.stop) {
		j.f(worker, i)
	}
}
