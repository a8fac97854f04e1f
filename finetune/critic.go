package finetune

import (
	"context"
	"fmt"
	"math"

	"github.com/gansr/gansr/graph"
)

// CriticFigures tell of a critic's step.
type CriticFigures struct {
	Loss     float64 // without penalty: for Wasserstein losses, the negative of the estimated distance
	Total    float64 // what the critic minimises
	Penalty  float64 // the mean norm of the gradients that the penalty looks at; 0 without one
	GradNorm float64 // the global norm of the parameters' gradients before clipping
}

// pictures are the inputs of both steps, and the generator's result.
type pictures struct {
	inputs   []*graph.Value // lr, hr
	hr, fake *graph.Value   // of the same size
	lr       *graph.Value   // the part of lr that fake shows; nil if its border lies within pixels
}

// pictures puts the generator into a graph for batches of a shape. Of a generator that leaves out a border, hr and lr are the part that it makes. One of
// luminance alone keeps the colours of lr.
func (t *Trainer) pictures(ctx context.Context, f formula, g *member, shape []int) pictures {
	n, h, w := shape[0], shape[2], shape[3]
	scale := t.scale
	lr, hr := f.input("lr", n, 3, h, w), f.input("hr", n, 3, h*scale, w*scale)
	x := lr
	if t.luminance {
		x = f.luma(lr)
	}
	f.check(g.takes(x.Type().Shape, 1))
	fake, _ := g.of(ctx, f, f.convert(x, t.plain, t.in))
	of := fake.Type().Shape
	channels := x.Type().Shape[1]
	if len(of) != 4 || of[0] != n || of[1] != channels || !t.fits(ctx, of, x.Type().Shape) {
		f.check(fmt.Errorf("finetune: the generator makes %v of %v, and HR is %v; it should be HR the size that the generator makes", fake.Type(), x.Type(), hr.Type()))
	}
	fake = f.convert(fake, t.out, t.plain)
	if t.luminance {
		fake = f.coloured(fake, lr, scale)
	}
	p := pictures{inputs: []*graph.Value{lr, hr}, hr: hr, fake: fake, lr: lr}
	if above, left := h*scale-of[2], w*scale-of[3]; above > 0 || left > 0 {
		p.hr, p.lr = f.centre(hr, of[2], of[3]), nil
		if above%(2*scale) == 0 && left%(2*scale) == 0 {
			p.lr = f.centre(lr, of[2]/scale, of[3]/scale)
		}
	}
	return p
}

// fits reports whether the size that the generator makes of x is HR's, or less by a border that does not depend on the size of x.
func (t *Trainer) fits(ctx context.Context, of, x []int) bool {
	above, left := x[2]*t.scale-of[2], x[3]*t.scale-of[3]
	if above == 0 && left == 0 {
		return true
	}
	if above < 0 || left < 0 || above%2 != 0 || left%2 != 0 {
		return false
	}
	const more = 16
	larger := graph.Type{DType: graph.Float32, Shape: []int{x[0], x[1], x[2] + more, x[3] + more}}
	tr, err := t.generator.program.Translate(ctx, map[string]graph.Type{t.generator.model.Graph().Inputs[0].Name: larger})
	if err != nil {
		return false
	}
	s := tr.Outputs[0].Type().Shape
	return len(s) == 4 && s[2] == of[2]+more*t.scale && s[3] == of[3]+more*t.scale
}

// criticStep compiles the critic's step: inputs lr, hr, and with a gradient penalty a number from 0 to 1 for each sample.
func (t *Trainer) criticStep(ctx context.Context, shape []int) (s *step, err error) {
	b := graph.NewBuilder("critic-step")
	err = write(b, func(f formula) error {
		g, d := f.join(t.generator), f.join(t.critic)
		p := t.pictures(ctx, f, g, shape)
		score := func(x *graph.Value) *graph.Value {
			y, _ := t.score(ctx, f, d, x)
			return y
		}
		real, fake := f.both(t.critic, score, p.hr, p.fake)
		loss := t.adversarial.critic(f, real, fake)
		total, norm := loss, f.number(0)
		if t.config.Adversarial.Kind == WassersteinPenalty {
			share := f.input("share", shape[0], 1, 1, 1)
			p.inputs = append(p.inputs, share)
			mixed := f.add(f.mul(share, p.hr), f.mul(f.shift(f.neg(share), 1), p.fake))
			var distance *graph.Value
			distance, norm = penalty(f, score(mixed), mixed, t.config.Adversarial.Target)
			total = f.add(loss, f.scale(distance, t.config.Adversarial.Penalty))
		}
		s = newStep(f, t.workers, t.memory, p.inputs, []*member{g, d}, d, []*graph.Value{loss, total, norm}, total)
		return nil
	})
	return s, err
}

