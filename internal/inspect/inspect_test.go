package inspect

import (
	"context"
	"maps"
	"strings"
	"testing"

	"github.com/gansr/gansr/internal/shared"
	"github.com/gansr/gansr/models"
	"github.com/gansr/gansr/onnxio"
)

func TestGenerator(t *testing.T) {
	m, err := models.New("SRVGGNetCompact", map[string]string{"num_feat": "4", "num_conv": "1", "upscale": "2"}, 0)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Inspect(context.Background(), "m", m, nil, map[string]string{"gansr.range": "-1,1"})
	if err != nil {
		t.Fatal(err)
	}
	// 3x3 convolutions 3-4, 4-4, 4-12 with biases, and two PReLUs of 4 channels
	if want := int64(27*4 + 4 + 36*4 + 4 + 36*12 + 12 + 8); r.Parameters != want {
		t.Errorf("%d parameters, want %d", r.Parameters, want)
	}
	if r.Operators["Conv"] != 3 || r.Operators["PRelu"] != 2 {
		t.Errorf("operators %v", r.Operators)
	}
	sum := 0
	for n := range maps.Values(r.Operators) {
		sum += n
	}
	if sum != r.Nodes {
		t.Errorf("%d nodes, %d by operator", r.Nodes, sum)
	}
	g := r.Generator
	if g == nil {
		t.Fatal(r.NotGenerator)
	}
	if g.Scale != 2 || g.Channels != 3 || g.SizeMultiple != 1 || g.Range != [2]float32{-1, 1} || g.ReceptiveField < 7 || g.ReceptiveField > 9 {
		t.Errorf("%+v", g)
	}
	// two operations for each weight of a convolution and pixel, and few for the rest
	if products := int64(2 * (27*4 + 36*4 + 36*12)); g.FLOPsPerPixel < products || g.FLOPsPerPixel > products*11/10+100 {
		t.Errorf("%d FLOPs a pixel, want about %d", g.FLOPsPerPixel, products)
	}
	if got, want := r.Inputs[0].String(), "input tensor(float) [n,3,h,w]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if _, err := Inspect(context.Background(), "m", m, nil, map[string]string{"gansr.range": "1"}); err == nil {
		t.Error("an override without meaning is no error")
	}
}

// The models in the reference data that are no generators are described too, with the reason.
func TestOthers(t *testing.T) {
	for name, want := range map[string]string{
		"before_debug-onjackay.onnx":     "operators are not supported",
		"bvae-ae_decoder.onnx":           "is not an image",
		"convtranspose-netG-a2kiti.onnx": "only networks that enlarge both axes",
	} {
		m, err := onnxio.Open(shared.Path(t, "data", "onnx", name))
		if err != nil {
			t.Fatal(err)
		}
		r, err := Inspect(context.Background(), name, m, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Generator != nil || !strings.Contains(r.NotGenerator, want) {
			t.Errorf("%s: %v %q, want %q", name, r.Generator, r.NotGenerator, want)
		}
		if refused := strings.HasPrefix(name, "before_debug"); refused != (len(r.Unsupported) > 0) {
			t.Errorf("%s: unsupported %q", name, r.Unsupported)
		}
	}
}

// A file that claims any size and is right at one is described at that one.
func TestTraced(t *testing.T) {
	m, err := onnxio.Open("../convert/testdata/sizes/swin-claims-legacy.onnx")
	if err != nil {
		t.Fatal(err)
	}
	r, err := Inspect(context.Background(), "m", m, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(r.Sizes, "made for images of 16x16") || !strings.Contains(r.Sizes, "mends it") || r.Generator == nil || r.Generator.FixedSize != "16x16" {
		t.Errorf("%q %+v", r.Sizes, r.Generator)
	}
}
