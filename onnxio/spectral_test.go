package onnxio_test

import (
	"slices"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
)

// Weights that are divided by their spectral norm are found with their vectors, which are statistics and no parameters.
func TestSpectralNorms(t *testing.T) {
	b := onnxio.NewBuilder("critic", 17)
	init := func(name string, shape ...int) string { return b.Init(name, graph.NewTensor(graph.Float32, shape...)) }
	scaled := func(x, name string, u, v int) string {
		w := init(name+".weight_orig", 4, 2, 3, 3)
		sigma := b.Node("MatMul", []string{init(name+".weight_u", u), b.Node("MatMul", []string{b.Node("Flatten", []string{w}), init(name+".weight_v", v)})})
		return b.Node("Conv", []string{x, b.Node("Div", []string{w, sigma})})
	}
	b.Output("y", scaled(b.Input("x", graph.Float32, "n", 2, 5, 5), "a", 4, 18), graph.Float32, "n", 4, 3, 3)
	init("b.weight_orig", 4, 2, 3, 3) // without vectors that fit
	init("b.weight_u", 5)
	init("b.weight_v", 18)
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	if got := m.SpectralNorms(); !slices.Equal(got, []onnxio.SpectralNorm{{Weight: "a.weight_orig", U: "a.weight_u", V: "a.weight_v"}}) {
		t.Errorf("got %v", got)
	}
	parameters, running := m.Trainable()
	if !slices.Equal(parameters, []string{"a.weight_orig"}) || !slices.Equal(running, []string{"a.weight_u", "a.weight_v"}) {
		t.Errorf("the parameters are %v, the statistics %v", parameters, running)
	}
}
