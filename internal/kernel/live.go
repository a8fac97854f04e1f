package kernel

import (
	"fmt"
	"os"
)

// LiveConv is a convolution, or a transposed one, whose weights and bias come with each run, as they change from step to step in training. It
// may be run by several goroutines at once, each with a workspace of its own.
type LiveConv struct {
	livePlan
	onBlocks livePlan // what is used if both images are blocked, unless the plan can do that
	bias     int      // elements
}

// livePlan is a way to compute a convolution with weights that come with each run.
type livePlan interface {
	name() string
	cost() float64 // of a run, in ns of one thread
	products() int
	blocks() Blocking
	setBlocked(Layout)
	Workspace(threads int) int
	runLive(p *Pool, dst, src, weight, bias []float32, residuals [][]float32, ws []float32)
}

// PrepareConvLive plans a convolution without groups whose outputs go through the epilogue, after a bias.
func PrepareConvLive(s ConvShape, ep Epilogue) (*LiveConv, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if s.Groups != 1 {
		return nil, fmt.Errorf("kernel: convolution of %d groups with weights that change", s.Groups)
	}
	if err := ep.validate(s.OC); err != nil {
		return nil, err
	}
	return newLiveConv(fastest(livePlans(s, ep)), s, plainKernels(s, nil), ep), nil
}

// newLiveConv is a convolution by a plan, or by what there is on blocks in the place of the direct algorithm.
func newLiveConv(plan livePlan, s ConvShape, k kernels, ep Epilogue) *LiveConv {
	c := &LiveConv{livePlan: plan, bias: s.OC}
	if plan.name() == "direct" {
		if p := newLivePointwise(s, k, ep); p != nil {
			c.onBlocks = p
		}
	}
	return c
}

// livePlans lists the ways to compute a convolution.
func livePlans(s ConvShape, ep Epilogue) []livePlan {
	plans := transformedPlans(s, plainKernels(s, nil), ep)
	if m := newMatrixConv(s, ep); m != nil && os.Getenv("GANSR_CONV") == "" {
		plans = append(plans, m)
	}
	return plans
}

// PrepareConvTransposeLive is PrepareConvLive for a transposed convolution.
func PrepareConvTransposeLive(s ConvTransposeShape, ep Epilogue) (*LiveConv, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if err := ep.validate(s.OC); err != nil {
		return nil, err
	}
	plans := liveTransposePlans(s, ep)
	if len(plans) == 0 {
		return nil, fmt.Errorf("kernel: no way to transpose a convolution with weights that change: %+v", s)
	}
	plan := fastest(plans)
	if c, ok := s.Turned(); ok {
		return newLiveConv(plan, c, turnedKernels(s, nil), ep), nil
	}
	return &LiveConv{livePlan: plan, bias: s.OC}, nil
}

// liveTransposePlans lists the ways to compute a transposed convolution: none with dilations or with strides beyond the kernel, unless it is small.
func liveTransposePlans(s ConvTransposeShape, ep Epilogue) (plans []livePlan) {
	if c, ok := s.Turned(); ok {
		plans = transformedPlans(c, turnedKernels(s, nil), ep)
	} else if merged, part, ok := mergedShape(s); ok && s.Groups == 1 {
		c := newConvTranspose(s, ep)
		c.merged = merged
		plans = append(plans, &liveMerged{c, fastest(transformedPlans(part, turnedKernels(s, nil), nil)), part})
	}
	if m := newMatrixTranspose(s, ep); m != nil && (os.Getenv("GANSR_CONV") == "" || len(plans) == 0) {
		plans = append(plans, m)
	}
	return plans
}

// fastest is the plan that costs the least.
func fastest[P interface{ cost() float64 }](plans []P) P {
	best := plans[0]
	for _, p := range plans[1:] {
		if p.cost() < best.cost() {
			best = p
		}
	}
	return best
}

// Run is Conv.Run with weights and a bias; a bias of nil is 0.
func (c *LiveConv) Run(p *Pool, dst, src, weight, bias []float32, residuals [][]float32, ws []float32) {
	if bias == nil {
		bias = make([]float32, c.bias)
	}
	c.runLive(p, dst, src, weight, bias, residuals, ws)
}

// Blocks says which images may be blocked.
func (c *LiveConv) Blocks() Blocking {
	if c.onBlocks != nil {
		return BothBlocked
	}
	return c.blocks()
}

