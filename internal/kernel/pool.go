package kernel

import (
	"runtime"
	"sync/atomic"
)

// Pool runs work on a fixed number of persistent workers that park when idle. The goroutine that calls Run is worker
// 0. A nil *Pool runs everything on the caller.
type Pool struct {
	busy atomic.Bool // held by the one Run that may use the workers, and for ever once closed
	job  atomic.Pointer[job]
	wake []chan struct{} // one for each worker but the caller
}

// job is one Run. Workers that wake too late find next past n and touch nothing else.
type job struct {
	n        int64
	f        func(worker, i int)
	next     atomic.Int64 // the next i to hand out
	done     atomic.Int64 // how many are finished
	panicked atomic.Pointer[any]
	finished chan struct{}
}

// DefaultThreads is the number of threads that the process may use at once: GOMAXPROCS, which the Go runtime limits by
// the CPU affinity and the cgroup.
func DefaultThreads() int { return runtime.GOMAXPROCS(0) }

// NewPool starts a pool of the given number of workers, the caller of Run included; 0 or less means DefaultThreads.
// Close ends them.
func NewPool(threads int) *Pool {
	if threads <= 0 {
		threads = DefaultThreads()
	}
	p := &Pool{wake: make([]chan struct{}, threads-1)}
	for w := range p.wake {
		p.wake[w] = make(chan struct{}, 1)
		go p.work(w + 1)
	}
	return p
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
	for _, c := range p.wake {
		close(c)
	}
}

// Run calls f(worker, i) for every i in [0, n), handed out in order to whichever worker is free, and returns when all
// calls have returned. Calls with the same worker never overlap, so a worker may own scratch memory. A Run that finds
// the pool taken (a call from inside f, or from another goroutine) works on the caller alone, as worker 0 of that call.
// A panic in f is passed on to the caller once the other calls have returned.
func (p *Pool) Run(n int, f func(worker, i int)) {
	if p == nil || len(p.wake) == 0 || n <= 1 || !p.busy.CompareAndSwap(false, true) {
		for i := range n {
			f(0, i)
		}
		return
	}
	defer p.busy.Store(false)
	j := &job{n: int64(n), f: f, finished: make(chan struct{})}
	p.job.Store(j)
	for _, c := range p.wake[:min(len(p.wake), n-1)] {
		select {
		case c <- struct{}{}:
		default: // it has yet to notice the last wake-up, and will find this job
		}
	}
	j.work(0)
	<-j.finished
	p.job.Store(nil) // f may hold on to much memory
	if v := j.panicked.Load(); v != nil {
		panic(*v)
	}
}

func (p *Pool) work(worker int) {
	for range p.wake[worker-1] {
		if j := p.job.Load(); j != nil {
			j.work(worker)
		}
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
	j.f(worker, i)
}
