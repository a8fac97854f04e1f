// Package onnxtest runs test folders in the format of the ONNX project: a model.onnx beside folders test_data_set_K
// with input_J.pb and output_J.pb.
package onnxtest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
)

// Status is how a case ended.
type Status string

// The ways in which a case ends. A case is skipped, with a reason, if its model needs an operator, an element type or a
// mode (training) that onnxio does not offer.
const (
	Pass Status = "pass"
	Fail Status = "fail"
	Skip Status = "skip"
)

// Result is what became of one case.
type Result struct {
	Name   string
	Status Status
	Error  float64 // the largest absolute difference, of a passed case
	Reason string  // of a failed or skipped case
}

// String returns the result as a line: "pass|fail|skip NAME largest-error-or-reason".
func (r Result) String() string {
	if r.Status == Pass {
		return fmt.Sprintf("%s %s %.3g", r.Status, r.Name, r.Error)
	}
	return fmt.Sprintf("%s %s %s", r.Status, r.Name, r.Reason)
}

// Tolerances of the ONNX project's own runner: |got-want| <= Absolute + Relative*|want|.
const (
	Relative         = 1e-3
	RelativeBFloat16 = 1.0 / 64 // two units in the last place
	Absolute         = 1e-7
)

// Find lists the case folders at and under dir in lexical order.
func Find(dir string) ([]string, error) {
	var cases []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Name() == "model.onnx" && !d.IsDir() {
			cases = append(cases, filepath.Dir(path))
		}
		return err
	})
	if err == nil && len(cases) == 0 {
		err = fmt.Errorf("no folder with a model.onnx at or under %s", dir)
	}
	return cases, err
}

// Run runs the case in dir under the given name.
func Run(ctx context.Context, name, dir string, workers *graph.Workers) Result {
	diff, err := run(ctx, dir, workers)
	switch reason := skipReason(err); {
	case reason != "":
		return Result{Name: name, Status: Skip, Reason: reason}
	case err != nil:
		return Result{Name: name, Status: Fail, Reason: err.Error()}
	}
	return Result{Name: name, Status: Pass, Error: diff}
}

func skipReason(err error) string {
	var unsupported *onnxio.UnsupportedError
	switch {
	case errors.As(err, &unsupported):
		return "unsupported operators: " + strings.Join(unsupported.Items, "; ")
	case errors.Is(err, onnxio.ErrElementType), errors.Is(err, onnxio.ErrTraining):
		return err.Error()
	}
	return ""
}

func run(ctx context.Context, dir string, workers *graph.Workers) (float64, error) {
	m, err := onnxio.Open(filepath.Join(dir, "model.onnx"))
	if err != nil {
		return 0, err
	}
	p, err := onnxio.NewProgram(m, workers, onnxio.Rounding())
	if err != nil {
		return 0, err
	}
	sets, err := filepath.Glob(filepath.Join(dir, "test_data_set_*"))
	if err != nil {
		return 0, err
	}
	if len(sets) == 0 {
		return 0, fmt.Errorf("%s has no test_data_set_* folder", dir)
	}
	largest := 0.0
	for _, set := range sets {
		diff, err := runSet(ctx, p, set)
		if err != nil {
			return 0, err
		}
		largest = max(largest, diff)
	}
	return largest, nil
}

func runSet(ctx context.Context, p *onnxio.Program, set string) (float64, error) {
	g := p.Model().Graph()
	in, err := load(set, "input", g.Inputs)
	if err != nil {
		return 0, err
	}
	want, err := load(set, "output", g.Outputs)
	if err != nil {
		return 0, err
	}
	got, err := p.Run(ctx, in)
	if err != nil {
		return 0, err
	}
	largest := 0.0
	for name, w := range want {
		relative := Relative
		if w.DType() == graph.BFloat16 {
			relative = RelativeBFloat16
		}
		diff, err := Compare(got[name], w, relative, Absolute)
		if err != nil {
			return 0, fmt.Errorf("output %q: %w", name, err)
		}
		largest = max(largest, diff)
	}
	return largest, nil
}

// load reads kind_0.pb, kind_1.pb … Files whose tensor has no name are those of values in order.
func load(set, kind string, values []onnxio.ValueInfo) (map[string]*graph.Tensor, error) {
	ts := map[string]*graph.Tensor{}
	for i := 0; ; i++ {
		data, err := os.ReadFile(filepath.Join(set, fmt.Sprintf("%s_%d.pb", kind, i)))
		if errors.Is(err, fs.ErrNotExist) {
			return ts, nil
		}
		if err != nil {
			return nil, err
		}
		name, t, err := onnxio.DecodeTensor(data)
		if err != nil {
			return nil, fmt.Errorf("%s_%d.pb: %w", kind, i, err)
		}
		if !slices.ContainsFunc(values, func(v onnxio.ValueInfo) bool { return v.Name == name }) && i < len(values) {
			name = values[i].Name
		}
		ts[name] = t
	}
}

// Compare returns the largest absolute difference, and an error if types or shapes differ or an element is outside of
// |got-want| <= absolute + relative*|want|. NaN equals NaN, and infinities equal those of their sign.
func Compare(got, want *graph.Tensor, relative, absolute float64) (float64, error) {
	if got == nil {
		return 0, errors.New("not computed")
	}
	if !got.Type().Equal(want.Type()) {
		return 0, fmt.Errorf("got %v, want %v", got.Type(), want.Type())
	}
	if want.DType() == graph.Bool {
		g, w := graph.Data[bool](got), graph.Data[bool](want)
		for i := range w {
			if g[i] != w[i] {
				return 1, fmt.Errorf("element %d: got %v, want %v", i, g[i], w[i])
			}
		}
		return 0, nil
	}
	g, err := graph.Floats(got)
	if err != nil {
		return 0, err
	}
	w, err := graph.Floats(want)
	if err != nil {
		return 0, err
	}
	largest, bad := 0.0, -1
	for i := range w {
		if g[i] == w[i] || math.IsNaN(g[i]) && math.IsNaN(w[i]) {
			continue
		}
		diff := math.Abs(g[i] - w[i])
		if bad < 0 && (math.IsInf(w[i], 0) || !(diff <= absolute+relative*math.Abs(w[i]))) {
			bad = i
		}
		if !(diff <= largest) {
			largest = diff
		}
	}
	if bad >= 0 {
		return largest, fmt.Errorf("element %d: got %v, want %v; largest difference %.3g", bad, g[bad], w[bad], largest)
	}
	return largest, nil
}
