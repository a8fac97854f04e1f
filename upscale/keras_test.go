package upscale

import (
	"bytes"
	"context"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/gansr/gansr/onnxio"
)

// Networks that tf2onnx converted from Keras are recognised, with channels last or first at either end, give what TensorFlow gave, and in tiles
// what they give in one piece.
func TestKeras(t *testing.T) {
	const h, w = 10, 12
	files, err := filepath.Glob("testdata/keras/*.onnx")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	pixels := make([]float32, h*w*3)
	for i := range pixels {
		pixels[i] = float32(float64(37*i%256) / 255)
	}
	src := make([]float32, len(pixels))
	toPlanes(src, pixels, 3)
	for _, file := range files {
		name := filepath.Base(file)
		t.Run(name, func(t *testing.T) {
			m, err := onnxio.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			g, err := NewModel(context.Background(), m, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if f := g.Facts(); f.Scale != 2 || f.Channels != 3 || f.Multiple != 1 || f.Halo < 1 || f.Halo > 8 || f.WholeImage != "" {
				t.Errorf("facts %+v", f)
			}
			got := make([]float32, 4*len(src))
			if err := g.Run(context.Background(), got, src, h, w, Window{W: w, H: h, ImageW: w, ImageH: h}); err != nil {
				t.Fatal(err)
			}
			data, err := os.ReadFile(file[:len(file)-len("onnx")] + "out")
			if err != nil {
				t.Fatal(err)
			}
			out, want := make([]float32, len(got)), make([]float32, len(got))
			if err := binary.Read(bytes.NewReader(data), binary.LittleEndian, out); err != nil {
				t.Fatal(err)
			}
			toPlanes(want, out, 3)
			for i := range want {
				if d := math.Abs(float64(got[i] - want[i])); !(d <= 1e-5) {
					t.Fatalf("element %d is %v, and TensorFlow gave %v", i, got[i], want[i])
				}
			}
			if e := tileError(t, g, g.Facts().Halo); !(e <= 1e-5) {
				t.Errorf("tiles differ from the whole by %.2g", e)
			}
		})
	}
}
