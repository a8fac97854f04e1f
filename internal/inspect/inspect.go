// Package inspect describes a model: what its file says, and what it does with photos. It is what the command "inspect" does.
package inspect

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/convert"
	"github.com/gansr/gansr/onnxio"
	"github.com/gansr/gansr/upscale"
	"github.com/gansr/gansr/upscale/photo"
)

// Report describes a model.
type Report struct {
	Model     string            `json:"model"`
	IRVersion int               `json:"ir_version"`
	Producer  string            `json:"producer,omitempty"`
	Opsets    map[string]int    `json:"opsets"` // versions by domain, "ai.onnx" for ONNX's own
	Inputs    []Value           `json:"inputs"`
	Outputs   []Value           `json:"outputs"`
	Metadata  map[string]string `json:"metadata,omitempty"`
	About     About             `json:"about,omitzero"`
	// Source says what a file of PyTorch's was taken for. Inspect leaves it to the caller.
	Source []string `json:"source,omitempty"`
	// Sizes says at which sizes a model is right that states none, but whose graph was made for one; empty for others.
	Sizes string `json:"sizes,omitempty"`
	// Certificate says whether that of a converted file holds; empty if there is none.
	Certificate string `json:"certificate,omitempty"`

	Nodes      int            `json:"nodes"`
	Operators  map[string]int `json:"operators"` // nodes by operator, those of nested graphs and of each function's body included
	Parameters int64          `json:"parameters"`
	// Unsupported are the nodes that cannot be run.
	Unsupported []string `json:"unsupported"`

	// Generator is nil if the model does not make an image from an image; NotGenerator says why.
	Generator    *Generator `json:"generator,omitempty"`
	NotGenerator string     `json:"not_generator,omitempty"`
}

// Value is an input or output.
type Value struct {
	Name  string   `json:"name"`
	Type  string   `json:"type"`  // as ONNX writes it, such as "tensor(float)"
	Shape []string `json:"shape"` // numbers, names, or "?"; null if the rank is unknown
}

// String returns a form such as "input tensor(float) [1,3,H,W]".
func (v Value) String() string {
	s := v.Name + " " + v.Type
	if v.Shape != nil {
		s += " [" + strings.Join(v.Shape, ",") + "]"
	}
	return s
}

// Generator is what matters for upscaling. Lengths are in pixels of the input.
type Generator struct {
	Scale         int    `json:"scale"`
	Channels      int    `json:"channels"`      // 3: RGB, 1: luminance
	SizeMultiple  int    `json:"size_multiple"` // what height and width must be multiples of
	FixedSize     string `json:"fixed_size,omitempty"`
	FLOPsPerPixel int64  `json:"flops_per_pixel"` // operations for one input pixel; a multiply-add is two
	// ReceptiveField is the side of the square of input pixels that an output pixel depends on, 0 if it is the whole image.
	ReceptiveField int        `json:"receptive_field"`
	WholeImage     string     `json:"whole_image,omitempty"` // why it is
	Range          [2]float32 `json:"range"`                 // what black and white are at the input
	Architecture   string     `json:"architecture,omitempty"`
	// Seconds and Memory (bytes) are what a photo of 12 megapixels is expected to take on this machine; 0 if that is not known.
	Seconds float64 `json:"seconds_12mp,omitempty"`
	Memory  int64   `json:"memory_12mp,omitempty"`
}

// Inspect describes m, called name in the report. The keys of docs/model-metadata.md in overrides come before those in the
// file. It is an error if they do not fit the model, or if ctx is cancelled; a model that cannot be run is none.
func Inspect(ctx context.Context, name string, m *onnxio.Model, workers *graph.Workers, overrides map[string]string) (*Report, error) {
	r := &Report{Model: name, IRVersion: m.IRVersion(), Opsets: map[string]int{}, Operators: map[string]int{},
		Inputs: values(m.Graph().Inputs), Outputs: values(m.Graph().Outputs), Metadata: m.Metadata(), About: about(m),
		Unsupported: append([]string{}, m.Unsupported()...)}
	producer, version := m.Producer()
	r.Producer = strings.TrimSpace(producer + " " + version)
	for domain, v := range m.Opsets() {
		if domain == "" {
			domain = "ai.onnx"
		}
		r.Opsets[domain] = v
	}
	r.Certificate = certificate(ctx, m, workers)
	r.count(m.Graph())
	for _, f := range m.Functions() {
		r.count(f.Graph)
	}
	if len(r.Unsupported) > 0 {
		r.NotGenerator = "operators are not supported"
		return r, nil
	}
	t, err := convert.FindTraced(ctx, m, workers, false)
	if err != nil {
		return nil, err
	}
	if t != nil {
		if r.Sizes = t.String(); t.Free != nil {
			r.Sizes += `; "gansr convert --size dynamic" mends it`
		}
		if m, err = m.WithSize(t.Size[0], t.Size[1]); err != nil {
			return nil, err
		}
	}
	g, err := upscale.NewModel(ctx, m, workers, overrides)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && len(overrides) > 0:
		return nil, err
	case err != nil:
		r.NotGenerator = strings.TrimPrefix(err.Error(), "upscale: ")
		return r, nil
	}
	r.Generator = describe(g)
	return r, r.Generator.estimate(ctx, g)
}

