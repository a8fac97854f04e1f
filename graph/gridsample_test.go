package graph

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Positions that are not numbers, or far away, are outside.
func TestGridSampleFarAway(t *testing.T) {
	x := tensorOf(t, []float32{1, 2, 3, 4}, 1, 1, 2, 2)
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	grid := tensorOf(t, []float32{inf, -1, -inf, 1, nan, nan, 1e30, 1e30}, 1, 1, 4, 2)
	for padding, want := range map[string][]float32{"zeros": {0, 0, 0, 0}, "border": {2, 3, 1, 4}} {
		got := apply(t, GridSample{Mode: "linear", Padding: padding, AlignCorners: true}, x, grid)[0]
		if diff := cmp.Diff(want, got.data); diff != "" {
			t.Errorf("%s: %s", padding, diff)
		}
	}
	for _, v := range Data[float32](apply(t, GridSample{Mode: "cubic", Padding: "reflection"}, x, grid)[0]) {
		if math.IsNaN(float64(v)) {
			t.Error("reflection gives NaN")
		}
	}
}

func TestGridSampleTypes(t *testing.T) {
	grid := tensorOf(t, []float64{0.2, -0.4}, 1, 1, 1, 2)
	g := GridSample{Mode: "nearest", Padding: "zeros"}
	if got := apply(t, g, tensorOf(t, []int64{1, 2, 3, 4}, 1, 1, 2, 2), grid)[0]; Data[int64](got)[0] != 2 {
		t.Errorf("int64: got %v", got.data)
	}
	if got := apply(t, g, tensorOf(t, []bool{false, true, false, false}, 1, 1, 2, 2), grid)[0]; !Data[bool](got)[0] {
		t.Errorf("bool: got %v", got.data)
	}
	if got := apply(t, g, NewTensor(Float32, 1, 2, 0, 3), grid)[0]; !Equal(got, NewTensor(Float32, 1, 2, 1, 1)) {
		t.Errorf("no elements: got %v", got.data)
	}
}

func TestGridSampleErrors(t *testing.T) {
	x, grid := Type{Float32, []int{1, 3, 4, 4}}, Type{Float32, []int{1, 2, 2, 2}}
	good := GridSample{Mode: "linear", Padding: "zeros"}
	for _, c := range []struct {
		want string
		op   GridSample
		in   []Type
	}{
		{`mode "area" and padding "zeros"`, GridSample{Mode: "area", Padding: "zeros"}, []Type{x, grid}},
		{`mode "linear" and padding "wrap"`, GridSample{Mode: "linear", Padding: "wrap"}, []Type{x, grid}},
		{"N x spatial x axes", good, []Type{x, {Float32, []int{1, 2, 2, 3}}}},
		{"N x spatial x axes", good, []Type{x, {Float32, []int{2, 2, 2, 2}}}},
		{"N x spatial x axes", good, []Type{x, {Int32, grid.Shape}}},
		{"N x spatial x axes", good, []Type{{Float32, []int{1, 3}}, {Float32, []int{1, 0}}}},
	} {
		if got := inferError(c.op, c.in...); !strings.Contains(got, c.want) {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}
