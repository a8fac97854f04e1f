package graph

import (
	"slices"
	"strings"
	"testing"
)

func TestMatMul(t *testing.T) {
	// 3 broadcast batches of a 2x3 by 3x2 product, in all layouts.
	a, b := count(3, 2, 3), count(1, 3, 2)
	at := apply(t, Transpose{Perm: []int{0, 2, 1}}, a)[0]
	bt := apply(t, Transpose{Perm: []int{0, 2, 1}}, b)[0]
	want := []float32{10, 13, 28, 40, 46, 67, 64, 94, 82, 121, 100, 148}
	for _, c := range []struct {
		op   MatMul
		a, b *Tensor
	}{{MatMul{}, a, b}, {MatMul{TransA: true}, at, b}, {MatMul{TransB: true}, a, bt}, {MatMul{TransA: true, TransB: true}, at, bt}} {
		out := apply(t, c.op, c.a, c.b)[0]
		if got := Data[float32](out); !slices.Equal(got, want) || !slices.Equal(out.shape, []int{3, 2, 2}) {
			t.Errorf("%+v: got %v %v, want %v", c.op, out.shape, got, want)
		}
		ints := func(x *Tensor) *Tensor { return apply(t, Cast{To: Int64}, x)[0] }
		if got := apply(t, Cast{To: Float32}, apply(t, c.op, ints(c.a), ints(c.b))[0])[0]; !Equal(got, out) {
			t.Errorf("%+v: int64 gives %v", c.op, got.data)
		}
	}
	if got := apply(t, MatMul{}, NewTensor(Float32, 2, 0), NewTensor(Float32, 0, 2))[0]; !Equal(got, NewTensor(Float32, 2, 2)) {
		t.Errorf("sums over nothing: %v", got.data)
	}
	for want, in := range map[string][2][]int{
		"two or more axes":           {{3}, {3, 2}},
		"sums over 3 and 2 elements": {{2, 3}, {2, 3}},
		"cannot be broadcast":        {{2, 1, 3}, {3, 3, 1}},
	} {
		if got := inferError(MatMul{}, Type{Float32, in[0]}, Type{Float32, in[1]}); !strings.Contains(got, want) {
			t.Errorf("MatMul of %v: error %q, want it to say %q", in, got, want)
		}
	}
}
