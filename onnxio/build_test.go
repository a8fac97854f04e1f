package onnxio

import (
	"os"
	"strings"
	"testing"

	"github.com/gansr/gansr/graph"
)

// The builder writes the file that onnx.helper does; testdata/make.py makes it.
func TestBuilder(t *testing.T) {
	b := NewBuilder("net", 17)
	x := b.Input("x", graph.Float32, "N", 3, "H", "")
	w := b.Init("body.0.weight", tensor([]float32{1, 2, 3, 4, 5, 6}, 2, 3, 1, 1))
	y := b.Node("Relu", []string{b.Node("Conv", []string{x, w}, Attr{"kernel_shape", []int{1, 1}}, Attr{"pads", []int{0, 0, 0, 0}})})
	parts := b.Nodes("Split", 2, []string{y}, Attr{"axis", 1})
	b.Output("output", b.Node("Add", []string{parts[0], parts[1]}), graph.Float32, "N", 1, "H", "")
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	m.SetMetadata("gansr.scale", "1")
	got, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/built.onnx")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestBuilderErrors(t *testing.T) {
	for want, f := range map[string]func(*Builder){
		`output "y": no node produces "x"`: func(b *Builder) { b.Output("y", b.Input("x", graph.Float32), graph.Float32) },
		`node "relu_0": attribute "a": a struct {} cannot be written`: func(b *Builder) {
			b.Output("y", b.Node("Relu", nil, Attr{"a", struct{}{}}), graph.Float32)
		},
		`value "x": a dimension is an int or a string, not float64`: func(b *Builder) { b.Input("x", graph.Float32, 1.5) },
		`value "x": a tensor of invalid cannot be written`:          func(b *Builder) { b.Input("x", graph.Invalid) },
		`node "add_0" (Add) uses "b", which nothing produces`: func(b *Builder) {
			b.Output("y", b.Node("Add", []string{b.Input("x", graph.Float32), "b"}), graph.Float32)
		},
		`value "x" is defined twice, by an initialiser and by a graph input`: func(b *Builder) {
			b.Input("x", graph.Float32)
			b.Input("x", graph.Float32)
			b.Init("x", graph.Scalar(float32(1)))
		},
	} {
		b := NewBuilder("g", 17)
		f(b)
		if _, err := b.Model(); err == nil || err.Error() != "onnx: "+want {
			t.Errorf("got  %v\nwant onnx: %s", err, want)
		}
	}
}

// The format's version is the one that came with the operator set (onnx.helper.VERSION_TABLE).
func TestIRVersion(t *testing.T) {
	for opset, want := range map[int]int64{7: 4, 8: 4, 9: 4, 10: 5, 11: 6, 12: 7, 13: 7, 14: 7, 15: 8, 16: 8, 17: 8, 18: 8, 19: 9, 20: 9,
		21: 10, 22: 10, 23: 11, 24: 12, 25: 13, 26: 13, 27: 13, 28: 14} {
		if got := irVersion(opset); got != want {
			t.Errorf("operator set %d: IR version %d, want %d", opset, got, want)
		}
	}
}

// After Output the value has the output's name wherever it is used.
func TestBuilderOutputUsedTwice(t *testing.T) {
	b := NewBuilder("g", 17)
	h := b.Node("Relu", []string{b.Input("x", graph.Float32)})
	y := b.Node("Neg", []string{h})
	b.Output("first", h, graph.Float32)
	b.Output("second", y, graph.Float32)
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	var uses []string
	for _, n := range m.Graph().Nodes {
		uses = append(uses, strings.Join(n.Inputs, " ")+">"+strings.Join(n.Outputs, " "))
	}
	if got := strings.Join(uses, ", "); got != "x>first, first>second" {
		t.Error(got)
	}
}
