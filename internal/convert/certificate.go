package convert

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"

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
		return nil, fmt.Errorf("convert: the model has %d inputs, and only models of one are compared", n)
	}
	p, err := onnxio.NewProgram(m, workers, options...)
	if err != nil {
		return nil, err
	}
	return &runner{p, m.Graph().Inputs[0], lo, hi}, nil
}

// run returns the output for an input of some shape as float32. plain takes the convolutions of least memory, which are computed directly.
func (r *runner) run(ctx context.Context, shape []int, plain bool) (*graph.Tensor, error) {
	dt := r.input.DType
	if dt == graph.Invalid {
		dt = graph.Float32
	}
	in := probeInput(dt, shape, r.lo, r.hi)
	out := r.program.Model().Graph().Outputs[0].Name
	if plain {
		t, err := r.program.Translate(ctx, map[string]graph.Type{r.input.Name: in.Type()})
		if err == nil {
			return r.direct(ctx, t, in)
		}
	}
	all, err := r.program.Run(ctx, map[string]*graph.Tensor{r.input.Name: in})
	if err != nil {
		return nil, err
	}
	return all[out].Converted(graph.Float32), nil
}

func (r *runner) direct(ctx context.Context, t *onnxio.Translation, in *graph.Tensor) (*graph.Tensor, error) {
	s, err := r.program.Session(t, t.Outputs[:1], graph.MaxMemory(1))
	if least := (*graph.MemoryError)(nil); errors.As(err, &least) {
		s, err = r.program.Session(t, t.Outputs[:1], graph.MaxMemory(least.Need))
	}
	if err != nil {
		return nil, err
	}
	feed := []*graph.Tensor{in}
	for _, info := range r.program.Model().Graph().Optional {
		d, _, err := r.program.Model().Graph().Initializer(info.Name)
		if err != nil {
			return nil, err
		}
		feed = append(feed, d)
	}
	outs, err := s.Run(ctx, feed)
	if err != nil {
		return nil, err
	}
	return outs[0].Converted(graph.Float32), nil
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
	channels, h, w := 1, 2, 3
	if dims[3].Known() && dims[3].Value <= 4 && !(dims[1].Known() && dims[1].Value <= 4) {
		channels, h, w = 3, 1, 2
	}
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
	shapes  [][]int
	outputs []*graph.Tensor
}

// refer computes what the source gives. Sizes that it does not take are left out; it is an error if none is left.
func (r *runner) refer(ctx context.Context, sizes [][2]int) (*reference, error) {
	ref := &reference{}
	var last error
	for _, shape := range r.shapes(sizes) {
		y, err := r.run(ctx, shape, true)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			last = err
			continue
		}
		ref.shapes, ref.outputs = append(ref.shapes, shape), append(ref.outputs, y)
	}
	if len(ref.shapes) == 0 {
		return nil, fmt.Errorf("convert: the source cannot be run on any of the sizes %v: %w; --check gives others", r.shapes(sizes), last)
	}
	return ref, nil
}

// certify compares the outputs of a model with the reference.
func (r *runner) certify(ctx context.Context, ref *reference) (*Certificate, error) {
	c := &Certificate{}
	for i, shape := range ref.shapes {
		y, err := r.run(ctx, shape, false)
		if err != nil {
			return nil, fmt.Errorf("convert: the converted model cannot be run on an input of %v: %w", shape, err)
		}
		got, want := graph.Data[float32](y), graph.Data[float32](ref.outputs[i])
		if fmt.Sprint(y.Shape()) != fmt.Sprint(ref.outputs[i].Shape()) {
			return nil, fmt.Errorf("convert: an input of %v gives %v, and %v from the source", shape, y.Shape(), ref.outputs[i].Shape())
		}
		k := Case{Shape: shape, Span: span(want)}
		for j, w := range want {
			d := math.Abs(float64(got[j])-float64(w)) / k.Span
			if math.IsNaN(d) || math.IsInf(d, 0) {
				return nil, fmt.Errorf("convert: an input of %v gives values that are not finite", shape)
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
	data, err := m.WithoutMetadata(certificateKey).Encode()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
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
		y, err := r.run(ctx, k.Shape, false)
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