// score returns the critic's scores of pictures, and what its activations give.
func (t *Trainer) score(ctx context.Context, f formula, critic *member, x *graph.Value) (y *graph.Value, taps []*graph.Value) {
	shape := x.Type().Shape
	f.check(critic.takes(shape, t.scale))
	y, taps = critic.of(ctx, f, f.convert(x, t.plain, t.seen))
	if n := y.Type().Len(); n > shape[0]*shape[2]*shape[3] {
		f.check(SettingError{Err: fmt.Errorf("finetune: the critic makes %v of %v; it should score pictures, by a number each or a map that is no larger", y.Type(), x.Type())})
	}
	return y, taps
}

// both returns the scores of two batches of pictures, in one pass where the critic looks at each picture alone and takes any number: its
// weights are packed once then.
func (f formula) both(critic *network, score func(*graph.Value) *graph.Value, a, b *graph.Value) (*graph.Value, *graph.Value) {
	dims := critic.model.Graph().Inputs[0].Dims
	if len(critic.running) > 0 || len(dims) > 0 && dims[0].Known() {
		return score(a), score(b)
	}
	scores := score(f.apply(graph.Concat{Axis: 0}, a, b))
	n := a.Type().Shape[0]
	if got := scores.Type().Shape; len(got) == 0 || got[0] != 2*n {
		f.check(fmt.Errorf("finetune: the critic makes %v of %d pictures; it should score each", scores.Type(), 2*n))
	}
	return f.part(scores, 0, 0, n), f.part(scores, 0, n, n)
}

// learnCritic does a step of the critic. It reports whether all was finite; otherwise nothing has changed.
func (t *Trainer) learnCritic(ctx context.Context) (c CriticFigures, ok bool, err error) {
	penalty := t.config.Adversarial.Kind == WassersteinPenalty
	if penalty {
		t.draw(graph.Data[float32](t.shares))
	}
	v, err := t.run(ctx, t.criticStepper, func(p part) []*graph.Tensor {
		if penalty {
			return []*graph.Tensor{p.lr, p.hr, p.shares}
		}
		return []*graph.Tensor{p.lr, p.hr}
	})
	if err != nil {
		return c, false, fmt.Errorf("finetune: critic: %w", err)
	}
	c = CriticFigures{Loss: v[0], Total: v[1], Penalty: v[2]}
	c.GradNorm, ok = t.learn(t.criticStepper, t.criticAdam, t.config.Critic, t.state.Critic, v)
	if ok && t.config.Adversarial.Kind == WassersteinClip {
		for _, w := range t.critic.learned {
			clamp(t.workers, w.floats(), float32(t.config.Adversarial.Clip))
		}
	}
	return c, ok, nil
}

// learn updates the parameters of the network that a step is about, unless a figure or gradient is not finite.
func (t *Trainer) learn(s *step, adam *Adam, o Optimiser, p plateau, figures []float64) (norm float64, ok bool) {
	grads := s.learns.gradients()
	norm = globalNorm(t.workers, grads)
	if !finite(figures...) || !finite(norm) {
		s.restore()
		return norm, false
	}
	clipNorm(t.workers, grads, norm, o.ClipNorm)
	adam.Rate = math.Ldexp(o.Rate*o.Schedule.factor(t.epochs(), t.progress(), p), -t.state.Rollbacks)
	if err := adam.Step(s.learns.parameters()); err != nil { // parameters and state are the trainer's own, and fit
		panic(err)
	}
	s.keep()
	return norm, true
}
