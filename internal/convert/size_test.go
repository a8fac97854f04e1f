package convert

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/shared"
	"github.com/gansr/gansr/onnxio"
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

// Exports whose graphs hold the size are refused, with the node that does.
func TestSizeInGraph(t *testing.T) {
	for _, name := range []string{"swinir-x2-classical/legacy.onnx", "hat-x2/dynamo.onnx", "safmn-x4/legacy.onnx"} {
		s, err := Open(shared.Path(t, "reference", "torch", filepath.FromSlash(name)), "", nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Convert(context.Background(), s, filepath.Join(t.TempDir(), "out.onnx"), Options{AnySize: true})
		if err == nil || !strings.Contains(err.Error(), "the graph itself is made for images of 16x") || !strings.Contains(err.Error(), "node ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
