package onnxio

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/shared"
	"github.com/gansr/gansr/onnxio/internal/onnxpb"
	"google.golang.org/protobuf/proto"
)

// Loading and saving a model changes no byte of it: the writers of all these files put fields in the order of their
// numbers, as we do.
func TestRoundTrip(t *testing.T) {
	for _, c := range []struct {
		name  string
		files func(t *testing.T) string
		least int
	}{
		{"testdata", func(*testing.T) string { return "testdata/*.onnx" }, 8},
		{"people's", func(t *testing.T) string { return filepath.Join(shared.Path(t, "data", "onnx"), "*.onnx") }, 12},
		{"PyTorch's", func(t *testing.T) string { return filepath.Join(shared.Path(t, "reference", "torch"), "*", "*.onnx") }, 70},
	} {
		t.Run(c.name, func(t *testing.T) {
			files, err := filepath.Glob(c.files(t))
			if err != nil || len(files) < c.least {
				t.Fatalf("%d files, %v", len(files), err)
			}
			for _, file := range files {
				m, err := Open(file)
				if err != nil {
					t.Error(err)
					continue
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				got, err := m.Encode()
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s changed: %d bytes, were %d (%v)", file, len(got), len(want), err)
				}
			}
		})
	}
}

func TestSave(t *testing.T) {
	m := open(t, "metadata.onnx")
	dir := t.TempDir()
	path := filepath.Join(dir, "out.onnx")
	for range 2 { // the second time over the first
		if err := m.Save(path); err != nil {
			t.Fatal(err)
		}
		equalFiles(t, path, "testdata/metadata.onnx")
	}
	if names := files(t, dir); !slices.Equal(names, []string{"out.onnx"}) {
		t.Errorf("left %v", names)
	}
	err := m.Save(filepath.Join(dir, "nowhere", "out.onnx"))
	plain(t, err)
	if err := m.Save(dir); err == nil {
		t.Error("a folder was replaced")
	}
	if names := files(t, filepath.Dir(dir)); slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, ".tmp") }) {
		t.Errorf("left %v", names)
	}
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func equalFiles(t *testing.T, a, b string) {
	t.Helper()
	da, erra := os.ReadFile(a)
	db, errb := os.ReadFile(b)
	if erra != nil || errb != nil || !bytes.Equal(da, db) {
		t.Errorf("%s and %s differ: %v %v", a, b, erra, errb)
	}
}

func initializer(t *testing.T, m *Model, name string) *graph.Tensor {
	t.Helper()
	x, ok, err := m.Graph().Initializer(name)
	if err != nil || !ok {
		t.Fatalf("%s: %v %v", name, ok, err)
	}
	return x
}

// External data stays external: beside a model that is saved elsewhere, and in its files when saved in place.
func TestSaveExternal(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.onnx")
	m := open(t, "external.onnx")
	if err := m.Save(path); err != nil {
		t.Fatal(err)
	}
	if names := files(t, dir); !slices.Equal(names, []string{"m.onnx", "m.onnx.data", "m.onnx.data.1"}) {
		t.Fatalf("wrote %v", names)
	}
	equalFiles(t, filepath.Join(dir, "m.onnx.data"), "testdata/external.bin")
	equalFiles(t, filepath.Join(dir, "m.onnx.data.1"), "testdata/sub/more.bin")
	if again, err := m.Encode(); err != nil {
		t.Fatal(err)
	} else if want, _ := os.ReadFile("testdata/external.onnx"); !bytes.Equal(again, want) {
		t.Error("saving changed the model in memory")
	}
	copied, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range m.Graph().Initializers() {
		if a, b := initializer(t, m, name), initializer(t, copied, name); !a.Type().Equal(b.Type()) || !bytes.Equal(toRaw(a), toRaw(b)) {
			t.Errorf("%s: %v, want %v", name, b.Data(), a.Data())
		}
	}
	// Nothing but the locations changed.
	for i, pb := range copied.pb.Graph.Initializer {
		old := m.pb.Graph.Initializer[i]
		for j, kv := range pb.ExternalData {
			if want := old.ExternalData[j]; kv.GetKey() != "location" && !proto.Equal(kv, want) {
				t.Errorf("%s: entry %v, want %v", pb.GetName(), kv, want)
			}
		}
		if len(pb.ExternalData) != len(old.ExternalData) {
			t.Errorf("%s: entries %v, want %v", pb.GetName(), pb.ExternalData, old.ExternalData)
		}
	}

	// One of the same size, one that shares its place, one of another size and type.
	changed := map[string]*graph.Tensor{
		"b": tensor([]float32{1, 2, 3, 4, 5}, 5), "a": tensor(make([]float32, 12), 3, 4), "c": tensor([]int64{7, 8, 9}, 3)}
	for name, x := range changed {
		if err := copied.Graph().SetInitializer(name, x); err != nil {
			t.Fatal(err)
		}
		if got := initializer(t, copied, name); !bytes.Equal(toRaw(got), toRaw(x)) {
			t.Errorf("%s is %v before saving", name, got.Data())
		}
	}
	for range 2 {
		if err := copied.Save(path); err != nil {
			t.Fatal(err)
		}
	}
	if names := files(t, dir); !slices.Equal(names, []string{"m.onnx", "m.onnx.data", "m.onnx.data.1"}) {
		t.Errorf("wrote %v", names)
	}
	back, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range back.Graph().Initializers() {
		want := changed[name]
		if want == nil {
			want = initializer(t, m, name)
		}
		if got := initializer(t, back, name); !got.Type().Equal(want.Type()) || !bytes.Equal(toRaw(got), toRaw(want)) {
			t.Errorf("%s is %v %v, want %v %v", name, got.Type(), got.Data(), want.Type(), want.Data())
		}
		if back.Graph().dense[name].GetDataLocation() != onnxpb.TensorProto_EXTERNAL {
			t.Errorf("%s is not external any more", name)
		}
	}
	keys := map[string]string{}
	for _, kv := range back.Graph().dense["a"].ExternalData {
		keys[kv.GetKey()] = kv.GetValue()
	}
	if _, stale := keys["checksum"]; stale || keys["note"] != "kept" {
		t.Errorf("entries of a changed tensor: %v", keys)
	}
	// The first model's data files are as they were.
	if _, err := Open("testdata/external.onnx"); err != nil {
		t.Error(err)
	}
}

