package onnxio

import (
	"context"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/shared"
)

// Models of the ONNX project and of testdata/ops that can be written with operators of another version compute the same.
func TestConvertedOpsetComputesTheSame(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	written := map[string]map[int]bool{} // versions before the one that an operator came with, and others
	for op, ps := range probes(t) {
		written[op] = map[int]bool{}
		for _, p := range ps {
			want, err := p.run(p.model, p.feed)
			if err != nil {
				t.Fatal(err)
			}
			for _, to := range []int{11, 13, 16, 17, 19, 22, 23, MaxOpset} { // among them the versions before those of the decompositions
				from := p.model.Opset("")
				empty := op == "Reshape" && slices.ContainsFunc(slices.Collect(maps.Values(p.feed)), func(x *graph.Tensor) bool { return x.Len() == 0 })
				if from < 7 || from == to || empty && to < 14 { // before version 14 there was no allowzero, which only these need
					continue
				}
				c, err := p.model.ConvertedOpset(to)
				if err != nil {
					if !strings.Contains(err.Error(), "node ") {
						t.Errorf("%s from version %d to %d: %v", op, from, to, err)
					}
					continue
				}
				written[op][to] = true
				for _, n := range c.Graph().Nodes {
					if e := registry[n.Operator()]; n.Domain == "" && (e.first > to || e.last < to) {
						t.Errorf("%s from version %d to %d has the operator %s", op, from, to, n.Name)
					}
				}
				got, err := p.run(c, p.feed)
				if err != nil {
					t.Errorf("%s from version %d to %d: %v", op, from, to, err)
					continue
				}
				for name, w := range want {
					if d := difference(t, got[name], w); !(d < 1e-4 || w.DType().IsHalf() && d < 0.02) {
						t.Errorf("%s from version %d to %d: output %s differs by %g", op, from, to, name, d)
					}
				}
			}
		}
	}
	for op := range decompositions {
		if first := registry[op].first; !written[op][first-1] || !written[op][11] {
			t.Errorf("%s was never written for version %d and 11: %v", op, first-1, slices.Sorted(maps.Keys(written[op])))
		}
	}
}

// difference returns the largest difference of two tensors as a part of the largest number, and infinity if they are of different types.
func difference(t *testing.T, got, want *graph.Tensor) float64 {
	t.Helper()
	if got == nil || !got.Type().Equal(want.Type()) {
		return math.Inf(1)
	}
	if graph.Equal(got, want) {
		return 0
	}
	g, err := graph.Floats(got)
	if err != nil {
		return math.Inf(1)
	}
	w, err := graph.Floats(want)
	if err != nil {
		t.Fatal(err)
	}
	d, most := 0.0, 1e-30
	for i := range w {
		if g[i] != w[i] && !(math.IsNaN(g[i]) && math.IsNaN(w[i])) {
			d = max(d, math.Abs(g[i]-w[i]))
		}
		if !math.IsInf(w[i], 0) && !math.IsNaN(w[i]) {
			most = max(most, math.Abs(w[i]))
		}
	}
	return d / most
}

// The exports of PyTorch can be written with operators of any version that has what they need.
func TestConvertedOpsetOfArchitectures(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(shared.Path(t, "reference", "torch"), "*", "*.onnx"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no networks: %v", err)
	}
	for _, f := range files {
		m, err := Open(f)
		if err != nil {
			t.Fatal(err)
		}
		if m, err = m.Simplified(context.Background()); err != nil {
			t.Fatal(err)
		}
		for _, to := range []int{11, 13, 17, 21, MaxOpset} {
			if _, err := m.ConvertedOpset(to); err != nil && !(strings.Contains(err.Error(), "(GridSample)") && to < 16 || strings.Contains(err.Error(), "(Einsum)") && to < 12) {
				t.Errorf("%s to version %d: %v", f, to, err)
			}
		}
	}
}
