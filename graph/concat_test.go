package graph

import (
	"strings"
	"testing"
)

func TestConcat(t *testing.T) {
	a, b := count(3, 2, 5000), count(3, 1, 5000)
	out := apply(t, Concat{Axis: 1}, a, NewTensor(Float32, 3, 0, 5000), b)[0]
	back := func(first, n int) *Tensor {
		return apply(t, Slice{Starts: []int{0, first, 0}, Sizes: []int{3, n, 5000}, Steps: []int{1, 1, 1}}, out)[0]
	}
	if !Equal(back(0, 2), a) || !Equal(back(2, 1), b) {
		t.Error("the parts are not where they should be")
	}
	for dt := Float32; dt <= Bool; dt++ {
		in := apply(t, Cast{To: dt}, tensorOf(t, []uint8{1, 0, 1}, 3))[0]
		want := apply(t, Cast{To: dt}, tensorOf(t, []uint8{1, 0, 1, 1, 0, 1}, 6))[0]
		if got := apply(t, Concat{}, in, in)[0]; !Equal(got, want) {
			t.Errorf("%v: got %v", dt, got.data)
		}
	}
	if got := inferError(Concat{Axis: 1}, Type{Float32, []int{2, 3}}, Type{Float32, []int{3, 3}}); !strings.Contains(got, "the other axes should agree") {
		t.Errorf("error %q", got)
	}
}
