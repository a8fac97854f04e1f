package onnxrun

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"text/tabwriter"
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
	Details
}

// Details are measured on request.
type Details struct {
	WeightBytes int64   `json:"weight_bytes,omitempty"` // packed weights
	RunBytes    int64   `json:"run_bytes,omitempty"`    // what a run takes beside them, inputs and outputs
	PeakGFLOPS  float64 `json:"peak_gflops,omitempty"`  // of products of matrices within caches, see graph.PeakFLOPS
	Layers      []Layer `json:"layers,omitempty"`       // the steps of a run
}

// Layer is a step of a run.
type Layer struct {
	Name         string  `json:"name,omitempty"`
	Operator     string  `json:"operator"`
	Fused        string  `json:"fused"`
	Out          string  `json:"out"`
	Algorithm    string  `json:"algorithm,omitempty"`
	MedianMS     float64 `json:"median_ms"`
	DirectGFLOPS float64 `json:"direct_gflops,omitempty"` // what the definition needs, a second
	RealGFLOPS   float64 `json:"real_gflops,omitempty"`   // what is done in products, a second
}

// Size is a width and height in pixels.
type Size struct{ W, H int }

// String returns a form such as "640x480", width first.
func (s Size) String() string { return fmt.Sprintf("%dx%d", s.W, s.H) }

// BenchOptions say what Bench does. The zero Size is that to which the model's input is fixed, or else 128x128; others are
// an error if the input is fixed to another. Threads of 0 are one for each CPU.
type BenchOptions struct {
	Size          Size
	Threads, Runs int
	Details       bool
	Program       []onnxio.Option
}

// Bench measures runs of a model on a random image. What else the model leaves open of its inputs is as of an image of
// three channels. The graph is compiled and run once before.
func Bench(ctx context.Context, m *onnxio.Model, o BenchOptions) (Measurement, error) {
	workers := graph.NewWorkers(o.Threads)
	defer workers.Close()
	b := Measurement{Threads: workers.Threads(), Runs: o.Runs}
	size, err := fit(m.Graph(), o.Size)
	if err != nil {
		return b, err
	}
	b.Size = size.String()
	p, err := onnxio.NewProgram(m, workers, o.Program...)
	if err != nil {
		return b, err
	}
	debug.FreeOSMemory()
	resetPeak()
	session, feed, err := compile(ctx, p, size)
	if err != nil {
		return b, err
	}
	outputs, err := session.Run(ctx, feed)
	if err != nil {
		return b, err
	}
	steps := session.Steps()
	times := make([]float64, o.Runs)
	layers := make([][]float64, len(steps))
	if o.Details {
		ctx = graph.WithTrace(ctx, func(step int, took time.Duration) { layers[step] = append(layers[step], ms(took)) })
	}
	for i := range times {
		began := time.Now()
		if _, err := session.Run(ctx, feed, outputs...); err != nil {
			return b, err
		}
		times[i] = ms(time.Since(began))
	}
	b.MinMS, b.MedianMS = slices.Min(times), median(times)
	if b.PeakBytes, err = peak(); err != nil || !o.Details {
		return b, err
	}
	b.Details = Details{session.WeightBytes(), session.ArenaBytes() + session.WorkspaceBytes(), graph.PeakFLOPS(workers) / 1e9, nil}
	for i, s := range steps {
		b.Layers = append(b.Layers, newLayer(s, median(layers[i])))
	}
	return b, nil
}

// newLayer describes a step that takes so many milliseconds.
func newLayer(s graph.Step, ms float64) Layer {
	l := Layer{Name: s.Name, Operator: s.Operator, Fused: s.Fused, Out: s.Out.String(), Algorithm: s.Algorithm, MedianMS: ms}
	l.DirectGFLOPS, l.RealGFLOPS = float64(s.FLOPs)/(l.MedianMS*1e6), float64(s.Done)/(l.MedianMS*1e6)
	return l
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// median sorts a and returns its median.
func median(a []float64) float64 {
	slices.Sort(a)
	return (a[(len(a)-1)/2] + a[len(a)/2]) / 2
}

// WriteLayers writes a line for each layer, then one for each kind of operator with the sums.
func (d Details) WriteLayers(w io.Writer) error {
	type sum struct {
		operator string
		n        int
		ms       float64
	}
	var sums []sum
	total := 0.0
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "layer\toperators\toutput\talgorithm\tms\tGF/s direct\tGF/s real")
	rate := func(v float64) string {
		if v == 0 {
			return ""
		}
		return fmt.Sprintf("%.1f", v)
	}
	for i, l := range d.Layers {
		fmt.Fprintf(t, "%d %s\t%s\t%s\t%s\t%.3f\t%s\t%s\n", i+1, l.Name, l.Fused, l.Out, l.Algorithm, l.MedianMS, rate(l.DirectGFLOPS), rate(l.RealGFLOPS))
		at := slices.IndexFunc(sums, func(s sum) bool { return s.operator == l.Operator })
		if at < 0 {
			at = len(sums)
			sums = append(sums, sum{operator: l.Operator})
		}
		sums[at].n++
		sums[at].ms += l.MedianMS
		total += l.MedianMS
	}
	slices.SortStableFunc(sums, func(a, b sum) int { return cmp.Compare(b.ms, a.ms) })
	fmt.Fprintln(t, "\t\t\t\t\t\t\noperator\tlayers\tms\tshare\t\t\t")
	for _, s := range sums {
		fmt.Fprintf(t, "%s\t%d\t%.3f\t%.1f %%\t\t\t\n", s.operator, s.n, s.ms, 100*s.ms/total)
	}
	return t.Flush()
}

// fit chooses the size as BenchOptions say.
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
func compile(ctx context.Context, p *onnxio.Program, size Size) (*graph.Session, []*graph.Tensor, error) {
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
	s, err := p.Session(t, t.Outputs)
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
