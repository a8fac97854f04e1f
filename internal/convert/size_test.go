package convert

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/shared"
	"github.com/gansr/gansr/onnxio"
	"github.com/gansr/gansr/onnxio/torch"
)

// A size that only the input states is taken off, and can be given.
func TestSize(t *testing.T) {
	path, _ := fileOf(t, newModel(t))
	s, err := Open(path, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	fixed, free := filepath.Join(dir, "fixed.onnx"), filepath.Join(dir, "free.onnx")
	if _, err := Convert(context.Background(), s, fixed, Options{Size: [2]int{24, 32}}); err != nil {
		t.Fatal(err)
	}
	f, err := Open(fixed, "", nil)
	if err != nil || fixedSize(f.Model) != [2]int{24, 32} {
		t.Fatal(fixedSize(f.Model), err)
	}
	r, err := Convert(context.Background(), f, free, Options{AnySize: true})
	if err != nil || !strings.Contains(strings.Join(r.Said, "\n"), "bit for bit; a part of") {
		t.Fatal(r, err)
	}
	m, err := onnxio.Open(free)
	if err != nil || fixedSize(m) != [2]int{} || m.Graph().Outputs[0].Dims[2].Known() {
		t.Fatal(m.Graph().Inputs, m.Graph().Outputs, err)
	}
	want, err := runAt(context.Background(), s.Model, [2]int{40, 36}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := runAt(context.Background(), m, [2]int{40, 36}, Options{}); err != nil || !graph.Equal(got, want) {
		t.Error("the freed network computes something else", err)
	}
}

// sizedImage is the input of testdata/sizes.py.
func sizedImage(h, w int) *graph.Tensor {
	t := graph.NewTensor(graph.Float32, 1, 3, h, w)
	d := graph.Data[float32](t)
	for i := range d {
		d[i] = float32(i*7919%1009) / 1008
	}
	return t
}

// asPyTorch checks that a model computes what PyTorch does at the sizes of testdata/sizes.
func asPyTorch(t *testing.T, m *onnxio.Model, name string) {
	t.Helper()
	f, err := torch.Open(filepath.Join("testdata", "sizes", name+".safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	span, err := strconv.ParseFloat(f.Metadata["span"], 64)
	if err != nil {
		t.Fatal(err)
	}
	p, err := onnxio.NewProgram(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range f.Tensors {
		var i, h, w int
		if _, err := fmt.Sscanf(key, "%d-%dx%d", &i, &h, &w); err != nil {
			t.Fatal(err)
		}
		got, err := p.Run(context.Background(), map[string]*graph.Tensor{"input": sizedImage(h, w)})
		if err != nil {
			t.Errorf("%s: %v", key, err)
			continue
		}
		worst := 0.0
		y := graph.Data[float32](got["output"])
		for j, v := range graph.Data[float32](want) {
			worst = max(worst, math.Abs(float64(v-y[7*j])))
		}
		if !(worst <= 1e-5*span) {
			t.Errorf("%s: differs by %.2g of the range", key, worst/span)
		}
	}
}

// Sizes in the constants of exports are found and computed.
func TestFreed(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "sizes", "*.onnx"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		name, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".onnx"), "-legacy")
		name, _, _ = strings.Cut(name, "-dynamo")
		t.Run(filepath.Base(path), func(t *testing.T) {
			s, err := Open(path, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			out := filepath.Join(t.TempDir(), "out.onnx")
			r, err := Convert(context.Background(), s, out, Options{AnySize: true})
			if err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(strings.Join(r.Said, "\n"), "bit for bit; ") {
				t.Error(r.Said)
			}
			m, err := onnxio.Open(out)
			if err != nil {
				t.Fatal(err)
			}
			asPyTorch(t, m, name)
			if pools := m.Metadata()["gansr.multiple"]; name == "pyramid" && pools != "4" {
				t.Errorf("multiples of %q", pools)
			}
		})
	}
}

// Files that state no size, but were made for one, are found out: those that fail at other sizes, and those that compute something else.
func TestTraced(t *testing.T) {
	for _, name := range []string{"swin-claims", "swin-kept"} {
		path := filepath.Join("testdata", "sizes", name+"-legacy.onnx")
		s, err := Open(path, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		found, err := FindTraced(context.Background(), s.Model, nil, false)
		if err != nil || found == nil {
			t.Fatal(name, found, err)
		}
		if found.Size != [2]int{16, 16} || len(found.Right) != 1 || len(found.Wrong) == 0 || found.Free == nil {
			t.Errorf("%s: %+v", name, found)
		}
		few, err := (&Traced{Size: found.Size, Right: found.Right, Free: found.Free}).compare(context.Background(), s.Model, 1, Options{})
		if err != nil || few == nil || len(few.Left) != 4 || !strings.HasSuffix(few.String(), "it is right there (20x16, 16x24, 48x16, 32x32 would take long to compare)") {
			t.Errorf("%s: nothing to compute: %v %v", name, few, err)
		}
		if free, err := FindTraced(context.Background(), found.Free, nil, true); free != nil || err != nil {
			t.Errorf("%s: of what was mended: %v %v", name, free, err)
		}
		r, err := Convert(context.Background(), s, filepath.Join(t.TempDir(), "out.onnx"), Options{})
		if err != nil || !strings.Contains(strings.Join(r.Said, "\n"), "warning: the file states no size, but the graph was made for images of 16x16: it is right there, and not at 20x16, 16x24, 48x16, 32x32;") {
			t.Errorf("%s: %+v %v", name, r, err)
		}
	}
	m := newModel(t)
	if found, err := FindTraced(context.Background(), m, nil, true); found != nil || err != nil {
		t.Error("of a network of convolutions:", found, err)
	}
}

// Of the reference networks too.
func TestFreedReference(t *testing.T) {
	for _, name := range []string{"swinir-x2-classical/legacy.onnx", "hat-x2/dynamo.onnx", "safmn-x4/legacy.onnx", "dat-x2/dynamo.onnx", "realplksr-x2-dysample/legacy.onnx"} {
		path := shared.Path(t, "reference", "torch", filepath.FromSlash(name))
		s, err := Open(path, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), "out.onnx")
		if _, err = Convert(context.Background(), s, out, Options{AnySize: true, NoCheck: true}); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		free, err := onnxio.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		of, err := Open(filepath.Join(filepath.Dir(path), "model.pth"), "", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, size := range [][2]int{{24, 16}, {32, 40}} {
			want, err := runAt(context.Background(), of.Model, size, Options{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := runAt(context.Background(), free, size, Options{})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			a, b := graph.Data[float32](got), graph.Data[float32](want)
			if len(a) != len(b) || difference(a, b) > 1e-5*span(b) {
				t.Errorf("%s at %v differs by %.2g", name, size, difference(a, b)/span(b))
			}
		}
	}
}

// Constants that are no rule's, and those that can be meant in two ways, are named.
func TestNotFreed(t *testing.T) {
	learned := func(b *onnxio.Builder, x string) string {
		return b.Node("Add", []string{x, b.Init("place", probeInput(graph.Float32, []int{1, 3, 16, 24}, 0, 1))})
	}
	flat := func(b *onnxio.Builder, x string) string {
		rows := b.Node("Reshape", []string{x, b.Init("flat", graph.Ints(1, 3*16*24))})
		y := b.Node("MatMul", []string{rows, b.Init("w", probeInput(graph.Float32, []int{3 * 16 * 24, 3 * 16 * 24}, 0, 0.01))})
		return b.Node("Reshape", []string{y, b.Init("image", graph.Ints(1, 3, 16, 24))})
	}
	for want, network := range map[string]func(*onnxio.Builder, string) string{`node "add_0" (Add)`: learned, `node "reshape_0" (Reshape)`: flat} {
		b := onnxio.NewBuilder("test", 17)
		y := network(b, b.Input("input", graph.Float32, 1, 3, 16, 24))
		b.Output("output", y, graph.Float32, 1, 3, 16, 24)
		m, err := b.Model()
		if err != nil {
			t.Fatal(err)
		}
		_, err = Convert(context.Background(), &Source{Path: "test.onnx", Model: m}, filepath.Join(t.TempDir(), "out.onnx"), Options{AnySize: true})
		if err == nil || !strings.Contains(err.Error(), "the graph itself is made for images of 16x24 pixels") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
