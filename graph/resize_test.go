package graph

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// resizeImage is a Resize of H and W of an image by a factor.
func resizeImage(mode, coordinates string, scale float64, shape ...int) Resize {
	r := Resize{Sizes: slices.Clone(shape), Scales: []float64{1, 1, scale, scale}, Mode: mode, Coordinates: coordinates, Nearest: "floor", CubicA: -0.75}
	for k := 2; k < 4; k++ {
		r.Sizes[k] = int(float64(shape[k]) * scale)
	}
	return r
}

// waves returns an image that differs everywhere.
func waves(t testing.TB, shape ...int) *Tensor {
	t.Helper()
	x := NewTensor(Float32, shape...)
	for i := range Data[float32](x) {
		Data[float32](x)[i] = float32(math.Sin(float64(i)*0.7) + math.Cos(float64(i*i)*0.01))
	}
	return x
}

// crop returns part of an N x C x H x W tensor.
func crop(x *Tensor, top, left, h, w int) *Tensor {
	s := x.shape
	y := NewTensor(Float32, s[0], s[1], h, w)
	for p := range s[0] * s[1] {
		for r := range h {
			copy(Data[float32](y)[(p*h+r)*w:][:w], Data[float32](x)[(p*s[2]+top+r)*s[3]+left:])
		}
	}
	return y
}

