package models

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/shared"
	"github.com/gansr/gansr/onnxio"
	"github.com/gansr/gansr/onnxio/torch"
)

// Critics take pictures of the size that they are made for, and give one score or a map of them.
func TestNewCritic(t *testing.T) {
	for _, c := range []struct {
		arch   string
		values map[string]string
		size   int
		params string
	}{
		{"CourseCritic", nil, 256, "widths=32,64,128,256,512,1024 pool=4"}, {"CourseCritic", nil, 128, "widths=32,64,128,256,512 pool=4"},
		{"CourseCritic", nil, 96, "widths=32,64,128,256,512 pool=3"}, {"CourseCritic", nil, 100, "widths=32,64 pool=25"},
		{"CourseCritic", map[string]string{"widths": "4,8"}, 32, "widths=4,8 pool=8"}, {"PatchGAN", map[string]string{"ndf": "4"}, 24, "ndf=4 n_layers=3 norm=none"},
		{"UNetDiscriminatorSN", map[string]string{"num_feat": "4"}, 16, "num_in_ch=3 num_feat=4 skip_connection=true"},
	} {
		m, err := NewCritic(c.arch, c.values, c.size, 1)
		if err != nil {
			t.Errorf("%s for %d: %v", c.arch, c.size, err)
			continue
		}
		if got := m.Metadata()["gansr.params"]; got != c.params {
			t.Errorf("%s for %d: %s, want %s", c.arch, c.size, got, c.params)
		}
		y := run(t, m, pattern(t, "input", []int{2, 3, c.size, c.size}))
		if s := y.Shape(); s[0] != 2 || s[1] != 1 {
			t.Errorf("%s makes %v", c.arch, s)
		}
		for _, v := range graph.Data[float32](y) {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				t.Fatalf("%s: a score is %v", c.arch, v)
			}
		}
	}
	for want, c := range map[string]struct {
		arch   string
		values map[string]string
		size   int
	}{
		"PatchGAN: n_layers is 3, so pictures should be 24 wide and high at least, not 16":   {"patchgan", nil, 16},
		"UNetDiscriminatorSN: pictures should have a size that is a multiple of 8, not 20":   {"UNetDiscriminatorSN", nil, 20},
		"CourseCritic: with 1 widths and pool 3 it scores pictures of size 6, not 8":         {"CourseCritic", map[string]string{"widths": "4", "pool": "3"}, 8},
		"CourseCritic: with 6 widths and pool 64 it scores pictures of size 4096, not 6":     {"CourseCritic", map[string]string{"widths": "4,4,4,4,4,4", "pool": "64"}, 6},
		"RRDBNet: it is no critic; there are CourseCritic, PatchGAN and UNetDiscriminatorSN": {"RRDBNet", nil, 64},
	} {
		if _, err := NewCritic(c.arch, c.values, c.size, 1); err == nil || err.Error() != "models: "+want {
			t.Errorf("got  %v\nwant models: %s", err, want)
		}
	}
}

// vggCase is what PyTorch says of a VGG; testdata/vgg.py writes it.
type vggCase struct {
	Kind   string
	State  map[string][]int
	Input  []int
	Layers []string
	Want   map[string]struct {
		Shape  []int
		Sum    float64
		Values []float64
	}
}

func TestVGG(t *testing.T) {
	data, err := os.ReadFile("testdata/vgg.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []vggCase
	if err := json.Unmarshal(data, &cases); err != nil || len(cases) != 2 {
		t.Fatal(len(cases), err)
	}
	for _, c := range cases {
		state := map[string]*graph.Tensor{"classifier.0.weight": graph.NewTensor(graph.Float32, 2, 2)}
		for name, shape := range c.State {
			state[name] = pattern(t, name, shape)
		}
		m, err := VGG(state, c.Layers)
		if err != nil {
			t.Fatal(err)
		}
		if md := m.Metadata(); md["gansr.architecture"] != c.Kind || md["gansr.mean"] == "" {
			t.Errorf("%s: the metadata are %v", c.Kind, md)
		}
		p, err := onnxio.NewProgram(m, nil)
		if err != nil {
			t.Fatal(err)
		}
		out, err := p.Run(context.Background(), map[string]*graph.Tensor{"input": pattern(t, "input", c.Input)})
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range c.Layers {
			want := c.Want[name]
			y := out[name]
			if got := m.Graph().Outputs[i].Name; got != name || !slices.Equal(y.Shape(), want.Shape) {
				t.Fatalf("%s: output %d is %s %v, want %s %v", c.Kind, i, got, y.Shape(), name, want.Shape)
			}
			sum := 0.0
			for i, v := range graph.Data[float32](y) {
				sum += math.Abs(float64(v))
				if i%7 == 0 && !(math.Abs(float64(v)-want.Values[i/7]) < 1e-5) {
					t.Fatalf("%s %s: element %d is %v, want %v", c.Kind, name, i, v, want.Values[i/7])
				}
			}
			if !(want.Sum > 0 && math.Abs(sum/want.Sum-1) < 1e-5) {
				t.Errorf("%s %s: magnitudes add up to %v, want %v", c.Kind, name, sum, want.Sum)
			}
		}
		// A dictionary of the features alone is the same.
		alone := map[string]*graph.Tensor{}
		for name, x := range state {
			alone[strings.TrimPrefix(name, "features.")] = x
		}
		if _, err := VGG(alone, c.Layers); err != nil {
			t.Error(err)
		}
		for want, layers := range map[string][]string{"no layer is named": nil, `layer "relu3"`: {"relu3"}, `layer "conv1_1"`: {"conv1_1", "conv1_1"}, "has no layer relu1_4": {"relu1_4"}} {
			if _, err := VGG(state, layers); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want an error with %q", err, want)
			}
		}
		delete(state, "features.2.weight")
		if _, err := VGG(state, c.Layers); err == nil || !strings.Contains(err.Error(), `tensor "features.2.weight", the weight of conv1_2, is missing`) {
			t.Error(err)
		}
	}
}

// The weights that others trained make sense of a photo: magnitudes are of order one, as their file says.
func TestVGGFile(t *testing.T) {
	f, err := torch.Open(shared.Path(t, "data/perceptual/vgg19-relu3_4.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := VGG(f.Tensors, []string{"relu1_2", "relu3_4"})
	if err != nil {
		t.Fatal(err)
	}
	p, err := onnxio.NewProgram(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Run(context.Background(), map[string]*graph.Tensor{"input": pattern(t, "input", []int{1, 3, 24, 20})})
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/vgg19-relu3_4.json")
	if err != nil {
		t.Fatal(err)
	}
	var sums map[string]float64
	if err := json.Unmarshal(want, &sums); err != nil {
		t.Fatal(err)
	}
	for name, want := range sums {
		sum := 0.0
		for _, v := range graph.Data[float32](out[name]) {
			sum += float64(v)
		}
		if !(math.Abs(sum/want-1) < 1e-4) {
			t.Errorf("%s: the elements add up to %v, want %v", name, sum, want)
		}
	}
	if _, err := VGG(f.Tensors, []string{"relu4_1"}); err == nil || !strings.Contains(err.Error(), `features.19.weight`) {
		t.Error(err)
	}
}
