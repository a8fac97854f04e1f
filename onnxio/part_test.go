package onnxio_test

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
)

func floats(t *testing.T, shape ...int) *graph.Tensor {
	t.Helper()
	return waves(shape, 0.4, 0.6)
}

// normalised is Conv, BatchNormalization, PRelu and a Resize, with numbers that are and are not parameters. The second copy of the
// normalisation shares the statistics of the first if shared is set.
func normalised(t *testing.T, shared bool) *onnxio.Model {
	t.Helper()
	b := onnxio.NewBuilder("net", 17)
	x := b.Input("x", graph.Float32, "n", 2, 4, 4)
	h := b.Node("Conv", []string{x, b.Init("w", floats(t, 2, 2, 1, 1))})
	mean, variance := b.Init("mean", floats(t, 2)), b.Node("Identity", []string{b.Init("variance", floats(t, 2))})
	params := []string{b.Init("scale", floats(t, 2)), b.Init("bias", floats(t, 2)), mean, variance}
	h = b.Node("BatchNormalization", append([]string{h}, params...), onnxio.Attr{Name: "momentum", Value: 0.75})
	if shared {
		h = b.Node("BatchNormalization", append([]string{h}, params...))
	}
	h = b.Node("PRelu", []string{h, b.Node("Unsqueeze", []string{b.Init("slope", floats(t, 1)), b.Init("axes", graph.Ints(1, 2))})})
	h = b.Node("Mul", []string{h, b.Init("half", graph.Scalar(float32(0.5)))})
	scales, err := graph.FromSlice([]float32{1, 1, 2, 2}, 4)
	if err != nil {
		t.Fatal(err)
	}
	h = b.Node("Resize", []string{h, "", b.Node("Identity", []string{b.Init("scales", scales)})})
	b.Output("y", h, graph.Float32, "n", 2, 8, 8)
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestTrainable(t *testing.T) {
	parameters, running := normalised(t, false).Trainable()
	if want := []string{"w", "scale", "bias", "slope"}; !slices.Equal(parameters, want) {
		t.Errorf("parameters are %v, want %v", parameters, want)
	}
	if want := []string{"mean", "variance"}; !slices.Equal(running, want) {
		t.Errorf("running statistics are %v, want %v", running, want)
	}
}

// place runs a model as part of a graph, with the weights doubled, and returns outputs, the tap and running statistics.
func place(t *testing.T, m *onnxio.Model, batch bool) (out []*graph.Tensor, err error) {
	t.Helper()
	p, err := onnxio.NewProgram(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	b := graph.NewBuilder("all")
	x, w := floats(t, 3, 2, 4, 4), floats(t, 2, 2, 1, 1)
	var in []*graph.Value
	for _, v := range []*graph.Tensor{x, w} {
		i, err := b.Input("in", v.Type())
		if err != nil {
			t.Fatal(err)
		}
		in = append(in, i)
	}
	placed, err := p.Place(context.Background(), b, onnxio.Part{Inputs: in[:1], Weights: map[string]*graph.Value{"w": in[1]}, Taps: []string{"conv_0"}, Unbiased: true,
		Batch: func(mean, variance string) bool { return batch && mean == "mean" && variance == "variance" }})
	if err != nil {
		return nil, err
	}
	outputs := slices.Concat(placed.Outputs, placed.Taps)
	for _, name := range []string{"mean", "variance"} {
		if v := placed.Running[name]; v != nil {
			outputs = append(outputs, v)
		}
	}
	s, err := graph.NewSession(in, outputs, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range graph.Data[float32](w) {
		graph.Data[float32](w)[i] *= 2
	}
	out, err = s.Run(context.Background(), []*graph.Tensor{x, w})
	if err != nil {
		t.Fatal(err)
	}
	return out, nil
}

func TestPlace(t *testing.T) {
	m := normalised(t, false)
	got, err := place(t, m, false)
	if err != nil || len(got) != 2 {
		t.Fatalf("%d values, %v; want an output and a tap", len(got), err)
	}
	// The same with the weight in the file.
	w := floats(t, 2, 2, 1, 1)
	for i := range graph.Data[float32](w) {
		graph.Data[float32](w)[i] *= 2
	}
	if err := m.Graph().SetInitializer("w", w); err != nil {
		t.Fatal(err)
	}
	p, err := onnxio.NewProgram(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	want, err := p.Run(context.Background(), map[string]*graph.Tensor{"x": floats(t, 3, 2, 4, 4)})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range graph.Data[float32](want["y"]) {
		if d := graph.Data[float32](got[0])[i] - v; d > 1e-5 || d < -1e-5 {
			t.Fatalf("element %d is %v, want %v", i, graph.Data[float32](got[0])[i], v)
		}
	}
}

// In training, each channel has the moments that scale and bias say, and the running statistics move towards those of the tap.
func TestPlaceInTraining(t *testing.T) {
	got, err := place(t, normalised(t, false), true)
	if err != nil || len(got) != 4 {
		t.Fatalf("%d values, %v; want an output, a tap and two statistics", len(got), err)
	}
	tap := graph.Data[float32](got[1])
	before := graph.Data[float32](floats(t, 2)) // of mean and variance
	for c := range 2 {
		var values []float64
		for i, v := range tap {
			if i/16%2 == c {
				values = append(values, float64(v))
			}
		}
		mean, square := 0.0, 0.0
		for _, v := range values {
			mean += v / float64(len(values))
		}
		for _, v := range values {
			square += (v - mean) * (v - mean) / float64(len(values)-1)
		}
		for i, want := range []float64{0.75*float64(before[c]) + 0.25*mean, 0.75*float64(before[c]) + 0.25*square} {
			if d := float64(graph.Data[float32](got[2+i])[c]) - want; d > 1e-5 || d < -1e-5 {
				t.Errorf("statistic %d of channel %d is %v, want %v", i, c, graph.Data[float32](got[2+i])[c], want)
			}
		}
	}
	if _, err := place(t, normalised(t, true), true); err == nil || !strings.Contains(err.Error(), "those of another node too") {
		t.Errorf("shared statistics: %v", err)
	}
}
