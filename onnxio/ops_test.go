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
