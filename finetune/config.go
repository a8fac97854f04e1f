package finetune

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/gansr/gansr/graph"
)

// Config holds the settings of a training. The tags are for files of settings: the keys, and what is said of each there.
type Config struct {
	Epochs  int    `toml:"epochs" comment:"times through the photos"`
	Batches int    `toml:"batches" comment:"batches in the place of epochs; 0: epochs count"`
	Seed    uint64 `toml:"seed" comment:"seed of all random numbers"`

	// MicroBatch, if not 0, is how many pictures of a batch go through the networks at once: less memory for the same batch. Losses, gradients and
	// figures are the means over these parts. That is the same training but for rounding, with three exceptions: batch normalisation
	// uses the statistics of a part, and running ones take a step for each; means of scores in the relativistic loss are
	// those of a part; and spectral norms improve with each. It divides the number of pictures in a batch.
	MicroBatch int `toml:"micro-batch" comment:"pairs that go through the networks at once, for less memory; 0: the whole batch"`
	// Accumulate, if not 0, is how many batches of the source make one batch here. MicroBatch is then that of the source if it is not given.
	Accumulate int `toml:"accumulate" comment:"batches whose gradients make one step; 0: one"`
	// Memory is what the process may take, Task.Taken included; with 0 it is what the system has. If steps take more, New's training goes on with a
	// MicroBatch that fits where that is the same training but for rounding, and ends with an error that names one where it is not.
	Memory Bytes `json:",omitempty" toml:"memory" comment:"memory that the whole process may take, such as 4GiB; empty: what the system has"`
	// BatchNorm says which statistics the generator's batch normalisation uses: those of the "batch", which the running ones then follow
	// as in PyTorch, or the "running" ones as the model holds them, which do not change. The critic's always uses the batch's.
	BatchNorm string `toml:"batch-norm" comment:"statistics of the generator's batch normalisation: of the batch, or running ones, which do not change"`
	// Freeze holds patterns of the names of the generator's parameters and statistics that do not change; * stands for any characters.
	Freeze []string `json:",omitempty" toml:"freeze" comment:"patterns of the names of the generator's parameters that do not change; * stands for any characters"`
	// Average is how much the moving average of the generator keeps of itself in a step, such as 0.999, or (1+n)/(10+n) in step n if that is
	// less; the result is the average. With 0 there is none, and the result is what the last step gives.
	Average float64 `toml:"average" comment:"share that the moving average of the generator, which is the result, keeps in a step; 0: no average"`

	// Folder is where checkpoints are; "" means none.
	Folder string `toml:"-"`
	Every  int    `toml:"checkpoint-every" comment:"batches between two checkpoints; 0: an epoch"`
	Keep   int    `toml:"checkpoints" comment:"newest checkpoints that stay"`
	// Patience is the number of steps in a row without finite figures after which the training goes back to the last checkpoint and on with
	// half the learning rates. It does so Rollbacks times at most, and then ends with ErrDiverged.
	Patience  int `toml:"patience" comment:"steps in a row without finite figures until the training goes back to the last checkpoint"`
	Rollbacks int `toml:"rollbacks" comment:"times that it goes back, each time with half the learning rates, until it gives up"`

	Guard       Guard       `toml:"guard" comment:"When the training goes back although its figures are finite. 0: never."`
	Content     Content     `toml:"content" comment:"Weights of the losses that compare with the photos. 0: left out."`
	Adversarial Adversarial `toml:"adversarial" comment:"The losses that generator and critic train each other with."`
	Alternation Alternation `toml:"alternation" comment:"How critic and generator take turns."`
	Generator   Optimiser   `toml:"generator-adam" comment:"The generator's optimiser."`
	Critic      Optimiser   `toml:"critic-adam" comment:"The critic's optimiser."`
}

// Optimiser holds the settings of Adam for a network.
type Optimiser struct {
	Rate      float64  `toml:"rate" comment:"learning rate"`
	Beta1     float64  `toml:"beta1" comment:"share that the mean of gradients keeps"`
	Beta2     float64  `toml:"beta2" comment:"share that the mean of their squares keeps"`
	Epsilon   float64  `toml:"epsilon" comment:"added to the root of the mean of squares"`
	Decay     float64  `toml:"decay" comment:"weight decay"`
	Decoupled bool     `toml:"decoupled" comment:"weight decay apart from the gradients: AdamW"`
	ClipNorm  float64  `toml:"clip-norm" comment:"the most that the global norm of the gradients may be; 0: any"`
	Groups    []Group  `json:",omitempty" toml:"groups" comment:"parameters that are learned otherwise; the first that a name matches counts"`
	Schedule  Schedule `toml:"schedule" comment:"How the rate changes."`
}

