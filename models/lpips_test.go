package models

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/shared"
	"github.com/gansr/gansr/onnxio"
	"github.com/gansr/gansr/onnxio/torch"
)

// lpipsCase is what the authors' package gives; testdata/lpips.py writes it.
type lpipsCase struct {
	Input        []int
	State        map[string][]int
	Small, Given []float64
}

func readLPIPS(t *testing.T) (c lpipsCase) {
	data, err := os.ReadFile("testdata/lpips.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &c); err != nil || len(c.Small) != 2 || len(c.Given) != 2 {
		t.Fatal(c, err)
	}
	return c
}

// check compares the distances of the pictures that lpips.py makes.
func (c lpipsCase) check(t *testing.T, state map[string]*graph.Tensor, want []float64) {
	t.Helper()
	m, err := LPIPS(state)
	if err != nil {
		t.Fatal(err)
	}
	p, err := onnxio.NewProgram(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, b := graph.NewTensor(graph.Float32, c.Input...), graph.NewTensor(graph.Float32, c.Input...)
	for i := range a.Len() {
		v := float64((i*31+17)%101-50)/100 + 0.5
		graph.Data[float32](a)[i] = float32(v)
		graph.Data[float32](b)[i] = float32(v*0.8 + 0.1*math.Sin(float64(i)/50) + 0.1)
	}
	out, err := p.Run(context.Background(), map[string]*graph.Tensor{"a": a, "b": b})
	if err != nil {
		t.Fatal(err)
	}
	got := graph.Data[float32](out["distance"])
	if len(got) != len(want) {
		t.Fatalf("%d distances, want %d", len(got), len(want))
	}
	for i, v := range got {
		if math.Abs(float64(v)-want[i]) > 1e-5 {
			t.Errorf("distance %d is %v, want %v", i, v, want[i])
		}
	}
	if out, err = p.Run(context.Background(), map[string]*graph.Tensor{"a": a, "b": a}); err != nil || graph.Data[float32](out["distance"])[0] != 0 {
		t.Errorf("equal pictures: %v, %v", out["distance"], err)
	}
}

func TestLPIPS(t *testing.T) {
	c := readLPIPS(t)
	state := map[string]*graph.Tensor{}
	for name, shape := range c.State {
		state[name] = pattern(t, name, shape)
		if d := graph.Data[float32](state[name]); strings.HasPrefix(name, "lin") {
			for i := range d {
				d[i] = float32(math.Abs(float64((i*31+len(name)*17)%101-50) / 50))
			}
		}
	}
	c.check(t, state, c.Small)
	for _, name := range []string{"features.6.weight", "lin4.model.1.weight"} {
		had := state[name]
		delete(state, name)
		if _, err := LPIPS(state); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
		state[name] = had
	}
}

// The weights that others trained give what the authors' package gives with them.
func TestLPIPSFile(t *testing.T) {
	f, err := torch.Open(shared.Path(t, "data/perceptual/lpips-alexnet.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	c := readLPIPS(t)
	c.check(t, f.Tensors, c.Given)
}
