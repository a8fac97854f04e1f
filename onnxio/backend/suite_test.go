package backend_test

import (
	"bufio"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
	"github.com/gansr/gansr/onnxio/backend"
	"github.com/gansr/gansr/onnxio/onnxtest"
	"github.com/owulveryck/onnx-go"
	"github.com/owulveryck/onnx-go/backend/testbackend"
	_ "github.com/owulveryck/onnx-go/backend/testbackend/onnx" // registers the cases
	"gorgonia.org/tensor"
)

var update = flag.Bool("update", false, "rewrite testdata/cases.txt")

// rounded are the cases whose inputs and expected values have four decimals, which the operator does not compute exactly.
var rounded = map[string]bool{"TestRoialign": true}

const casesFile = "testdata/cases.txt"

const casesHead = `# The cases of onnx-go's backend/testbackend, and what becomes of each over this backend:
#   pass  by onnx-go's comparison
#   close within a relative 1e-6, where onnx-go's absolute 1e-6 is less than the spacing of float32 numbers
#   round within 1e-4, where the case's numbers were cut to four decimals after they were computed
#   skip  for the reason that follows
`

// TestSuite runs onnx-go's suite and asserts what becomes of each case.
func TestSuite(t *testing.T) {
	want := readCases(t)
	count := map[string]int{}
	var lines []string
	for _, newCase := range testbackend.GetAllRegisteredTests() {
		tc := newCase()
		m, err := onnxio.Decode(tc.ModelB)
		if err != nil {
			t.Fatalf("%s: %v", tc.Title, err)
		}
		opset := backend.Opset(m.Opset(""))
		status := judge(tc, m, opset)
		lines = append(lines, tc.Title+" "+status)
		if strings.HasPrefix(status, "fail") || !same(status, want[tc.Title]) && !*update {
			t.Errorf("%s: %s; %s has %q", tc.Title, status, casesFile, want[tc.Title])
		}
		kind, _, _ := strings.Cut(status, " ")
		count[kind]++
		if kind == "pass" {
			t.Run(tc.Title, tc.RunTest(backend.New(opset), false))
			if tc.Skipped {
				t.Errorf("%s: onnx-go skipped it", tc.Title)
			}
		}
		delete(want, tc.Title)
	}
	if *update {
		slices.Sort(lines)
		if err := os.WriteFile(casesFile, []byte(casesHead+strings.Join(lines, "\n")+"\n"), 0o666); err != nil {
			t.Fatal(err)
		}
	} else {
		for name := range want {
			t.Errorf("%s is in %s and not registered", name, casesFile)
		}
	}
	apply := len(lines) - count["skip"]
	t.Logf("%d cases registered, %d apply, %d pass, %d are close, %d rounded", len(lines), apply, count["pass"], count["close"], count["round"])
}

// same compares with the list, which was made on amd64: last bits may differ elsewhere.
func same(got, want string) bool {
	passes := func(s string) bool { return s == "pass" || s == "close" }
	return got == want || runtime.GOARCH != "amd64" && passes(got) && passes(want)
}

func readCases(t *testing.T) map[string]string {
	f, err := os.Open(casesFile)
	if errors.Is(err, os.ErrNotExist) && *update {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cases := map[string]string{}
	s := bufio.NewScanner(f)
	for s.Scan() {
		if name, status, ok := strings.Cut(s.Text(), " "); ok && name != "#" {
			cases[name] = status
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return cases
}

// judge runs a case and says what became of it.
func judge(tc *testbackend.TestCase, m *onnxio.Model, opset backend.Option) string {
	got, err := run(tc.ModelB, tc.Input, opset)
	var missing *onnx.ErrNotImplemented
	wrong := cmp.Or(contradiction("input", m.Graph().Inputs, tc.Input), contradiction("output", m.Graph().Outputs, tc.ExpectedOutput))
	switch {
	case errors.As(err, &missing) && missing.Operator != "":
		return "skip operator " + missing.Operator + " is not one of package onnxio"
	case errors.As(err, &missing):
		return "skip onnx-go: " + missing.Message
	case wrong != "":
		return "skip " + wrong
	case err != nil:
		return "fail " + err.Error()
	case len(got) != len(tc.ExpectedOutput):
		return fmt.Sprintf("fail %d outputs, want %d", len(got), len(tc.ExpectedOutput))
	}
	status := "pass"
	for i := range got {
		g, err := graph.FromGorgonia(got[i])
		if err != nil {
			return "fail " + err.Error()
		}
		w, err := graph.FromGorgonia(tc.ExpectedOutput[i])
		if err != nil {
			return "fail " + err.Error()
		}
		if _, err := onnxtest.Compare(g, w, 0, 1e-6); err != nil {
			status = "close"
		}
		_, err = onnxtest.Compare(g, w, 1e-6, 1e-6)
		if err != nil && rounded[tc.Title] {
			status = "round"
			_, err = onnxtest.Compare(g, w, 0, 1e-4)
		}
		if err != nil {
			return "fail " + err.Error()
		}
	}
	return status
}

// contradiction finds data whose element type is not that which the case's own model declares.
func contradiction(kind string, declared []onnxio.ValueInfo, data []tensor.Tensor) string {
	for i, d := range data {
		if t, err := graph.FromGorgonia(d); err == nil && i < len(declared) && declared[i].DType != t.DType() {
			return fmt.Sprintf("the case's %s is %v, and its model declares %v", kind, t.Type(), declared[i])
		}
	}
	return ""
}

// run decodes a model with onnx-go and runs it once.
func run(model []byte, inputs []tensor.Tensor, options ...backend.Option) ([]tensor.Tensor, error) {
	g := backend.New(options...)
	m := onnx.NewModel(g)
	if err := m.UnmarshalBinary(model); err != nil {
		return nil, err
	}
	for i, t := range inputs {
		if err := m.SetInput(i, t); err != nil {
			return nil, err
		}
	}
	if err := g.Run(); err != nil {
		return nil, err
	}
	return m.GetOutputTensors()
}
