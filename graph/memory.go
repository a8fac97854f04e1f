package graph

import (
	order "encoding/binary"
	"reflect"
	"slices"
	"unsafe"

	"github.com/gansr/gansr/internal/kernel"
)

// plan decides where each value lives: views, slices, parts of a concatenation and in-place results share memory where they
// can, one output may be written straight into the caller's tensor, and the rest share one arena, placed by size so that
// values that are alive at the same time do not overlap.
func (c *compiler) plan() {
	s := c.s
	p := &planner{s: s, first: make([]int, len(s.slots)), end: make([]int, len(s.slots)), isOutput: make([]bool, len(s.slots)), sharing: map[int][]int{}}
	for i, st := range s.steps {
		for _, v := range st.out {
			p.first[v], p.end[v] = i, i
		}
		for _, v := range slices.Concat(st.in, st.res) {
			p.end[v] = i
		}
		if s.memory != nil && s.workspaces[i] >= 0 {
			p.first[s.workspaces[i]], p.end[s.workspaces[i]] = i, i
		}
	}
	for _, v := range s.outputs {
		p.end[v] = len(s.steps)
		p.isOutput[v] = true
	}
	for _, st := range slices.Backward(s.steps) { // the concatenation of a concatenation first
		if op, ok := st.op.(Concat); ok {
			p.concat(op, st)
		}
	}
	for _, st := range s.steps {
		if st.view {
			s.slots[st.out[0]].kind = arenaSlot
			in := s.slots[st.in[0]]
			p.share(st.out[0], in.root, in.shift)
		}
		if op, ok := st.op.(Slice); ok {
			p.slice(op, st)
		}
	}
	for i, st := range s.steps {
		if st.view {
			continue
		}
		for _, o := range overwritable(s, st) {
			v, root := st.out[0], s.slots[o].root
			if s.slots[v].root != v || s.slots[root].kind != arenaSlot || p.end[root] != i || p.isOutput[v] ||
				s.slots[root].typ.bytes() != s.slots[v].typ.bytes() || s.slots[v].typ.DType != s.slots[o].typ.DType {
				continue
			}
			p.share(v, root, 0)
			break
		}
	}
	for _, v := range s.outputs {
		if sl := &s.slots[v]; sl.kind == arenaSlot && sl.root == v {
			sl.kind = outputSlot
		}
	}
	s.arena = place(s.slots, p.first, p.end)
}

// planner finds the values that share memory. A root lives as long as those that share it.
type planner struct {
	s          *Session
	first, end []int // by slot, the steps between which it is alive
	isOutput   []bool
	sharing    map[int][]int // by root, the other slots that share it
}

// share gives v, and what shares its memory, the root's memory from shift on.
func (p *planner) share(v, root, shift int) {
	for _, w := range append(p.sharing[v], v) {
		p.s.slots[w].root = root
		p.s.slots[w].shift += shift
		p.sharing[root] = append(p.sharing[root], w)
	}
	delete(p.sharing, v)
	p.first[root] = min(p.first[root], p.first[v])
	p.end[root] = max(p.end[root], p.end[v])
}

// owns reports whether a slot has memory of the arena for itself, or for those that share it.
func (p *planner) owns(v int) bool {
	return p.s.slots[v].kind == arenaSlot && p.s.slots[v].root == v && !p.isOutput[v]
}

// concat lets operands be written where their concatenation has them, which is a prefix of another if they have their places
// already.
func (p *planner) concat(op Concat, st step) {
	out := st.out[0]
	if rows, _ := Numel(p.s.slots[out].typ.Shape[:op.Axis]); rows != 1 || p.s.slots[out].kind != arenaSlot || p.isOutput[out] {
		return
	}
	there := p.owns(out)
	at, first := 0, p.s.slots[st.in[0]]
	for _, v := range st.in {
		sl := p.s.slots[v]
		there = there && sl.root != v && sl.root == first.root && sl.shift == first.shift+at && sl.root != out
		at += sl.typ.bytes()
	}
	if there {
		p.share(out, first.root, first.shift)
		return
	}
	at = p.s.slots[out].shift
	for _, v := range st.in {
		if p.owns(v) && v != p.s.slots[out].root && !p.isView(v) {
			p.share(v, p.s.slots[out].root, at)
		}
		at += p.s.slots[v].typ.bytes()
	}
}

// isView reports whether a slot is another's memory, or will be.
func (p *planner) isView(v int) bool { return p.s.steps[p.first[v]].view }

// slice lets the result of a Slice of neighbours be that part of the operand.
func (p *planner) slice(op Slice, st step) {
	in, out := st.in[0], st.out[0]
	sl := p.s.slots[in]
	w := op.walk(sl.typ.Shape).joined()
	if len(w.dims) > 1 || len(w.dims) == 1 && w.strides[0] != 1 || p.s.slots[sl.root].kind != arenaSlot || !p.owns(out) || p.isOutput[sl.root] {
		return
	}
	p.share(out, sl.root, sl.shift+w.at*sl.typ.DType.Size())
}

