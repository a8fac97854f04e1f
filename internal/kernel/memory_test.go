package kernel

import (
	"testing"
	"unsafe"
)

func TestFloats(t *testing.T) {
	for _, n := range []int{0, 1, 1000, manyPages/4 - 1, manyPages / 4, hugePage, 3*hugePage/4 + 5} {
		a := Floats(n)
		if len(a) != n || cap(a) != n && 4*n >= manyPages {
			t.Errorf("%d elements: length %d, capacity %d", n, len(a), cap(a))
		}
		if at := uintptr(unsafe.Pointer(unsafe.SliceData(a))); 4*n >= manyPages && at%hugePage != 0 {
			t.Errorf("%d elements begin at %x", n, at)
		}
		for i, v := range a {
			if v != 0 {
				t.Fatalf("%d elements: element %d is %v", n, i, v)
			}
			a[i] = 1
		}
	}
}
