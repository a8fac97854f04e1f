package graph

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"github.com/gansr/gansr/internal/kernel"
)

// Workers are the threads that sessions run on. Sessions may share them.
type Workers = kernel.Pool

// NewWorkers returns n workers, one for each CPU that the process may use if n is 0. Close ends them.
func NewWorkers(n int) *Workers {
	if n <= 0 {
		n = runtime.GOMAXPROCS(0)
	}
	return kernel.NewPool(n)
}

// Session is a graph compiled for running: operators fused, weights packed, memory planned. It may be
// used by several goroutines at once; each run has its own memory.
type Session struct {
	inputs, outputs []int // slots
	slots           []slot
	steps           []step
	arena           int // bytes
	scratch         int // float32 elements
	workers         *Workers
	shared          *Weights
	limit           int64 // bytes; 0: none
	weights         int64 // bytes of packed weights
	memory          *Memory
	workspaces      []int // with shared memory, the slot of each step's workspace, or -1

	mu   sync.Mutex
	idle []*state
}

// slot is where a value lives during a run.
type slot struct {
	typ    Type
	kind   slotKind
	fixed  *Tensor // a constant
	root   int     // the slot whose memory this one uses; itself if it has its own
	shift  int     // of this slot in the root's memory, in bytes
	offset int     // of a root in the arena, in bytes
	name   string

	channels int // of a blocked image; otherwise 0
}

type slotKind uint8

const (
	inputSlot slotKind = iota
	constantSlot
	arenaSlot
	outputSlot // written directly into the caller's tensor
	unusedSlot // within a step of several operators
)

// step is one operator, or a prepared operator with those fused into it.
type step struct {
	op           Operator
	prep         prepared
	in, res, out []int
	view         bool
	name, label  string
}

// state is the memory of one run.
type state struct {
	arena   []byte
	scratch []float32
	tensors []*Tensor // by slot
}

// Weights are the packed weights of a model, which its sessions may share: each form of a convolution's weights exists once,
// as long as a session uses it.
type Weights = kernel.Weights

// NewWeights returns weights for the sessions of a model.
func NewWeights() *Weights { return kernel.NewWeights() }

// NewDirectWeights returns weights for the sessions of a model that runs a few times on small images: convolutions are computed
// directly, which takes the least memory and preparation.
func NewDirectWeights() *Weights { return kernel.NewDirectWeights() }

// SessionOption changes how a session is compiled.
type SessionOption func(*Session)

// MaxMemory bounds the bytes of a session's packed weights and of one run, less inputs and outputs; 0 means no bound. If
// the fastest algorithms take more, convolutions get those with smaller weights where that costs the least time: the choice
// depends on the graph, the CPU path, the number of workers and the bound alone. It is an error if none is small enough.
func MaxMemory(bytes int64) SessionOption { return func(s *Session) { s.limit = bytes } }

// ShareWeights shares packed weights with other sessions.
func ShareWeights(w *Weights) SessionOption { return func(s *Session) { s.shared = w } }

// Memory is the memory of one run, as much as the largest needs, for sessions that take turns.
type Memory struct {
	mu       sync.Mutex // held by the session that runs
	most     int        // bytes
	arena    []byte
	sessions []*Session
}

// NewMemory returns memory for sessions that take turns.
func NewMemory() *Memory { return &Memory{} }

// Release gives the memory back until the next run.
func (m *Memory) Release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.arena = nil
	for _, s := range m.sessions { // their last runs know it
		s.mu.Lock()
		s.idle = nil
		s.mu.Unlock()
	}
}

// Bytes returns what a run of the session that needs most takes.
func (m *Memory) Bytes() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int64(m.most)
}

// ShareMemory shares the memory of runs with other sessions: of those that do, one runs at a time. What operators need beside their operands
// lies where values are at other times, which takes less memory, and a little more time as less of it stays in caches.
func ShareMemory(m *Memory) SessionOption { return func(s *Session) { s.memory = m } }

