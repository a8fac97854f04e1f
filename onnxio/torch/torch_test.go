package torch

import (
	"archive/zip"
	"bytes"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/shared"
)

// same compares with the tensors of a safetensors file, which is read without package torch's own reader of pickles.
func same(t *testing.T, got *File, path string) {
	t.Helper()
	want, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(want.Tensors) == 0 {
		t.Fatalf("%s is empty", path)
	}
	if a, b := slices.Sorted(maps.Keys(got.Tensors)), slices.Sorted(maps.Keys(want.Tensors)); !slices.Equal(a, b) {
		t.Fatalf("tensors %v, want %v", a, b)
	}
	for name, w := range want.Tensors {
		if !graph.Equal(got.Tensors[name], w) {
			t.Errorf("%s is %v %v, want %v %v", name, got.Tensors[name].Type(), got.Tensors[name].Data(), w.Type(), w.Data())
		}
	}
}

func TestOpen(t *testing.T) {
	for _, c := range []struct {
		name string
		want File // without its tensors
	}{
		{"views.pth", File{Format: "PyTorch zip"}},
		{"views-protocol4.pth", File{Format: "PyTorch zip"}},
		{"views-legacy.pth", File{Format: "PyTorch before 1.6"}},
		{"module.pth", File{Format: "PyTorch zip"}},
		{"module-legacy.pth", File{Format: "PyTorch before 1.6", Chosen: "model"}},
		{"script.pt", File{Format: "TorchScript", Notes: []string{"the file is a TorchScript archive: its weights are read, its graph is not"}}},
		{"ema.pth", File{Format: "PyTorch zip", Chosen: "params_ema", Others: []string{"params"}}},
		{"gan.pth", File{Format: "PyTorch zip", Chosen: "netG", Others: []string{"netD"}, Prefix: "module."}},
		{"lightning.ckpt", File{Format: "PyTorch zip", Chosen: "state_dict", Prefix: "generator.", Left: []string{"discriminator."}}},
		{"compiled.pth", File{Format: "PyTorch zip", Chosen: "model_state_dict", Others: []string{""}, Prefix: "_orig_mod.module."}},
		{"average.pth", File{Format: "PyTorch zip", Prefix: "module."}},
		{"nested.pth", File{Format: "PyTorch zip", Chosen: "generator.state.net"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join("testdata", c.name)
			f, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			same(t, f, path+".safetensors")
			if names := slices.Sorted(maps.Keys(f.Tensors)); !slices.Equal(names, slices.Sorted(slices.Values(f.Names))) {
				t.Errorf("names %v, want %v", f.Names, names)
			}
			f.Tensors, f.Names = nil, nil
			if d := cmp.Diff(c.want, *f); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestHostile(t *testing.T) {
	errors := map[string]string{
		"system":               `system", which is not among the classes`,
		"eval":                 `eval", which is not among the classes`,
		"getattr":              `getattr", which is not among the classes`,
		"reference":            `system", which is not among the classes`,
		"object":               `"__main__.Block", which is not among the classes`,
		"huge":                 "storage \"0\" has 16 bytes, and 1000000000000 elements of float32 are more",
		"expanded":             "repeats its 4 elements too often",
		"strides":              "reaches beyond its 4 elements",
		"offset":               "reaches beyond its 4 elements",
		"negative":             "makes no sense",
		"overflow":             "is too large",
		"truncated":            `storage "0" has 15 bytes, and 4 elements of float32 are more`,
		"missing":              `has no entry "data/7"`,
		"bomb":                 "much larger than the file",
		"bigendian":            `its byte order is "big"`,
		"outside":              `lies outside of it`,
		"nodata":               "no data.pkl",
		"deep":                 "too deep",
		"laughs":               "no state dictionary",
		"noend":                "ends too early",
		"number":               "no state dictionary",
		"legacy-truncated":     "should have",
		"legacy-bigendian":     "big-endian",
		"overlap.safetensors":  "damaged header",
		"hole.safetensors":     "damaged header",
		"size.safetensors":     "damaged header",
		"large.safetensors":    "damaged header",
		"overflow.safetensors": "damaged header",
		"behind.safetensors":   "damaged header",
		"type.safetensors":     "elements of a type that is not read",
		"json.safetensors":     "damaged header",
		"header.safetensors":   "header of 90000000 bytes does not fit",
	}
	files, err := filepath.Glob("testdata/bad-*")
	if err != nil || len(files) != len(errors) {
		t.Fatalf("%d files, want %d (%v)", len(files), len(errors), err)
	}
	for _, path := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(path), "bad-"), ".pth")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Open(path)
		runtime.ReadMemStats(&after)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		if text := err.Error(); errors[name] == "" || !strings.Contains(text, errors[name]) || strings.Contains(text, "\n") || len(text) > 500 {
			t.Errorf("%s: %s", name, text)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > uint64(100*info.Size()+4<<20) {
			t.Errorf("%s: %d bytes of memory for a file of %d", name, used, info.Size())
		}
	}
	for path, want := range map[string]string{"testdata": "not a regular file", "testdata/nope.pth": "no such file", "torch_test.go": "not a file of PyTorch's"} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestSave(t *testing.T) {
	f, err := Open("testdata/views-protocol4.pth")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x.safetensors")
	if err := Save(path, f.Tensors, map[string]string{"format": "pt"}); err != nil {
		t.Fatal(err)
	}
	again, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	same(t, again, "testdata/views-protocol4.pth.safetensors")
	if again.Metadata["format"] != "pt" {
		t.Error(again.Metadata)
	}
	if err := Save(filepath.Join(t.TempDir(), "no", "x"), f.Tensors, nil); err == nil {
		t.Error("saved in a folder that does not exist")
	}
}

// What PyTorch saved as .pth and as .safetensors is the same.
func TestReference(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(shared.Path(t, "reference", "torch"), "*", "*.pth"))
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files (%v)", len(files), err)
	}
	for _, path := range files {
		f, err := Open(path)
		if err != nil {
			t.Error(err)
			continue
		}
		same(t, f, filepath.Join(filepath.Dir(path), "model.safetensors"))
	}
}

// Files that people made, with the number of their tensors' elements as PyTorch counts them.
func TestCheckpoints(t *testing.T) {
	want := map[string]int{
		"IMDN_x4.pth": 715176, "RFDN_AIM.pth": 433448, "dncnn_25.pth": 555137, "fast-srgan.pt": 925646, "subpixel-cnn-model_epoch_599.pth": 59657, "team04_rlfn.pth": 317218,
	}
	for name, elements := range want {
		f, err := Open(shared.Path(t, "data", "checkpoints", name))
		if err != nil {
			t.Error(err)
			continue
		}
		n := 0
		for _, x := range f.Tensors {
			n += x.Len()
		}
		if n != elements {
			t.Errorf("%s: %d elements, want %d", name, n, elements)
		}
		t.Log(name, f.Format, f.Chosen, f.Prefix, len(f.Names), n)
	}
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if len(data) < 1<<14 {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := Decode(data)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %q", err)
			}
			return
		}
		for name, x := range got.Tensors {
			if !graph.Equal(x, x.Converted(x.DType())) && !x.DType().IsFloat() { // reads every element
				t.Errorf("%q differs from itself", name)
			}
		}
	})
}

// A zip archive of Keras is named as such.
func TestKeras(t *testing.T) {
	var file bytes.Buffer
	w := zip.NewWriter(&file)
	for _, name := range []string{"metadata.json", "config.json", "model.weights.h5"} {
		if _, err := w.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Decode(file.Bytes()); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "a model of Keras") {
		t.Errorf("got %v", err)
	}
}
