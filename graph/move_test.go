package graph

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// count returns the float32 tensor 0, 1, 2 …
func count(shape ...int) *Tensor {
	t := NewTensor(Float32, shape...)
	for i, d := 0, Data[float32](t); i < len(d); i++ {
		d[i] = float32(i)
	}
	return t
}

// checkIndexed compares got, made of a count of shape from, with what source says: where the element at a position of the
// result comes from.
func checkIndexed(t *testing.T, got *Tensor, from []int, source func(at []int) []int) {
	t.Helper()
	strides := rowMajor(from)
	at := make([]int, len(got.shape))
	for i, v := range Data[float32](got) {
		for k, r := len(at)-1, i; k >= 0; k-- {
			at[k] = r % got.shape[k]
			r /= got.shape[k]
		}
		want := 0
		for k, p := range source(at) {
			want += p * strides[k]
		}
		if v != float32(want) {
			t.Fatalf("element %v is that of offset %v, want %d", at, v, want)
		}
	}
}

func TestTranspose(t *testing.T) {
	for _, c := range []struct{ shape, perm []int }{
		{[]int{3, 5}, []int{1, 0}},
		{[]int{300, 70}, []int{1, 0}},
		{[]int{2, 3, 130, 67}, []int{0, 2, 3, 1}},
		{[]int{2, 130, 67, 3}, []int{0, 3, 1, 2}},
		{[]int{5000, 3}, []int{1, 0}},
		{[]int{2, 3, 4, 5}, []int{3, 2, 1, 0}},
		{[]int{2, 3, 4, 5}, []int{2, 0, 3, 1}},
		{[]int{4, 1, 7, 2, 6}, []int{3, 4, 0, 1, 2}},
		{[]int{0, 4}, []int{1, 0}},
		{nil, nil},
	} {
		t.Run(fmt.Sprint(c.shape, c.perm), func(t *testing.T) {
			out := apply(t, Transpose{Perm: c.perm}, count(c.shape...))[0]
			checkIndexed(t, out, c.shape, func(at []int) []int {
				from := make([]int, len(at))
				for k, p := range c.perm {
					from[p] = at[k]
				}
				return from
			})
		})
	}
}

func TestSlice(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		shape := make([]int, 1+r.IntN(4))
		var s Slice
		for k := range shape {
			shape[k] = 1 + r.IntN(9)
			first, step := r.IntN(shape[k]), 1+r.IntN(3)
			room := shape[k] - 1 - first
			if r.IntN(2) == 0 {
				step, room = -step, first
			}
			s.Starts, s.Steps = append(s.Starts, first), append(s.Steps, step)
			s.Sizes = append(s.Sizes, r.IntN(room/max(step, -step)+2))
		}
		out := apply(t, s, count(shape...))[0]
		checkIndexed(t, out, shape, func(at []int) []int {
			from := slices.Clone(at)
			for k := range from {
				from[k] = s.Starts[k] + at[k]*s.Steps[k]
			}
			return from
		})
	}
}

func TestExpand(t *testing.T) {
	out := apply(t, Expand{Shape: []int{2, 3, 4, 5}}, count(3, 1, 5))[0]
	checkIndexed(t, out, []int{3, 1, 5}, func(at []int) []int { return []int{at[1], 0, at[3]} })
	out = apply(t, Expand{Shape: []int{4, 3, 2}}, count(4, 1, 1))[0]
	checkIndexed(t, out, []int{4, 1, 1}, func(at []int) []int { return []int{at[0], 0, 0} })
}

func TestDepthToSpace(t *testing.T) {
	const b = 3
	for _, first := range []bool{false, true} {
		in := count(2, 2*b*b, 5, 7)
		out := apply(t, DepthToSpace{Block: b, ChannelsFirst: first}, in)[0]
		checkIndexed(t, out, in.shape, func(at []int) []int {
			row, col := at[2]%b, at[3]%b
			c := (row*b+col)*2 + at[1]
			if first {
				c = at[1]*b*b + row*b + col
			}
			return []int{at[0], c, at[2] / b, at[3] / b}
		})
		if back := apply(t, SpaceToDepth{Block: b, ChannelsFirst: first}, out)[0]; !Equal(back, in) {
			t.Errorf("ChannelsFirst %v: SpaceToDepth does not undo DepthToSpace", first)
		}
	}
}

