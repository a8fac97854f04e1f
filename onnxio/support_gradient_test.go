package onnxio

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"testing"

	"github.com/gansr/gansr/graph"
)

// TestGradientsOfOperators compares the gradients, and the gradients of these, of every operator that the registry says has them with
// differences of the results in float64.
func TestGradientsOfOperators(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	const models = 4 // of each operator
	for op, ps := range probes(t) {
		if g := registry[op].gradient; g != GradientYes && g != GradientPart || !registry[op].types.has(graph.Float64) || slices.Contains(seldomAlone, op) {
			continue
		}
		checked := 0
		for _, p := range ps {
			if checked == models {
				break
			}
			if !p.data(op).IsFloat() {
				continue
			}
			p = p.as(t, op, graph.Float64)
			if _, err := p.run(p.model, p.feed); err != nil {
				continue // of several types, which do not all become one
			}
			for _, name := range slices.Sorted(maps.Keys(p.feed)) {
				if p.feed[name].DType() == graph.Float64 && p.checkGradient(t, op, name) {
					checked++
				}
			}
		}
		if checked == 0 && op != "Cast" && op != "CastLike" { // nothing to cast where all is of one type
			t.Errorf("%s: no gradient was checked", op)
		}
	}
}

// checkGradient compares derivatives with respect to one input, and reports whether there was something to compare.
func (p *probe) checkGradient(t *testing.T, op, name string) bool {
	t.Helper()
	tr, in := p.translate(t, func(other string) bool { return other == name })
	if tr == nil {
		return false
	}
	x := in[name]
	var outs, seeds []*graph.Value
	for i, o := range tr.Outputs {
		if o.Type().DType == graph.Float64 && o.Known() == nil {
			outs = append(outs, o)
			seeds = append(seeds, tr.Builder.Constant("seed", wavesOf(o.Type().Shape, float64(i))))
		}
	}
	if outs == nil {
		return false
	}
	grads, err := tr.Builder.Gradients(outs, seeds, []*graph.Value{x})
	if lacking := (*graph.NoGradientError)(nil); errors.As(err, &lacking) {
		return false
	}
	if err != nil {
		t.Errorf("%s: %v", op, err)
		return false
	}
	if !p.changesAsStated(t, op+" with respect to "+name, tr, outs, seeds, grads[0], x) {
		return false
	}
	if grads[0].Known() != nil {
		return true
	}
	seed := tr.Builder.Constant("seed", wavesOf(x.Type().Shape, 0.3))
	second, err := tr.Builder.Gradients(grads, []*graph.Value{seed}, []*graph.Value{x})
	if lacking := (*graph.NoGradientError)(nil); errors.As(err, &lacking) {
		t.Errorf("%s: no second order: %v", op, err)
		return true
	}
	if err != nil {
		t.Errorf("%s: %v", op, err)
		return false
	}
	p.changesAsStated(t, "the gradient of "+op+" with respect to "+name, tr, grads, []*graph.Value{seed}, second[0], x)
	return true
}

// changesAsStated compares the change of the values, each element times that of its seed, with their gradient along a direction.
func (p *probe) changesAsStated(t *testing.T, what string, tr *Translation, values, seeds []*graph.Value, gradient, x *graph.Value) bool {
	t.Helper()
	s, err := graph.NewSession([]*graph.Value{x}, slices.Concat(values, []*graph.Value{gradient}), nil)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return false
	}
	at := apart(p.feed[x.Name()])
	along := wavesOf(at.Shape(), 0.7)
	run := func(step float64) (sum float64, g *graph.Tensor) {
		moved := graph.NewTensor(graph.Float64, at.Shape()...)
		for i, v := range graph.Data[float64](at) {
			graph.Data[float64](moved)[i] = v + step*graph.Data[float64](along)[i]
		}
		out, err := s.Run(context.Background(), []*graph.Tensor{moved})
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		for i := range values {
			sum += dots(out[i], seeds[i].Known())
		}
		return sum, out[len(values)]
	}
	now, g := run(0)
	if math.IsNaN(now) || math.IsInf(now, 0) {
		return false
	}
	const short = 1e-6
	more, _ := run(short)
	less, _ := run(-short)
	if bend := math.Abs(more-now-(now-less)) / short; !(bend < 0.01*max(0.01, math.Abs(more-less)/short)) {
		return false // at a kink there is no derivative
	}
	want := dots(g, along)
	best := math.Inf(1)
	for _, h := range []float64{1e-3, 1e-4, 1e-5, short} { // rounding errors spoil short steps, and kinks long ones
		more, _ := run(h)
		less, _ := run(-h)
		got := (more - less) / (2 * h)
		if off := math.Abs(got-want) / max(1e-3, math.Abs(got), math.Abs(want)); off < best { // a long step may leave the function's domain
			best = off
		}
	}
	if !(best < 1e-4) {
		t.Errorf("%s: the change differs from what the gradient says by %.2g of it", what, best)
	}
	return true
}

// apart moves numbers a little, away from those where functions bend or are not defined.
func apart(x *graph.Tensor) *graph.Tensor {
	moved, by := graph.NewTensor(graph.Float64, x.Shape()...), wavesOf(x.Shape(), 2.1)
	for i, v := range graph.Data[float64](x) {
		graph.Data[float64](moved)[i] = v + 0.01*graph.Data[float64](by)[i]
	}
	return moved
}

// wavesOf returns a tensor of numbers from -1 to 1.
func wavesOf(shape []int, phase float64) *graph.Tensor {
	x := graph.NewTensor(graph.Float64, shape...)
	for i := range graph.Data[float64](x) {
		graph.Data[float64](x)[i] = math.Sin(1 + phase + 1.7*float64(i) + 0.1*float64(i%97*i%89))
	}
	return x
}

func dots(a, b *graph.Tensor) float64 {
	sum := 0.0
	for i, v := range graph.Data[float64](a) {
		sum += v * graph.Data[float64](b)[i]
	}
	return sum
}
