package onnxio

import (
	"fmt"

	"github.com/gansr/gansr/onnxio/internal/onnxpb"
)

// WithSize returns a copy of the model that states another height and width of its one input, an image: those given, or any if they are 0. What
// the file states of the sizes of other values is left out. Nodes and constants stay: whether they allow the size, a run shows.
func (m *Model) WithSize(height, width int) (*Model, error) {
	c, err := m.withSize(height, width)
	if err != nil {
		return nil, m.src.wrap(err)
	}
	return c, nil
}

func (m *Model) withSize(height, width int) (*Model, error) {
	axes, err := m.imageAxes()
	if err != nil {
		return nil, err
	}
	pb, err := copyOf(m.pb)
	if err != nil {
		return nil, err
	}
	set := func(v *onnxpb.ValueInfoProto, height, width int, names [2]string) {
		dims := v.GetType().GetTensorType().GetShape().GetDim()
		for i, n := range []int{height, width} {
			if axes[i] >= len(dims) {
				continue
			}
			d := dims[axes[i]]
			d.Value = &onnxpb.TensorShapeProto_Dimension_DimParam{DimParam: names[i]}
			if n > 0 {
				d.Value = &onnxpb.TensorShapeProto_Dimension_DimValue{DimValue: int64(n)}
			}
		}
	}
	for _, in := range pb.Graph.Input {
		if in.GetName() == m.graph.Inputs[0].Name {
			set(in, height, width, [2]string{"h", "w"})
		}
	}
	for _, out := range pb.Graph.Output {
		set(out, 0, 0, [2]string{"h_out", "w_out"})
	}
	pb.Graph.ValueInfo = nil
	return newModel(pb, m.src)
}

// imageAxes returns which axes of the model's one input, an image, are its height and its width.
func (m *Model) imageAxes() ([2]int, error) {
	if len(m.graph.Inputs) != 1 || len(m.graph.Inputs[0].Dims) != 4 {
		return [2]int{}, fmt.Errorf("the model's inputs %v are not an image, which has four dimensions", m.graph.Inputs)
	}
	few := func(d Dim) bool { return d.Known() && d.Value <= 4 }
	if d := m.graph.Inputs[0].Dims; few(d[3]) && !few(d[1]) {
		return [2]int{1, 2}, nil
	}
	return [2]int{2, 3}, nil
}