func TestPad(t *testing.T) {
	in := tensorOf(t, []int8{1, 2, 3, 4, 5, 6}, 2, 3)
	for _, c := range []struct {
		mode       PadMode
		begin, end []int
		want       []int8
	}{
		{PadConstant, []int{0, 1}, []int{1, 0}, []int8{9, 1, 2, 3, 9, 4, 5, 6, 9, 9, 9, 9}},
		{PadEdge, []int{1, 2}, []int{0, 1}, []int8{1, 1, 1, 2, 3, 3, 1, 1, 1, 2, 3, 3, 4, 4, 4, 5, 6, 6}},
		{PadReflect, []int{0, 2}, []int{1, 3}, []int8{3, 2, 1, 2, 3, 2, 1, 2, 6, 5, 4, 5, 6, 5, 4, 5, 3, 2, 1, 2, 3, 2, 1, 2}},
		{PadWrap, []int{1, 0}, []int{0, 4}, []int8{4, 5, 6, 4, 5, 6, 4, 1, 2, 3, 1, 2, 3, 1, 4, 5, 6, 4, 5, 6, 4}},
		{PadReflect, []int{1, 0}, []int{0, 0}, []int8{4, 5, 6, 1, 2, 3, 4, 5, 6}},
	} {
		ops := []*Tensor{in}
		if c.mode == PadConstant {
			ops = append(ops, Scalar(int8(9)))
		}
		out := apply(t, Pad{Mode: c.mode, Begin: c.begin, End: c.end}, ops...)[0]
		if !slices.Equal(Data[int8](out), c.want) {
			t.Errorf("%s %v %v: got %v, want %v", c.mode, c.begin, c.end, Data[int8](out), c.want)
		}
	}
	empty := apply(t, Pad{Mode: PadConstant, Begin: []int{1}, End: []int{1}}, NewTensor(Float32, 0))[0]
	if !Equal(empty, NewTensor(Float32, 2)) {
		t.Errorf("constant pads around nothing: %v", empty.data)
	}
}

// On several threads the same elements move to the same places.
func TestMoveInParallel(t *testing.T) {
	w := NewWorkers(3)
	defer w.Close()
	for _, op := range []Operator{
		Transpose{Perm: []int{2, 0, 3, 1}},
		Transpose{Perm: []int{0, 2, 3, 1}},
		Slice{Starts: []int{1, 0, 99, 0}, Sizes: []int{1, 16, 50, 70}, Steps: []int{1, 1, -2, 1}},
		DepthToSpace{Block: 4},
		Pad{Mode: PadReflect, Begin: []int{0, 0, 2, 2}, End: []int{0, 0, 2, 2}},
		Expand{Shape: []int{2, 16, 100, 70}},
	} {
		in := count(2, 16, 100, 70)
		want := apply(t, op, in)[0]
		got := NewTensor(Float32, want.shape...)
		if err := op.Eval(&Exec{Pool: w}, []*Tensor{got}, []*Tensor{in}); err != nil {
			t.Fatal(err)
		}
		if !Equal(got, want) {
			t.Errorf("%#v differs", op)
		}
	}
}

func TestMoveErrors(t *testing.T) {
	x := Type{Float32, []int{2, 3}}
	for want, op := range map[string]Operator{
		"not an order":        Transpose{Perm: []int{0, 0}},
		"not an order of":     Transpose{Perm: []int{0}},
		"within axis 1":       Slice{Starts: []int{0, 1}, Sizes: []int{2, 3}, Steps: []int{1, 1}},
		"is not possible":     Expand{Shape: []int{2, 6}},
		"N x C x H x W":       DepthToSpace{Block: 2},
		"should have 2":       Pad{Mode: PadEdge, Begin: []int{1}, End: []int{1}},
		"positions before":    Pad{Mode: PadEdge, Begin: []int{1, -1}, End: []int{1, 1}},
		`mode "x" is unknown`: Pad{Mode: "x", Begin: []int{1, 1}, End: []int{1, 1}},
	} {
		if got := inferError(op, x); !strings.Contains(got, want) {
			t.Errorf("%#v: error %q, want it to say %q", op, got, want)
		}
	}
}
