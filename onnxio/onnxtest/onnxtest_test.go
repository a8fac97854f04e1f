package onnxtest

import (
	"context"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/shared"
	"github.com/gansr/gansr/onnxio"
)

var update = flag.Bool("update", false, "rewrite testdata/passed.txt and testdata/skipped.txt")

// passing is the number of the ONNX project's cases that run and pass. It may only grow.
const passing = 1924

// differing are the cases that fail, with the reason.
var differing = map[string]string{
	"node/test_dft_inverse":         "expects the rounding error 1.9e-7 of NumPy's float32 transform where 0 is right",
	"node/test_dft_inverse_opset19": "expects the rounding error 1.9e-7 of NumPy's float32 transform where 0 is right",
}

// TestConformance runs the ONNX project's own cases and compares what became of each with the committed lists.
func TestConformance(t *testing.T) {
	root := t.TempDir()
	unpack(t, shared.Archive(t, "data", "onnx-tests.tar.gz"), root)
	cases, err := Find(root)
	if err != nil {
		t.Fatal(err)
	}
	workers := graph.NewWorkers(2)
	defer workers.Close()
	var passed, skipped []string
	for _, dir := range cases {
		rel, err := filepath.Rel(filepath.Join(root, "onnx-tests"), dir)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.ToSlash(rel)
		switch r := Run(context.Background(), name, dir, workers); r.Status {
		case Fail:
			if why := differing[name]; why != "" {
				skipped = append(skipped, name+": fails: "+why)
				continue
			}
			t.Error(r)
		case Pass:
			passed = append(passed, name+" "+strings.Join(operatorsOf(t, dir), ","))
		case Skip:
			skipped = append(skipped, name+": "+strings.ReplaceAll(r.Reason, dir+string(filepath.Separator), ""))
		}
	}
	golden(t, "passed.txt", passed)
	golden(t, "skipped.txt", skipped)
	t.Logf("%d passed, %d skipped", len(passed), len(skipped))
}

// The committed list of cases cannot shrink, and names only operators that are still there.
func TestConformanceList(t *testing.T) {
	lines := readLines(t, "passed.txt")
	if len(lines) < passing {
		t.Errorf("%d cases are listed, %d have passed before", len(lines), passing)
	}
	for _, l := range lines {
		name, ops, ok := strings.Cut(l, " ")
		if !ok {
			t.Fatalf("line %q has no operators", l)
		}
		for _, op := range strings.Split(ops, ",") {
			if op != "" && !slices.ContainsFunc(onnxio.Operators(), func(s onnxio.Support) bool { return s.Name == op }) {
				t.Errorf("%s passed once and needs %s, which is no longer supported", name, op)
			}
		}
	}
}

// operatorsOf lists the operators in the main graph of a case, by the names of onnxio.Operators.
func operatorsOf(t *testing.T, dir string) []string {
	t.Helper()
	m, err := onnxio.Open(filepath.Join(dir, "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	var ops []string
	for _, n := range m.Graph().Nodes {
		if m.Function(n) == nil {
			ops = append(ops, n.Operator())
		}
	}
	slices.Sort(ops)
	return slices.Compact(ops)
}

func golden(t *testing.T, file string, got []string) {
	t.Helper()
	slices.Sort(got)
	if *update {
		if err := os.WriteFile(filepath.Join("testdata", file), []byte(strings.Join(got, "\n")+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want := readLines(t, file)
	for _, l := range got {
		if !slices.Contains(want, l) {
			t.Errorf("%s lacks %q; run with -update if that is right", file, l)
		}
	}
	for _, l := range want {
		if !slices.Contains(got, l) {
			t.Errorf("%s has %q, which is no longer so; run with -update if that is right", file, l)
		}
	}
}

func readLines(t *testing.T, file string) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

func unpack(t *testing.T, files map[string][]byte, dir string) {
	t.Helper()
	for name, data := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func tensor[T graph.Element](t *testing.T, v ...T) *graph.Tensor {
	t.Helper()
	x, err := graph.FromSlice(v, len(v))
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func TestCompare(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for i, c := range []struct {
		got, want *graph.Tensor
		ok        bool
	}{
		{tensor[float32](t, 1, 2), tensor[float32](t, 1, 2.001), true},
		{tensor[float32](t, 1, 2), tensor[float32](t, 1, 2.01), false},
		{tensor(t, nan, inf, -inf), tensor(t, nan, inf, -inf), true},
		{tensor(t, nan), tensor[float32](t, 0), false},
		{tensor[float32](t, 0), tensor(t, nan), false},
		{tensor(t, inf), tensor(t, -inf), false},
		{tensor(t, inf), tensor[float32](t, 1), false},
		{tensor[int64](t, 1), tensor[int32](t, 1), false},
		{tensor[int64](t, 1), tensor[int64](t, 1, 1), false},
		{tensor(t, true, false), tensor(t, true, false), true},
		{tensor(t, true, false), tensor(t, true, true), false},
		{nil, tensor[int64](t, 1), false},
	} {
		if _, err := Compare(c.got, c.want, Relative, Absolute); (err == nil) != c.ok {
			t.Errorf("case %d: %v", i, err)
		}
	}
}

// A case whose recorded output is wrong fails, and one without data is no pass.
func TestWrongCasesFail(t *testing.T) {
	b := onnxio.NewBuilder("net", 17)
	b.Output("y", b.Node("Relu", []string{b.Input("x", graph.Float32, "n")}), graph.Float32, "n")
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := m.Save(filepath.Join(dir, "model.onnx")); err != nil {
		t.Fatal(err)
	}
	if r := Run(context.Background(), "empty", dir, nil); r.Status != Fail {
		t.Errorf("without data: %v", r)
	}
	set := filepath.Join(dir, "test_data_set_0")
	if err := os.Mkdir(set, 0o755); err != nil {
		t.Fatal(err)
	}
	for file, x := range map[string]*graph.Tensor{"input_0.pb": tensor[float32](t, -1, 2), "output_0.pb": tensor[float32](t, -1, 2)} {
		data, err := onnxio.EncodeTensor("", x)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(set, file), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	r := Run(context.Background(), "wrong", dir, nil)
	if want := `fail wrong output "y": element 0: got 0, want -1; largest difference 1`; fmt.Sprint(r) != want {
		t.Errorf("got %v, want %s", r, want)
	}
}
