package graph

import (
	order "encoding/binary"
	"slices"
	"unsafe"
)

// plan decides where each value lives: views and in-place results share their operand's memory, one output
// may be written straight into the caller's tensor, and the rest share one arena, placed by size so that values
// that are alive at the same time do not overlap.
func (c *compiler) plan() {
	s := c.s
	last := make([]int, len(s.slots)) // the step after which nobody reads the slot
	first := make([]int, len(s.slots))
	for i, st := range s.steps {
		for _, v := range st.out {
			first[v], last[v] = i, i
		}
		for _, v := range slices.Concat(st.in, st.res) {
			last[v] = i
		}
	}
	isOutput := map[int]bool{}
	for _, v := range s.outputs {
		last[v] = len(s.steps)
		isOutput[v] = true
	}
	// A root lives as long as the values that share it.
	end := slices.Clone(last)
	sharing := map[int][]int{} // by root, the other slots that share it
	share := func(v, root int) {
		moved := append(sharing[v], v)
		delete(sharing, v)
		for _, w := range moved {
			s.slots[w].root = root
		}
		sharing[root] = append(sharing[root], moved...)
		end[root] = max(end[root], end[v])
	}
	for _, st := range s.steps {
		if st.view {
			s.slots[st.out[0]].kind = arenaSlot
			share(st.out[0], s.slots[st.in[0]].root)
		}
	}
	for i, st := range s.steps {
		if st.view {
			continue
		}
		for _, o := range overwritable(s, st) {
			v, root := st.out[0], s.slots[o].root
			r := &s.slots[root]
			if r.kind != arenaSlot || end[root] != i || isOutput[v] ||
				r.typ.Len()*r.typ.DType.Size() != s.slots[v].typ.Len()*s.slots[v].typ.DType.Size() || s.slots[v].typ.DType != s.slots[o].typ.DType {
				continue
			}
			share(v, root)
			break
		}
	}
	for _, v := range s.outputs {
		if sl := &s.slots[v]; sl.kind == arenaSlot && sl.root == v {
			sl.kind = outputSlot
		}
	}
	s.arena = place(s.slots, first, end)
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
		n := slots[v].typ.Len() * slots[v].typ.DType.Size()
		return (n + alignment - 1) / alignment * alignment
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
	b := make([]byte, n+alignment)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(b))) % alignment)
	return b[skip : skip+n : skip+n]
}

// Over returns a tensor whose memory is raw, little-endian elements of its type, and nil if it cannot be: if raw does not
// have the type's size or is not aligned as the CPU wants it, for booleans, which not all bytes are, and on a big-endian CPU.
func Over(t Type, raw []byte) *Tensor {
	n, ok := Numel(t.Shape)
	size := t.DType.Size()
	if !ok || n == 0 || t.DType == Bool || n > len(raw)/size || n*size != len(raw) ||
		uintptr(unsafe.Pointer(unsafe.SliceData(raw)))%uintptr(size) != 0 || order.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		return nil
	}
	return overlay(Type{t.DType, slices.Clone(t.Shape)}, raw)
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
	}
	return r
}
