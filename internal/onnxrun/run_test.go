package onnxrun

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/npy"
	"github.com/gansr/gansr/onnxio"
)

// sum is a model of two inputs, one of whose names holds "=", that adds them.
func sum(t *testing.T) *onnxio.Model {
	t.Helper()
	b := onnxio.NewBuilder("sum", 17)
	x := b.Input("x", graph.Float32, "n", 3, "h", "w")
	y := b.Input("x=y", graph.Float32, 3, 1, 1)
	b.Output("a/b:c", b.Node("Add", []string{x, y}), graph.Float32, "n", 3, "h", "w")
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestRunAndSave(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, x *graph.Tensor) string {
		data, err := npy.Encode(x)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	x, _ := graph.FromSlice([]float32{1, 2, 3, 4, 5, 6}, 1, 3, 1, 2)
	y, _ := graph.FromSlice([]float32{10, 20, 30}, 3, 1, 1)
	px, py := write("x.npy", x), write("y=.npy", y)
	p, err := onnxio.NewProgram(sum(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	outs, err := Run(context.Background(), p, []string{"x=" + px, "x=y=" + py})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := outs[0].String(), "a/b:c: float32[1 3 1 2] min 11 max 36 mean 23.5"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	paths, err := Save(filepath.Join(dir, "out"), outs)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "out", "a_b_c.npy"))
	if err != nil || len(paths) != 1 {
		t.Fatal(paths, err)
	}
	got, err := npy.Decode(data)
	want, _ := graph.FromSlice([]float32{11, 12, 23, 24, 35, 36}, 1, 3, 1, 2)
	if err != nil || !graph.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	for _, c := range []struct {
		inputs []string
		want   string
	}{
		{nil, "is not given"},
		{[]string{px}, "does not say which of"},
		{[]string{"x=" + px, "x=" + px}, `input "x" is given twice`},
		{[]string{"x=" + px}, "x=y: tensor(float)[3,1,1] is not given"},
		{[]string{"x=" + px, "z=" + py}, `no input "z"; it has [x`},
		{[]string{"x=" + px, "x=y=" + py, "z=" + py}, `no input "z"`},
		{[]string{"x=" + dir + "/x.txt"}, "only .npy and .pb files can be read"},
	} {
		_, err := Run(context.Background(), p, c.inputs)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: error %v, want %q", c.inputs, err, c.want)
		}
		if mistake := !strings.HasPrefix(c.want, "only"); errors.As(err, &InputError{}) != mistake {
			t.Errorf("%v: error %T, a mistake in the inputs: %v", c.inputs, err, mistake)
		}
	}
}

func TestSaveRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, names := range [][]string{{"a/b", "a:b"}, {`..\x`}, {"a\x00b"}} {
		var outs []Output
		for _, n := range names {
			outs = append(outs, Output{n, graph.Scalar(float32(1))})
		}
		if _, err := Save(dir, outs); err == nil {
			t.Errorf("%q: no error", names)
		}
	}
	if _, err := Save(dir, []Output{{"../x", graph.Scalar(float32(1))}}); err != nil {
		t.Error(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 || entries[0].Name() != ".._x.npy" {
		t.Errorf("the folder holds %v, %v", entries, err)
	}
}

func TestOutputString(t *testing.T) {
	f := func(v ...float32) *graph.Tensor {
		x, err := graph.FromSlice(v, len(v))
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	flags, _ := graph.FromSlice([]bool{true, false, true}, 3)
	nan := float32(math.NaN())
	for _, c := range []struct {
		x    *graph.Tensor
		want string
	}{
		{f(1, 2, nan), "y: float32[3] min 1 max 2 mean 1.5 nan 1"},
		{f(nan), "y: float32[1] nan 1"},
		{f(), "y: float32[0]"},
		{f(float32(math.Inf(1)), 0), "y: float32[2] min 0 max +Inf mean +Inf"},
		{f(1, 2, 6).Converted(graph.Float16), "y: float16[3] min 1 max 6 mean 3"},
		{graph.Ints(-3, 5), "y: int64[2] min -3 max 5 mean 1"},
		{flags, "y: bool[3] true 2"},
		{graph.Scalar(uint8(7)), "y: uint8[] min 7 max 7 mean 7"},
	} {
		if got := (Output{"y", c.x}).String(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestBench(t *testing.T) {
	b, err := Bench(context.Background(), sum(t), BenchOptions{Size: Size{W: 20, H: 10}, Threads: 1, Runs: 3, Details: true})
	if err != nil {
		t.Fatal(err)
	}
	if b.Size != "20x10" || b.Threads != 1 || b.Runs != 3 || !(b.MinMS > 0 && b.MinMS <= b.MedianMS) || b.PeakBytes < 1<<20 || b.PeakBytes > 4<<30 {
		t.Errorf("%+v", b)
	}
	if len(b.Layers) != 1 || b.Layers[0].Out != "float32[1 3 10 20]" || b.Layers[0].MedianMS > b.MedianMS || b.PeakGFLOPS <= 0 {
		t.Errorf("details %+v", b.Details)
	}
	var text strings.Builder
	if err := b.WriteLayers(&text); err != nil || !strings.Contains(text.String(), "float32[1 3 10 20]") || !strings.Contains(text.String(), "100.0 %") {
		t.Errorf("wrote %q, %v", text.String(), err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Bench(ctx, sum(t), BenchOptions{Threads: 1, Runs: 1}); err == nil {
		t.Error("a cancelled context is no error")
	}
}

func TestFit(t *testing.T) {
	image := func(dims ...any) *onnxio.Graph {
		b := onnxio.NewBuilder("g", 17)
		b.Output("y", b.Node("Relu", []string{b.Input("x", graph.Float32, dims...)}), graph.Float32)
		m, err := b.Model()
		if err != nil {
			t.Fatal(err)
		}
		return m.Graph()
	}
	none := Size{}
	for _, c := range []struct {
		g          *onnxio.Graph
		want, size Size // a size of 0x0 stands for an error
	}{
		{image("n", 3, "h", "w"), none, Size{128, 128}},
		{image("n", 3, "h", "w"), Size{8, 9}, Size{8, 9}},
		{image(1, 3, 90, 160), none, Size{160, 90}},
		{image(1, 3, 90, 160), Size{160, 90}, Size{160, 90}},
		{image(1, 3, 90, 160), Size{90, 160}, none},
		{image(1, "h", "w", 3), Size{8, 9}, Size{8, 9}},
		{image(1, 90, 160, 3), none, Size{160, 90}},
		{image("n", 2), Size{8, 9}, Size{8, 9}},
	} {
		got, err := fit(c.g, c.want)
		if (err != nil) != (c.size == none) || err == nil && got != c.size {
			t.Errorf("%v, asked for %v: got %v, %v; want %v", c.g.Inputs, c.want, got, err, c.size)
		}
	}
}