// Group holds the settings of some parameters of a network.
type Group struct {
	Names []string `toml:"names" comment:"patterns; * stands for any characters"`
	Rate  float64  `toml:"rate" comment:"a factor of the network's rate; 0: they do not change"`
	Decay float64  `toml:"decay" comment:"in the place of the network's"`
}

// ParseGroup reads a group from "rate=0.1 decay=0 PATTERN ...". The rate is 1 and the decay 0 if the text does not say.
func ParseGroup(text string) (Group, error) {
	g := Group{Rate: 1}
	for word := range strings.FieldsSeq(text) {
		key, value, ok := strings.Cut(word, "=")
		if !ok {
			g.Names = append(g.Names, word)
			continue
		}
		v, err := strconv.ParseFloat(value, 64)
		switch {
		case err != nil:
			return g, fmt.Errorf("%q should be a number", value)
		case key == "rate":
			g.Rate = v
		case key == "decay":
			g.Decay = v
		default:
			return g, fmt.Errorf("a group has a rate and a decay, not a %q", key)
		}
	}
	if len(g.Names) == 0 {
		return g, errors.New("a group needs a pattern of names")
	}
	return g, nil
}

// The kinds of adversarial losses.
const (
	WassersteinPenalty  = "wgan-gp"      // gradient penalty (Gulrajani et al., arXiv:1704.00028)
	WassersteinClip     = "wgan-clip"    // weight clipping (Arjovsky et al., arXiv:1701.07875)
	Hinge               = "hinge"        // Lim and Ye, arXiv:1705.02894
	LeastSquares        = "lsgan"        // Mao et al., arXiv:1611.04076, with factors 1/2
	Vanilla             = "vanilla"      // Goodfellow et al., arXiv:1406.2661, the generator's loss not saturating
	RelativisticAverage = "relativistic" // Jolicoeur-Martineau, arXiv:1807.00734, halved as in ESRGAN
)

// Adversarial holds the settings of the losses that the two networks train each other with.
type Adversarial struct {
	Kind   string  `toml:"kind" comment:"wgan-gp, wgan-clip, hinge, lsgan, vanilla or relativistic"`
	Weight float64 `toml:"weight" comment:"in the generator's loss"`
	WarmUp int     `toml:"warm-up" comment:"epochs in which the weight grows from 0, in steps of an epoch"`
	// Penalty is the weight of the mean squared distance of gradient norms from Target, with "wgan-gp".
	Penalty float64 `toml:"penalty" comment:"weight of the gradient penalty of wgan-gp"`
	Target  float64 `toml:"target" comment:"norm that it wants gradients to have"`
	Clip    float64 `toml:"clip" comment:"the most that a parameter of the critic may be, with wgan-clip"`
}

// The ways in which critic and generator take turns.
const (
	// PerBatch lets the critic learn once on every batch, and the generator on every batch in the first epoch and on every n-th after it.
	PerBatch = "per-batch"
	// Interleaved lets the critic learn n times on every batch, and then the generator once.
	Interleaved = "interleaved"
)

// Alternation says how critic and generator take turns.
type Alternation struct {
	Kind string `toml:"kind" comment:"per-batch: the critic learns on every batch, the generator in the first epoch too and on every n-th after it; interleaved: on every batch the critic n times and the generator once"`
	N    int    `toml:"n" comment:"this n"`
}

