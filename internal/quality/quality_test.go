package quality

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// The figures are those that NumPy computed by the definitions; testdata/quality.py has the same pictures.
func TestFigures(t *testing.T) {
	text, err := os.ReadFile("testdata/quality.json")
	if err != nil {
		t.Fatal(err)
	}
	var want struct {
		RGB  float64 `json:"psnr_rgb"`
		Y    float64 `json:"psnr_y"`
		SSIM float64 `json:"ssim_y"`
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	const h, w = 23, 29
	a, b := Picture{Planes: 3, H: h, W: w}, Picture{Planes: 3, H: h, W: w}
	for c := range 3 {
		for y := range h {
			for x := range w {
				v := (x*7 + y*13 + c*31) % 256
				a.Pix = append(a.Pix, float64(v))
				b.Pix = append(b.Pix, float64(min(max(v+(x*5+y*11+c*3)%17-8, 0), 255)))
			}
		}
	}
	near := func(what string, got float64, err error, want float64) {
		t.Helper()
		if err != nil || !(math.Abs(got-want) <= 1e-9) {
			t.Errorf("%s: %v, want %v; %v", what, got, want, err)
		}
	}
	got, err := PSNR(a, b)
	near("PSNR of RGB", got, err, want.RGB)
	ya, err := a.Luminance().Shaved(3)
	if err != nil {
		t.Fatal(err)
	}
	yb, err := b.Luminance().Shaved(3)
	if err != nil {
		t.Fatal(err)
	}
	got, err = PSNR(ya, yb)
	near("PSNR of Y", got, err, want.Y)
	got, err = SSIM(ya, yb)
	near("SSIM of Y", got, err, want.SSIM)
	if got, err := PSNR(a, a); err != nil || !math.IsInf(got, 1) {
		t.Errorf("PSNR of equal pictures: %v, %v", got, err)
	}
	if _, err := PSNR(a, ya); err == nil {
		t.Error("pictures of different sizes were compared")
	}
	if _, err := a.Shaved(12); err == nil {
		t.Error("nothing was left, and no error")
	}
	if small, _ := a.Shaved(7); small.H != 9 {
		t.Errorf("height %d", small.H)
	} else if _, err := SSIM(small, small); err == nil {
		t.Error("SSIM of a picture below its window")
	}
}
