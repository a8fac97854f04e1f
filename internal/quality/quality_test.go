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

// A picture of several bands has the mean of what each window has by the definition.
func TestSSIMOfTallPictures(t *testing.T) {
	const h, w = 2*band + window + 5, 14
	a, b := Picture{Planes: 1, H: h, W: w}, Picture{Planes: 1, H: h, W: w}
	for i := range h * w {
		a.Pix = append(a.Pix, float64(i*37%251))
		b.Pix = append(b.Pix, float64((i*37+i%13*5)%251))
	}
	var want, count float64
	for y := range h - window + 1 {
		for x := range w - window + 1 {
			var total, mx, my, xx, yy, xy float64
			for dy := range window {
				for dx := range window {
					ey, ex := float64(dy-window/2), float64(dx-window/2)
					g := math.Exp(-(ey*ey + ex*ex) / (2 * 1.5 * 1.5))
					p, q := a.Pix[(y+dy)*w+x+dx], b.Pix[(y+dy)*w+x+dx]
					total, mx, my, xx, yy, xy = total+g, mx+g*p, my+g*q, xx+g*p*p, yy+g*q*q, xy+g*p*q
				}
			}
			mx, my, xx, yy, xy = mx/total, my/total, xx/total, yy/total, xy/total
			const c1, c2 = 2.55 * 2.55, 7.65 * 7.65
			want += (2*mx*my + c1) * (2*(xy-mx*my) + c2) / ((mx*mx + my*my + c1) * (xx - mx*mx + yy - my*my + c2))
			count++
		}
	}
	if got, err := SSIM(a, b); err != nil || !(math.Abs(got-want/count) <= 1e-9) {
		t.Errorf("%v, want %v; %v", got, want/count, err)
	}
}
