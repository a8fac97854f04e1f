package finetune

import (
	"context"
	"fmt"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
)

// GeneratorFigures tell of a generator's step.
type GeneratorFigures struct {
	Total       float64 // what the generator minimises
	Content     float64 // the weighted sum of Terms
	Adversarial float64 // the weighted adversarial loss, before its warm-up
	Terms       []Term
	MSE         float64 // the mean squared difference of pictures and photos, both in a range from 0 to 1
	// Colour is how far the mean of each channel of the pictures, in a range from 0 to 1, is above the photos'.
	Colour   [3]float64
	GradNorm float64 // the global norm of the parameters' gradients before clipping
}

// generatorStep compiles the generator's step: inputs lr, hr, and the share of the adversarial weight that the warm-up has reached.
func (t *Trainer) generatorStep(ctx context.Context, shape []int) (s *step, err error) {
	b := graph.NewBuilder("generator-step")
	c := t.config.Content
	err = write(b, func(f formula) error {
		g := f.join(t.generator)
		members := []*member{g}
		p := t.pictures(ctx, f, g, shape)
		warm := f.input("warm-up")
		p.inputs = append(p.inputs, warm)
		terms := c.pixelTerms(f, p.fake, p.hr, p.lr)
		if c.Perceptual != 0 {
			features := t.features(ctx, f)
			terms = append(terms, term{"perceptual", c.Perceptual, c.perceptual(f, features(p.fake), features(p.hr))})
		}
		adversarial := f.number(0)
		if t.critic != nil && (t.config.Adversarial.Weight != 0 || c.Features != 0) {
			d := f.join(t.critic)
			members = append(members, d)
			score := func(x *graph.Value) (*graph.Value, []*graph.Value) {
				return t.score(ctx, f, d, x)
			}
			fake, fakeTaps := score(p.fake)
			real, realTaps := fake, fakeTaps
			if t.config.Adversarial.Kind == RelativisticAverage || c.Features != 0 {
				real, realTaps = score(p.hr)
			}
			adversarial = f.scale(t.adversarial.generator(f, real, fake), t.config.Adversarial.Weight)
			if c.Features != 0 {
				if len(fakeTaps) == 0 {
					return fmt.Errorf("finetune: the critic has no activations whose values could be compared")
				}
				terms = append(terms, term{"features", c.Features, distance(f, fakeTaps, realTaps)})
			}
		}
		var weighted, figures []*graph.Value
		t.terms = nil
		for _, term := range terms {
			if term.weight != 0 {
				t.terms = append(t.terms, Term{Name: term.name, Weight: term.weight})
				weighted = append(weighted, f.scale(term.loss, term.weight))
				figures = append(figures, term.loss)
			}
		}
		content := f.sum(weighted...)
		total := f.add(content, f.mul(warm, adversarial))
		figures = append([]*graph.Value{total, content, adversarial}, figures...)
		off := f.sub(p.fake, p.hr)
		var squares []*graph.Value
		for i, std := range t.plain.std {
			channel := f.scale(f.part(off, 1, i, 1), std)
			figures = append(figures, f.mean(channel))
			squares = append(squares, f.mean(f.square(channel)))
		}
		figures = append(figures, f.scale(f.sum(squares...), 1.0/3))
		s = newStep(f, t.workers, t.memory, p.inputs, members, g, figures, total)
		return nil
	})
	return s, err
}

// features returns a function that gives what the perceptual network gives.
func (t *Trainer) features(ctx context.Context, f formula) func(x *graph.Value) []*graph.Value {
	weights := map[string]*graph.Value{} // made once, however often the network is used
	g := t.perceptual.Model().Graph()
	for _, name := range g.Initializers() {
		w, _, err := g.Initializer(name)
		f.check(err)
		if w.DType().IsHalf() {
			w = w.Converted(graph.Float32)
		}
		weights[name] = f.b.Constant(name, w)
	}
	return func(x *graph.Value) []*graph.Value {
		placed, err := t.perceptual.Place(ctx, f.b, onnxio.Part{Inputs: []*graph.Value{f.convert(x, t.plain, t.felt)}, Weights: weights})
		f.check(err)
		return placed.Outputs
	}
}

// learnGenerator does a step of the generator. It reports whether all was finite; otherwise nothing has changed.
func (t *Trainer) learnGenerator(ctx context.Context) (g GeneratorFigures, ok bool, err error) {
	warmth := graph.Scalar(float32(t.warmth()))
	v, err := t.run(ctx, t.generatorStepper, func(p part) []*graph.Tensor { return []*graph.Tensor{p.lr, p.hr, warmth} })
	if err != nil {
		return g, false, fmt.Errorf("finetune: generator: %w", err)
	}
	g = GeneratorFigures{Total: v[0], Content: v[1], Adversarial: v[2]}
	for i, term := range t.terms {
		term.Loss = v[3+i]
		g.Terms = append(g.Terms, term)
	}
	more := v[3+len(t.terms):]
	g.MSE = more[copy(g.Colour[:], more)]
	g.GradNorm, ok = t.learn(t.generatorStepper, t.generatorAdam, t.config.Generator, t.state.Generator, v)
	if ok {
		for i, w := range t.averaged() {
			blend(t.workers, t.average[i], w.floats(), t.keeps())
		}
	}
	return g, ok, nil
}

// keeps is the share that the moving average keeps of itself in this step: less at first, so that a short training counts.
func (t *Trainer) keeps() float64 {
	n := float64(t.generatorAdam.State.Steps)
	return min(t.config.Average, (1+n)/(10+n))
}

// warmth is the share of the adversarial weight that counts in this epoch.
func (t *Trainer) warmth() float64 {
	if w := t.config.Adversarial.WarmUp; w > 0 {
		return min(1, float64(t.state.Batches/t.perEpoch())/float64(w))
	}
	return 1
}