// NewSession compiles what is needed to compute outputs from inputs. A nil workers means the calling goroutine alone.
// The weights of convolutions are packed when the first run comes to them.
func NewSession(inputs, outputs []*Value, workers *Workers, options ...SessionOption) (*Session, error) {
	if err := CheckEnvironment(); err != nil {
		return nil, fmt.Errorf("graph: %w", err)
	}
	left := int64(0) // for weights and workspaces
	for {
		s := &Session{workers: workers}
		for _, o := range options {
			o(s)
		}
		if left == 0 {
			left = s.limit
		}
		c := compiler{s: s, slotOf: map[*Value]int{}, left: left}
		if err := c.compile(inputs, outputs); err != nil {
			if tooMuch := (*MemoryError)(nil); errors.As(err, &tooMuch) {
				return nil, tooMuch
			}
			return nil, fmt.Errorf("graph: %w", err)
		}
		need := s.WeightBytes() + s.ArenaBytes() + s.WorkspaceBytes()
		if s.limit == 0 || need <= s.limit {
			s.memory.reserve(s)
			return s, nil
		}
		if c.tight || left == 1 {
			return nil, &MemoryError{need, s.limit}
		}
		left = max(1, left-(need-s.limit))
	}
}

// MemoryError says that a session cannot keep to its bound, because even the algorithms with the smallest weights need more, or that the system has less.
type MemoryError struct{ Need, Limit int64 } // bytes

func (e *MemoryError) Error() string {
	return fmt.Sprintf("graph: weights and a run need %.1f MiB of memory, more than the limit of %.1f MiB", float64(e.Need)/(1<<20), float64(e.Limit)/(1<<20))
}

// WeightBytes returns the memory of packed weights, once the session has run. What it shares with others counts too.
func (s *Session) WeightBytes() int64 { return s.weights }

// ArenaBytes returns the memory of one run's values that are neither inputs, outputs nor constants, and with shared memory of workspaces.
func (s *Session) ArenaBytes() int64 { return int64(s.arena) }

// WorkspaceBytes returns the memory that operators of one run need beside their operands and results and beside the arena.
func (s *Session) WorkspaceBytes() int64 { return 4 * int64(s.scratch) }

// Run computes the outputs. Each element of into that is not nil receives an output; the others are allocated. It returns
// ctx's error if it is cancelled, which ends a run within a few milliseconds' work of each worker.
func (s *Session) Run(ctx context.Context, inputs []*Tensor, into ...*Tensor) ([]*Tensor, error) {
	return s.run(ctx, nil, inputs, into)
}

// RunTile is Run for a part of a larger image: w says which part the input is.
func (s *Session) RunTile(ctx context.Context, w Window, inputs []*Tensor, into ...*Tensor) ([]*Tensor, error) {
	return s.run(ctx, &w, inputs, into)
}

