package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/npy"
	"github.com/gansr/gansr/onnxio"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"gansr": main})
}

// The scripts in testdata/script run the program. Beside testscript's commands they have
//
//	exits CODE COMMAND...   runs a command that ends with this exit code
//	picture FILE.png W H    writes a picture
//	ramp FILE DTYPE DIM...  writes an array of 0, 1, 2 ... as .npy or .pb
//	close A.npy B.npy TOL   compares two arrays
//	jsonkeys KEY...         checks that every line of stdout is a JSON object with exactly these keys, in this order
func TestScripts(t *testing.T) {
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("ROOT", root)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":    exits,
			"picture":  picture,
			"ramp":     ramp,
			"close":    closeArrays,
			"jsonkeys": jsonKeys,
		},
	})
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit := &exec.ExitError{}
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if strconv.Itoa(got) != args[0] {
		ts.Fatalf("exit code %d, want %s", got, args[0])
	}
}

func picture(ts *testscript.TestScript, _ bool, args []string) {
	w, _ := strconv.Atoi(args[1])
	h, _ := strconv.Atoi(args[2])
	ts.Check(writePicture(ts.MkAbs(args[0]), w, h))
}

func writePicture(path string, w, h int) error {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.Set(x, y, color.NRGBA{uint8(255 * x / w), uint8(255 * y / h), uint8(x * y), 255})
		}
	}
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(png.Encode(f, img), f.Close())
}

func ramp(ts *testscript.TestScript, _ bool, args []string) {
	var shape []int
	for _, s := range args[2:] {
		d, err := strconv.Atoi(s)
		ts.Check(err)
		shape = append(shape, d)
	}
	n, _ := graph.Numel(shape)
	data := make([]float32, n)
	for i := range data {
		data[i] = float32(i)
	}
	t, err := graph.FromSlice(data, shape...)
	ts.Check(err)
	t = t.Converted(map[string]graph.DType{"float32": graph.Float32, "float16": graph.Float16, "int64": graph.Int64}[args[1]])
	encode := npy.Encode
	if filepath.Ext(args[0]) == ".pb" {
		encode = func(t *graph.Tensor) ([]byte, error) { return onnxio.EncodeTensor("ramp", t) }
	}
	file, err := encode(t)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), file, 0o666))
}

func closeArrays(ts *testscript.TestScript, _ bool, args []string) {
	var values [2][]float64
	var types [2]string
	for i := range 2 {
		t, err := npy.Decode([]byte(ts.ReadFile(args[i])))
		ts.Check(err)
		types[i] = t.Type().String()
		values[i], err = graph.Floats(t)
		ts.Check(err)
	}
	tol, err := strconv.ParseFloat(args[2], 64)
	ts.Check(err)
	if types[0] != types[1] {
		ts.Fatalf("%s and %s", types[0], types[1])
	}
	for i, v := range values[0] {
		if d := v - values[1][i]; !(max(d, -d) <= tol) {
			ts.Fatalf("element %d: %v and %v", i, v, values[1][i])
		}
	}
}

func jsonKeys(ts *testscript.TestScript, _ bool, args []string) {
	lines := strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n")
	for _, line := range lines {
		keys, err := keysOf(line)
		ts.Check(err)
		if !slices.Equal(keys, args) {
			ts.Fatalf("keys %v, want %v", keys, args)
		}
	}
}

// keysOf returns the keys of a JSON object in order.
func keysOf(line string) ([]string, error) {
	d := json.NewDecoder(strings.NewReader(line))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("%q is no object: %v", line, err)
	}
	var keys []string
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		keys = append(keys, key.(string))
		var value any
		if err := d.Decode(&value); err != nil {
			return nil, err
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("%q goes on after the object", line)
	}
	return keys, nil
}
