package onnxrun

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"time"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
)

// Measurement is how long a model takes for one size and number of threads.
type Measurement struct {
	Model     string  `json:"model"`
	Size      string  `json:"size"` // width x height of the input image
	Threads   int     `json:"threads"`
	Runs      int     `json:"runs"` // after a warm-up
	MinMS     float64 `json:"min_ms"`
	MedianMS  float64 `json:"median_ms"`
	PeakBytes int64   `json:"peak_bytes"` // the largest memory of the whole process meanwhile
}

// Size is a width and height in pixels.
type Size struct{ W, H int }

// String returns a form such as "640x480", width first.
func (s Size) String() string { return fmt.Sprintf("%dx%d", s.W, s.H) }

// Bench measures runs of a model on a random image. The zero size is that to which the model's input is fixed, or else
// 128x128; others are an error if the input is fixed to another. What else the model leaves open of its inputs is as of
// an image of three channels. The graph is compiled and run once before; steps, unless nil, gets what a run does then.
func Bench(ctx context.Context, m *onnxio.Model, size Size, threads, runs int, steps func([]string)) (Measurement, error) {
	workers := graph.NewWorkers(threads)
	defer workers.Close()
	b := Measurement{Threads: workers.Threads(), Runs: runs}
	size, err := fit(m.Graph(), size)
	if err != nil {
		return b, err
	}
	b.Size = size.String()
	p, err := onnxio.NewProgram(m, workers)
	if err != nil {
		return b, err
	}
	debug.FreeOSMemory()
	resetPeak()
	session, feed, err := compile(ctx, p, workers, size)
	if err != nil {
		return b, err
	}
	if steps != nil {
		steps(session.Steps())
	}
	outputs, err := session.Run(ctx, feed)
	if err != nil {
		return b, err
	}
	times := make([]float64, runs)
	for i := range times {
		began := time.Now()
		if _, err := session.Run(ctx, feed, outputs...); err != nil {
			return b, err
		}
		times[i] = float64(time.Since(began)) / float64(time.Millisecond)
	}
	slices.Sort(times)
	b.MinMS, b.MedianMS = times[0], (times[(runs-1)/2]+times[runs/2])/2
	b.PeakBytes, err = peak()
	return b, err
}

// fit chooses the size as Bench says.
func fit(g *onnxio.Graph, want Size) (Size, error) {
	size := want
	if size == (Size{}) {
		size = Size{128, 128}
	}
	for _, in := range g.Inputs {
		s := imageType(in, size).Shape
		if len(s) != 4 {
			continue
		}
		fixed := Size{s[3], s[2]}
		if lastIsChannels(in) {
			fixed = Size{s[2], s[1]}
		}
		if fixed != size && want != (Size{}) {
			return size, fmt.Errorf("input %v is fixed to %v", in, fixed)
		}
		return fixed, nil
	}
	return size, nil
}

// compile makes the session and random inputs for an image.
func compile(ctx context.Context, p *onnxio.Program, workers *graph.Workers, size Size) (*graph.Session, []*graph.Tensor, error) {
	g := p.Model().Graph()
	types := map[string]graph.Type{}
	for _, in := range g.Inputs {
		types[in.Name] = imageType(in, size)
	}
	for _, in := range g.Optional {
		info, _ := g.InitializerInfo(in.Name)
		types[in.Name] = imageType(info, size)
	}
	t, err := p.Translate(ctx, types)
	if err != nil {
		return nil, nil, err
	}
	s, err := graph.NewSession(t.Inputs, t.Outputs, workers)
	if err != nil {
		return nil, nil, err
	}
	var feed []*graph.Tensor
	for _, in := range t.Inputs {
		x, err := noise(in.Type())
		if err != nil {
			return nil, nil, fmt.Errorf("input %q: %w", in.Name(), err)
		}
		if v, ok, err := g.Initializer(in.Name()); err != nil {
			return nil, nil, err
		} else if ok {
			x = v
		}
		feed = append(feed, x)
	}
	return s, feed, nil
}

// imageType returns the declared type of a value with its open dimensions filled in.
func imageType(v onnxio.ValueInfo, size Size) graph.Type {
	t := graph.Type{DType: v.DType}
	if t.DType == graph.Invalid {
		t.DType = graph.Float32
	}
	open := []int{1, 3, size.H, size.W}
	if !v.HasShape {
		t.Shape = open
		return t
	}
	if lastIsChannels(v) {
		open = []int{1, size.H, size.W, 3}
	}
	for i, d := range v.Dims {
		n := 1
		if d.Known() {
			n = d.Value
		} else if len(v.Dims) == len(open) {
			n = open[i]
		}
		t.Shape = append(t.Shape, n)
	}
	return t
}

// lastIsChannels reports whether v is declared as an image whose last dimension is that of the channels.
func lastIsChannels(v onnxio.ValueInfo) bool {
	few := func(d onnxio.Dim) bool { return d.Value == 1 || d.Value == 3 }
	return len(v.Dims) == 4 && few(v.Dims[3]) && !few(v.Dims[1])
}

// noise returns a float tensor of numbers from 0 to 1, the same ones every time.
func noise(t graph.Type) (*graph.Tensor, error) {
	n, ok := graph.Numel(t.Shape)
	if !ok || n > 1<<31 {
		return nil, fmt.Errorf("%v is too large", t)
	}
	if !t.DType.IsFloat() {
		return nil, fmt.Errorf("only floating-point inputs can be filled with noise, not %v", t)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	data := make([]float32, n)
	for i := range data {
		data[i] = rng.Float32()
	}
	x, err := graph.FromSlice(data, t.Shape...)
	if err != nil {
		return nil, err
	}
	return x.Converted(t.DType), nil
}
