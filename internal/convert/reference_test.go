package convert

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/shared"
	"github.com/gansr/gansr/onnxio"
	"github.com/gansr/gansr/onnxio/torch"
	"github.com/gansr/gansr/upscale"
)

// references returns the folders of networks that PyTorch recorded, those that GANSR_TORCH_REFERENCES names included.
func references(t *testing.T) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(shared.Path(t, "reference", "torch"), "*", "meta.json"))
	if err != nil || len(dirs) < 30 {
		t.Fatalf("%d folders (%v)", len(dirs), err)
	}
	if more := os.Getenv("GANSR_TORCH_REFERENCES"); more != "" {
		found, err := filepath.Glob(filepath.Join(more, "*", "meta.json"))
		if err != nil || len(found) == 0 {
			t.Fatalf("%s has no folders with a meta.json (%v)", more, err)
		}
		dirs = append(dirs, found...)
	}
	for i, d := range dirs {
		dirs[i] = filepath.Dir(d)
	}
	return dirs
}

// What PyTorch saved and exported, converted, written and read again, computes what PyTorch recorded, within 1e-4 of the output's range.
func TestReference(t *testing.T) {
	for _, dir := range references(t) {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			io, err := torch.Open(filepath.Join(dir, "io.safetensors"))
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(filepath.Join(dir, "meta.json"))
			if err != nil {
				t.Fatal(err)
			}
			var meta struct {
				Scale  int
				Legacy struct {
					Fixed []int `json:"fixed_input"`
				} `json:"legacy_onnx"`
				Dynamo struct {
					Fixed []int `json:"fixed_input"`
				} `json:"dynamo_onnx"`
			}
			if err := json.Unmarshal(text, &meta); err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{"model.pth", "model-legacy.pth", "model.safetensors", "legacy.onnx", "dynamo.onnx"} {
				path := filepath.Join(dir, name)
				if _, err := os.Stat(path); err != nil {
					continue
				}
				s, err := Open(path, "", nil)
				if err != nil {
					t.Error(err)
					continue
				}
				fixed := map[string][]int{"legacy.onnx": meta.Legacy.Fixed, "dynamo.onnx": meta.Dynamo.Fixed}[name]
				checkReference(t, s, io, fixed)
			}
		})
	}
}

func checkReference(t *testing.T, s *Source, io *torch.File, fixed []int) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.onnx")
	name := filepath.Base(s.Path)
	if _, err := Convert(context.Background(), s, out, Options{}); err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	m, err := onnxio.Open(out)
	if err != nil {
		t.Error(err)
		return
	}
	if m.Opset("") != 17 {
		t.Logf("%s: opset %d", name, m.Opset(""))
	}
	p, err := onnxio.NewProgram(m, nil)
	if err != nil {
		t.Error(err)
		return
	}
	ran := 0
	for _, k := range []string{"a", "b"} {
		in, want := io.Tensors["input_"+k], io.Tensors["output_"+k]
		if fixed != nil && !slices.Equal(in.Shape(), fixed) {
			continue // the export is frozen at another size
		}
		ran++
		outs, err := p.Run(context.Background(), map[string]*graph.Tensor{m.Graph().Inputs[0].Name: in})
		if err != nil {
			t.Errorf("%s: input %s: %v", name, k, err)
			continue
		}
		got := outs[m.Graph().Outputs[0].Name].Converted(graph.Float32)
		if !slices.Equal(got.Shape(), want.Shape()) {
			t.Errorf("%s: input %s gives %v, want %v", name, k, got.Shape(), want.Shape())
			continue
		}
		w, worst := graph.Data[float32](want), 0.0
		for i, v := range graph.Data[float32](got) {
			worst = max(worst, math.Abs(float64(v-w[i])))
		}
		if worst /= span(w); !(worst < 1e-4) {
			t.Errorf("%s: input %s: the largest difference is %v of the range", name, k, worst)
		}
	}
	if ran == 0 {
		t.Errorf("%s was not run on any of the recorded inputs", name)
	}
}

// Files that people made convert, and a picture tells the values that their networks take, also where nothing states them.
func TestCheckpoints(t *testing.T) {
	for name, want := range map[string]string{"IMDN_x4.pth": "range=0,1", "RFDN_AIM.pth": "range=0,255", "team04_rlfn.pth": "range=0,255", "fast-srgan.pt": "range=-1,1",
		"subpixel-cnn-model_epoch_599.pth": "range=0,1"} {
		s, err := Open(shared.Path(t, "data", "checkpoints", name), "", nil)
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := Convert(context.Background(), s, filepath.Join(t.TempDir(), "out.onnx"), Options{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		u, err := upscale.NewModel(context.Background(), s.Model, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		results, err := probe(context.Background(), u, nil)
		if err != nil {
			t.Fatal(err)
		}
		if keys, say := settle(results, nil, true); text(keys) != want {
			t.Errorf("%s: %s, want %s", name, say, want)
		}
	}
}