// A model never writes over the data files of another one that it was read from.
func TestSaveExternalBeside(t *testing.T) {
	dir := t.TempDir()
	first := filepath.Join(dir, "first.onnx")
	if err := open(t, "external.onnx").Save(first); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(first, filepath.Join(dir, "renamed.onnx")); err != nil {
		t.Fatal(err)
	}
	m, err := Open(filepath.Join(dir, "renamed.onnx")) // its data is in first.onnx.data
	if err != nil {
		t.Fatal(err)
	}
	before := initializer(t, m, "b")
	if err := m.Graph().SetInitializer("b", tensor(make([]float32, 5), 5)); err != nil {
		t.Fatal(err)
	}
	if err := m.Save(first); err != nil {
		t.Fatal(err)
	}
	old, err := Open(filepath.Join(dir, "renamed.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	if after := initializer(t, old, "b"); !bytes.Equal(toRaw(before), toRaw(after)) {
		t.Errorf("b of the other model became %v", after.Data())
	}
}

func TestSaveDecodedExternal(t *testing.T) {
	data, err := os.ReadFile("testdata/external.onnx")
	if err != nil {
		t.Fatal(err)
	}
	m, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = m.Graph().Initializer("a")
	plain(t, err)
	plain(t, m.Save(filepath.Join(t.TempDir(), "m.onnx")))
}

func TestSetInitializer(t *testing.T) {
	for _, file := range []string{"typed.onnx", "raw.onnx", "sparse.onnx", "other-types.onnx"} {
		m := open(t, file)
		before := proto.Clone(m.pb).(*onnxpb.ModelProto)
		for i, name := range m.Graph().Initializers() {
			x := tensor([]graph.Half{graph.Half(i), 2}, 2, 1)
			if err := m.Graph().SetInitializer(name, x); err != nil {
				t.Fatal(err)
			}
			if got := initializer(t, m, name); !got.Type().Equal(x.Type()) || !bytes.Equal(toRaw(got), toRaw(x)) {
				t.Errorf("%s: %s is %v", file, name, got)
			}
		}
		m2, err := Decode(encode(t, m.pb))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(m.Graph().Initializers(), m2.Graph().Initializers()) {
			t.Errorf("%s: the initialisers changed", file)
		}
		// All but the values is as before.
		after := proto.Clone(m2.pb).(*onnxpb.ModelProto)
		before.Graph.Initializer, before.Graph.SparseInitializer, after.Graph.Initializer = nil, nil, nil
		if !proto.Equal(before, after) {
			t.Errorf("%s: more changed than values", file)
		}
	}
	err := open(t, "raw.onnx").Graph().SetInitializer("nowhere", graph.Scalar(float32(1)))
	plain(t, err)
}

func TestFileMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no file modes")
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "plain"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	want, err := os.Stat(filepath.Join(dir, "plain"))
	if err != nil {
		t.Fatal(err)
	}
	if err := open(t, "raw.onnx").Save(filepath.Join(dir, "m.onnx")); err != nil {
		t.Fatal(err)
	}
	if got, err := os.Stat(filepath.Join(dir, "m.onnx")); err != nil || got.Mode() != want.Mode() {
		t.Errorf("mode %v, want %v (%v)", got.Mode(), want.Mode(), err)
	}
}
