package graph

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
)

// chain builds a network with everything the compiler does: fusion with residuals before and after, views, results
// that are used twice, outputs in the middle.
func chain(t testing.TB, b *Builder, fusible bool) (in, out []*Value) {
	t.Helper()
	ok := func(v *Value, err error) *Value {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	rng := rand.New(rand.NewPCG(1, 2))
	noise := func(shape ...int) *Value {
		x := NewTensor(Float32, shape...)
		d := Data[float32](x)
		for i := range d {
			d[i] = rng.Float32() - 0.5
		}
		return b.Constant("w", x)
	}
	conv := func(x, w *Value) *Value {
		y := ok(b.Apply1(Conv{Strides: []int{1, 1}, Dilations: []int{1, 1}, Pads: []int{1, 1, 1, 1}, Groups: 1}, x, w))
		if !fusible { // a second user keeps what follows out of the convolution
			out = append(out, y)
		}
		return y
	}
	x := ok(b.Input("x", Type{Float32, []int{1, 4, 6, 5}}))
	a := ok(b.Apply1(Relu{}, conv(x, noise(4, 4, 3, 3))))
	c := conv(a, noise(4, 4, 3, 3))
	d := ok(b.Apply1(Add{}, c, conv(a, noise(4, 4, 3, 3)))) // either may be the other's residual
	e := ok(b.Apply1(Relu{}, ok(b.Apply1(Add{}, d, noise(4, 1, 1)))))
	f := ok(b.Apply1(Add{}, ok(b.Apply1(Mul{}, conv(e, noise(4, 4, 3, 3)), noise())), e))
	g := ok(b.Apply1(Reshape{Shape: []int{4, 30}}, f))
	h := ok(b.Apply1(Mul{}, g, g))
	k := ok(b.Apply1(Add{}, conv(x, noise(4, 4, 3, 3)), x)) // a residual that is the convolution's own operand
	l := ok(b.Apply1(Concat{Axis: 1}, f, k))
	return []*Value{x}, append([]*Value{h, l, e, g, x}, out...)
}

func TestFusedEqualsUnfused(t *testing.T) {
	x := NewTensor(Float32, 1, 4, 6, 5)
	for i := range Data[float32](x) {
		Data[float32](x)[i] = float32(i%11) - 5
	}
	var results [2][]*Tensor
	for i, fusible := range []bool{true, false} {
		in, out := chain(t, NewBuilder("net"), fusible)
		s, err := NewSession(in, out, nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // a second run reuses the memory of the first
			if results[i], err = s.Run(context.Background(), []*Tensor{x}); err != nil {
				t.Fatal(err)
			}
		}
		if fused := slices.ContainsFunc(s.Steps(), func(st Step) bool { return st.Fused == "Conv+Mul+Add" }); fused != fusible {
			t.Errorf("fusible %v: steps %v", fusible, s.Steps())
		}
	}
	for i, got := range results[0] {
		want := results[1][i]
		for k, v := range Data[float32](want) {
			if d := Data[float32](got)[k] - v; d*d > 1e-10*(1+v*v) { // sums are taken in another order
				t.Fatalf("output %d element %d: fused %v, unfused %v", i, k, Data[float32](got)[k], v)
			}
		}
	}
}

// Values that are alive at the same time must not share memory, and the arena should be smaller than their sum.
func TestArena(t *testing.T) {
	in, out := chain(t, NewBuilder("net"), true)
	s, err := NewSession(in, out, nil)
	if err != nil {
		t.Fatal(err)
	}
	first, last := map[int]int{}, map[int]int{}
	for i, st := range s.steps {
		for _, v := range st.out {
			r := s.slots[v].root
			if _, ok := first[r]; !ok {
				first[r] = i
			}
			last[r] = max(last[r], i)
		}
		for _, v := range slices.Concat(st.in, st.res) {
			last[s.slots[v].root] = i
		}
	}
	for _, v := range s.outputs {
		last[s.slots[v].root] = len(s.steps)
	}
	sum := 0
	for a := range first {
		if s.slots[a].kind != arenaSlot {
			continue
		}
		sizeA := 4 * s.slots[a].typ.Len()
		sum += sizeA
		for b := range first {
			if a == b || s.slots[b].kind != arenaSlot || first[a] > last[b] || first[b] > last[a] {
				continue
			}
			if oa, ob := s.slots[a].offset, s.slots[b].offset; oa < ob+4*s.slots[b].typ.Len() && ob < oa+sizeA {
				t.Errorf("slots %d and %d are alive together and overlap", a, b)
			}
		}
	}
	if s.arena > sum {
		t.Errorf("arena of %d bytes for %d bytes of values", s.arena, sum)
	}
}

func TestSessionsAtOnce(t *testing.T) {
	w := NewWorkers(2)
	defer w.Close()
	in, out := chain(t, NewBuilder("net"), true)
	s, err := NewSession(in, out, w)
	if err != nil {
		t.Fatal(err)
	}
	input := func(k int) *Tensor {
		x := NewTensor(Float32, 1, 4, 6, 5)
		for i := range Data[float32](x) {
			Data[float32](x)[i] = float32((i*k)%7) - 3
		}
		return x
	}
	want := make([][]*Tensor, 4)
	for k := range want {
		if want[k], err = s.Run(context.Background(), []*Tensor{input(k)}); err != nil {
			t.Fatal(err)
		}
	}
	var wg sync.WaitGroup
	errs := make(chan error, len(want))
	for k := range want {
		wg.Go(func() {
			for range 20 {
				got, err := s.Run(context.Background(), []*Tensor{input(k)})
				if err != nil {
					errs <- err
					return
				}
				for i := range got {
					if !Equal(got[i], want[k][i]) {
						errs <- fmt.Errorf("run %d: output %d differs", k, i)
						return
					}
				}
			}
		})
	}
	wg.Wait()
	close(errs)
	for err := range errs {
		t.Error(err)
	}
}

func TestRunErrors(t *testing.T) {
	in, out := chain(t, NewBuilder("net"), true)
	s, err := NewSession(in, out, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Run(ctx, []*Tensor{NewTensor(Float32, 1, 4, 6, 5)}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
	for _, bad := range [][]*Tensor{nil, {nil}, {NewTensor(Float32, 1, 4, 6, 6)}, {NewTensor(Float64, 1, 4, 6, 5)}} {
		if _, err := s.Run(context.Background(), bad); err == nil {
			t.Errorf("inputs %v: no error", bad)
		}
	}
	if _, err := NewSession(nil, out, nil); err == nil {
		t.Error("a session without its input: no error")
	}
}

func TestIntoWritesTheCallersTensor(t *testing.T) {
	in, out := chain(t, NewBuilder("net"), true)
	s, err := NewSession(in, out, nil)
	if err != nil {
		t.Fatal(err)
	}
	x := NewTensor(Float32, 1, 4, 6, 5)
	for i := range Data[float32](x) {
		Data[float32](x)[i] = float32(i%5) - 2
	}
	want, err := s.Run(context.Background(), []*Tensor{x})
	if err != nil {
		t.Fatal(err)
	}
	into := make([]*Tensor, len(want))
	for i, w := range want {
		into[i] = NewTensor(w.dtype, w.shape...)
	}
	got, err := s.Run(context.Background(), []*Tensor{x}, into...)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if got[i] != into[i] || !Equal(got[i], want[i]) {
			t.Errorf("output %d was not written into the given tensor", i)
		}
	}
}

// An operator must not write over an operand whose memory another operand shares under another shape.
func TestNotInPlaceOverASharedOperand(t *testing.T) {
	b := NewBuilder("net")
	in, err0 := b.Input("x", Type{Float32, []int{1, 2}})
	x, err1 := b.Apply1(Neg{}, in)
	scale, err2 := b.Apply1(Reshape{Shape: []int{2}}, x)
	y, err3 := b.Apply1(LayerNorm{Axis: 1, RMS: true, Stash: Float32}, x, scale)
	out, err4 := b.Apply1(Transpose{Perm: []int{1, 0}}, y)
	s, err5 := NewSession([]*Value{in}, []*Value{out}, nil)
	if err := errors.Join(err0, err1, err2, err3, err4, err5); err != nil {
		t.Fatal(err)
	}
	got, err := s.Run(context.Background(), []*Tensor{tensorOf(t, []float32{-1, -7}, 1, 2)})
	if want := tensorOf(t, []float32{0.2, 9.8}, 2, 1); err != nil || !Equal(got[0], want) {
		t.Errorf("got %v, want %v, error %v", got, want, err)
	}
}

// Sessions that share memory, a small one first, compute what others do, and take no more than the largest needs.
func TestShareMemory(t *testing.T) {
	workers := NewWorkers(2)
	defer workers.Close()
	memory := NewMemory()
	type job struct {
		s    *Session
		in   []*Tensor
		want []*Tensor
	}
	var jobs []job
	most := int64(0)
	for _, size := range []int{8, 40, 17} {
		b := NewBuilder(fmt.Sprint(size))
		x, err := b.Input("x", Type{Float32, []int{2, 8, size, size}})
		if err != nil {
			t.Fatal(err)
		}
		w, err := b.Input("w", Type{Float32, []int{8, 8, 3, 3}})
		if err != nil {
			t.Fatal(err)
		}
		y := x
		for range 3 {
			if y, err = b.Apply1(Conv{Strides: []int{1, 1}, Dilations: []int{1, 1}, Pads: []int{1, 1, 1, 1}, Groups: 1}, y, w); err != nil {
				t.Fatal(err)
			}
			if y, err = b.Apply1(Mul{}, y, x); err != nil {
				t.Fatal(err)
			}
		}
		j := job{in: []*Tensor{NewTensor(Float32, x.Type().Shape...), NewTensor(Float32, w.Type().Shape...)}}
		rng := rand.New(rand.NewPCG(1, uint64(size)))
		for _, in := range j.in {
			for i := range Data[float32](in) {
				Data[float32](in)[i] = rng.Float32() - 0.5
			}
		}
		alone, err := NewSession([]*Value{x, w}, []*Value{y}, workers)
		if err != nil {
			t.Fatal(err)
		}
		if j.want, err = alone.Run(context.Background(), j.in); err != nil {
			t.Fatal(err)
		}
		if j.s, err = NewSession([]*Value{x, w}, []*Value{y}, workers, ShareMemory(memory)); err != nil {
			t.Fatal(err)
		}
		if together := alone.ArenaBytes() + alone.WorkspaceBytes(); j.s.WorkspaceBytes() != 0 || j.s.ArenaBytes() > together+alignment {
			t.Errorf("size %d: an arena of %d and workspaces of %d bytes, more than %d", size, j.s.ArenaBytes(), j.s.WorkspaceBytes(), together)
		}
		most = max(most, j.s.ArenaBytes())
		jobs = append(jobs, j)
		check := func(j job) {
			got, err := j.s.Run(context.Background(), j.in)
			if err != nil {
				t.Error(err)
			} else if !slices.Equal(Data[float32](got[0]), Data[float32](j.want[0])) {
				t.Errorf("%v: another result", j.in[0].Type())
			}
		}
		var all sync.WaitGroup
		for _, j := range slices.Repeat(jobs, 3) {
			check(j)
			all.Go(func() { check(j) })
		}
		all.Wait()
		if int64(len(memory.arena)) != most || memory.Bytes() != most {
			t.Errorf("%d bytes of %d, want %d", len(memory.arena), memory.Bytes(), most)
		}
		memory.Release()
		if memory.arena != nil || j.s.idle != nil {
			t.Error("memory that was given back is held")
		}
		check(j)
	}
}
