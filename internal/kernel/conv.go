package kernel

import "fmt"

// Conv is a convolution prepared from its weights and shape. It may be run by several goroutines at once, each with a
// workspace of its own.
type Conv struct {
	choice
	smaller  []choice // what else could be used, which keeps less and less memory
	onBlocks *choice  // what is used if both images are blocked, unless the choice can do that
}

// choice is a way to compute a convolution.
type choice struct {
	algorithm
	name    string
	time    float64 // of a run, in ns of one thread, as estimated
	weights *packed
}

// algorithm is a way to compute a convolution, but for its weights.
type algorithm interface {
	// Workspace is how many elements of scratch memory Run needs with a pool of the given number of threads.
	Workspace(threads int) int
	// run is Conv.Run with packed weights.
	run(p *Pool, weights, dst, src []float32, residuals [][]float32, ws []float32)
	// products is how many multiply-adds of its products a run does.
	products() int
	// blocks and setBlocked are those of Conv.
	blocks() Blocking
	setBlocked(Layout)
}

// PrepareConv prepares a convolution with weights [OC, C/Groups, KH, KW] whose outputs go through the epilogue, by the
// algorithm that is the fastest for the shape (see choosePlans). It keeps the epilogue and weight, which must not change any
// more.
func PrepareConv(s ConvShape, weight []float32, ep Epilogue) (*Conv, error) {
	return (*Weights)(nil).PrepareConv(s, weight, ep)
}

// PrepareTurned is PrepareConv for the convolution that a transposed one without groups and strides is: see ConvTransposeShape.Turned. Weights
// are the transposed convolution's, [C, OC, KH, KW], and are used turned around.
func (w *Weights) PrepareTurned(s ConvShape, weight []float32, ep Epilogue) (*Conv, error) {
	k := turnedKernels(ConvTransposeShape{ConvShape: s}, weight)
	return w.prepareConv(s, k, ep, w.plans)
}

// PrepareConv is the function PrepareConv for a convolution that shares its packed weights with others.
func (w *Weights) PrepareConv(s ConvShape, weight []float32, ep Epilogue) (*Conv, error) {
	return w.prepareConv(s, plainKernels(s, weight), ep, w.plans)
}

// plans is choosePlans, and none for weights that are used directly.
func (w *Weights) plans(s ConvShape) []plan {
	if w != nil && w.direct {
		return nil
	}
	return choosePlans(s)
}

// PrepareConvOnce is PrepareConv for weights that are used once: it does without the algorithms whose preparation pays
// off over several runs.
func PrepareConvOnce(s ConvShape, weight []float32, ep Epilogue) (*Conv, error) {
	return (*Weights)(nil).prepareConv(s, plainKernels(s, weight), ep, func(ConvShape) []plan { return nil })
}

// plan is an algorithm for a shape, whose weights, bias and epilogue are still to come.
type plan interface {
	algorithm
	name() string
	cost() float64 // of a run, in ns of one thread
	weightSize() int
	prepare(bias []float32, ep Epilogue)
	transformWeights(p *Pool, to []float32, k kernels)
	transformCost() float64 // of transformWeights, in ns of one thread
	// withBias returns the plan with another bias, after prepare.
	withBias(bias []float32) plan
}

// choosePlans returns what is faster than the direct algorithm: the best, then those that keep less and less memory, the
// fastest first.
func choosePlans(s ConvShape) []plan {
	var plans []plan
	for _, f := range chooseFast(s) {
		plans = append(plans, f)
	}
	for _, c := range chooseStrided(s) {
		plans = append(plans, c)
	}
	for _, c := range chooseGrouped(s) {
		plans = append(plans, c)
	}
	return plans
}

func (w *Weights) prepareConv(s ConvShape, k kernels, ep Epilogue, choose func(ConvShape) []plan) (*Conv, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	ci, area := s.C/s.Groups, s.KH*s.KW
	if want := s.OC * ci * area; len(k.w) != want && k.strideH*k.strideW == 1 {
		return nil, fmt.Errorf("kernel: convolution with %d weights, must be %d for [%d %d %d %d]", len(k.w), want, s.OC, ci, s.KH, s.KW)
	}
	if err := ep.validate(s.OC); err != nil {
		return nil, err
	}
	// A leading Affine becomes part of the weights and the bias.
	bias := make([]float32, s.OC)
	var scale []float32
	if len(ep) > 0 && ep[0].Kind == StageAffine {
		for oc := range bias {
			bias[oc] = channelValue(ep[0].Shift, oc, 0)
		}
		scale = ep[0].Scale
		ep = ep[1:]
	}
	c := &Conv{}
	src := w.source(s, k, scale)
	for _, f := range choose(s) {
		f.prepare(bias, ep)
		c.smaller = append(c.smaller, choice{f, f.name(), f.cost(), src.packed(f.name(), f.weightSize(), f.transformWeights)})
	}
	time := directCost(s)
	s, joined := joinRows(s)
	d := newDirect(s, s.OutH(), s.OutW(), ep)
	d.bias = bias
	form := fmt.Sprintf("direct %d,%d %dx%d", d.skipY, d.skipX, d.s.KH, d.s.KW)
	c.smaller = append(c.smaller, choice{d, "direct", time, src.packed(form, s.OC*ci*area, d.packKernels)})
	if joined && s.Groups == 1 && s.N > 0 {
		if b := newPointwise(s, bias, ep); b.store.blocks() {
			c.onBlocks = &choice{b, "pointwise", time, src.packed("pointwise", b.weightSize(), b.pack)}
		}
	} else if b := newDepthwise(s, bias, ep); b != nil && b.store.blocks() {
		c.onBlocks = &choice{b, "depthwise", time, src.packed("depthwise", b.weightSize(), b.pack)}
	}
	c.choice, c.smaller = c.smaller[0], c.smaller[1:]
	return c, nil
}

// joinRows makes one long row of the pixels of a convolution for which rows mean nothing.
func joinRows(s ConvShape) (of ConvShape, joined bool) {
	joined = s.KH*s.KW == 1 && s.StrideH == 1 && s.StrideW == 1 && s.PadTop|s.PadLeft|s.PadBottom|s.PadRight == 0
	if joined {
		s.H, s.W = 1, s.H*s.W
	}
	return s, joined
}

// Run convolves src [N, C, H, W] into dst [N, OC, OutH, OutW]. Each residual is of dst's shape and may be dst itself;
// src may not overlap dst. ws has at least Workspace(p.Threads()) elements, of any content. The first run packs the weights.
func (c *Conv) Run(p *Pool, dst, src []float32, residuals [][]float32, ws []float32) {
	c.run(p, c.weights.get(p), dst, src, residuals, ws)
}

// Blocks says which images may be blocked.
func (c *Conv) Blocks() Blocking {
	if c.onBlocks != nil {
		return BothBlocked
	}
	return c.blocks()
}

// SetBlocked says which images are blocked: none until it is called, at most once, before Run.
func (c *Conv) SetBlocked(l Layout) {
	if c.onBlocks != nil && l.Src {
		c.choice = *c.onBlocks
	}
	c.onBlocks = nil
	c.setBlocked(l)
}

// Algorithm is the name of the algorithm in use: "direct", "pointwise", "depthwise", or that of a transform, such as
// "winograd4" or "fft24".
func (c *Conv) Algorithm() string { return c.name }

// Products is how many multiply-adds a run does in products of matrices: what the definition needs if it is computed
// directly, and else fewer, to which transforms come.
func (c *Conv) Products() int { return c.products() }
