package models

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/shared"
	"github.com/gansr/gansr/onnxio"
	"github.com/nlpodyssey/safetensors"
)

// state returns the constants of a model.
func state(t *testing.T, m *onnxio.Model) map[string]*graph.Tensor {
	t.Helper()
	all := map[string]*graph.Tensor{}
	for _, name := range m.Graph().Initializers() {
		x, _, err := m.Graph().Initializer(name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = x
	}
	return all
}

// A network's own tensors are recognised, and make the same file again.
func TestDetect(t *testing.T) {
	check := func(arch string, params map[string]string) {
		t.Helper()
		m := build(t, arch, params)
		s := state(t, m)
		s["norm.num_batches_tracked"] = graph.Ints(7)
		if _, match, err := FromState(s, "", nil); err != nil || match.Architecture != arch {
			t.Errorf("%s %v is taken for %+v (%v)", arch, params, match, err)
			return
		} else if !slices.Equal(match.Unused, []string{"norm.num_batches_tracked"}) {
			t.Errorf("%s: unused: %v", arch, match.Unused)
		} else {
			for key, want := range params {
				if got := match.Params[key]; got != strings.ReplaceAll(want, " ", "") && !slices.Contains(match.Assumed, key) {
					t.Errorf("%s: %s is taken for %s, and is %s", arch, key, got, want)
				}
			}
		}
		again, _, err := FromState(s, arch, params)
		if err != nil {
			t.Errorf("%s %v: %v", arch, params, err)
			return
		}
		a, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if b, err := again.Encode(); err != nil || string(a) != string(b) {
			t.Errorf("%s %v: the file differs (%v)", arch, params, err)
		}
	}
	for _, n := range networks(t) {
		check(n.Architecture, n.Params)
	}
	for _, n := range smallNetworks {
		check(n.arch, parameters(n.params))
	}
}

func TestUnknownState(t *testing.T) {
	s := state(t, build(t, "SRVGGNetCompact", map[string]string{"num_feat": "4", "num_conv": "2"}))
	delete(s, "body.2.bias")
	s["extra.weight"] = graph.NewTensor(graph.Float32, 3)
	for _, c := range []struct {
		state map[string]*graph.Tensor
		arch  string
		want  string
	}{
		{s, "", "SRVGGNetCompact comes nearest; the file differs: 1 missing: body.2.bias [4]; 1 not the architecture's: extra.weight [3]"},
		{map[string]*graph.Tensor{"a": graph.NewTensor(graph.Float32, 3)}, "", "none comes near"},
	} {
		_, _, err := FromState(c.state, c.arch, nil)
		if !errors.Is(err, ErrUnknown) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	if _, _, err := FromState(s, "nope", nil); err == nil || !strings.Contains(err.Error(), "unknown architecture") {
		t.Error(err)
	}
}

// Networks are recognised by what PyTorch saved, and compute what PyTorch recorded, within 1e-4 of the output's range. The folder that
// GANSR_TORCH_REFERENCES names is tried too.
func TestReference(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(shared.Path(t, "reference", "torch"), "*"))
	if err != nil {
		t.Fatal(err)
	}
	if more := os.Getenv("GANSR_TORCH_REFERENCES"); more != "" {
		found, err := filepath.Glob(filepath.Join(more, "*"))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s has no folders (%v)", more, err)
		}
		dirs = append(dirs, found...)
	}
	seen := map[string]bool{}
	for _, n := range smallNetworks {
		seen[n.arch] = true
	}
	for _, n := range networks(t) {
		seen[n.Architecture] = true
	}
	ran := 0
	for _, dir := range dirs {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			ran++
			text, err := os.ReadFile(filepath.Join(dir, "meta.json"))
			if err != nil {
				t.Fatal(err)
			}
			var meta struct{ Architecture string }
			if err := json.Unmarshal(text, &meta); err != nil {
				t.Fatal(err)
			}
			m, match, err := FromState(tensors(t, filepath.Join(dir, "model.safetensors")), "", nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%s is taken for %s %v, assumed %v, unused %v", meta.Architecture, match.Architecture, match.Params, match.Assumed, match.Unused)
			seen[match.Architecture] = true
			io := tensors(t, filepath.Join(dir, "io.safetensors"))
			for _, k := range []string{"a", "b", "c"} { // c: a size that the network extends
				if io["input_"+k] == nil && k == "c" {
					continue
				}
				y, want := run(t, m, io["input_"+k]), io["output_"+k]
				if !slices.Equal(y.Shape(), want.Shape()) {
					t.Fatalf("shape %v, want %v", y.Shape(), want.Shape())
				}
				w := graph.Data[float32](want)
				worst, span := 0.0, float64(max(slices.Max(w)-slices.Min(w), slices.Max(w), -slices.Min(w)))
				for i, v := range w {
					worst = max(worst, math.Abs(float64(graph.Data[float32](y)[i]-v)))
				}
				if worst /= span; !(worst < 1e-4) {
					t.Errorf("input %s: the largest difference is %v of the range", k, worst)
				}
				t.Logf("input %s: the largest difference is %.2g of the range", k, worst)
			}
		})
	}
	for _, a := range Architectures() {
		if !seen[a.Name] && ran == len(dirs) {
			t.Errorf("%s is not tested", a.Name)
		}
	}
}

// tensors reads a file of PyTorch's.
func tensors(t *testing.T, path string) map[string]*graph.Tensor {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	st, err := safetensors.Deserialize(data)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]*graph.Tensor{}
	for _, named := range st.Tensors() {
		name, v := named.Name, named.TensorView
		var shape []int
		for _, d := range v.Shape() {
			shape = append(shape, int(d))
		}
		dt, ok := map[string]graph.DType{"F32": graph.Float32, "F16": graph.Float16, "BF16": graph.BFloat16, "F64": graph.Float64, "I64": graph.Int64}[v.DType().String()]
		if !ok {
			t.Fatalf("%s is %v", name, v.DType())
		}
		x := graph.NewTensor(dt, shape...)
		if _, err := binary.Decode(v.Data(), binary.LittleEndian, x.Data()); err != nil {
			t.Fatal(err)
		}
		all[name] = x
	}
	return all
}
