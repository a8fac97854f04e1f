package graph

import "unsafe"

// bits returns s as unsigned integers of the same width. The bits of a bool are a uint8 of 0 or 1.
func bits[U uint8 | uint16 | uint32 | uint64, T Element | Narrow](s []T) []U {
	return unsafe.Slice((*U)(unsafe.Pointer(unsafe.SliceData(s))), len(s))
}

// floatsOf returns s as float32s of the same bits.
func floatsOf(s []uint32) []float32 {
	return unsafe.Slice((*float32)(unsafe.Pointer(unsafe.SliceData(s))), len(s))
}