func session(t testing.TB, op Operator, workers *Workers, in ...*Tensor) *Session {
	t.Helper()
	b := NewBuilder("test")
	vs := make([]*Value, len(in))
	for i, x := range in {
		var err error
		if vs[i], err = b.Input(fmt.Sprint("x", i), x.Type()); err != nil {
			t.Fatal(err)
		}
	}
	outs, err := b.Apply(op, vs...)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewSession(vs, outs, workers)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A tile that is run with its window gives, away from the edges that it does not share with the image, what the
// whole image gives.
func TestResizeOfTiles(t *testing.T) {
	const tileH, tileW = 24, 16
	for _, c := range []struct {
		mode, coordinates string
		scale             float64
	}{
		{"linear", "align_corners", 4}, {"cubic", "align_corners", 2}, {"nearest", "align_corners", 3}, {"linear", "align_corners", 0.5},
		{"linear", "half_pixel", 4}, {"cubic", "half_pixel", 2}, {"nearest", "asymmetric", 2}, {"linear", "asymmetric", 0.5},
	} {
		t.Run(fmt.Sprint(c.mode, c.coordinates, c.scale), func(t *testing.T) {
			image := waves(t, 1, 2, 60, 52)
			whole := apply(t, resizeImage(c.mode, c.coordinates, c.scale, image.shape...), image)[0]
			scaled := func(n int) int { return int(float64(n) * c.scale) }
			for _, at := range [][2]int{{0, 0}, {20, 14}, {60 - tileH, 52 - tileW}} {
				y, x := at[0], at[1]
				tile := crop(image, y, x, tileH, tileW)
				s := session(t, resizeImage(c.mode, c.coordinates, c.scale, tile.shape...), nil, tile)
				got, err := s.RunTile(context.Background(), Window{Y: y, X: x, H: tileH, W: tileW, ImageH: 60, ImageW: 52}, []*Tensor{tile})
				if err != nil {
					t.Fatal(err)
				}
				// Elements that a kernel takes from beyond the tile.
				const halo = 4
				top, left, bottom, right := halo, halo, tileH-halo, tileW-halo
				if y == 0 {
					top, left = 0, 0
				}
				if y == 60-tileH {
					bottom, right = tileH, tileW
				}
				h, w := scaled(bottom)-scaled(top), scaled(right)-scaled(left)
				a := crop(got[0], scaled(top), scaled(left), h, w)
				b := crop(whole, scaled(y+top), scaled(x+left), h, w)
				for i, v := range Data[float32](a) {
					if d := math.Abs(float64(v - Data[float32](b)[i])); d > 2e-6 {
						t.Fatalf("tile at %v: element %d is %v, of the whole image %v", at, i, v, Data[float32](b)[i])
					}
				}
				if c.coordinates == "align_corners" && y > 0 {
					plain, err := s.Run(context.Background(), []*Tensor{tile})
					if err != nil {
						t.Fatal(err)
					}
					if Equal(plain[0], got[0]) {
						t.Errorf("tile at %v: the window makes no difference", at)
					}
				}
			}
		})
	}
}

func TestResizeWholeImage(t *testing.T) {
	for coordinates, want := range map[string]bool{"align_corners": true, "half_pixel": false, "pytorch_half_pixel": false, "asymmetric": false, "half_pixel_symmetric": true, "tf_crop_and_resize": true} {
		if got := (Resize{Coordinates: coordinates}).WholeImage(); got != want {
			t.Errorf("%s: got %v", coordinates, got)
		}
	}
}

// Several workers give what one gives.
func TestResizeParallel(t *testing.T) {
	workers := NewWorkers(3)
	defer workers.Close()
	x := waves(t, 2, 3, 70, 90)
	for _, r := range []Resize{
		resizeImage("nearest", "asymmetric", 2, x.shape...), resizeImage("nearest", "half_pixel", 2.5, x.shape...),
		resizeImage("linear", "half_pixel", 3, x.shape...), resizeImage("cubic", "align_corners", 4, x.shape...),
		resizeImage("cubic", "half_pixel", 0.7, x.shape...),
	} {
		one := apply(t, r, x)
		many, err := session(t, r, workers, x).Run(context.Background(), []*Tensor{x})
		if err != nil {
			t.Fatal(err)
		}
		if !Equal(one[0], many[0]) {
			t.Errorf("%v: the results differ", r)
		}
	}
}

func TestResizeTypes(t *testing.T) {
	r := Resize{Sizes: []int{4}, Scales: []float64{2}, Mode: "nearest", Coordinates: "asymmetric", Nearest: "floor"}
	if got := apply(t, r, tensorOf(t, []bool{true, false}, 2))[0]; !Equal(got, tensorOf(t, []bool{true, true, false, false}, 4)) {
		t.Errorf("bool: got %v", got.data)
	}
	if got := apply(t, r, tensorOf(t, []int64{1 << 60, 3}, 2))[0]; !Equal(got, tensorOf(t, []int64{1 << 60, 1 << 60, 3, 3}, 4)) {
		t.Errorf("int64: got %v", got.data)
	}
	r.Mode = "linear"
	if got := apply(t, r, tensorOf(t, []uint8{250, 255}, 2))[0]; !Equal(got, tensorOf(t, []uint8{250, 252, 255, 255}, 4)) {
		t.Errorf("uint8: got %v", got.data)
	}
	r = Resize{Sizes: []int{0, 4}, Scales: []float64{1, 2}, Mode: "linear", Coordinates: "half_pixel"}
	if got := apply(t, r, NewTensor(Float32, 0, 2))[0]; got.Len() != 0 {
		t.Errorf("empty: got %v", got.data)
	}
	r = Resize{Mode: "linear", Coordinates: "half_pixel"}
	if got := apply(t, r, Scalar(float32(3)))[0]; !Equal(got, Scalar(float32(3))) {
		t.Errorf("0-d: got %v", got.data)
	}
}

func TestResizeErrors(t *testing.T) {
	x := Type{Float32, []int{1, 1, 4, 4}}
	good := resizeImage("linear", "half_pixel", 2, x.Shape...)
	for want, change := range map[string]func(*Resize){
		`mode "area" is not supported`:                       func(r *Resize) { r.Mode = "area" },
		`coordinates "corners" is not supported`:             func(r *Resize) { r.Coordinates = "corners" },
		`nearest mode "up" is not supported`:                 func(r *Resize) { r.Mode, r.Nearest = "nearest", "up" },
		"scale 0 of axis 2 does not fit":                     func(r *Resize) { r.Scales[2] = 0 },
		"scale NaN of axis 2 does not fit":                   func(r *Resize) { r.Scales[2] = math.NaN() },
		"scale 2 of axis 3 does not fit":                     func(r *Resize) { r.Sizes[3] = 1 << 30 },
		"to [1 1 8 -8] is not possible":                      func(r *Resize) { r.Sizes[3] = -8 },
		"should be one for each axis":                        func(r *Resize) { r.Sizes = r.Sizes[:2] },
		"roi [] should have a start and an end":              func(r *Resize) { r.Coordinates = "tf_crop_and_resize" },
		"roi [0 0 0 0 1 1 1 +Inf]: it should be of the orde": func(r *Resize) { r.Roi = []float64{0, 0, 0, 0, 1, 1, 1, math.Inf(1)} },
	} {
		r := good
		r.Sizes, r.Scales = slices.Clone(good.Sizes), slices.Clone(good.Scales)
		change(&r)
		if got := inferError(r, x); !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func BenchmarkResize(b *testing.B) {
	for _, c := range []struct {
		mode, coordinates string
		scale             float64
		shape             []int
	}{
		{"nearest", "asymmetric", 2, []int{1, 64, 256, 256}}, {"linear", "align_corners", 4, []int{1, 3, 512, 512}},
		{"linear", "half_pixel", 2, []int{1, 64, 128, 128}}, {"cubic", "half_pixel", 4, []int{1, 3, 512, 512}}, {"linear", "half_pixel", 0.5, []int{1, 64, 256, 256}},
	} {
		b.Run(fmt.Sprint(c.mode, c.scale, c.shape), func(b *testing.B) {
			x := waves(b, c.shape...)
			s := session(b, resizeImage(c.mode, c.coordinates, c.scale, c.shape...), nil, x)
			out := NewTensor(Float32, resizeImage(c.mode, c.coordinates, c.scale, c.shape...).Sizes...)
			b.SetBytes(int64(4 * out.Len()))
			for b.Loop() {
				if _, err := s.Run(context.Background(), []*Tensor{x}, out); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
