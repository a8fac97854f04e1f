package onnxio_test

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/shared"
	"github.com/gansr/gansr/onnxio"
)

// All architectures have gradients; along them, outputs change as much as they say.
func TestGradientsOfArchitectures(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	files, err := filepath.Glob(filepath.Join(shared.Path(t, "reference", "torch"), "*", "legacy.onnx"))
	if err != nil || len(files) != 39 {
		t.Fatalf("%d networks, %v", len(files), err)
	}
	for _, f := range files {
		t.Run(filepath.Base(filepath.Dir(f)), func(t *testing.T) {
			p := open(t, f)
			in := p.Model().Graph().Inputs[0]
			shape := []int{1, 3, 16, 16}
			for k, d := range in.Dims {
				if d.Value > 0 {
					shape[k] = d.Value
				}
			}
			tr, err := p.Translate(context.Background(), map[string]graph.Type{in.Name: {DType: graph.Float32, Shape: shape}})
			if err != nil {
				t.Fatal(err)
			}
			seed := waves(tr.Outputs[0].Type().Shape, 1, 0)
			grads, err := tr.Builder.Gradients(tr.Outputs[:1], []*graph.Value{tr.Builder.Constant("seed", seed)}, tr.Inputs)
			if err != nil {
				t.Fatal(err)
			}
			s, err := graph.NewSession(tr.Inputs, []*graph.Value{tr.Outputs[0], grads[0]}, nil)
			if err != nil {
				t.Fatal(err)
			}
			run := func(x *graph.Tensor) (float64, *graph.Tensor) {
				out, err := s.Run(context.Background(), []*graph.Tensor{x})
				if err != nil {
					t.Fatal(err)
				}
				return dot(out[0], seed), out[1]
			}
			x := waves(shape, 0.4, 0.5)
			_, g := run(x)
			length := math.Sqrt(dot(g, g))
			// Rounding errors spoil short steps, and kinks long ones.
			best := math.Inf(1)
			for _, step := range []float64{1e-2, 1e-3, 1e-4, 1e-5} {
				moved := func(by float64) float64 {
					y := graph.NewTensor(graph.Float32, shape...)
					for i, v := range graph.Data[float32](x) {
						graph.Data[float32](y)[i] = v + float32(by/length)*graph.Data[float32](g)[i]
					}
					v, _ := run(y)
					return v
				}
				best = min(best, math.Abs((moved(step)-moved(-step))/(2*step*length)-1))
			}
			if !(best <= 0.02) {
				t.Errorf("the change along the gradient differs by %.2g of it", best)
			}
		})
	}
}

// waves returns a tensor of values within size of center.
func waves(shape []int, size, center float64) *graph.Tensor {
	x := graph.NewTensor(graph.Float32, shape...)
	for i := range graph.Data[float32](x) {
		graph.Data[float32](x)[i] = float32(center + size*math.Sin(1+1.7*float64(i)+0.1*float64(i%97*i%89)))
	}
	return x
}

func dot(a, b *graph.Tensor) float64 {
	sum := 0.0
	for i, v := range graph.Data[float32](a) {
		sum += float64(v) * float64(graph.Data[float32](b)[i])
	}
	return sum
}

// Errors name the nodes of the file.
func TestGradientErrorNamesNodes(t *testing.T) {
	b := onnxio.NewBuilder("g", 17)
	x := b.Input("x", graph.Float32, 1, 2, 4, 4)
	y := b.Node("Det", []string{b.Node("Relu", []string{x})})
	b.Output("y", y, graph.Float32, 1, 2)
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	p, err := onnxio.NewProgram(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	tr, err := p.Translate(context.Background(), map[string]graph.Type{"x": {DType: graph.Float32, Shape: []int{1, 2, 4, 4}}})
	if err != nil {
		t.Fatal(err)
	}
	_, err = tr.Builder.Gradients(tr.Outputs, nil, tr.Inputs)
	var lacking *graph.NoGradientError
	if !errors.As(err, &lacking) || len(lacking.Nodes) != 1 || !strings.Contains(lacking.Nodes[0], "(Det)") {
		t.Errorf("got %v, want a NoGradientError with the node", err)
	}
}