func (s *Session) run(ctx context.Context, w *Window, inputs, into []*Tensor) ([]*Tensor, error) {
	if len(inputs) != len(s.inputs) {
		return nil, fmt.Errorf("graph: %d inputs given, %d wanted", len(inputs), len(s.inputs))
	}
	for i, v := range s.inputs {
		if inputs[i] == nil || !inputs[i].Type().Equal(s.slots[v].typ) {
			return nil, fmt.Errorf("graph: input %q: got %v, compiled for %v", s.slots[v].name, inputs[i].typeOrNone(), s.slots[v].typ)
		}
	}
	outputs := make([]*Tensor, len(s.outputs))
	for i, v := range s.outputs {
		t := s.slots[v].typ
		if i < len(into) && into[i] != nil {
			if outputs[i] = into[i]; !into[i].Type().Equal(t) {
				return nil, fmt.Errorf("graph: output %d is %v and does not fit into %v", i, t, into[i].Type())
			}
			continue
		}
		outputs[i] = NewTensor(t.DType, t.Shape...)
	}
	st := s.acquire()
	defer s.release(st)
	for i, v := range s.inputs {
		st.tensors[v] = inputs[i]
	}
	for i, v := range s.outputs {
		if s.slots[v].kind == outputSlot {
			st.tensors[v] = outputs[i]
		}
	}
	x := &Exec{Context: ctx, Pool: s.workers.Until(ctx), Scratch: st.scratch, window: w}
	trace, _ := ctx.Value(traceKey{}).(func(int, time.Duration))
	for i := range s.steps {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if s.memory != nil && s.workspaces[i] >= 0 {
			x.Scratch = Data[float32](st.tensors[s.workspaces[i]])
		}
		began := time.Now()
		if err := s.steps[i].run(x, s, st); err != nil {
			return nil, fmt.Errorf("graph: %s: %w", s.steps[i].op.Name(), err)
		}
		if trace != nil {
			trace(i, time.Since(began))
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for i, v := range s.outputs {
		if src := s.tensor(st, v); src != outputs[i] {
			copyTensor(outputs[i], src)
		}
	}
	return outputs, nil
}

func (st *step) run(x *Exec, s *Session, m *state) error {
	out := make([]*Tensor, len(st.out))
	in := make([]*Tensor, len(st.in)+len(st.res))
	for i, v := range st.in {
		in[i] = s.tensor(m, v)
	}
	for i, v := range st.res {
		in[len(st.in)+i] = s.tensor(m, v)
	}
	if st.view {
		v := st.out[0]
		m.tensors[v] = &Tensor{in[0].dtype, s.slots[v].typ.Shape, in[0].data}
		return nil
	}
	for i, v := range st.out {
		out[i] = s.tensor(m, v)
	}
	if st.prep != nil {
		return st.prep.eval(x, out, in[:len(st.in)], in[len(st.in):])
	}
	return evaluate(x, st.op, out, in)
}

func (s *Session) tensor(m *state, v int) *Tensor {
	if t := s.slots[v].fixed; t != nil {
		return t
	}
	return m.tensors[v]
}

// reserve tells of a session that may run.
func (m *Memory) reserve(s *Session) {
	if m != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.most = max(m.most, s.arena)
		m.sessions = append(m.sessions, s)
	}
}

// acquire returns memory for a run. With shared memory it waits for other sessions.
func (s *Session) acquire() *state {
	s.mu.Lock()
	var st *state
	if n := len(s.idle); n > 0 {
		st = s.idle[n-1]
		s.idle = s.idle[:n-1]
	}
	s.mu.Unlock()
	if st == nil {
		st = &state{scratch: kernel.Floats(s.scratch), tensors: make([]*Tensor, len(s.slots))}
	}
	arena := st.arena
	if m := s.memory; m != nil {
		m.mu.Lock()
		if len(m.arena) < m.most {
			m.arena = alignedBytes(m.most)
		}
		arena = m.arena
	} else if arena == nil {
		arena = alignedBytes(s.arena)
	}
	if unsafe.SliceData(arena) == unsafe.SliceData(st.arena) {
		return st
	}
	st.arena = arena
	for v, sl := range s.slots {
		if sl.kind == arenaSlot && s.slots[sl.root].kind == arenaSlot {
			st.tensors[v] = overlay(sl.typ, st.arena[s.slots[sl.root].offset+sl.shift:])
		}
	}
	return st
}

// release keeps one run's memory for the next run.
func (s *Session) release(st *state) {
	if s.memory != nil {
		s.memory.mu.Unlock()
	}
	for v, sl := range s.slots {
		if s.slots[sl.root].kind != arenaSlot { // the caller's memory, or a view of it
			st.tensors[v] = nil
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.idle) == 0 {
		s.idle = append(s.idle, st)
	}
}

func (t *Tensor) typeOrNone() any {
	if t == nil {
		return "none"
	}
	return t.Type()
}
