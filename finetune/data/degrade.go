package data

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gansr/gansr/internal/interp"
)

// Range is what a parameter is drawn from, uniformly.
type Range struct {
	Min float64 `json:"min"`
	Max float64 `json:"max"`
}

func (r Range) draw(rng *rand.Rand) float64 { return r.Min + (r.Max-r.Min)*rng.Float64() }

// Degradation makes LR patches of HR patches by a chain of random damages, one round after the other. Its structure is the
// high-order degradation of Real-ESRGAN (arXiv 2107.10833, section 3). The last round resizes to about the LR size and ends
// with an exact resize, the final sinc filter and JPEG compression, in this order or with JPEG first.
type Degradation struct {
	Name      string  `json:"name"`
	Rounds    []Round `json:"rounds"`
	FinalSinc float64 `json:"final_sinc"` // probability of the final sinc filter
}

// Round is the ranges and probabilities (0 to 1) of one round: blur, resize, noise, JPEG.
type Round struct {
	Blur        float64   `json:"blur"`    // probability of a blur; its kernel has 7, 9, ... 21 pixels a side
	Sinc        float64   `json:"sinc"`    // probability that a blur is a sinc filter; else one of
	Kernels     []float64 `json:"kernels"` // weights of isotropic, anisotropic Gaussian, generalised iso-, anisotropic, plateau iso-, anisotropic
	Sigma       Range     `json:"sigma"`   // standard deviation along an axis of the kernel, pixels
	GeneralBeta Range     `json:"general_beta"`
	PlateauBeta Range     `json:"plateau_beta"`

	Resize    []float64 `json:"resize"`    // weights of enlarging, reducing, keeping the size
	Factor    Range     `json:"factor"`    // of a resize, below and above 1; in the last round the factor is of the LR size
	Antialias bool      `json:"antialias"` // bilinear and bicubic resizes widen their kernels when they reduce

	Noise        float64 `json:"noise"`         // probability of noise
	Gaussian     float64 `json:"gaussian"`      // probability that noise is Gaussian, not Poisson
	NoiseSigma   Range   `json:"noise_sigma"`   // of Gaussian noise, in 1/255
	PoissonScale Range   `json:"poisson_scale"` // factor of Poisson noise; 1 is that of 255 photons at white
	Grey         float64 `json:"grey"`          // probability that noise is the same in all colours

	JPEG    float64 `json:"jpeg"`    // probability of compression
	Quality Range   `json:"quality"` // 1 to 100
}

// Real is the degradation that Real-ESRGAN publishes (arXiv 2107.10833, section 4.1, and the resize ranges of its released
// settings): two rounds, for photos that were resized, sent and compressed again.
func Real() *Degradation {
	first := Round{
		Blur: 1, Sinc: 0.1, Kernels: []float64{0.45, 0.25, 0.12, 0.03, 0.12, 0.03}, Sigma: Range{0.2, 3}, GeneralBeta: Range{0.5, 4}, PlateauBeta: Range{1, 2},
		Resize: []float64{0.2, 0.7, 0.1}, Factor: Range{0.15, 1.5},
		Noise: 1, Gaussian: 0.5, NoiseSigma: Range{1, 30}, PoissonScale: Range{0.05, 3}, Grey: 0.4,
		JPEG: 1, Quality: Range{30, 95},
	}
	second := first
	second.Blur, second.Sigma = 0.8, Range{0.2, 1.5}
	second.Resize, second.Factor = []float64{0.3, 0.4, 0.3}, Range{0.3, 1.2}
	second.NoiseSigma, second.PoissonScale = Range{1, 25}, Range{0.05, 2.5}
	return &Degradation{Name: "real", Rounds: []Round{first, second}, FinalSinc: 0.8}
}

// Light is one mild round, for photos straight from a camera or a good website: some are a little soft, noisy or compressed.
func Light() *Degradation {
	return &Degradation{Name: "light", Rounds: []Round{{
		Blur: 0.5, Kernels: []float64{0.6, 0.4, 0, 0, 0, 0}, Sigma: Range{0.2, 2}, GeneralBeta: Range{1, 1}, PlateauBeta: Range{1, 1},
		Resize: []float64{0, 0, 1}, Factor: Range{1, 1}, Antialias: true,
		Noise: 0.5, Gaussian: 0.5, NoiseSigma: Range{0.5, 5}, PoissonScale: Range{0.05, 0.5}, Grey: 0.4,
		JPEG: 0.6, Quality: Range{75, 97},
	}}}
}

// check refuses ranges and probabilities that have no meaning.
func (d *Degradation) check() error {
	bad := func(what string) error { return fmt.Errorf("data: degradation %q: %s", d.Name, what) }
	if len(d.Rounds) == 0 {
		return bad("no rounds")
	}
	for i, r := range d.Rounds {
		for _, p := range []float64{d.FinalSinc, r.Blur, r.Sinc, r.Noise, r.Gaussian, r.Grey, r.JPEG} {
			if !(p >= 0 && p <= 1) {
				return bad(fmt.Sprintf("round %d: probability %g is not between 0 and 1", i+1, p))
			}
		}
		for _, c := range []struct {
			name     string
			r        Range
			min, max float64
		}{
			{"sigma", r.Sigma, 0.01, 100}, {"general_beta", r.GeneralBeta, 0.01, 100}, {"plateau_beta", r.PlateauBeta, 0.01, 100},
			{"factor", r.Factor, 0.01, 16}, {"noise_sigma", r.NoiseSigma, 0, 255}, {"poisson_scale", r.PoissonScale, 0, 255}, {"quality", r.Quality, 1, 100},
		} {
			if !(c.min <= c.r.Min && c.r.Min <= c.r.Max && c.r.Max <= c.max) {
				return bad(fmt.Sprintf("round %d: %s %g to %g is no range between %g and %g", i+1, c.name, c.r.Min, c.r.Max, c.min, c.max))
			}
		}
		for _, c := range []struct {
			name    string
			weights []float64
			n       int
		}{{"kernels", r.Kernels, 6}, {"resize", r.Resize, 3}} {
			var sum float64
			for _, w := range c.weights {
				if !(w >= 0) {
					sum = math.NaN()
				}
				sum += w
			}
			if len(c.weights) != c.n || !(sum > 0) || math.IsInf(sum, 0) {
				return bad(fmt.Sprintf("round %d: %s needs %d weights, none negative and not all zero", i+1, c.name, c.n))
			}
		}
	}
	return nil
}

