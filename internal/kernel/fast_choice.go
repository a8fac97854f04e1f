package kernel

import (
	"cmp"
	"math"
	"os"
	"slices"
)

// chooseFast plans the ways through a transform that are faster than the direct algorithm: the best one, then those whose
// weights take less and less memory, the fastest first. It depends on the shape and on the path alone, so that results
// repeat. The environment variable GANSR_CONV forces an algorithm on every convolution that can use it: "direct", or the
// name of a transform.
func chooseFast(s ConvShape) []*fast {
	ways := fastPlans(s, func(*fast) float64 { return 0 })
	var chosen []*fast
	for _, f := range ways {
		if n := len(chosen); n == 0 || f.weightSize() < chosen[n-1].weightSize() {
			chosen = append(chosen, f)
		}
	}
	return chosen
}

// fastPlans plans all ways that are faster than the direct algorithm, the fastest first. Extra is what one costs on top, in ns of one thread.
func fastPlans(s ConvShape, extra func(*fast) float64) []*fast {
	if s.StrideH != 1 || s.StrideW != 1 || s.DilationH != 1 || s.DilationW != 1 || s.Groups != 1 || s.N == 0 {
		return nil
	}
	forced := os.Getenv("GANSR_CONV")
	if _, measured := costsOf[cpu.path]; !measured && forced == "" {
		return nil
	}
	type way struct {
		*fast
		cost float64
	}
	var ways []way
	least := 0.9 * directCost(s) // a gain within the model's error is not worth the memory
	for i := range cpu.transforms {
		tr := &cpu.transforms[i]
		if !tr.fits(s.KH, s.KW) || forced != "" && forced != tr.name {
			continue
		}
		f := newFast(tr, s)
		c := f.cost() + extra(f)
		if tr.name == "winograd6" { // its larger errors have to be worth it
			c *= 1.02
		}
		if c < least || forced != "" {
			ways = append(ways, way{f, c})
		}
	}
	slices.SortStableFunc(ways, func(a, b way) int { return cmp.Compare(a.cost, b.cost) })
	plans := make([]*fast, len(ways))
	for i, w := range ways {
		plans[i] = w.fast
	}
	return plans
}

// costs are times in ns of one thread, measured with layers of 8 to 256 channels where nothing else is said.
type costs struct {
	direct     float64               // a multiply-add of vectors in a direct convolution
	product    float64               // and in a product of planes
	far        float64               // how much longer transforms take that leave a core's own caches
	memory     float64               // an element of weights that comes from memory
	shared     int                   // elements that stay in a cache that all cores share, beside the products of gradients of weights
	transforms map[string][2]float64 // a tile of a block: from the source to planes, and from planes to the output
}

var costsOf = map[string]costs{
	"avx2": {0.18, 0.17, 1.6, 0.27, 5 << 19, map[string][2]float64{ // Zen 3
		"winograd2": {35, 28}, "winograd4": {105, 80}, "winograd6": {240, 190}, "fft16": {1350, 1300}, "fft20": {2300, 2200},
		"fft24": {3300, 3100}, "fft28": {4900, 4800}, "fft32": {6800, 6400},
	}},
	"avx512": {0.20, 0.27, 1.33, 0.44, 32 << 20, map[string][2]float64{ // Emerald Rapids
		"winograd2": {32, 15}, "winograd4": {110, 42}, "winograd6": {230, 110}, "fft16": {2250, 950}, "fft20": {5000, 2000},
		"fft24": {8500, 3300}, "fft28": {11000, 8000}, "fft32": {15000, 10500},
	}},
	"generic": {4.3, 3.8, 1.6, 0.27, 5 << 19, map[string][2]float64{
		"winograd2": {290, 380}, "winograd4": {1000, 1400}, "winograd6": {2500, 3300}, "fft16": {11000, 12500},
		"fft20": {15000, 23000}, "fft24": {22500, 32000}, "fft28": {37500, 51000}, "fft32": {51000, 72000},
	}},
}

const (
	callCost    = 12      // of a product, besides its multiply-adds
	cacheCost   = 0.1     // an element of weights that comes from a cache that all cores share,
	cached      = 4 << 20 // which keeps so many elements between chunks
	privateCost = 0.065   // an element of weights for each chunk of a thread's own, on top
	keepCost    = 0.2     // an element of weights, for the memory that it takes from other things
	fillCost    = 0.3     // an element of a direct convolution's source
	packCost    = 1       // a weight that the direct algorithm packs
	tapCost     = 0.3     // a weight that is put in its place before it is transformed
	storeCost   = 0.15    // an element of its output
)

// directCost estimates the time of the direct algorithm, in ns of one thread, for a shape with one group.
func directCost(s ConvShape) float64 {
	rows := max(3, float64(s.OC)) // fewer take as long
	pixels := float64(s.N * s.OutH() * s.OutW())
	return costsOf[cpu.path].direct*pixels*rows*float64(s.C*s.KH*s.KW)/float64(cpu.lanes) +
		fillCost*float64(s.N*s.C*s.H*s.W) + storeCost*pixels*float64(s.OC)
}

// cost estimates the time of a run, in ns of one thread.
func (f *fast) cost() float64 {
	c, costs := f.chunks(1), costsOf[f.cpu.path]
	transforms, product := f.times(&c)
	weights := float64(f.weightSize())
	again := costs.memory
	if weights < cached {
		again = cacheCost
	}
	if !c.shared {
		product += weights * privateCost
	}
	return weights*keepCost + transforms + max(product, weights*costs.memory) + float64(c.count-1)*max(product, weights*again)
}

// times estimates what the transforms of all tiles take, and the products of a chunk, in ns of one thread, leaving out what weights cost.
func (f *fast) times(c *chunks) (transforms, product float64) {
	costs := costsOf[f.cpu.path]
	calls, rows := 0.0, 0.0 // products in a plane, and tiles in them: few take as long as those that hide latencies
	for block := 0; block < f.co; block += 2 {
		width := min(2, f.co-block)
		n := ceilDiv(c.size, len(f.cpu.products[width-1]))
		calls += float64(n)
		rows += float64(max(n*8, c.size*width))
	}
	transform, multiplication := costs.transforms[f.tr.name], costs.product
	if c.shared && !f.tr.winograd() { // many planes, far apart
		transform[0] *= costs.far
		transform[1] *= costs.far
		multiplication *= math.Sqrt(costs.far)
	}
	return float64(c.tiles) * (float64(f.ci)*transform[0] + float64(f.co)*transform[1]),
		float64(f.tr.planes) * (calls*callCost + rows*float64(f.ci*f.cpu.lanes)*multiplication)
}
