package graph

import (
	"context"
	"fmt"
	"runtime"
	"sync"

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
	image           int // the input that a Window is about, or -1

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
}

type slotKind uint8

const (
	inputSlot slotKind = iota
	constantSlot
	arenaSlot
	outputSlot // written directly into the caller's tensor
)

// step is one operator, or a prepared operator with those fused into it.
type step struct {
	op           Operator
	prep         prepared
	in, res, out []int
	view         bool
	label        string
}

// state is the memory of one run.
type state struct {
	arena   []byte
	scratch []float32
	tensors []*Tensor // by slot
}

// NewSession compiles what is needed to compute outputs from inputs. A nil workers means the calling goroutine alone.
func NewSession(inputs, outputs []*Value, workers *Workers) (*Session, error) {
	s := &Session{workers: workers, image: -1}
	c := compiler{s: s, slotOf: map[*Value]int{}}
	if err := c.compile(inputs, outputs); err != nil {
		return nil, fmt.Errorf("graph: %w", err)
	}
	for _, v := range s.inputs {
		if len(s.slots[v].typ.Shape) == 4 {
			s.image = v
			break
		}
	}
	return s, nil
}

// ArenaBytes returns the memory that one run needs beside inputs, outputs and weights.
func (s *Session) ArenaBytes() int64 { return int64(s.arena) + 4*int64(s.scratch) }

// Steps describes what a run does, in order: a line such as "Conv+PRelu float32[1 64 64 64]" for each step.
func (s *Session) Steps() []string {
	lines := make([]string, 0, len(s.steps))
	for _, st := range s.steps {
		lines = append(lines, fmt.Sprintf("%s %v", st.label, s.slots[st.out[0]].typ))
	}
	return lines
}

// Run computes the outputs. Each element of into that is not nil receives an output; the others are allocated. It returns
// ctx's error if it is cancelled.
func (s *Session) Run(ctx context.Context, inputs []*Tensor, into ...*Tensor) ([]*Tensor, error) {
	return s.run(ctx, nil, inputs, into)
}

// RunTile is Run for a part of a larger image: w says which part the first input with four dimensions is.
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
	x := &Exec{Context: ctx, Pool: s.workers, Scratch: st.scratch, window: w}
	if w != nil && s.image >= 0 {
		shape := s.slots[s.image].typ.Shape
		x.tile = [2]int{shape[2], shape[3]}
	}
	for i := range s.steps {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := s.steps[i].run(x, s, st); err != nil {
			return nil, fmt.Errorf("graph: %s: %w", s.steps[i].op.Name(), err)
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

func (s *Session) acquire() *state {
	s.mu.Lock()
	if n := len(s.idle); n > 0 {
		st := s.idle[n-1]
		s.idle = s.idle[:n-1]
		s.mu.Unlock()
		return st
	}
	s.mu.Unlock()
	st := &state{arena: alignedBytes(s.arena), scratch: make([]float32, s.scratch), tensors: make([]*Tensor, len(s.slots))}
	for v, sl := range s.slots {
		if sl.kind == arenaSlot && s.slots[sl.root].kind == arenaSlot {
			st.tensors[v] = overlay(sl.typ, st.arena[s.slots[sl.root].offset+sl.shift:])
		}
	}
	return st
}

// release keeps one run's memory for the next run.
func (s *Session) release(st *state) {
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
