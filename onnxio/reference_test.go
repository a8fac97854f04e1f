package onnxio_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
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
	"github.com/nlpodyssey/safetensors"
)

// recorded is a safetensors file of inputs and outputs.
type recorded struct {
	safetensors.SafeTensors
	meta map[string]string
}

func readRecorded(t *testing.T, path string) recorded {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	st, err := safetensors.Deserialize(data)
	if err != nil {
		t.Fatal(err)
	}
	var header struct {
		Meta map[string]string `json:"__metadata__"`
	}
	if err := json.Unmarshal(data[8:8+binary.LittleEndian.Uint64(data)], &header); err != nil {
		t.Fatal(err)
	}
	return recorded{st, header.Meta}
}

// floats returns a tensor of float32, or of bytes, which stand for v/255.
func (r recorded) floats(t *testing.T, name string) *graph.Tensor {
	t.Helper()
	v, ok := r.Tensor(name)
	if !ok {
		t.Fatalf("no tensor %q", name)
	}
	var shape []int
	for _, d := range v.Shape() {
		shape = append(shape, int(d))
	}
	n, _ := graph.Numel(shape)
	f := make([]float32, n)
	for i := range f {
		if v.DType() == safetensors.U8 {
			f[i] = float32(v.Data()[i]) / 255
		} else {
			f[i] = math.Float32frombits(binary.LittleEndian.Uint32(v.Data()[4*i:]))
		}
	}
	x, err := graph.FromSlice(f, shape...)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func open(t *testing.T, path string) *onnxio.Program {
	t.Helper()
	m, err := onnxio.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := onnxio.NewProgram(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// largestError compares every step-th element, relative to outputs of order 1.
func largestError(got, want []float32, step int) float64 {
	worst, order := 0.0, 1.0
	for i, w := range want {
		d := math.Abs(float64(got[i*step]) - float64(w))
		if !(d <= worst) {
			worst = d
		}
		order = max(order, math.Abs(float64(w)))
	}
	return worst / order
}

// Networks that people published compute what ONNX Runtime computes.
func TestPublishedNetworks(t *testing.T) {
	dir := shared.Path(t, "data", "onnx")
	files, err := filepath.Glob(filepath.Join(dir, "*.io.safetensors"))
	if err != nil || len(files) != 11 {
		t.Fatalf("%d recordings in %s, %v", len(files), dir, err)
	}
	for _, f := range files {
		stem := strings.TrimSuffix(f, ".io.safetensors")
		t.Run(filepath.Base(stem), func(t *testing.T) {
			rec := readRecorded(t, f)
			p := open(t, stem+".onnx")
			for k := 0; ; k++ {
				in := map[string]*graph.Tensor{}
				for _, i := range p.Model().Graph().Inputs {
					if name := fmt.Sprintf("in.%d.%s", k, i.Name); slices.Contains(rec.Names(), name) {
						in[i.Name] = rec.floats(t, name).Converted(i.DType)
					}
				}
				if len(in) == 0 && k > 0 {
					break
				}
				out, err := p.Run(context.Background(), in)
				if err != nil {
					t.Fatal(err)
				}
				for _, o := range p.Model().Graph().Outputs {
					want := graph.Data[float32](rec.floats(t, fmt.Sprintf("out.%d.%s", k, o.Name)))
					got := out[o.Name]
					if s := strings.Join(strings.Fields(fmt.Sprint(got.Shape())), ", "); s != rec.meta[fmt.Sprintf("shape.%d.%s", k, o.Name)] {
						t.Fatalf("run %d: shape %s, want %s", k, s, rec.meta[fmt.Sprintf("shape.%d.%s", k, o.Name)])
					}
					e := largestError(graph.Data[float32](got.Converted(graph.Float32)), want, 7)
					t.Logf("run %d: largest error %.2g", k, e)
					if !(e <= 1e-4) {
						t.Errorf("run %d: largest error %.3g", k, e)
					}
				}
			}
		})
	}
}

func TestCustomOperatorIsRefused(t *testing.T) {
	m, err := onnxio.Open(shared.Path(t, "data", "onnx", "before_debug-onjackay.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = onnxio.NewProgram(m, nil)
	var unsupported *onnxio.UnsupportedError
	if !errors.As(err, &unsupported) {
		t.Fatalf("got %v", err)
	}
	t.Log(err)
}

// Architectures of the field, written by both of PyTorch's exporters, compute what PyTorch computes.
func TestPyTorchExports(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(shared.Path(t, "reference", "torch"), "*", "*.onnx"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		dir := filepath.Dir(f)
		t.Run(filepath.Base(dir)+"/"+filepath.Base(f), func(t *testing.T) {
			rec := readRecorded(t, filepath.Join(dir, "io.safetensors"))
			p := open(t, f)
			ran := 0
			for _, k := range []string{"a", "b"} {
				x := rec.floats(t, "input_"+k)
				in := p.Model().Graph().Inputs[0]
				if !fits(in.Dims, x.Shape()) {
					continue // exported for the size of the other input
				}
				out, err := p.Run(context.Background(), map[string]*graph.Tensor{in.Name: x})
				if err != nil {
					t.Fatal(err)
				}
				got, want := out[p.Model().Graph().Outputs[0].Name], rec.floats(t, "output_"+k)
				if !got.Type().Equal(want.Type()) {
					t.Fatalf("%s: got %v, want %v", k, got.Type(), want.Type())
				}
				e := largestError(graph.Data[float32](got), graph.Data[float32](want), 1)
				t.Logf("%s: largest error %.2g", k, e)
				if !(e <= 1e-4) {
					t.Errorf("%s: largest error %.3g", k, e)
				}
				ran++
			}
			if ran == 0 {
				t.Error("the file takes neither input")
			}
		})
	}
}

func fits(dims []onnxio.Dim, shape []int) bool {
	for i, d := range dims {
		if d.Known() && d.Value != shape[i] {
			return false
		}
	}
	return true
}
