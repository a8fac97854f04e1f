package finetune

import (
	"context"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/shared"
	"github.com/gansr/gansr/onnxio"
	"github.com/gansr/gansr/onnxio/torch"
)

// Every generator of the reference data, as both of PyTorch's exporters write it, learns: its parameters are found, all have finite gradients, and a few
// small steps make the loss less.
func TestReferenceGenerators(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	files, err := filepath.Glob(filepath.Join(shared.Path(t, "reference", "torch"), "*", "*.onnx"))
	if err != nil || len(files) != 78 {
		t.Fatalf("%d networks, %v", len(files), err)
	}
	workers := graph.NewWorkers(0)
	defer workers.Close()
	for _, file := range files {
		folder := filepath.Dir(file)
		if filepath.Base(folder) == "course-critic" {
			continue
		}
		t.Run(filepath.Base(folder)+"/"+filepath.Base(file), func(t *testing.T) { learnReference(t, workers, file, folder) })
	}
}

func learnReference(t *testing.T, workers *graph.Workers, file, folder string) {
	text, err := os.ReadFile(filepath.Join(folder, "meta.json"))
	if err != nil {
		t.Fatal(err)
	}
	var meta struct {
		Scale int
	}
	if err := json.Unmarshal(text, &meta); err != nil {
		t.Fatal(err)
	}
	m, err := onnxio.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	n, h, w := 2, 20, 20
	for i, into := range []*int{&n, nil, &h, &w} {
		if d := m.Graph().Inputs[0].Dims[i]; into != nil && d.Known() {
			*into = d.Value
		}
	}
	c := pixels(6)
	c.BatchNorm, c.Generator.Rate = "running", 1e-4
	var losses []float64
	trainer, err := New(Task{Generator: m, Source: flat{waves(n, h, w, meta.Scale), 1}, Workers: workers, Observe: func(r Record) { losses = append(losses, r.Generator.Total) }}, c)
	if err != nil {
		t.Fatal(err)
	}
	missing(t, trainer.generator, folder)
	if _, err := trainer.fetch(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := trainer.generatorStepper.run(context.Background(), trainer.lr, trainer.hr, graph.Scalar(float32(1))); err != nil {
		t.Fatal(err)
	}
	idle := 0
	for _, w := range trainer.generator.learned {
		norm := globalNorm(nil, [][]float32{w.gradient()})
		if math.IsNaN(norm) || math.IsInf(norm, 0) {
			t.Errorf("the gradient of %s is not finite", w.name)
		}
		if norm == 0 {
			idle++
		}
	}
	// Some positions of attention pass through a normalisation over one element, which is 0 whatever it is.
	if 3*idle > len(trainer.generator.learned) {
		t.Errorf("%d of %d parameters have gradient 0", idle, len(trainer.generator.learned))
	}
	run(t, trainer)
	if len(losses) != 6 || !(slices.Min(losses[1:]) < losses[0]) || !finite(losses...) {
		t.Errorf("the losses are %v", losses)
	}
	t.Logf("%d parameters, %d idle, losses %.5v", len(trainer.generator.learned), idle, losses)
}

// missing fails for parameters of the state dictionary that are initialisers of the file under the same name and are not learned.
func missing(t *testing.T, n *network, folder string) {
	f, err := torch.Open(filepath.Join(folder, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	fixed := regexp.MustCompile(`\.(running_mean|running_var|rpe_biases|relative_coords_table)$`) // buffers in PyTorch
	for name, x := range f.Tensors {
		if _, ok := n.model.Graph().InitializerInfo(name); ok && x.DType().IsFloat() &&
			slices.ContainsFunc(n.learned, func(w *weight) bool { return w.name == name }) == fixed.MatchString(name) {
			t.Errorf("%s is learned: %v", name, fixed.MatchString(name))
		}
	}
}

// The luminance of what is coloured is that of the generator, and the colours are those of the small picture.
func TestLuminance(t *testing.T) {
	b := graph.NewBuilder("luminance")
	var inputs, outputs []*graph.Value
	err := write(b, func(f formula) error {
		y, small := f.input("y", 1, 1, 4, 6), f.input("small", 1, 3, 2, 3)
		rgb := f.coloured(y, small, 2)
		inputs, outputs = []*graph.Value{y, small}, []*graph.Value{f.luma(rgb), rgb}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s, err := graph.NewSession(inputs, outputs, nil)
	if err != nil {
		t.Fatal(err)
	}
	y, small := graph.NewTensor(graph.Float32, 1, 1, 4, 6), graph.NewTensor(graph.Float32, 1, 3, 2, 3)
	for i := range graph.Data[float32](y) {
		graph.Data[float32](y)[i] = float32(i) / 24
	}
	colour := []float32{0.8, 0.2, 0.4}
	for i := range graph.Data[float32](small) {
		graph.Data[float32](small)[i] = colour[i/6]
	}
	out, err := s.Run(context.Background(), []*graph.Tensor{y, small})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range graph.Data[float32](y) {
		rgb := graph.Data[float32](out[1])
		off := max(math.Abs(float64(graph.Data[float32](out[0])[i]-want)), math.Abs(float64(rgb[i]-rgb[24+i])-0.6), math.Abs(float64(rgb[i]-rgb[48+i])-0.4))
		if !(off < 1e-6) {
			t.Errorf("pixel %d differs by %v", i, off)
		}
	}
}
