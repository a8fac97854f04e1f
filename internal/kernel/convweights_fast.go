package kernel

import (
	"fmt"
	"iter"
	"math"
	"os"
)

// fastWeights computes the gradient of a convolution's weights, of stride 1, by a transform of tiles. A tile of the output's gradient is
// correlated with the tile of the source that it was computed from, which gives as many elements as the kernel has. The planes of both
// are multiplied as matrices, over the tiles, and only their sum is transformed back. In a Fourier transform the output's gradient has
// zeros around it; Winograd's has the transposes of the transforms that convolve.
//
// With L lanes, n tiles are planes of x, [group][tile][source channel of the group], and of g, [group][tile][output channel of the group];
// channels are padded with zeros to multiples of L. Products are made for a group of each at a time: [plane][output channel][source channel].
//
// Either threads share chunks of tiles, whose planes are made once; their products are transformed back chunk by chunk, those of a Fourier
// transform column by column. Or each thread has chunks of its own, of few tiles, for a group of each, so that planes and the sum of
// products stay in a second-level cache; planes are made again for each group of the others. The tiles have parts then, whose sums are
// added up at the end.
type fastWeights struct {
	cpu            *functions
	tr             *transform
	s              ConvShape
	outH, outW     int
	tileH, tileW   int        // outputs of a tile
	tilesY, tilesX int        // of an image
	ci, co         int        // channels, padded
	chunk          int        // tiles at a time
	maxRows        int        // output channels of a group, padded, at most
	maxColumns     int        // and source channels
	atOnce         int        // elements of columns, at most, unless a group has more
	parts          int        // of the tiles, if threads have chunks of their own; otherwise 0
	of             *ConvShape // with strides, whose phases are the source channels of s; otherwise s itself
	blocked        Layout     // of the source and the gradient
}

const (
	weightPlanes   = 24 << 20  // elements of x and g, unless a single tile takes more: 96 MiB
	weightProducts = 4 << 20   // elements of products of Winograd's
	weightColumn   = 256 << 10 // elements of products of a column of Fourier's
	weightRows     = 32 << 20  // elements of columns of Fourier's that were transformed back, unless a group has more: 128 MiB
	weightCached   = 5 << 19   // elements of x and g for Winograd's, whose transforms are quick beside memory
	leastTiles     = 512       // of a chunk of Winograd's, so that products take longer than their sums
	tileCost       = 0.003     // how much longer products of Fourier's take for each tile, which pass a first-level cache
	productCost    = 1.5       // an element of Winograd's products: they are put into their places after few operations
	weightFarCost  = 1.6       // how much longer transforms take whose planes leave all caches

	weightsOwn  = 384 << 10 // elements of x, g and products that a thread has to itself: most of a second-level cache
	leastOwn    = 20        // tiles of a chunk then, so that products take longer than reading and writing their sums
	sumsCost    = 1         // what that takes, in steps of the sums
	weightPart  = 2         // parts of the tiles
	weightsGain = 0.8       // what a transform has to take at most, of what the direct algorithm takes, to be worth its larger errors
	fewLoads    = 1.3       // what transforms of fewer channels than a block has take with loading, of what they take otherwise
	ownLoads    = 1.3       // what transforms take with loading, which they do again for each group, of what they take otherwise
	ownFaster   = 0.75      // what products take from a second-level cache, of what they take otherwise
)

func newFastWeights(tr *transform, s ConvShape) *fastWeights {
	lanes := cpu.lanes
	f := &fastWeights{
		cpu: cpu, tr: tr, s: s, outH: s.OutH(), outW: s.OutW(), tileH: tr.t - s.KH + 1, tileW: tr.t - s.KW + 1,
		ci: roundUp(s.C, lanes), co: roundUp(s.OC, lanes),
	}
	f.tilesY, f.tilesX = ceilDiv(f.outH, f.tileH), ceilDiv(f.outW, f.tileW)
	tile := tr.planes * (f.ci + f.co)
	most := max(1, weightPlanes/tile)
	if tr.winograd() { // transforms are quick beside memory then
		most = max(leastTiles, weightCached/tile)
	}
	f.chunk = even(f.tiles(), most)
	f.atOnce = weightRows
	products := weightProducts / tr.planes
	if !tr.winograd() {
		products = weightColumn / (3 * tr.t)
	}
	f.maxColumns = evenGroup(f.ci, lanes, max(lanes, int(math.Sqrt(float64(products)))))
	f.maxRows = evenGroup(f.co, lanes, max(lanes, products/f.maxColumns))
	return f
}

// own is the same with chunks of a thread's own, or nil if no groups of channels are small enough.
func (f *fastWeights) own() (best *fastWeights) {
	if !f.tr.winograd() {
		return nil
	}
	lanes, room := f.cpu.lanes, weightsOwn/f.tr.planes
	for columns := range groupSizes(f.ci, lanes) {
		for rows := range groupSizes(f.co, lanes) {
			most := (room - rows*columns) / (rows + columns)
			if most < leastOwn {
				continue
			}
			o := *f
			o.maxRows, o.maxColumns = rows, columns
			o.parts = min(weightPart, f.tiles())
			o.chunk = even(ceilDiv(f.tiles(), o.parts), most)
			if best == nil || o.cost() < best.cost() {
				best = &o
			}
		}
	}
	return best
}

