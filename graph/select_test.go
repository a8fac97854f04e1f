package graph

import (
	"fmt"
	"math"
	"slices"
	"testing"
)

func TestTrilu(t *testing.T) {
	for _, k := range []int{math.MinInt, -3, -2, -1, 0, 1, 3, 4, math.MaxInt} {
		for _, upper := range []bool{false, true} {
			out := apply(t, Trilu{K: k, Upper: upper}, count(2, 3, 4))[0]
			for i, v := range Data[float32](out) {
				r, c := i/4%3, i%4
				want := float32(0)
				if upper && c >= k+r && k < 5 || !upper && (k > 4 || c <= k+r) && k > -4 || upper && k < -3 {
					want = float32(i)
				}
				if v != want {
					t.Errorf("k %d, upper %v: element %d %d is %v, want %v", k, upper, r, c, v, want)
				}
			}
		}
	}
}

func TestTopK(t *testing.T) {
	nan := float32(math.NaN())
	in := tensorOf(t, []float32{3, 1, nan, 1, 2, -5, 7, 2}, 2, 4)
	for _, c := range []struct {
		op     TopK
		values []float32
		places []int64
	}{
		{TopK{Axis: 1, K: 3}, []float32{nan, 3, 1, 7, 2, 2}, []int64{2, 0, 1, 2, 0, 3}},
		{TopK{Axis: 1, K: 4, Smallest: true}, []float32{1, 1, 3, nan, -5, 2, 2, 7}, []int64{1, 3, 0, 2, 1, 0, 3, 2}},
		{TopK{Axis: 0, K: 1}, []float32{3, 1, nan, 2}, []int64{0, 0, 0, 1}},
		{TopK{Axis: 0, K: 0}, nil, nil},
	} {
		out := apply(t, c.op, in)
		if fmt.Sprint(out[0].data) != fmt.Sprint(c.values) || !slices.Equal(Data[int64](out[1]), c.places) {
			t.Errorf("%+v: got %v at %v, want %v at %v", c.op, out[0].data, out[1].data, c.values, c.places)
		}
	}
	if inferError(TopK{Axis: 0, K: 3}, in.Type()) == "" {
		t.Error("more elements than there are: no error")
	}
}
