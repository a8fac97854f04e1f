package kernel

import "unsafe"

const (
	hugePage  = 2 << 20 // bytes
	manyPages = 4 << 20 // bytes from which large pages matter
)

// Floats returns n elements, all 0. Much memory lies in large pages where the system has them: planes far apart would each take an entry of
// the translation of addresses.
func Floats(n int) []float32 {
	if 4*n < manyPages {
		return make([]float32, n)
	}
	a := make([]float32, n+hugePage/4)
	skip := -uintptr(unsafe.Pointer(unsafe.SliceData(a))) % hugePage / 4
	a = a[skip : int(skip)+n : int(skip)+n]
	adviseHuge(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(a))), 4*n))
	return a
}
