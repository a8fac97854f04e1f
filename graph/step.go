package graph

import (
	"context"
	"fmt"
	"time"

	"github.com/gansr/gansr/internal/kernel"
)

// Step describes one step of a run.
type Step struct {
	Name      string // of the weights, if they are a constant with a name
	Operator  string // the operator, such as "Conv"
	Fused     string // with those that are fused into it, such as "Conv+PRelu"
	Algorithm string // "direct" or the name of a transform, such as "fft24"; empty if there is but one
	Out       Type   // of the first result
	// FLOPs are the floating-point operations that the operator's definition needs, and Done those that its algorithm does in
	// products, without transforms. Both are 0 for operators whose arithmetic does not matter.
	FLOPs, Done int64
}

// String returns a form such as "Conv+PRelu float32[1 64 64 64] fft24".
func (s Step) String() string {
	line := fmt.Sprintf("%s %v", s.Fused, s.Out)
	if s.Algorithm != "" {
		line += " " + s.Algorithm
	}
	return line
}

// Steps describes what a run does, in order.
func (s *Session) Steps() []Step {
	steps := make([]Step, len(s.steps))
	for i, st := range s.steps {
		types := func(vs []int) []Type {
			ts := make([]Type, len(vs))
			for i, v := range vs {
				ts[i] = s.slots[v].typ
			}
			return ts
		}
		d := Step{Name: st.name, Operator: st.op.Name(), Fused: st.label, Out: s.slots[st.out[0]].typ}
		if c, ok := st.op.(Coster); ok {
			d.FLOPs = c.FLOPs(types(st.in), types(st.out))
			d.Done = d.FLOPs
		}
		if k := st.conv(); k != nil {
			d.Algorithm, d.Done = k.Algorithm(), 2*int64(k.Products())
		} else if p, ok := st.prep.(interface{ algorithm() (string, int) }); ok {
			name, products := p.algorithm()
			if d.Algorithm = name; products > 0 {
				d.Done = 2 * int64(products)
			}
		}
		steps[i] = d
	}
	return steps
}

// conv returns the step's convolution, or nil if it is none that was prepared.
func (st *step) conv() *kernel.Conv {
	if p, ok := st.prep.(preparedConv); ok {
		k, _ := p.k.(*kernel.Conv)
		return k
	}
	return nil
}

type traceKey struct{}

// WithTrace returns a context in which runs tell f how long each step took, by its index in Steps.
func WithTrace(ctx context.Context, f func(step int, took time.Duration)) context.Context {
	return context.WithValue(ctx, traceKey{}, f)
}

// PeakFLOPS measures the floating-point operations a second that the workers reach together in products of matrices that
// lie in their own caches, as a bound for what a run could reach.
func PeakFLOPS(w *Workers) float64 { return kernel.PeakFLOPS(w) }
