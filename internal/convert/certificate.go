package convert

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
	"github.com/gansr/gansr/upscale"
)

// certificateKey is the metadata key of a certificate.
const certificateKey = "gansr.certificate"

// Certificate says how far a converted file computes what its source does. Numbers are relative to the range of the source's output.
type Certificate struct {
	// Digest is the SHA-256 of the file without this certificate, as gansr encodes it.
	Digest string `json:"digest"`
	// Error is the largest difference.
	Error float64 `json:"error"`
	Cases []Case  `json:"cases"`
}

// Case is a comparison on one input.
type Case struct {
	Shape []int   `json:"shape"` // of the input
	Error float64 `json:"error"`
	// Span is the range of the source's output, and Samples are elements of it at equal distances.
	Span    float64   `json:"span"`
	Samples []float32 `json:"samples"`
}

// bounds returns the values of black and white that a file states.
func bounds(m *onnxio.Model) (lo, hi float32, err error) {
	f, err := upscale.FactsFromMetadata(upscale.Facts{}, m.Metadata())
	if inputs := m.Graph().Inputs; f.Range == (upscale.Range{}) && len(inputs) == 1 {
		f.Range = upscale.RangeOf(inputs[0].DType)
	}
	if f.Range == (upscale.Range{}) {
		return 0, 1, err
	}
	return f.Range.Lo, f.Range.Hi, err
}

// samples is how many numbers of an output a certificate holds.
const samples = 8

// probeInput returns the values that networks are compared on: waves of several lengths and noise, from lo to hi.
func probeInput(dt graph.DType, shape []int, lo, hi float32) *graph.Tensor {
	t := graph.NewTensor(graph.Float32, shape...)
	d := graph.Data[float32](t)
	seed, w := uint32(1), 1
	if len(shape) > 0 {
		w = max(shape[len(shape)-1], 1)
	}
	for i := range d {
		seed = seed*1664525 + 1013904223
		x, y := float64(i%w), float64(i/w)
		v := 0.5 + 0.2*math.Sin(x/3+y/7) + 0.2*math.Sin(y/2-x/11) + 0.2*(float64(seed>>8)/(1<<24)-0.5)
		d[i] = lo + (hi-lo)*float32(v)
	}
	return t.Converted(dt)
}

// runner computes the first output of a model that has one input.
type runner struct {
	program *onnxio.Program
	input   onnxio.ValueInfo
	lo, hi  float32
}

func newRunner(m *onnxio.Model, workers *graph.Workers, lo, hi float32, options ...onnxio.Option) (*runner, error) {
	if n := len(m.Graph().Inputs); n != 1 {
		return nil, fmt.Errorf("convert: the model has %d inputs, and only models of one are compared; --check none leaves that out", n)
	}
	p, err := onnxio.NewProgram(m, workers, options...)
	if err != nil {
		return nil, err
	}
	return &runner{p, m.Graph().Inputs[0], lo, hi}, nil
}

// run returns the output for an input of some shape as float32.
func (r *runner) run(ctx context.Context, shape []int) (*graph.Tensor, error) {
	all, err := r.program.Run(ctx, map[string]*graph.Tensor{r.input.Name: r.probe(shape)})
	if err != nil {
		return nil, err
	}
	return all[r.program.Model().Graph().Outputs[0].Name].Converted(graph.Float32), nil
}

// probe returns an input of some shape.
func (r *runner) probe(shape []int) *graph.Tensor {
	dt := r.input.DType
	if dt == graph.Invalid {
		dt = graph.Float32
	}
	return probeInput(dt, shape, r.lo, r.hi)
}

// image returns which axes of four are height and width.
func (r *runner) image() [2]int {
	d := r.input.Dims
	if d[3].Known() && d[3].Value <= 4 && !(d[1].Known() && d[1].Value <= 4) {
		return [2]int{1, 2}
	}
	return [2]int{2, 3}
}

// shapes returns the shapes of inputs to compare on. sizes are heights and widths; a batch of two is added to the last one if the model takes it.
func (r *runner) shapes(sizes [][2]int) [][]int {
	dims := r.input.Dims
	if len(dims) != 4 {
		shape := make([]int, len(dims))
		for i, d := range dims {
			shape[i] = max(d.Value, 1)
		}
		return [][]int{shape}
	}
	axes := r.image()
	h, w := axes[0], axes[1]
	channels := 6 - h - w
	var all [][]int
	add := func(n, height, width int) {
		shape := make([]int, 4)
		shape[0], shape[channels], shape[h], shape[w] = n, 3, height, width
		for i, d := range dims {
			if d.Known() {
				shape[i] = d.Value
			}
		}
		for _, s := range all {
			if fmt.Sprint(s) == fmt.Sprint(shape) {
				return
			}
		}
		all = append(all, shape)
	}
	for i, s := range sizes {
		n := 1
		if i == len(sizes)-1 {
			n = 2
		}
		add(n, s[0], s[1])
	}
	return all
}

// reference are the outputs of a source.
type reference struct {
	from    *runner // kept, so that its packed weights are
	shapes  [][]int
	outputs []*graph.Tensor
}