// evenGroup divides n channels, a multiple of lanes, into groups of most channels at most, and returns how many the largest has, a multiple of lanes.
func evenGroup(n, lanes, most int) int { return even(n/lanes, most/lanes) * lanes }

// groupSizes are the sizes of groups that n channels can be divided into.
func groupSizes(n, lanes int) iter.Seq[int] {
	return func(yield func(int) bool) {
		for size := n; yield(size) && size > lanes; {
			size = evenGroup(n, lanes, size-lanes)
		}
	}
}

// shares is into how many parts, besides groups of channels, work that needs memory of a thread's own is divided.
func (f *fastWeights) shares() int {
	if !f.tr.winograd() {
		return f.tr.t / 2 // columns
	}
	return f.parts
}

func (f *fastWeights) tiles() int { return f.s.N * f.tilesY * f.tilesX }

// fastWeightPlans plans the ways through a transform that are faster than others; see chooseFast.
func fastWeightPlans(s ConvShape) []*fastWeights {
	of := s
	if part, ok := phasesOf(s); ok {
		s = part
	}
	if s.StrideH != 1 || s.StrideW != 1 || s.DilationH != 1 || s.DilationW != 1 || s.Groups != 1 || s.N == 0 {
		return nil
	}
	forced := os.Getenv("GANSR_CONV")
	if _, measured := costsOf[cpu.path]; forced == "" && !measured {
		return nil
	}
	var plans []*fastWeights
	least := weightsGain * directWeightsCost(of)
	for i := range cpu.transforms {
		tr := &cpu.transforms[i]
		if !tr.fits(s.KH, s.KW) || !tr.winograd() && max(s.KH, s.KW) > tr.t-2 || forced != "" && forced != tr.name {
			continue
		}
		shared := newFastWeights(tr, s)
		shared.of = &of
		for _, f := range []*fastWeights{shared, shared.own()} {
			if f != nil && (f.cost() < least || forced != "") {
				plans = append(plans, f)
			}
		}
	}
	return plans
}

// blocks: the phases of a source are spread out of plain images.
func (f *fastWeights) blocks() bool        { return !f.strided() }
func (f *fastWeights) setBlocked(l Layout) { f.blocked = l }

func (f *fastWeights) strided() bool { return f.of.StrideH*f.of.StrideW > 1 }

func (f *fastWeights) name() string {
	if f.strided() {
		return fmt.Sprintf("%dx%d phases, %s", f.of.StrideH, f.of.StrideW, f.tr.name)
	}
	return f.tr.name
}

// cost estimates the time of a run, in ns of one thread.
func (f *fastWeights) cost() float64 {
	costs := costsOf[f.cpu.path]
	lanes, planes := float64(f.cpu.lanes), float64(f.tr.planes)
	tiles, ci, co := float64(f.tiles()), float64(f.ci), float64(f.co)
	chunks := math.Ceil(tiles / float64(f.chunk))
	transforms, product := costs.transforms[f.tr.name], costs.product/lanes
	kernels := float64(f.s.OC) * ci
	if min(f.s.C, f.s.OC) < f.cpu.lanes {
		transforms[0] *= fewLoads
	}
	memory := cacheCost // of x and g
	if f.parts == 0 && planes*(ci+co)*tiles/chunks > float64(costs.shared) {
		memory = costs.memory
		transforms[0] *= weightFarCost
		product *= math.Sqrt(weightFarCost)
	}
	// The products read x once for each group of rows, g once for each of columns.
	reads := ci*float64(ceilDiv(f.co, f.maxRows)) + co*float64(ceilDiv(f.ci, f.maxColumns))
	cost := 0.0 // besides transforms of tiles and products
	switch {
	case !f.tr.winograd():
		product *= 1 + tileCost*float64(f.chunk)
		share := (1 + float64(f.s.KH)/float64(f.tr.t)) / 2 // of an inverse: all of its columns, and the rows of kernels
		cost = planes*tiles*(ci+co)*memory +
			chunks*(planes*kernels*cacheCost+kernels/lanes*transforms[1]*share+float64(f.columnsSize(f.s.OC))*costs.memory)
	case f.parts > 0:
		product *= ownFaster * (1 + sumsCost/float64(f.chunk))
		transforms[0] *= ownLoads * reads / (ci + co)
		cost = planes*kernels*float64(f.parts)*productCost + kernels/lanes*transforms[1]
	default:
		cost = planes*tiles*reads*memory + chunks*kernels*(planes*productCost+transforms[1]/lanes)
	}
	cost += tiles*(ci+co)/lanes*transforms[0] + planes*tiles*kernels*product
	if f.strided() {
		cost += spreadCost * float64(f.spreadSize())
	}
	if f.tr.name == "winograd6" { // its larger errors have to be worth it
		cost *= 1.1
	}
	return cost
}

// spreadSize is how many elements the phases of the source have.
func (f *fastWeights) spreadSize() int {
	if !f.strided() {
		return 0
	}
	return f.s.N * f.s.C * f.s.H * f.s.W
}
