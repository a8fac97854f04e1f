package graph

import "reflect"

// copyTensor copies the elements of src to dst, which has the same type and number of elements.
func copyTensor(dst, src *Tensor) {
	switch d := dst.data.(type) {
	case []float32:
		copy(d, Data[float32](src))
	case []float64:
		copy(d, Data[float64](src))
	case []Half:
		copy(d, Data[Half](src))
	case []Brain:
		copy(d, Data[Brain](src))
	case []int8:
		copy(d, Data[int8](src))
	case []int16:
		copy(d, Data[int16](src))
	case []int32:
		copy(d, Data[int32](src))
	case []int64:
		copy(d, Data[int64](src))
	case []uint8:
		copy(d, Data[uint8](src))
	case []uint16:
		copy(d, Data[uint16](src))
	case []uint32:
		copy(d, Data[uint32](src))
	case []uint64:
		copy(d, Data[uint64](src))
	case []bool:
		copy(d, Data[bool](src))
	case []Narrow:
		copy(d, src.data.([]Narrow))
	}
}

// isPart reports whether a session placed part in the memory of whole, from element at on.
func isPart(part, whole *Tensor, at int) bool {
	address := func(t *Tensor) uintptr { return reflect.ValueOf(t.data).Pointer() }
	return address(part) == address(whole)+uintptr(at*whole.dtype.Size())
}

// moveData calls the instance of f for the width of dst's elements: operators that only move elements need four
// instances, not one for each type. Both tensors have the same element type.
func moveData(f mover4, dst, src *Tensor) {
	switch d := dst.data.(type) {
	case []float32:
		f.w4(bits[uint32](d), bits[uint32](Data[float32](src)))
	case []int32:
		f.w4(bits[uint32](d), bits[uint32](Data[int32](src)))
	case []uint32:
		f.w4(d, Data[uint32](src))
	case []float64:
		f.w8(bits[uint64](d), bits[uint64](Data[float64](src)))
	case []int64:
		f.w8(bits[uint64](d), bits[uint64](Data[int64](src)))
	case []uint64:
		f.w8(d, Data[uint64](src))
	case []Half:
		f.w2(bits[uint16](d), bits[uint16](Data[Half](src)))
	case []Brain:
		f.w2(bits[uint16](d), bits[uint16](Data[Brain](src)))
	case []int16:
		f.w2(bits[uint16](d), bits[uint16](Data[int16](src)))
	case []uint16:
		f.w2(d, Data[uint16](src))
	case []int8:
		f.w1(bits[uint8](d), bits[uint8](Data[int8](src)))
	case []uint8:
		f.w1(d, Data[uint8](src))
	case []Narrow:
		f.w1(bits[uint8](d), bits[uint8](src.data.([]Narrow)))
	case []bool:
		f.w1(bits[uint8](d), bits[uint8](Data[bool](src)))
	}
}

// mover4 is one function for elements of 1, 2, 4 and 8 bytes.
type mover4 struct {
	w1 func(dst, src []uint8)
	w2 func(dst, src []uint16)
	w4 func(dst, src []uint32)
	w8 func(dst, src []uint64)
}
