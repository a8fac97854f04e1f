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
	// before holds the statistics as they were before a batch of several parts; sums its gradients.
	before, sums [][]float32
}

// newStep compiles a step. The inputs, LR and HR first, are those beside the members' weights.
func newStep(f formula, workers *graph.Workers, memory *graph.Memory, inputs []*graph.Value, members []*member, learns *member, figures []*graph.Value, loss *graph.Value) *step {
	grads, err := f.b.Gradients([]*graph.Value{loss}, nil, learns.learnedValues())
	f.check(learns.explain(err))
	s := &step{figures: len(figures), learns: learns.network, members: members}
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
	s.session, err = graph.NewSession(inputs, outputs, workers, graph.ShareMemory(memory))
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
	for _, w := range s.statistics() {
		w.value, w.next = w.next, w.value
	}
}

// statistics lists those that change with a run.
func (s *step) statistics() (list []*weight) {
	for _, m := range s.members {
		if m.used {
			list = append(list, m.running...)
		}
	}
	return list
}

// restore brings back the statistics that were before a batch of several parts.
func (s *step) restore() {
	if s.before == nil {
		return
	}
	for i, w := range s.statistics() {
		copy(w.floats(), s.before[i])
	}
}

// part is a part of a batch.
type part struct{ lr, hr, shares *graph.Tensor }

// run runs a step for each part of the batch. Figures and gradients are the means over them; statistics take a step for each. If it fails, all is as
// before.
func (t *Trainer) run(ctx context.Context, s *step, data func(p part) []*graph.Tensor) ([]float64, error) {
	if len(t.parts) == 1 {
		return s.run(ctx, data(t.parts[0])...)
	}
	if s.sums == nil {
		for _, w := range s.learns.learned {
			s.sums = append(s.sums, make([]float32, w.value.Len()))
		}
		for _, w := range s.statistics() {
			s.before = append(s.before, make([]float32, w.value.Len()))
		}
	}
	for i, w := range s.statistics() {
		copy(s.before[i], w.floats())
	}
	total := make([]float64, s.figures)
	share := float32(1 / float64(len(t.parts)))
	for k, p := range t.parts {
		if k > 0 {
			s.keep()
		}
		figures, err := s.run(ctx, data(p)...)
		if err != nil {
			s.restore()
			return nil, err
		}
		for i, v := range figures {
			total[i] += v / float64(len(t.parts))
		}
		for i, w := range s.learns.learned {
			sum, g := s.sums[i], w.gradient()
			chunks(t.workers, len(g), func(lo, hi int) {
				for j := lo; j < hi; j++ {
					switch k {
					case 0:
						sum[j] = share * g[j]
					case len(t.parts) - 1:
						g[j] = sum[j] + share*g[j]
					default:
						sum[j] += share * g[j]
					}
				}
			})
		}
	}
	return total, nil
}

func finite(figures ...float64) bool {
	return !slices.ContainsFunc(figures, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) })
}
