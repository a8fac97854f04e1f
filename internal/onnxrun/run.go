package onnxrun

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/atomicfile"
	"github.com/gansr/gansr/internal/npy"
	"github.com/gansr/gansr/onnxio"
)

// Output is a result of a model.
type Output struct {
	Name   string
	Tensor *graph.Tensor
}

// InputError tells that the inputs that were named are not those of the model.
type InputError struct{ text string }

func (e InputError) Error() string { return e.text }

func inputError(format string, args ...any) error { return InputError{fmt.Sprintf(format, args...)} }

// Run computes the outputs, in the model's order, from inputs of the form NAME=FILE. A model with one input takes FILE
// alone too. FILE is a NumPy array (.npy) or an ONNX tensor (.pb).
// It is an [InputError] if an input is missing, unknown or given twice.
func Run(ctx context.Context, p *onnxio.Program, inputs []string) ([]Output, error) {
	g := p.Model().Graph()
	feed := map[string]*graph.Tensor{}
	for _, arg := range inputs {
		name, file := split(g, arg)
		if name == "" {
			return nil, inputError("input %q does not say which of %v it is: write NAME=%s", arg, g.Inputs, file)
		}
		if feed[name] != nil {
			return nil, inputError("input %q is given twice", name)
		}
		if !slices.ContainsFunc(slices.Concat(g.Inputs, g.Optional), func(v onnxio.ValueInfo) bool { return v.Name == name }) {
			return nil, inputError("the model has no input %q; it has %v", name, g.Inputs)
		}
		t, err := readTensor(file)
		if err != nil {
			return nil, fmt.Errorf("input %q: %w", name, err)
		}
		feed[name] = t
	}
	for _, in := range g.Inputs {
		if feed[in.Name] == nil {
			return nil, inputError("input %v is not given", in)
		}
	}
	got, err := p.Run(ctx, feed)
	if err != nil {
		return nil, err
	}
	outputs := make([]Output, len(g.Outputs))
	for i, o := range g.Outputs {
		outputs[i] = Output{o.Name, got[o.Name]}
	}
	return outputs, nil
}

// split separates the input's name, which may contain "=", from the file's. The name is empty if it is left out and
// cannot be told.
func split(g *onnxio.Graph, arg string) (name, file string) {
	for _, in := range slices.Concat(g.Inputs, g.Optional) {
		if rest, ok := strings.CutPrefix(arg, in.Name+"="); ok && len(in.Name) > len(name) {
			name, file = in.Name, rest
		}
	}
	if name != "" {
		return name, file
	}
	_, err := os.Stat(arg)
	if before, after, ok := strings.Cut(arg, "="); ok && err != nil {
		return before, after
	}
	if len(g.Inputs) == 1 {
		return g.Inputs[0].Name, arg
	}
	return "", arg
}

func readTensor(file string) (*graph.Tensor, error) {
	ext := strings.ToLower(filepath.Ext(file))
	if ext != ".npy" && ext != ".pb" {
		return nil, fmt.Errorf("%s: only .npy and .pb files can be read", file)
	}
	if info, err := os.Stat(file); err == nil && !info.Mode().IsRegular() { // reading a pipe or device may never end
		return nil, fmt.Errorf("%s: not a regular file", file)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var t *graph.Tensor
	if ext == ".npy" {
		t, err = npy.Decode(data)
	} else {
		_, t, err = onnxio.DecodeTensor(data)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return t, nil
}

// Save writes every output to a file NAME.npy in dir, which is made if need be, and returns the paths. "/" and ":" in
// a name become "_". It is an error, before anything is written, if that gives no file name or one name twice.
func Save(dir string, outputs []Output) ([]string, error) {
	paths := make([]string, len(outputs))
	taken := map[string]string{}
	for i, o := range outputs {
		file := strings.NewReplacer("/", "_", ":", "_").Replace(o.Name) + ".npy"
		if file != filepath.Base(file) || strings.ContainsAny(file, "\\\x00") {
			return nil, fmt.Errorf("output %q cannot be the name of a file", o.Name)
		}
		if other, ok := taken[file]; ok {
			return nil, fmt.Errorf("outputs %q and %q would both be written to %s", other, o.Name, file)
		}
		taken[file] = o.Name
		paths[i] = filepath.Join(dir, file)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, err
	}
	for i, o := range outputs {
		data, err := npy.Encode(o.Tensor)
		if err != nil {
			return nil, fmt.Errorf("output %q: %w", o.Name, err)
		}
		if err := atomicfile.Write(paths[i], func(f *os.File) error { _, err := f.Write(data); return err }); err != nil {
			return nil, err
		}
	}
	return paths, nil
}

// String returns a line such as "y: float32[1 3 8 8] min -0.5 max 1.25 mean 0.375". Numbers that are NaN are counted
// and left out of the rest.
func (o Output) String() string {
	s := fmt.Sprintf("%s: %v", o.Name, o.Tensor.Type())
	if o.Tensor.DType() == graph.Bool {
		n := 0
		for _, v := range graph.Data[bool](o.Tensor) {
			if v {
				n++
			}
		}
		return fmt.Sprintf("%s true %d", s, n)
	}
	values, err := graph.Floats(o.Tensor)
	if err != nil {
		return s
	}
	lo, hi, sum, n := math.Inf(1), math.Inf(-1), 0.0, 0
	for _, v := range values {
		if v == v {
			lo, hi, sum, n = min(lo, v), max(hi, v), sum+v, n+1
		}
	}
	if n > 0 {
		s += fmt.Sprintf(" min %.6g max %.6g mean %.6g", lo, hi, sum/float64(n))
	}
	if nan := len(values) - n; nan > 0 {
		s += fmt.Sprintf(" nan %d", nan)
	}
	return s
}
