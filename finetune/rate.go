package finetune

import (
	"fmt"
	"math"

	"github.com/gansr/gansr/finetune/internal/setting"
)

// Schedule is how a learning rate changes in the course of a training.
type Schedule struct {
	Kind   string  `toml:"kind" comment:"constant, step, cosine or plateau"` // "" is "constant"
	Every  float64 `toml:"every" comment:"step: epochs after which the rate is multiplied by factor, again and again"`
	Factor float64 `toml:"factor" comment:"step, plateau: what it is multiplied by"`
	// Least is the share of the rate that "cosine" ends at (Loshchilov and Hutter, arXiv:1608.03983, without restarts), and below which
	// "plateau" does not go.
	Least float64 `toml:"least" comment:"cosine: share of the rate at the end; plateau: share below which it does not go"`
	// "plateau" multiplies the rate by Factor when the mean of the generator's content loss over an epoch has not been below the best by
	// more than the share Threshold for more than Patience epochs in a row; Cooldown epochs after that do not count. It is
	// torch.optim.lr_scheduler.ReduceLROnPlateau.
	Patience  int     `toml:"patience" comment:"plateau: epochs without a content loss below the best that are waited for"`
	Cooldown  int     `toml:"cooldown" comment:"plateau: epochs after a change that do not count"`
	Threshold float64 `toml:"threshold" comment:"plateau: share by which a loss has to be below the best"`
}

// check returns an error about settings, which are called as those of a table are.
func (s Schedule) check(table string) error {
	if err := setting.OneOf(table+"-kind", s.Kind, "constant", "step", "cosine", "plateau", ""); err != nil {
		return err
	}
	switch {
	case s.Kind == "step" && (s.Every == 0 || s.Factor == 0):
		return fmt.Errorf("%s-every and -factor should be positive with kind step, not %v and %v", table, s.Every, s.Factor)
	case s.Kind == "plateau" && (s.Factor == 0 || s.Factor >= 1):
		return fmt.Errorf("%s-factor should be between 0 and 1 with kind plateau, not %v", table, s.Factor)
	case s.Least > 1:
		return fmt.Errorf("%s-least should be a share from 0 to 1, not %v", table, s.Least)
	case s.Threshold >= 1:
		return fmt.Errorf("%s-threshold should be a share from 0 to below 1, not %v", table, s.Threshold)
	}
	return nil
}

// factor returns what the rate is multiplied by after a number of epochs and a share of the training, from 0 to 1, and what p has seen.
func (s Schedule) factor(epochs, share float64, p plateau) float64 {
	switch s.Kind {
	case "plateau":
		return max(math.Pow(s.Factor, float64(p.Cuts)), s.Least)
	case "step":
		return math.Pow(s.Factor, math.Floor(epochs/s.Every))
	case "cosine":
		return s.Least + (1-s.Least)*(1+math.Cos(math.Pi*min(share, 1)))/2
	}
	return 1
}

// plateau is what a schedule has seen of a loss.
type plateau struct {
	Best       float64
	Seen       bool // Best is one
	Bad, Pause int  // epochs: without a better loss, and still to be left out
	Cuts       int  // of the rate
}

// see takes the loss of an epoch.
func (p *plateau) see(s Schedule, loss float64) {
	p.Bad++
	if !p.Seen || loss < p.Best*(1-s.Threshold) {
		p.Best, p.Seen, p.Bad = loss, true, 0
	}
	if p.Pause > 0 {
		p.Pause--
		p.Bad = 0
	}
	if p.Bad > s.Patience {
		p.Bad, p.Pause = 0, s.Cooldown
		p.Cuts++
	}
}
