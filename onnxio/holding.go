package onnxio

import (
	"context"
	"fmt"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio/internal/onnxpb"
)

// Holding returns a copy of the model in which values of its graph are constants: what they are for some inputs. It must have no functions (see
// Simplified).
func (m *Model) Holding(ctx context.Context, inputs map[string]*graph.Tensor, values []string, workers *graph.Workers) (*Model, error) {
	held, err := m.holding(ctx, inputs, values, workers)
	if err != nil {
		return nil, m.src.wrap(err)
	}
	return held, nil
}

func (m *Model) holding(ctx context.Context, inputs map[string]*graph.Tensor, values []string, workers *graph.Workers) (*Model, error) {
	pb, err := copyOf(m.pb)
	if err != nil {
		return nil, err
	}
	for _, name := range values {
		pb.Graph.Output = append(pb.Graph.Output, &onnxpb.ValueInfoProto{Name: ptr(name)})
	}
	shown, err := newModel(pb, m.src)
	if err != nil {
		return nil, err
	}
	p, err := NewProgram(shown, workers, Packed(graph.NewDirectWeights()))
	if err != nil {
		return nil, err
	}
	got, err := p.Run(ctx, inputs)
	if err != nil {
		return nil, err
	}
	if pb, err = copyOf(m.pb); err != nil {
		return nil, err
	}
	for _, name := range values {
		t := &onnxpb.TensorProto{Name: ptr(name)}
		if err := setTensor(t, got[name]); err != nil {
			return nil, err
		}
		pb.Graph.Initializer = append(pb.Graph.Initializer, t)
		for _, n := range pb.Graph.Node {
			for i, o := range n.Output {
				if o == name {
					n.Output[i] = fmt.Sprintf("%s_%d_of_node", name, i)
				}
			}
		}
	}
	prune(pb.Graph)
	return newModel(pb, m.src)
}
