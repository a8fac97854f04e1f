package finetune

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/gansr/gansr/onnxio"
)

// Networks with channels last are refused before there are photos, with what would be right.
func TestChannelsLast(t *testing.T) {
	for _, name := range []string{"shuffled", "shuffled-nchw-in", "resized"} {
		m, err := onnxio.Open(filepath.Join("..", "upscale", "testdata", "keras", name+".onnx"))
		if err != nil {
			t.Fatal(err)
		}
		if err := pixels(1).Check(m, nil, nil); err == nil || !strings.Contains(err.Error(), "should have the channels of pictures first, not last as in") {
			t.Errorf("%s (%v to %v): %v", name, m.Graph().Inputs, m.Graph().Outputs, err)
		}
	}
}