// SetBlocked says which images are blocked: none until it is called, at most once, before Run.
func (c *LiveConv) SetBlocked(l Layout) {
	if c.onBlocks != nil && l.Src {
		c.livePlan = c.onBlocks
	}
	c.onBlocks = nil
	c.setBlocked(l)
}

// Algorithm is that of Conv.
func (c *LiveConv) Algorithm() string { return c.name() }

// Products is that of Conv.
func (c *LiveConv) Products() int { return c.products() }

// transformedPlans lists the ways to convolve by packing the weights before each run.
func transformedPlans(s ConvShape, k kernels, ep Epilogue) []livePlan {
	var plans []livePlan
	add := func(p plan) {
		p.prepare(make([]float32, s.OC), ep)
		plans = append(plans, &transformed{p, k})
	}
	live := func(f *fast) livePlan {
		if b := newByColumns(f, k); b != nil {
			return b
		}
		return &transformed{f, k}
	}
	for _, f := range fastPlans(s, func(f *fast) float64 { return live(f).cost() - f.cost() }) {
		f.prepare(make([]float32, s.OC), ep)
		plans = append(plans, live(f))
	}
	for _, c := range stridedPlans(s, func(f *fast) float64 { return f.transformCost() }) {
		add(c)
	}
	joined, _ := joinRows(s)
	if len(plans) > 0 && os.Getenv("GANSR_CONV") != "" {
		return plans
	}
	add(&directPlan{time: directCost(s), s: joined, weights: s.OC * s.C / s.Groups * s.KH * s.KW})
	return plans
}

// transformed packs the weights into the workspace, and runs the algorithm that they are packed for.
type transformed struct {
	plan
	k kernels
}

func (t *transformed) cost() float64 { return t.plan.cost() + t.transformCost() }

func (t *transformed) Workspace(threads int) int {
	return cacheLine + roundUp(t.weightSize(), cacheLine) + t.plan.Workspace(threads)
}

func (t *transformed) runLive(p *Pool, dst, src, weight, bias []float32, residuals [][]float32, ws []float32) {
	ws = aligned(ws)
	packed, ws := ws[:t.weightSize()], ws[roundUp(t.weightSize(), cacheLine):]
	k := t.k
	k.w = weight
	t.transformWeights(p, packed, k)
	t.withBias(bias).run(p, packed, dst, src, residuals, ws)
}

// directPlan is the direct algorithm as a plan.
type directPlan struct {
	*direct
	s       ConvShape
	time    float64
	weights int
}

func (d *directPlan) name() string    { return "direct" }
func (d *directPlan) cost() float64   { return d.time }
func (d *directPlan) weightSize() int { return d.weights }
func (d *directPlan) prepare(bias []float32, ep Epilogue) {
	d.direct = newDirect(d.s, d.s.OutH(), d.s.OutW(), ep)
	d.bias = bias
}
func (d *directPlan) transformWeights(p *Pool, to []float32, k kernels) { d.packKernels(p, to, k) }
func (d *directPlan) transformCost() float64                            { return packCost * float64(d.weights) }

func (d *directPlan) withBias(bias []float32) plan {
	c := *d.direct
	c.bias = bias
	return &directPlan{&c, d.s, d.time, d.weights}
}

// liveMerged is a transposed convolution with strides by all phases at once.
type liveMerged struct {
	*ConvTranspose // but for the convolution
	of             livePlan
	part           ConvShape
}

func (m *liveMerged) name() string      { return "merged, " + m.of.name() }
func (m *liveMerged) products() int     { return m.of.products() }
func (m *liveMerged) blocks() Blocking  { return NotBlocked }
func (m *liveMerged) setBlocked(Layout) {}
func (m *liveMerged) cost() float64     { return m.of.cost() + spreadCost*float64(m.mergedSize()) }

func (m *liveMerged) Workspace(threads int) int {
	return m.mergedSize() + max(m.of.Workspace(threads), threads*m.merged.w*len(m.cols))
}

func (m *liveMerged) runLive(p *Pool, dst, src, weight, bias []float32, residuals [][]float32, ws []float32) {
	parts, ws := ws[:m.mergedSize()], ws[m.mergedSize():]
	m.of.runLive(p, parts, src, weight, make([]float32, m.part.OC), nil, ws)
	own := *m.ConvTranspose
	own.epilogue = append(Epilogue{{Kind: StageAffine, Shift: bias}}, m.epilogue...)
	own.finishMerged(p, dst, parts, residuals, ws)
}
