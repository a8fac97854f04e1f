package graph

import (
	"context"
	"slices"
	"strings"
	"testing"
)

func TestGather(t *testing.T) {
	in := count(2, 4, 3)
	idx := tensorOf(t, []int64{3, -4, 1}, 3)
	out := apply(t, Gather{Axis: 1}, in, idx)[0]
	checkIndexed(t, out, in.shape, func(at []int) []int { return []int{at[0], []int{3, 0, 1}[at[1]], at[2]} })
	out = apply(t, Gather{Axis: 2}, in, tensorOf(t, []int32{2, 0}, 1, 2))[0]
	checkIndexed(t, out, in.shape, func(at []int) []int { return []int{at[0], at[1], 2 - 2*at[3]} })
	if !slices.Equal(out.shape, []int{2, 4, 1, 2}) {
		t.Errorf("shape %v", out.shape)
	}
}

func TestGatherND(t *testing.T) {
	in := count(2, 3, 4)
	out := apply(t, GatherND{BatchDims: 1}, in, tensorOf(t, []int64{2, -1, 0, 1}, 2, 1, 2))[0]
	if got := Data[float32](out); !slices.Equal(got, []float32{11, 13}) || !slices.Equal(out.shape, []int{2, 1}) {
		t.Errorf("got %v %v", out.shape, got)
	}
}

func TestScatter(t *testing.T) {
	in := tensorOf(t, []float32{1, 2, 3, 4}, 4)
	idx := tensorOf(t, []int64{3, 0, -1}, 3, 1)
	up := tensorOf(t, []float32{5, 6, -7}, 3)
	for r, want := range map[Reduction][]float32{
		ReduceNone: {6, 2, 3, -7}, ReduceAdd: {7, 2, 3, 2}, ReduceMul: {6, 2, 3, -140}, ReduceMax: {6, 2, 3, 5}, ReduceMin: {1, 2, 3, -7},
	} {
		if got := Data[float32](apply(t, ScatterND{r}, in, idx, up)[0]); !slices.Equal(got, want) {
			t.Errorf("ScatterND %s: got %v, want %v", r, got, want)
		}
		flat, _ := idx.Reshaped(3)
		if got := Data[float32](apply(t, ScatterElements{0, r}, in, flat, up)[0]); !slices.Equal(got, want) {
			t.Errorf("ScatterElements %s: got %v, want %v", r, got, want)
		}
	}
	if !slices.Equal(Data[float32](in), []float32{1, 2, 3, 4}) {
		t.Error("the operand was changed")
	}
}

// Indices are data: one that is out of range is found when the graph runs.
func TestIndexOutOfRange(t *testing.T) {
	data := count(2, 3)
	for _, c := range []struct {
		op Operator
		in []*Tensor
	}{
		{Gather{Axis: 1}, []*Tensor{data, tensorOf(t, []int64{3}, 1)}},
		{Gather{Axis: 0}, []*Tensor{data, tensorOf(t, []int32{-3}, 1)}},
		{GatherElements{Axis: 0}, []*Tensor{data, tensorOf(t, []int64{2}, 1, 1)}},
		{GatherND{}, []*Tensor{data, tensorOf(t, []int64{1, 1 << 62}, 2)}},
		{ScatterND{ReduceNone}, []*Tensor{data, tensorOf(t, []int64{5, 0}, 1, 2), count(1)}},
		{ScatterElements{1, ReduceAdd}, []*Tensor{data, tensorOf(t, []int64{-4}, 1, 1), count(1, 1)}},
	} {
		b := NewBuilder("test")
		var vs []*Value
		for _, x := range c.in {
			v, err := b.Input("x", x.Type())
			if err != nil {
				t.Fatal(err)
			}
			vs = append(vs, v)
		}
		outs, err := b.Apply(c.op, vs...)
		if err != nil {
			t.Fatal(err)
		}
		s, err := NewSession(vs, outs, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = s.Run(context.Background(), c.in); err == nil || !strings.Contains(err.Error(), "is outside of an axis") {
			t.Errorf("%#v: error %v, want one about the index", c.op, err)
		}
	}
}