// refer computes what the source gives, for two inputs at a time. Sizes that it does not take are doubled, up to twice, and left out after that; it
// is an error if none is left.
func (r *runner) refer(ctx context.Context, sizes [][2]int) (*reference, error) {
	type result struct {
		shape  []int
		output *graph.Tensor
		err    error
	}
	shapes := r.shapes(sizes)
	results := make([]result, len(shapes))
	slots := make(chan struct{}, 2)
	var all sync.WaitGroup
	for i, shape := range shapes {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			for try := 0; shape != nil && try < 3 && ctx.Err() == nil; try++ {
				y, err := r.run(ctx, shape)
				if results[i] = (result{shape, y, err}); err == nil {
					return
				}
				shape = r.doubled(shape)
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	ref := &reference{from: r}
	for _, y := range results {
		if y.err == nil {
			ref.shapes, ref.outputs = append(ref.shapes, y.shape), append(ref.outputs, y.output)
		}
	}
	if len(ref.shapes) == 0 {
		return nil, fmt.Errorf("convert: the source cannot be run on any of the sizes %v: %w; --check gives others", shapes, results[0].err)
	}
	return ref, nil
}

// doubled returns the shape of a larger image, nil if the model does not leave its size open.
func (r *runner) doubled(shape []int) []int {
	if len(r.input.Dims) != 4 {
		return nil
	}
	larger := slices.Clone(shape)
	for _, a := range r.image() {
		if r.input.Dims[a].Known() {
			return nil
		}
		larger[a] *= 2
	}
	return larger
}

// outputs computes what the model gives for the inputs of a reference.
func (r *runner) outputs(ctx context.Context, ref *reference) ([]*graph.Tensor, error) {
	var all []*graph.Tensor
	for _, shape := range ref.shapes {
		y, err := r.run(ctx, shape)
		if err != nil {
			return nil, fmt.Errorf("convert: the converted model cannot be run on an input of %v: %w", shape, err)
		}
		all = append(all, y)
	}
	return all, nil
}

// certify compares the outputs of a model with the reference.
func (ref *reference) certify(outputs []*graph.Tensor) (*Certificate, error) {
	c := &Certificate{}
	for i, shape := range ref.shapes {
		y := outputs[i]
		got, want := graph.Data[float32](y), graph.Data[float32](ref.outputs[i])
		if fmt.Sprint(y.Shape()) != fmt.Sprint(ref.outputs[i].Shape()) {
			return nil, fmt.Errorf("convert: an input of %v gives %v, and %v from the source", shape, y.Shape(), ref.outputs[i].Shape())
		}
		k := Case{Shape: shape, Span: span(want)}
		for j, w := range want {
			d := math.Abs(float64(got[j])-float64(w)) / k.Span
			if math.IsNaN(d) || math.IsInf(d, 0) {
				if isFinite(w) {
					return nil, fmt.Errorf("convert: an input of %v gives values that are not finite, and finite ones from the source: the element type written is too narrow for them", shape)
				}
				return nil, fmt.Errorf("convert: the source gives values that are not finite for an input of %v%s", shape, badWeight(ref.from.program.Model()))
			}
			k.Error = max(k.Error, d)
		}
		for j := range min(samples, len(want)) {
			k.Samples = append(k.Samples, want[j*len(want)/min(samples, len(want))])
		}
		c.Error = max(c.Error, k.Error)
		c.Cases = append(c.Cases, k)
	}
	return c, nil
}

// span is the range of values, with zero in it.
func span(v []float32) float64 {
	lo, hi := 0.0, 0.0
	for _, x := range v {
		lo, hi = min(lo, float64(x)), max(hi, float64(x))
	}
	return max(hi-lo, 1e-20)
}

// digest returns the SHA-256 of a model's file without its certificate.
func digest(m *onnxio.Model) (string, error) {
	h := sha256.New()
	if _, err := m.WithoutMetadata(certificateKey).WriteTo(h); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

// certificateOf returns the certificate that a file holds, nil if it holds none.
func certificateOf(m *onnxio.Model) (*Certificate, error) {
	text, ok := m.Metadata()[certificateKey]
	if !ok {
		return nil, nil
	}
	c := &Certificate{}
	if err := json.Unmarshal([]byte(text), c); err != nil {
		return nil, fmt.Errorf("convert: the metadata %s is damaged: %w", certificateKey, err)
	}
	return c, nil
}

// Verify checks the certificate of a converted file: that the file is as it was written, and that it computes what the certificate says, within
// a hundredth of a percent of the range of its output or ten times its error. It returns nil, nil for a file without one.
func Verify(ctx context.Context, m *onnxio.Model, workers *graph.Workers) (*Certificate, error) {
	c, err := certificateOf(m)
	if c == nil || err != nil {
		return nil, err
	}
	d, err := digest(m)
	if err != nil {
		return nil, err
	}
	if d != c.Digest {
		return c, errors.New("the file has changed since it was certified")
	}
	lo, hi, err := bounds(m)
	if err != nil {
		return c, err
	}
	r, err := newRunner(m, workers, lo, hi)
	if err != nil {
		return c, err
	}
	for _, k := range c.Cases {
		if n, ok := graph.Numel(k.Shape); !ok || n > 1<<22 {
			return c, fmt.Errorf("the certificate has an input of %v", k.Shape)
		}
		y, err := r.run(ctx, k.Shape)
		if err != nil {
			return c, err
		}
		got := graph.Data[float32](y)
		for i, want := range k.Samples {
			at := i * len(got) / len(k.Samples)
			if d := math.Abs(float64(got[at]-want)) / k.Span; !(d <= max(1e-4, 10*c.Error)) {
				return c, fmt.Errorf("an input of %v gives %g where the certificate has %g", k.Shape, got[at], want)
			}
		}
	}
	return c, nil
}

func isFinite(v float32) bool { return v-v == 0 }

// badWeight names an initialiser with values that are not finite, if there is one.
func badWeight(m *onnxio.Model) string {
	for _, name := range m.Graph().Initializers() {
		if t, _, err := m.Graph().View(name); err == nil && t.DType().IsFloat() && slices.ContainsFunc(graph.Data[float32](t.Converted(graph.Float32)), func(v float32) bool { return !isFinite(v) }) {
			return fmt.Sprintf(": the file's tensor %.100q holds some", name)
		}
	}
	return ""
}
