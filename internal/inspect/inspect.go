// Package inspect describes a model: what its file says, and what it does with photos. It is what the command "inspect" does.
package inspect

import (
	"context"
	"fmt"
	"strings"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
	"github.com/gansr/gansr/upscale"
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
}

// Inspect describes m, called name in the report. The keys of docs/model-metadata.md in overrides come before those in the
// file. It is an error if they do not fit the model, or if ctx is cancelled; a model that cannot be run is none.
func Inspect(ctx context.Context, name string, m *onnxio.Model, workers *graph.Workers, overrides map[string]string) (*Report, error) {
	r := &Report{Model: name, IRVersion: m.IRVersion(), Opsets: map[string]int{}, Operators: map[string]int{},
		Inputs: values(m.Graph().Inputs), Outputs: values(m.Graph().Outputs), Metadata: m.Metadata(),
		Unsupported: append([]string{}, m.Unsupported()...)}
	producer, version := m.Producer()
	r.Producer = strings.TrimSpace(producer + " " + version)
	for domain, v := range m.Opsets() {
		if domain == "" {
			domain = "ai.onnx"
		}
		r.Opsets[domain] = v
	}
	r.count(m.Graph())
	for _, f := range m.Functions() {
		r.count(f.Graph)
	}
	if len(r.Unsupported) > 0 {
		r.NotGenerator = "operators are not supported"
		return r, nil
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
	return r, nil
}

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
