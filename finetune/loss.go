package finetune

import (
	"fmt"

	"github.com/gansr/gansr/graph"
)

// adversarial is a pair of losses made of the critic's scores of real and generated pictures.
type adversarial struct {
	critic    func(f formula, real, fake *graph.Value) *graph.Value
	generator func(f formula, real, fake *graph.Value) *graph.Value
}

func softplus(f formula, x *graph.Value) *graph.Value { return f.apply(graph.Softplus{}, x) }

func fooled(f formula, _, fake *graph.Value) *graph.Value { return f.neg(f.mean(fake)) }

func adversarialLoss(kind string) (adversarial, error) {
	switch kind {
	case WassersteinPenalty, WassersteinClip:
		return adversarial{func(f formula, real, fake *graph.Value) *graph.Value { return f.sub(f.mean(fake), f.mean(real)) }, fooled}, nil
	case Hinge:
		margin := func(f formula, x *graph.Value) *graph.Value { return f.mean(f.apply(graph.Relu{}, f.shift(x, 1))) }
		return adversarial{func(f formula, real, fake *graph.Value) *graph.Value {
			return f.add(margin(f, f.neg(real)), margin(f, fake))
		}, fooled}, nil
	case LeastSquares:
		off := func(f formula, x *graph.Value, from float64) *graph.Value {
			return f.scale(f.mean(f.square(f.shift(x, -from))), 0.5)
		}
		return adversarial{
			func(f formula, real, fake *graph.Value) *graph.Value { return f.add(off(f, real, 1), off(f, fake, 0)) },
			func(f formula, _, fake *graph.Value) *graph.Value { return off(f, fake, 1) },
		}, nil
	case Vanilla:
		return adversarial{
			func(f formula, real, fake *graph.Value) *graph.Value {
				return f.add(f.mean(softplus(f, f.neg(real))), f.mean(softplus(f, fake)))
			},
			func(f formula, _, fake *graph.Value) *graph.Value { return f.mean(softplus(f, f.neg(fake))) },
		}, nil
	case RelativisticAverage:
		above := func(f formula, more, less *graph.Value) *graph.Value {
			one := f.mean(softplus(f, f.sub(f.mean(less), more)))
			other := f.mean(softplus(f, f.sub(less, f.mean(more))))
			return f.scale(f.add(one, other), 0.5)
		}
		return adversarial{above, func(f formula, real, fake *graph.Value) *graph.Value { return above(f, fake, real) }}, nil
	}
	return adversarial{}, fmt.Errorf("finetune: there is no adversarial loss %q; there are %s, %s, %s, %s, %s and %s", kind,
		WassersteinPenalty, WassersteinClip, Hinge, LeastSquares, Vanilla, RelativisticAverage)
}

// penalty returns the mean squared distance from target of the norms of the scores' gradients with respect to pictures (N x ...), and the
// mean of the norms. The score of a picture that has a map of them is their mean.
func penalty(f formula, scores, pictures *graph.Value, target float64) (loss, norm *graph.Value) {
	score := f.scale(scores, float64(pictures.Type().Shape[0])/float64(max(1, scores.Type().Len())))
	grads, err := f.b.Gradients([]*graph.Value{score}, nil, []*graph.Value{pictures})
	f.check(err)
	norms := f.apply(graph.Reduce{By: graph.ReduceL2, Axes: []int{1, 2, 3}}, grads[0])
	return f.mean(f.square(f.shift(norms, -target))), f.mean(norms)
}

// Term is a content loss of a step, before its weight.
type Term struct {
	Name         string
	Weight, Loss float64
}

// term is a content loss in a graph.
type term struct {
	name   string
	weight float64
	loss   *graph.Value
}

// pixelTerms are the content losses that need no network.
func (c Content) pixelTerms(f formula, fake, real, lr *graph.Value) []term {
	off := f.sub(fake, real)
	const epsilon = 1e-6 // as is usual in super-resolution: Lai et al., arXiv:1710.01992
	terms := []term{
		{"l1", c.L1, f.mean(f.abs(off))},
		{"l2", c.L2, f.mean(f.square(off))},
		{"charbonnier", c.Charbonnier, f.mean(f.apply(graph.Sqrt{}, f.shift(f.square(off), epsilon)))},
		{"tv", c.TotalVariation, f.add(f.mean(f.abs(f.steps(fake, 2))), f.mean(f.abs(f.steps(fake, 3))))},
	}
	if c.Colour != 0 {
		if lr == nil {
			f.check(fmt.Errorf("finetune: the colour loss needs a generator whose border is one of whole LR pixels; leave it out"))
		}
		h, w := lr.Type().Shape[2], lr.Type().Shape[3]
		block := min(4, h, w)
		means := func(x *graph.Value, size int) *graph.Value {
			return f.apply(graph.AveragePool{Sliding: graph.Sliding{Kernel: []int{size, size}, Strides: []int{size, size}, Pads: make([]int, 4), Dilations: []int{1, 1}}}, x)
		}
		terms = append(terms, term{"colour", c.Colour, f.mean(f.abs(f.sub(means(fake, block*fake.Type().Shape[2]/h), means(lr, block))))})
	}
	return terms
}

// distance returns the mean of the mean absolute differences of the elements of two lists.
func distance(f formula, a, b []*graph.Value) *graph.Value {
	return Content{}.perceptual(f, a, b)
}

// weighted returns the sum of the means of what by makes of the differences of the elements of two lists, each times its weight; nil: ones.
func weighted(f formula, a, b []*graph.Value, weights []float64, by func(formula, *graph.Value) *graph.Value) *graph.Value {
	var terms []*graph.Value
	for i := range a {
		w := 1.0
		if weights != nil {
			w = weights[i]
		}
		terms = append(terms, f.scale(f.mean(by(f, f.sub(a[i], b[i]))), w))
	}
	return f.sum(terms...)
}

// perceptual returns the distance of what the perceptual network gives.
func (c Content) perceptual(f formula, a, b []*graph.Value) *graph.Value {
	by := formula.abs
	if c.PerceptualDistance == "l2" {
		by = formula.square
	}
	if len(c.PerceptualWeights) == 0 {
		return f.scale(weighted(f, a, b, nil, by), 1/float64(max(1, len(a))))
	}
	return weighted(f, a, b, c.PerceptualWeights, by)
}
