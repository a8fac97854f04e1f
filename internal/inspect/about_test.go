package inspect

import (
	"path/filepath"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/convert"
	"github.com/gansr/gansr/models"
	"github.com/gansr/gansr/onnxio/torch"
)

// The keys of ONNX, of ModelSpec and of people are found, those of a safetensors file too.
func TestAbout(t *testing.T) {
	m, err := models.New("SRVGGNetCompact", map[string]string{"num_feat": "4", "num_conv": "1", "upscale": "2"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	tensors := map[string]*graph.Tensor{}
	for _, name := range m.Graph().Initializers() {
		if tensors[name], _, err = m.Graph().Initializer(name); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		metadata map[string]string
		want     About
	}{
		{nil, About{}},
		{map[string]string{"format": "pt"}, About{}},
		{map[string]string{"modelspec.license": "MIT", "modelspec.title": "A", "modelspec.author": "B", "modelspec.description": "C"}, About{Title: "A", Author: "B", Licence: "MIT", Description: "C"}},
		{map[string]string{"model_license": "MIT", "model_author": "B"}, About{Author: "B", Licence: "MIT"}},
		{map[string]string{"License": " GPL-3.0 ", "homepage": "https://example.org"}, About{Licence: "GPL-3.0", Source: "https://example.org"}},
		{map[string]string{"gansr.source": "x.pth sha256:0"}, About{}},
	} {
		path := filepath.Join(t.TempDir(), "net.safetensors")
		if err := torch.Save(path, tensors, c.metadata); err != nil {
			t.Fatal(err)
		}
		s, err := convert.Open(path, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := about(s.Model); got != c.want {
			t.Errorf("%v: %+v, want %+v", c.metadata, got, c.want)
		}
	}
}
