package models

import (
	"image"
	"image/color"
	_ "image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/shared"
	"github.com/gansr/gansr/onnxio/torch"
)

// Files that people made are recognised without help, and those for x4 reach the figures that are published for them on Set5.
func TestCheckpoints(t *testing.T) {
	dir := shared.Path(t, "data", "checkpoints")
	for _, c := range []struct {
		file, arch, channels string
		lo, hi               float32
		db                   float64 // Y-PSNR on Set5 x4, if it is a network for that
	}{
		{"RFDN_AIM.pth", "RFDN", "rgb", 0, 255, 32.16},
		{"IMDN_x4.pth", "IMDN", "rgb", 0, 1, 32.21},
		{"team04_rlfn.pth", "RLFN", "rgb", 0, 255, 32.10},
		{"fast-srgan.pt", "FastSRGAN", "rgb", -1, 1, 29.39},
		{"subpixel-cnn-model_epoch_599.pth", "ESPCN", "y", 0, 1, 0},
		{"dncnn_25.pth", "DnCNN", "y", 0, 1, 0},
	} {
		t.Run(c.file, func(t *testing.T) {
			f, err := torch.Open(filepath.Join(dir, c.file))
			if err != nil {
				t.Fatal(err)
			}
			m, match, err := FromState(f.Tensors, "", nil)
			if err != nil {
				t.Fatal(err)
			}
			md, ranges := m.Metadata(), map[float32]string{255: "0,255", 1: "0,1"}
			if c.lo < 0 {
				ranges[1] = "-1,1"
			}
			if match.Architecture != c.arch || md["gansr.channels"] != c.channels || md["gansr.range"] != ranges[c.hi] {
				t.Errorf("taken for %s of channels %q from %q", match.Architecture, md["gansr.channels"], md["gansr.range"])
			}
			if c.db == 0 {
				return
			}
			pictures, err := filepath.Glob(shared.Path(t, "data", "bench", "Set5", "x4") + "/*_HR.png")
			if err != nil || len(pictures) != 5 {
				t.Fatal(pictures, err)
			}
			mean := 0.0
			for _, high := range pictures {
				x, h, w := planes(t, strings.Replace(high, "_HR", "_LR", 1))
				in, err := graph.FromSlice(x, 1, 3, h, w)
				if err != nil {
					t.Fatal(err)
				}
				for i, v := range x {
					x[i] = c.lo + (c.hi-c.lo)*v/255
				}
				y := slices.Clone(graph.Data[float32](run(t, m, in)))
				for i, v := range y {
					y[i] = float32(math.Round(255 * float64(min(max((v-c.lo)/(c.hi-c.lo), 0), 1))))
				}
				want, height, width := planes(t, high)
				mean += lumaPSNR(y, 4*h, 4*w, want, height, width) / 5
			}
			if t.Logf("%.3f dB", mean); math.Abs(mean-c.db) > 0.01 {
				t.Errorf("%.3f dB, want %.2f", mean, c.db)
			}
		})
	}
}

// planes reads a picture as three planes from 0 to 255.
func planes(t *testing.T, path string) (data []float32, height, width int) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	img, _, err := image.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	b := img.Bounds()
	height, width = b.Dy(), b.Dx()
	data = make([]float32, 3*height*width)
	for y := range height {
		for x := range width {
			c := color.NRGBAModel.Convert(img.At(b.Min.X+x, b.Min.Y+y)).(color.NRGBA)
			for i, v := range []uint8{c.R, c.G, c.B} {
				data[(i*height+y)*width+x] = float32(v)
			}
		}
	}
	return data, height, width
}

// lumaPSNR compares the luma of BT.601's studio range, without a border of 4 pixels, where both pictures are.
func lumaPSNR(a []float32, ah, aw int, b []float32, bh, bw int) float64 {
	h, w, sum := min(ah, bh), min(aw, bw), 0.0
	for y := 4; y < h-4; y++ {
		for x := 4; x < w-4; x++ {
			d := 0.0
			for i, k := range []float64{65.481, 128.553, 24.966} {
				d += k / 255 * float64(a[(i*ah+y)*aw+x]-b[(i*bh+y)*bw+x])
			}
			sum += d * d
		}
	}
	return 10 * math.Log10(255*255*float64((h-8)*(w-8))/sum)
}
