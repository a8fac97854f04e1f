package eval

import (
	"strings"
	"testing"

	"github.com/gansr/gansr/internal/shared"
)

// Interpolation looks less like the photos than what a network makes of them; the distances of Set5 are known.
func TestLPIPS(t *testing.T) {
	l, err := OpenLPIPS([]string{shared.Path(t, "data/perceptual/lpips-alexnet.safetensors")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	folder := shared.Path(t, "data/bench/Set5/x4")
	// Published for bicubic interpolation, over AlexNet: 0.340; edges and rounding differ.
	mean, err := Run(t.Context(), Bicubic(4), Options{HR: folder, LR: folder, Scale: 4, LPIPS: l}, func(f Figures) error {
		if f.LPIPS <= 0 {
			t.Errorf("%+v", f)
		}
		return nil
	})
	if err != nil || mean.LPIPS < 0.335 || mean.LPIPS > 0.350 {
		t.Errorf("%+v, %v", mean, err)
	}
}

func TestOpenLPIPS(t *testing.T) {
	if _, err := OpenLPIPS([]string{"nowhere.pth"}, nil); err == nil || !strings.Contains(err.Error(), "nowhere.pth") {
		t.Error(err)
	}
}