// certificate checks the certificate of a converted file.
func certificate(ctx context.Context, m *onnxio.Model, workers *graph.Workers) string {
	c, err := convert.Verify(ctx, m, workers)
	switch {
	case err != nil:
		return fmt.Sprintf("does not hold: %v", err)
	case c == nil:
		return ""
	}
	return fmt.Sprintf("holds: the file computes what its source does within %.2g of the output's range, on %d inputs; %.23s…", c.Error, len(c.Cases), c.Digest)
}

// estimate runs the network on a small tile to tell how long a photo of 12 megapixels takes, and how much memory.
func (g *Generator) estimate(ctx context.Context, m *upscale.Model) error {
	f := m.Facts()
	if f.FixedW > 0 {
		return nil
	}
	u, err := upscale.New(m, upscale.Options{})
	if err != nil {
		return nil // what is wrong with it is said elsewhere
	}
	var h photo.Header
	h.Size.X, h.Size.Y = 4000, 3000
	plan, err := u.Plan(h)
	if err != nil {
		return nil
	}
	side := f.Multiple
	for next := side * 2; next <= 256 && float64(next*next)*float64(m.FLOPs) < tileFLOPs; next *= 2 {
		side = next
	}
	src, dst := make([]float32, f.Channels*side*side), make([]float32, f.Channels*side*side*f.Scale*f.Scale)
	best := math.Inf(1)
	for range 3 { // the first packs the weights
		start := time.Now()
		if err := m.Run(ctx, dst, src, side, side, upscale.Window{W: side, H: side, ImageW: side, ImageH: side}); err != nil {
			return ctx.Err()
		}
		best = min(best, time.Since(start).Seconds())
	}
	seen := float64(plan.Tiles()) * float64(plan.Tile.X*plan.Tile.Y)
	g.Seconds, g.Memory = best/float64(side*side)*seen, plan.Memory
	return nil
}

// tileFLOPs is what estimate lets a network compute on a tile.
const tileFLOPs = 4e9

func values(infos []onnxio.ValueInfo) []Value {
	vs := make([]Value, len(infos))
	for i, info := range infos {
		vs[i] = Value{Name: info.Name, Type: info.Type}
		if info.HasShape {
			vs[i].Shape = make([]string, len(info.Dims))
			for j, d := range info.Dims {
				vs[i].Shape[j] = d.String()
			}
		}
	}
	return vs
}

// count adds g's nodes and parameters.
func (r *Report) count(g *onnxio.Graph) {
	for _, name := range g.Initializers() {
		if info, _ := g.InitializerInfo(name); info.DType.IsFloat() {
			n := int64(1)
			for _, d := range info.Dims {
				n *= int64(d.Value)
			}
			r.Parameters += n
		}
	}
	for _, n := range g.Nodes {
		r.Nodes++
		name := n.Name
		if n.Domain != "" {
			name = n.Domain + "." + name
		}
		r.Operators[name]++
		// Smaller ones are scales and slopes. One that cannot be read is bound by a function's call, or of a type that
		// holds no parameters.
		if t, err := n.Tensor("value"); n.Name == "Constant" && err == nil && t != nil && t.DType().IsFloat() && len(t.Shape()) > 1 {
			r.Parameters += int64(t.Len())
		}
		for _, sub := range n.Subgraphs {
			r.count(sub)
		}
	}
}

func describe(m *upscale.Model) *Generator {
	f := m.Facts()
	g := &Generator{Scale: f.Scale, Channels: f.Channels, SizeMultiple: f.Multiple, FLOPsPerPixel: m.FLOPs,
		ReceptiveField: 2*f.Halo + 1, WholeImage: f.WholeImage, Range: [2]float32{f.Range.Lo, f.Range.Hi}, Architecture: f.Architecture}
	if f.FixedW > 0 {
		g.FixedSize = fmt.Sprintf("%dx%d", f.FixedW, f.FixedH)
	}
	if f.WholeImage != "" {
		g.ReceptiveField = 0
	}
	if f.Range == (upscale.Range{}) {
		g.Range = [2]float32{0, 1}
	}
	return g
}
