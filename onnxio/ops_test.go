package onnxio_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/gansr/gansr/onnxio/onnxtest"
)

// TestOperators runs small models of single operators, made and computed by ONNX Runtime, PyTorch and the ONNX package: see
// testdata/ops_*.py.
func TestOperators(t *testing.T) {
	cases, err := onnxtest.Find(filepath.Join("testdata", "ops"))
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range cases {
		name, _ := filepath.Rel(filepath.Join("testdata", "ops"), dir)
		t.Run(filepath.ToSlash(name), func(t *testing.T) {
			if r := onnxtest.Run(context.Background(), name, dir, nil); r.Status != onnxtest.Pass {
				t.Error(r)
			}
		})
	}
}

// TestInt8Networks runs a network that ONNX Runtime quantised in both of its forms: see testdata/int8.py.
func TestInt8Networks(t *testing.T) {
	cases, err := onnxtest.Find(filepath.Join("testdata", "int8"))
	if err != nil || len(cases) != 2 {
		t.Fatalf("%d networks: %v", len(cases), err)
	}
	for _, dir := range cases {
		if r := onnxtest.Run(context.Background(), filepath.Base(dir), dir, nil); r.Status != onnxtest.Pass {
			t.Error(r)
		} else {
			t.Log(r)
		}
	}
}
