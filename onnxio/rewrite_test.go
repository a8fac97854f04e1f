package onnxio

import (
	"context"
	"testing"

	"github.com/gansr/gansr/graph"
)

// A ScatterND without updates goes, unless its result is the graph's; others stay.
func TestSimplifiedScatters(t *testing.T) {
	for _, c := range []struct {
		updates, nodes int
		last           bool
	}{{0, 2, false}, {1, 3, false}, {0, 1, true}} {
		b := NewBuilder("scatters", 17)
		v := b.Input("x", graph.Float32, 2, "n")
		if !c.last {
			v = b.Node("Relu", []string{v})
		}
		at := b.Init("at", graph.NewTensor(graph.Int64, c.updates, 2))
		v = b.Node("ScatterND", []string{v, at, b.Init("updates", graph.NewTensor(graph.Float32, c.updates))})
		if !c.last {
			v = b.Node("Neg", []string{v})
		}
		b.Output("y", v, graph.Float32, 2, "n")
		m, err := b.Model()
		if err != nil {
			t.Fatal(err)
		}
		s, err := m.Simplified(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if got := len(s.Graph().Nodes); got != c.nodes {
			t.Errorf("%+v: %d nodes", c, got)
		}
	}
}