// Content holds the weights of the losses that compare the generator's picture with the photo; 0 leaves one out. Pixels are those that the
// generator works with, its mean subtracted and divided by its deviation, but always in a range of 0 to 1.
type Content struct {
	L1             float64 `toml:"l1" comment:"mean absolute difference of pixels"`
	L2             float64 `toml:"l2" comment:"mean squared difference of pixels"`
	Charbonnier    float64 `toml:"charbonnier" comment:"Charbonnier's difference of pixels, a smooth l1"`
	TotalVariation float64 `toml:"tv" comment:"total variation: mean absolute difference of vertical neighbours, and of horizontal ones"`
	// Colour is that of the mean absolute difference between the picture and the LR one in blocks of 4x4 LR pixels (fewer in smaller
	// pictures), each its mean: the generator should not change colours.
	Colour float64 `toml:"colour" comment:"mean absolute difference to the reduced photo in blocks of 4x4 of its pixels"`
	// Perceptual is that of the distance of a network's outputs (Johnson et al., arXiv:1603.08155): the mean of their mean absolute
	// differences, or, with PerceptualDistance "l2", squared differences. With PerceptualWeights, one for each output, it is their
	// weighted sum in the place of their mean.
	Perceptual         float64   `toml:"perceptual" comment:"difference of what layers of VGG give, which the setting perceptual names a file of"`
	PerceptualWeights  []float64 `json:",omitempty" toml:"perceptual-weights" comment:"weight of each of its layers; none: their mean"`
	PerceptualDistance string    `toml:"perceptual-distance" comment:"l1 or l2"`
	// Features is that of the mean absolute difference of what the critic's activations give (Salimans et al., arXiv:1606.03498).
	Features float64 `toml:"features" comment:"mean absolute difference of what the critic's activations give"`
}

// Course returns the settings of the course on adversarial losses.
func Course() Config {
	c := Config{
		Epochs: 100, BatchNorm: "batch", Keep: 3, Patience: 5, Rollbacks: 3, Guard: guard,
		Generator:   adam(5e-4, 1),
		Critic:      adam(1e-4, 5),
		Adversarial: Adversarial{Kind: WassersteinPenalty, Weight: 0.01, WarmUp: 5, Penalty: 30, Target: 1, Clip: 0.01},
		Alternation: Alternation{PerBatch, 5},
		Content:     Content{Perceptual: 1, PerceptualDistance: "l1", TotalVariation: 0.1},
	}
	return c
}

// Photo returns settings for training a good generator further: near to the photos, averaged.
func Photo() Config {
	return Config{
		Epochs: 10, BatchNorm: "running", Average: 0.999, Keep: 3, Patience: 5, Rollbacks: 3, Guard: guard,
		Generator:   adam(1e-4, 1),
		Critic:      adam(1e-4, 5),
		Adversarial: Adversarial{Kind: RelativisticAverage, Weight: 0.005, WarmUp: 1, Penalty: 10, Target: 1, Clip: 0.01},
		Alternation: Alternation{Interleaved, 1},
		Content:     Content{L1: 1, PerceptualDistance: "l1", Features: 0.1},
	}
}

func adam(rate, clip float64) Optimiser {
	return Optimiser{Rate: rate, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, ClipNorm: clip, Schedule: Schedule{Kind: "constant"}}
}

// optimiser returns the optimiser of these settings for a network.
func (o Optimiser) optimiser(n *network, workers *graph.Workers) *Adam {
	a := &Adam{Rate: o.Rate, Beta1: o.Beta1, Beta2: o.Beta2, Epsilon: o.Epsilon, Decay: o.Decay, Decoupled: o.Decoupled, Workers: workers}
	for _, w := range n.learned {
		rate, decay := 1.0, o.Decay
		if i := slices.IndexFunc(o.Groups, func(g Group) bool { return pattern(g.Names)(w.name) }); i >= 0 {
			rate, decay = o.Groups[i].Rate, o.Groups[i].Decay
		}
		a.Rates, a.Decays = append(a.Rates, rate), append(a.Decays, decay)
		a.State.Mean = append(a.State.Mean, make([]float32, w.value.Len()))
		a.State.Square = append(a.State.Square, make([]float32, w.value.Len()))
	}
	return a
}

// pattern returns a function that reports whether a name matches one of the patterns.
func pattern(patterns []string) func(name string) bool {
	var parts []string
	for _, p := range patterns {
		parts = append(parts, strings.ReplaceAll(regexp.QuoteMeta(p), `\*`, ".*"))
	}
	if parts == nil {
		return func(string) bool { return false }
	}
	return regexp.MustCompile("^(?:" + strings.Join(parts, "|") + ")$").MatchString // quoted, so that it compiles
}