// overwritable lists the operand slots that the step's first result may be written over.
func overwritable(s *Session, st step) []int {
	if len(st.out) != 1 {
		return nil
	}
	if st.prep != nil {
		// A residual is read where the result is written, but the convolution's own operands are read all over.
		return slices.DeleteFunc(slices.Clone(st.res), func(r int) bool {
			return slices.ContainsFunc(st.in, func(v int) bool { return s.slots[v].root == s.slots[r].root })
		})
	}
	p, ok := st.op.(inPlacer)
	if !ok {
		return nil
	}
	var vs []int
	for _, i := range p.inPlace() {
		// An operand that shares the memory may be read after it is written, such as a norm's scale.
		if i < len(st.in) && !slices.ContainsFunc(slices.Delete(slices.Clone(st.in), i, i+1), func(v int) bool { return s.slots[v].root == s.slots[st.in[i]].root }) {
			vs = append(vs, st.in[i])
		}
	}
	return vs
}

const (
	alignment = 64
	maxMemory = 1 << 36 // bytes of one run, on any machine
)

// place gives each root of the arena an offset, the largest first, in the lowest gap that is free for its whole life, and
// returns the arena's size in bytes.
func place(slots []slot, first, end []int) int {
	var roots []int
	for v, sl := range slots {
		if sl.kind == arenaSlot && sl.root == v {
			roots = append(roots, v)
		}
	}
	size := func(v int) int {
		return (slots[v].typ.bytes() + alignment - 1) / alignment * alignment
	}
	slices.SortStableFunc(roots, func(a, b int) int { return size(b) - size(a) })
	total := 0
	var placed []int // by offset
	for _, v := range roots {
		at := 0
		for _, w := range placed {
			if first[v] > end[w] || first[w] > end[v] {
				continue
			}
			if at+size(v) <= slots[w].offset {
				break
			}
			at = max(at, slots[w].offset+size(w))
		}
		slots[v].offset = at
		total = max(total, at+size(v))
		i, _ := slices.BinarySearchFunc(placed, at, func(w, at int) int { return slots[w].offset - at })
		placed = slices.Insert(placed, i, v)
	}
	return total
}

// alignedBytes returns n bytes that start at a multiple of 64.
func alignedBytes(n int) []byte {
	a := kernel.Floats((n + alignment + 3) / 4)
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(a))), 4*len(a))
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) % alignment)
	return b[skip : skip+n : skip+n]
}

// Over returns a tensor whose memory is raw, little-endian elements of its type, and nil if it cannot be: if raw does not
// have the type's size or is not aligned as the CPU wants it, for booleans, which not all bytes are, for narrow types, which files pack, and on a big-endian CPU.
func Over(t Type, raw []byte) *Tensor {
	n, ok := Numel(t.Shape)
	size := t.DType.Size()
	if !ok || n == 0 || t.DType == Bool || t.DType.IsNarrow() || n > len(raw)/size || n*size != len(raw) ||
		uintptr(unsafe.Pointer(unsafe.SliceData(raw)))%uintptr(size) != 0 || order.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		return nil
	}
	return overlay(Type{t.DType, slices.Clone(t.Shape)}, raw)
}

// Bytes returns the memory of t, little-endian elements, which its caller must not change. It is nil where Over would be, but that booleans have theirs.
func Bytes(t *Tensor) []byte {
	if t.DType().IsNarrow() || t.Len() == 0 || order.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		return nil
	}
	p := reflect.ValueOf(t.data).UnsafePointer()
	return unsafe.Slice((*byte)(p), t.Len()*t.DType().Size())
}

// overlay returns a tensor over the beginning of b, which is aligned.
func overlay(t Type, b []byte) *Tensor {
	n := t.Len()
	p := unsafe.Pointer(unsafe.SliceData(b))
	r := &Tensor{dtype: t.DType, shape: t.Shape}
	switch {
	case n == 0:
		r.data = makeSlice(t.DType, 0)
	case t.DType == Float32:
		r.data = unsafe.Slice((*float32)(p), n)
	case t.DType == Float64:
		r.data = unsafe.Slice((*float64)(p), n)
	case t.DType == Float16:
		r.data = unsafe.Slice((*Half)(p), n)
	case t.DType == BFloat16:
		r.data = unsafe.Slice((*Brain)(p), n)
	case t.DType == Int8:
		r.data = unsafe.Slice((*int8)(p), n)
	case t.DType == Int16:
		r.data = unsafe.Slice((*int16)(p), n)
	case t.DType == Int32:
		r.data = unsafe.Slice((*int32)(p), n)
	case t.DType == Int64:
		r.data = unsafe.Slice((*int64)(p), n)
	case t.DType == Uint8:
		r.data = unsafe.Slice((*uint8)(p), n)
	case t.DType == Uint16:
		r.data = unsafe.Slice((*uint16)(p), n)
	case t.DType == Uint32:
		r.data = unsafe.Slice((*uint32)(p), n)
	case t.DType == Uint64:
		r.data = unsafe.Slice((*uint64)(p), n)
	case t.DType == Bool:
		// Only operators write here, and they store valid bools; fresh memory is zero. Memory that held another type is
		// written before it is read.
		r.data = unsafe.Slice((*bool)(p), n)
	case t.DType.IsNarrow():
		r.data = unsafe.Slice((*Narrow)(p), n)
	}
	return r
}
