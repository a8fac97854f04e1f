package finetune

import (
	"errors"
	"fmt"
	"math"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/kernel"
)

// Adam is the optimiser of Kingma and Ba (arXiv:1412.6980), or with Decoupled AdamW (Loshchilov and Hutter, arXiv:1711.05101), computed
// as torch.optim does. It is a gorgonia.Solver.
type Adam struct {
	Rate, Beta1, Beta2, Epsilon float64
	// Decay is the weight decay: added to gradients, or if Decoupled taken off the weights directly, times the rate.
	Decay     float64
	Decoupled bool
	// Rates are factors of Rate and Decays take the place of Decay, for each weight of the model; nil: none do.
	Rates, Decays []float64
	// Workers share the work; nil means the calling goroutine alone. The result does not depend on them.
	Workers *graph.Workers
	// State is all that a step hands on to the next.
	State AdamState
}

// AdamState belongs to the weights of a model in the order in which Step got them.
type AdamState struct {
	Steps        int
	Mean, Square [][]float32 // running means of gradients and of their squares
}

var _ gorgonia.Solver = (*Adam)(nil)

// Step changes the weights, float32 tensors, and sets the gradients to zero as Gorgonia's solvers do. The model must be the same in every
// call.
func (a *Adam) Step(model []gorgonia.ValueGrad) error {
	weights, grads := make([][]float32, len(model)), make([][]float32, len(model))
	for i, n := range model {
		g, err := n.Grad()
		if err != nil {
			return fmt.Errorf("finetune: no gradient of parameter %d: %w", i, err)
		}
		if weights[i], err = floats(n.Value()); err != nil {
			return fmt.Errorf("finetune: parameter %d: %w", i, err)
		}
		if grads[i], err = floats(g); err != nil {
			return fmt.Errorf("finetune: gradient of parameter %d: %w", i, err)
		}
		if len(weights[i]) != len(grads[i]) {
			return fmt.Errorf("finetune: parameter %d has %d elements and its gradient %d", i, len(weights[i]), len(grads[i]))
		}
	}
	if err := a.prepare(weights); err != nil {
		return err
	}
	a.State.Steps++
	for i, w := range weights {
		u := a.update(i)
		g, m, v := grads[i], a.State.Mean[i], a.State.Square[i]
		chunks(a.Workers, len(w), func(lo, hi int) { kernel.Adam(w[lo:hi], g[lo:hi], m[lo:hi], v[lo:hi], u) })
	}
	return nil
}

// prepare makes the state of the first step, or checks that it belongs to the weights.
func (a *Adam) prepare(weights [][]float32) error {
	s := &a.State
	if s.Mean == nil {
		for _, w := range weights {
			s.Mean, s.Square = append(s.Mean, make([]float32, len(w))), append(s.Square, make([]float32, len(w)))
		}
	}
	fits := len(s.Mean) == len(weights) && len(s.Square) == len(weights)
	for i := 0; fits && i < len(weights); i++ {
		fits = len(s.Mean[i]) == len(weights[i]) && len(s.Square[i]) == len(weights[i])
	}
	if !fits || a.Rates != nil && len(a.Rates) != len(weights) || a.Decays != nil && len(a.Decays) != len(weights) {
		return errors.New("finetune: the optimiser's state belongs to another model")
	}
	return nil
}

// floats returns the elements of a tensor of Gorgonia's. It does not copy them.
func floats(v gorgonia.Value) ([]float32, error) {
	if t, ok := v.(*tensor.Dense); ok && !t.RequiresIterator() {
		if d, ok := t.Data().([]float32); ok {
			return d, nil
		}
	}
	return nil, fmt.Errorf("a dense float32 tensor is needed, not %T", v)
}

// update returns the numbers for a weight, computed in float64 and rounded once, as in PyTorch.
func (a *Adam) update(i int) kernel.AdamStep {
	n, rate, decay := float64(a.State.Steps), a.Rate, a.Decay
	if a.Rates != nil {
		rate *= a.Rates[i]
	}
	if a.Decays != nil {
		decay = a.Decays[i]
	}
	u := kernel.AdamStep{
		Rest1: float32(1 - a.Beta1), Beta2: float32(a.Beta2), Rest2: float32(1 - a.Beta2),
		Epsilon: float32(a.Epsilon), Rate: float32(rate / (1 - math.Pow(a.Beta1, n))), Root: float32(math.Sqrt(1 - math.Pow(a.Beta2, n))),
		Keep: 1,
	}
	if a.Decoupled {
		u.Keep = float32(1 - rate*decay)
	} else {
		u.Decay = float32(decay)
	}
	return u
}

// chunk is the number of elements that a worker takes at a time. It is part of the order of sums, so it does not depend on their number.
const chunk = 1 << 15

// chunks calls f for parts of 0..n on the workers.
func chunks(workers *graph.Workers, n int, f func(lo, hi int)) {
	workers.Run((n+chunk-1)/chunk, func(_, i int) { f(i*chunk, min(n, (i+1)*chunk)) })
}
