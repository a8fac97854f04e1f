package onnxio

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/gansr/gansr/graph"
)

// windowMask is what networks compute: pixels are numbered by the nine parts that a shift makes of an image, and windows of them compared.
func windowMask(rows, cols, h, w, down, across int) *graph.Tensor {
	part := func(i, n, window, shift int) int {
		switch {
		case i < n-window:
			return 0
		case i < n-shift:
			return 1
		}
		return 2
	}
	n := h * w
	t := graph.NewTensor(graph.Float32, 1, rows*cols, 1, n, n)
	d := graph.Data[float32](t)
	for at := range d {
		window, i, j := at/(n*n), at/n%n, at%n
		id := func(i int) int {
			y, x := window/cols*h+i/w, window%cols*w+i%w
			return 3*part(y, rows*h, h, down) + part(x, cols*w, w, across)
		}
		if id(i) != id(j) {
			d[at] = -100
		}
	}
	return t
}

func TestMask(t *testing.T) {
	for _, want := range []mask{
		{rows: 4, cols: 6, h: 4, w: 4, down: 2, across: 2}, {rows: 3, cols: 3, h: 2, w: 6, down: 1, across: 3},
		{rows: 1, cols: 5, h: 4, w: 4, down: 2, across: 2}, {rows: 2, cols: 2, h: 3, w: 3, down: 1, across: 2},
	} {
		got := masksOf(windowMask(want.rows, want.cols, want.h, want.w, want.down, want.across))
		if !slices.ContainsFunc(got, func(m mask) bool {
			return m.axis == 1 && m.rows == want.rows && m.cols == want.cols && m.h == want.h && m.w == want.w && m.down == want.down && m.across == want.across
		}) {
			t.Errorf("want %+v, got %+v", want, got)
		}
	}
	no := windowMask(4, 4, 4, 4, 2, 2)
	graph.Data[float32](no)[17] = -100
	if got := masksOf(no); got != nil {
		t.Errorf("not a mask, got %+v", got)
	}
}

// The nodes that take the place of a mask compute it, at the size of the file and at others.
func TestFreedMask(t *testing.T) {
	masked := func(rows, cols int) *graph.Tensor { return windowMask(rows, cols, 4, 4, 2, 2) }
	b := NewBuilder("test", 17)
	x := b.Input("input", graph.Float32, 1, 1, 16, 24)
	y := b.Node("Reshape", []string{x, b.Init("apart", graph.Ints(1, 1, 4, 4, 6, 4))})
	y = b.Node("Transpose", []string{y}, Attr{"perm", []int{0, 2, 4, 1, 3, 5}})
	y = b.Node("Reshape", []string{y, b.Init("windows", graph.Ints(1, 24, 1, 1, 16))})
	y = b.Node("Add", []string{y, b.Init("mask", masked(4, 6))})
	y = b.Node("ReduceMean", []string{y}, Attr{"axes", []int{3}})
	y = b.Node("Reshape", []string{y, b.Init("back", graph.Ints(1, 4, 6, 1, 4, 4))})
	y = b.Node("Transpose", []string{y}, Attr{"perm", []int{0, 3, 1, 4, 2, 5}})
	b.Output("output", b.Node("Reshape", []string{y, b.Init("image", graph.Ints(1, 1, 16, 24))}), graph.Float32, 1, 1, 16, 24)
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	free, err := m.Freed(ctx, 16, 24, func(Reading) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	p, err := NewProgram(free, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range [][2]int{{4, 6}, {1, 1}, {5, 3}} {
		got, err := p.Run(ctx, map[string]*graph.Tensor{"input": graph.NewTensor(graph.Float32, 1, 1, 4*size[0], 4*size[1])})
		if err != nil {
			t.Fatal(err)
		}
		of := graph.Data[float32](masked(size[0], size[1]))
		for i, v := range graph.Data[float32](got["output"]) {
			row, col := i/(4*size[1]), i%(4*size[1])
			window, pixel := row/4*size[1]+col/4, row%4*4+col%4
			want := float32(0)
			for j := range 16 {
				want += of[(window*16+j)*16+pixel] / 16
			}
			if v != want {
				t.Fatalf("%v: pixel %d is %g, want %g", size, i, v, want)
			}
		}
	}
	if _, err := m.Freed(ctx, 16, 24, func(Reading) error { return fmt.Errorf("no: %w", ErrUndecided) }); !errors.Is(err, ErrUndecided) {
		t.Error("what accept says is lost:", err)
	}
}

// Common rules for positions are those that give a constant bit for bit.
func TestSequence(t *testing.T) {
	f := &freer{}
	for _, make := range []func(i, n float32) float32{
		func(i, n float32) float32 { return i },
		func(i, n float32) float32 { return i / n },
		func(i, n float32) float32 { return (i + 0.5) / n },
		func(i, n float32) float32 { return (2*i+1)/n - 1 },
		func(i, n float32) float32 { return i/(n-1)*2 - 1 },
		func(i, n float32) float32 { return i + 0.5 },
	} {
		v := graph.NewTensor(graph.Float32, 13)
		for i := range 13 {
			graph.Data[float32](v)[i] = make(float32(i), 13)
		}
		if _, ok := f.sequence(v, constant(13)); !ok {
			t.Errorf("%v has no rule", v.Data())
		}
		graph.Data[float32](v)[7] += 0.01
		if _, ok := f.sequence(v, constant(13)); ok {
			t.Error("a rule was found that does not hold")
		}
	}
}

func TestGroups(t *testing.T) {
	a, b := groups([]int{1, 16, 24, 8}, []int{1, 4, 4, 6, 4, 8}, false)
	if !slices.Equal(a, []int{0, 1, 2, 3}) || !slices.Equal(b, []int{0, 1, 1, 2, 2, 3}) {
		t.Error(a, b)
	}
	a, b = groups([]int{1, 1, 8}, []int{1, 8}, true)
	if !slices.Equal(a, []int{0, 0, 0}) || !slices.Equal(b, []int{0, 0}) {
		t.Error(a, b)
	}
}
