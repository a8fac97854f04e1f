package finetune

import (
	"fmt"
	"math"
)

// Schedule is how a learning rate changes in the course of a training.
type Schedule struct {
	Kind string // "constant" (also ""), "step" or "cosine"
	// Every is the number of epochs after which "step" multiplies the rate by Factor, again and again.
	Every  float64
	Factor float64
	// Least is the share of the rate that "cosine" ends at (Loshchilov and Hutter, arXiv:1608.03983, without restarts).
	Least float64
}

func (s Schedule) check() error {
	switch s.Kind {
	case "", "constant":
	case "step":
		if s.Every <= 0 || s.Factor <= 0 {
			return fmt.Errorf("finetune: a step schedule needs positive numbers every and factor, not %v and %v", s.Every, s.Factor)
		}
	case "cosine":
		if s.Least < 0 || s.Least > 1 {
			return fmt.Errorf("finetune: a cosine schedule ends at a share from 0 to 1, not %v", s.Least)
		}
	default:
		return fmt.Errorf("finetune: there is no schedule %q; there are constant, step and cosine", s.Kind)
	}
	return nil
}

// factor returns what the rate is multiplied by after a number of epochs and a share of the training, from 0 to 1.
func (s Schedule) factor(epochs, share float64) float64 {
	switch s.Kind {
	case "step":
		return math.Pow(s.Factor, math.Floor(epochs/s.Every))
	case "cosine":
		return s.Least + (1-s.Least)*(1+math.Cos(math.Pi*min(share, 1)))/2
	}
	return 1
}
