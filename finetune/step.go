package finetune

import (
	"context"
	"math"
	"slices"

	"github.com/gansr/gansr/graph"
)

// step is one step of one network, compiled for a shape of batches: it computes figures, the gradients of the network's parameters, and
// what running statistics become.
type step struct {
	session *graph.Session
	figures int
	learns  *network
	members []*member
	into    []*graph.Tensor
	hr      []int // the shape of HR batches
}

// newStep compiles a step. The inputs, LR and HR first, are those beside the members' weights.
func newStep(f formula, workers *graph.Workers, inputs []*graph.Value, members []*member, learns *member, figures []*graph.Value, loss *graph.Value) *step {
	grads, err := f.b.Gradients([]*graph.Value{loss}, nil, learns.learnedValues())
	f.check(err)
	s := &step{figures: len(figures), learns: learns.network, members: members, hr: inputs[1].Type().Shape}
	outputs := slices.Concat(figures, grads)
	for range figures {
		s.into = append(s.into, graph.NewTensor(graph.Float32))
	}
	for _, m := range members {
		inputs = append(inputs, m.inputs...)
		if m.used {
			for _, w := range m.running {
				outputs = append(outputs, m.current[w.name])
			}
		}
	}
	s.session, err = graph.NewSession(inputs, outputs, workers)
	f.check(err)
	return s
}

// run computes the figures and sets the gradients and the next statistics. Both networks stay as they are.
func (s *step) run(ctx context.Context, data ...*graph.Tensor) ([]float64, error) {
	into := slices.Clone(s.into)
	for _, w := range s.learns.learned {
		into = append(into, w.next)
	}
	for _, m := range s.members {
		for _, w := range m.weights() {
			data = append(data, w.value)
		}
		if m.used {
			for _, w := range m.running {
				into = append(into, w.next)
			}
		}
	}
	if _, err := s.session.Run(ctx, data, into...); err != nil {
		return nil, err
	}
	figures := make([]float64, s.figures)
	for i := range figures {
		figures[i] = float64(graph.Data[float32](s.into[i])[0])
	}
	return figures, nil
}

// keep makes the statistics that run computed the networks'.
func (s *step) keep() {
	for _, m := range s.members {
		if m.used {
			for _, w := range m.running {
				w.value, w.next = w.next, w.value
			}
		}
	}
}

func finite(figures ...float64) bool {
	return !slices.ContainsFunc(figures, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
}