// apply degrades an HR patch to w x h pixels. All randomness is drawn from rng.
func (d *Degradation) apply(rng *rand.Rand, hr planes, w, h int) (planes, error) {
	p := planes{hr.w, hr.h, append([]float32(nil), hr.pix...)}
	var err error
	for i, r := range d.Rounds {
		last := i == len(d.Rounds)-1
		if happens(rng, r.Blur) {
			p = p.blurred(r.kernel(rng))
		}
		bw, bh := hr.w, hr.h
		if last {
			bw, bh = w, h
		}
		factor := r.factor(rng)
		p = p.resized(rng, max(1, int(factor*float64(bw)+0.5)), max(1, int(factor*float64(bh)+0.5)), r.Antialias)
		p.clamp()
		if happens(rng, r.Noise) {
			r.noise(rng, p)
		}
		finish := func() {
			p = p.resized(rng, w, h, r.Antialias)
			if happens(rng, d.FinalSinc) {
				p = p.blurred(sinc(radius(rng), Range{math.Pi / 3, math.Pi}.draw(rng)))
			}
			p.clamp()
		}
		finishFirst := happens(rng, 0.5)
		if last && finishFirst {
			finish()
		}
		if happens(rng, r.JPEG) {
			if p, err = p.compressed(int(r.Quality.draw(rng) + 0.5)); err != nil {
				return p, err
			}
		}
		if last && !finishFirst {
			finish()
		}
	}
	p.quantise()
	return p, nil
}

func happens(rng *rand.Rand, probability float64) bool { return rng.Float64() < probability }

// choose draws an index in proportion to weights.
func choose(rng *rand.Rand, weights []float64) int {
	var sum float64
	for _, w := range weights {
		sum += w
	}
	at := rng.Float64() * sum
	chosen := 0
	for i, w := range weights {
		if w > 0 {
			chosen = i
			if at < w {
				break
			}
			at -= w
		}
	}
	return chosen
}

func radius(rng *rand.Rand) int { return 3 + rng.IntN(8) }

// kernel draws the kernel of a blur.
func (r *Round) kernel(rng *rand.Rand) blurKernel {
	size := radius(rng)
	if happens(rng, r.Sinc) {
		lowest := math.Pi / 5
		if size < 6 { // small kernels hold fewer rings
			lowest = math.Pi / 3
		}
		return sinc(size, Range{lowest, math.Pi}.draw(rng))
	}
	kind := choose(rng, r.Kernels)
	s1 := r.Sigma.draw(rng)
	s2, theta := s1, 0.0
	if kind%2 == 1 {
		s2, theta = r.Sigma.draw(rng), Range{-math.Pi, math.Pi}.draw(rng)
	}
	switch kind / 2 {
	case 1:
		return generalGaussian(size, s1, s2, theta, r.GeneralBeta.draw(rng))
	case 2:
		return plateau(size, s1, s2, theta, r.PlateauBeta.draw(rng))
	}
	return generalGaussian(size, s1, s2, theta, 1)
}

// factor draws by how much a picture is enlarged or reduced.
func (r *Round) factor(rng *rand.Rand) float64 {
	switch choose(rng, r.Resize) {
	case 0:
		return Range{1, max(1, r.Factor.Max)}.draw(rng)
	case 1:
		return Range{min(1, r.Factor.Min), 1}.draw(rng)
	}
	return 1
}

// resized resizes by the area, bilinear or bicubic method, drawn at random.
func (p planes) resized(rng *rand.Rand, w, h int, antialias bool) planes {
	method := rng.IntN(3)
	if w == p.w && h == p.h {
		return p
	}
	line := func(n, m int) []interp.Taps {
		ratio := float64(n) / float64(m)
		how := [...]interp.Method{1: interp.SharpBilinear, 2: interp.SharpBicubic}
		if antialias {
			how = [...]interp.Method{1: interp.Bilinear, 2: interp.Bicubic}
		}
		if method == 0 {
			return interp.Area(0, m, ratio, n)
		}
		return how[method].Line(0, m, ratio, 0, n)
	}
	return p.resizeAcross(line(p.w, w)).resizeDown(line(p.h, h))
}

func (r *Round) noise(rng *rand.Rand, p planes) {
	gaussian, grey := happens(rng, r.Gaussian), happens(rng, r.Grey)
	if gaussian {
		p.gaussianNoise(rng, r.NoiseSigma.draw(rng), grey)
	} else {
		p.poissonNoise(rng, r.PoissonScale.draw(rng), grey)
	}
}
