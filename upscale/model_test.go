package upscale

import (
	"context"
	"errors"
	"image"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/shared"
	"github.com/gansr/gansr/models"
	"github.com/gansr/gansr/onnxio"
)

func newModel(t *testing.T, arch string, params map[string]string) *Model {
	t.Helper()
	m, err := models.New(arch, params, 1)
	if err != nil {
		t.Fatal(err)
	}
	g, err := NewModel(context.Background(), m, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// tileError runs a test picture whole and in four tiles that overlap by the halo, and returns the largest difference
// relative to the results' order.
func tileError(t *testing.T, g *Model, halo int) float64 {
	t.Helper()
	f := g.Facts()
	tile := roundUp(2*halo+8, f.Multiple)
	n := 2 * tile // tiles begin at 0 and n-tile, and each gives a quarter
	if n < tile+halo {
		t.Fatal("the picture is too small for the halo")
	}
	n = 2*tile - 2*roundUp(halo, f.Multiple)
	picture := testPicture(f, n)
	whole, err := g.crop(context.Background(), picture, n, 0, n)
	if err != nil {
		t.Fatal(err)
	}
	worst, order := 0.0, 1.0
	for _, v := range whole {
		order = max(order, math.Abs(float64(v)))
	}
	s := f.Scale
	for _, y0 := range []int{0, n - tile} {
		for _, x0 := range []int{0, n - tile} {
			got := make([]float32, f.Channels*tile*tile*s*s)
			src := make([]float32, f.Channels*tile*tile)
			for k := range f.Channels {
				for y := range tile {
					copy(src[(k*tile+y)*tile:][:tile], picture[(k*n+y0+y)*n+x0:])
				}
			}
			if err := g.Run(context.Background(), got, src, tile, tile, Window{X: x0, Y: y0, W: tile, H: tile, ImageW: n, ImageH: n}); err != nil {
				t.Fatal(err)
			}
			for k := range f.Channels {
				for y := range tile * s {
					for x := range tile * s {
						gy, gx := y0*s+y, x0*s+x
						if gy/(n*s/2) != min(y0, 1) || gx/(n*s/2) != min(x0, 1) {
							continue // another tile's share
						}
						d := math.Abs(float64(whole[(k*n*s+gy)*n*s+gx] - got[(k*tile*s+y)*tile*s+x]))
						if !(d <= worst) {
							worst = d
						}
					}
				}
			}
		}
	}
	return worst / order
}

// Which algorithm is the fastest for a convolution depends on the size, so only with one algorithm are differences as small
// as rounding errors.
func TestTilesOfModelsEqualTheWhole(t *testing.T) {
	for _, c := range []struct {
		arch   string
		params map[string]string
		facts  Facts
	}{
		{"CourseGenerator", map[string]string{"widths": "4,6,8,48"}, Facts{Scale: 4, Channels: 3, Multiple: 1}},
		{"SRVGGNetCompact", map[string]string{"num_feat": "8", "num_conv": "3"}, Facts{Scale: 4, Channels: 3, Multiple: 1}},
		{"RRDBNet", map[string]string{"num_feat": "8", "num_grow_ch": "4", "num_block": "1", "scale": "2"}, Facts{Scale: 2, Channels: 3, Multiple: 2}},
	} {
		t.Run(c.arch, func(t *testing.T) {
			t.Setenv("GANSR_CONV", "direct")
			g := newModel(t, c.arch, c.params)
			f := g.Facts()
			if f.Scale != c.facts.Scale || f.Channels != c.facts.Channels || f.Multiple != c.facts.Multiple || f.WholeImage != "" {
				t.Errorf("facts %+v", f)
			}
			if e := tileError(t, g, f.Halo); !(e <= 1e-5) {
				t.Errorf("with the halo of %d: tiles differ from the whole by %.2g", f.Halo, e)
			}
			if e := tileError(t, g, 1); e <= 1e-5 {
				t.Error("with a halo of 1 tiles equal the whole: the test proves nothing")
			}
			t.Setenv("GANSR_CONV", "")
			if e := tileError(t, newModel(t, c.arch, c.params), f.Halo); !(e <= haloStep) {
				t.Errorf("with the fastest algorithms tiles differ from the whole by %.2g", e)
			}
		})
	}
}

// Tiles of every network that is said to allow them equal the whole.
func TestTilesOfReferenceNetworks(t *testing.T) {
	t.Setenv("GANSR_CONV", "direct")
	dir := shared.Path(t, "reference", "torch")
	files, err := filepath.Glob(filepath.Join(dir, "*", "dynamo.onnx"))
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	tested := 0
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		if name == "course-critic" {
			continue // makes no image
		}
		t.Run(name, func(t *testing.T) {
			m, err := onnxio.Open(file)
			if err != nil {
				t.Fatal(err)
			}
			g, err := NewModel(context.Background(), m, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			f := g.Facts()
			t.Logf("scale %d, multiple %d, halo %d, whole %q", f.Scale, f.Multiple, f.Halo, f.WholeImage)
			if f.WholeImage != "" || f.FixedH > 0 {
				return
			}
			tested++
			if e := tileError(t, g, f.Halo); !(e <= 1e-5) {
				t.Errorf("tiles differ from the whole by %.2g", e)
			}
		})
	}
	if tested < 15 {
		t.Errorf("only %d networks could be tiled", tested)
	}
}

func TestModelsThatMakeNoImage(t *testing.T) {
	build := func(f func(b *onnxio.Builder)) *onnxio.Model {
		b := onnxio.NewBuilder("net", 17)
		f(b)
		m, err := b.Model()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	for want, m := range map[string]*onnxio.Model{
		"should have one input": build(func(b *onnxio.Builder) {
			x, y := b.Input("x", graph.Float32, 1, 3, "h", "w"), b.Input("y", graph.Float32, 1, 3, "h", "w")
			b.Output("z", b.Node("Add", []string{x, y}), graph.Float32, 1, 3, "h", "w")
		}),
		"is not an image": build(func(b *onnxio.Builder) {
			b.Output("y", b.Node("Relu", []string{b.Input("x", graph.Float32, 1, 10)}), graph.Float32, 1, 10)
		}),
		"neither 1 nor 3 channels": build(func(b *onnxio.Builder) {
			b.Output("y", b.Node("Relu", []string{b.Input("x", graph.Float32, 1, 4, 32, 32)}), graph.Float32, 1, 4, 32, 32)
		}),
		"no output is an image": build(func(b *onnxio.Builder) {
			b.Output("y", b.Node("GlobalAveragePool", []string{b.Input("x", graph.Float32, 1, 3, "h", "w")}), graph.Float32, 1, 3, 1, 1)
		}),
	} {
		_, err := NewModel(context.Background(), m, nil, nil)
		if err == nil || !strings.Contains(err.Error(), want) && !strings.Contains(err.Error(), "same whole number") {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

func TestMeasuredHalo(t *testing.T) {
	g := newModel(t, "SRVGGNetCompact", map[string]string{"num_feat": "8", "num_conv": "6", "upscale": "2"})
	halo, err := g.MeasureHalo(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if halo < 8 || halo > 64 {
		t.Errorf("halo %d", halo)
	}
	if e := tileError(t, g, halo); e > haloStep {
		t.Errorf("with the measured halo of %d tiles differ by %.2g", halo, e)
	}
}

func TestLastDimensionHoldsChannels(t *testing.T) {
	b := onnxio.NewBuilder("nhwc", 17)
	x := b.Input("x", graph.Float32, 1, "h", "w", 3)
	v := b.Node("Transpose", []string{x}, onnxio.Attr{Name: "perm", Value: []int64{0, 3, 1, 2}})
	w := graph.NewTensor(graph.Float32, 12, 3, 3, 3)
	for i := range graph.Data[float32](w) {
		graph.Data[float32](w)[i] = float32(i%7) / 20
	}
	v = b.Node("Conv", []string{v, b.Init("w", w)}, onnxio.Attr{Name: "pads", Value: []int64{1, 1, 1, 1}})
	v = b.Node("DepthToSpace", []string{v}, onnxio.Attr{Name: "blocksize", Value: int64(2)})
	b.Output("y", b.Node("Transpose", []string{v}, onnxio.Attr{Name: "perm", Value: []int64{0, 2, 3, 1}}), graph.Float32, 1, "h2", "w2", 3)
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	g, err := NewModel(context.Background(), m, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	f := g.Facts()
	if f.Scale != 2 || f.Channels != 3 || f.Halo > 2 {
		t.Errorf("facts %+v", f)
	}
	if e := tileError(t, g, f.Halo); !(e <= 1e-5) {
		t.Errorf("tiles differ from the whole by %.2g", e)
	}
}

// A network that takes and gives bytes, or floating-point numbers and bytes, works on all of their values.
func TestBytes(t *testing.T) {
	scales, err := graph.FromSlice([]float32{1, 1, 2, 2}, 4)
	if err != nil {
		t.Fatal(err)
	}
	for _, types := range [][2]graph.DType{{graph.Uint8, graph.Uint8}, {graph.Int8, graph.Int8}, {graph.Float32, graph.Uint8}} {
		b := onnxio.NewBuilder("bytes", 17)
		v := b.Input("x", types[0], 1, 3, "h", "w")
		if types[0] == graph.Float32 { // from 0 to 1
			v = b.Node("Mul", []string{v, b.Init("c", graph.Scalar(float32(255)))})
		} else {
			v = b.Node("Cast", []string{v}, onnxio.Attr{Name: "to", Value: int64(1)})
		}
		v = b.Node("Resize", []string{v, "", b.Init("s", scales)}, onnxio.Attr{Name: "mode", Value: "nearest"})
		b.Output("y", b.Node("Cast", []string{v}, onnxio.Attr{Name: "to", Value: map[graph.DType]int64{graph.Uint8: 2, graph.Int8: 3}[types[1]]}), types[1], 1, 3, "h2", "w2")
		m, err := b.Model()
		if err != nil {
			t.Fatal(err)
		}
		g, err := NewModel(context.Background(), m, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		u, err := New(g, Options{Tile: 16})
		if err != nil {
			t.Fatal(err)
		}
		img := image.NewNRGBA(image.Rect(0, 0, 40, 20))
		for i := range img.Pix {
			img.Pix[i] = uint8(i*7) | 0xff*uint8(i%4/3)
		}
		out, err := u.Image(context.Background(), img)
		if err != nil {
			t.Fatal(err)
		}
		for y := range 40 {
			for x := range 80 {
				if got, want := out.At(x, y), img.At(x/2, y/2); got != want {
					t.Fatalf("%v: pixel %d,%d is %v, want %v", types, x, y, got, want)
				}
			}
		}
	}
}

// A network with a receptive field that is too large is measured once, when a photo needs several tiles.
func TestHaloIsMeasuredWhenNeeded(t *testing.T) {
	g := newModel(t, "SRVGGNetCompact", map[string]string{"num_feat": "4", "num_conv": "70", "upscale": "1"})
	if g.Facts().Halo <= maxHalo {
		t.Fatalf("halo %d", g.Facts().Halo)
	}
	u, err := New(g, Options{Tile: 16})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{12, 400} {
		img := image.NewGray(image.Rect(0, 0, n, 40))
		if _, err := u.Image(context.Background(), img); err != nil {
			t.Fatal(err)
		}
		if measured := u.facts.ReducedHalo > 0; measured != (n == 400) {
			t.Errorf("a photo of %d pixels: reduced halo %d", n, u.facts.ReducedHalo)
		}
	}
}

// A bound on weights costs time, not accuracy, and the memory that plans count on holds them.
func TestMaxWeights(t *testing.T) {
	const n = 48
	params := map[string]string{"num_feat": "64", "num_conv": "4"}
	free, bound := newModel(t, "SRVGGNetCompact", params), newModel(t, "SRVGGNetCompact", params)
	bound.MaxWeights = 1
	least := int64(4 * 64 * 64 * 9 * 4) // of the weights as they are
	if a, b := free.Memory(n, n), bound.Memory(n, n); b < least || a < b {
		t.Errorf("%d bytes, and %d with a bound; the weights alone are %d", a, b, least)
	}
	picture := testPicture(free.Facts(), n)
	a, err1 := free.crop(context.Background(), picture, n, 0, n)
	b, err2 := bound.crop(context.Background(), picture, n, 0, n)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	for i := range a {
		if math.Abs(float64(a[i]-b[i])) > 1e-4 {
			t.Fatalf("element %d is %g, with a bound %g", i, a[i], b[i])
		}
	}
}

// The masks of one size are those of the only size that is right.
func TestMaskedSize(t *testing.T) {
	m, err := onnxio.Open("../internal/convert/testdata/sizes/swin-kept-legacy.onnx")
	if err != nil {
		t.Fatal(err)
	}
	g, err := NewModel(context.Background(), m, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if f := g.Facts(); f.FixedH != 16 || f.FixedW != 16 || !strings.Contains(f.FixedWhy, "masks") {
		t.Errorf("%+v", f)
	}
}
