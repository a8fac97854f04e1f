package finetune

import (
	"fmt"
	"math"
)

// Guard says when a training goes back to its last checkpoint although all figures are finite. They are looked at as moving averages. 0: never.
type Guard struct {
	// Content is how many times its lowest value the content loss may be: more means that the generator collapses.
	Content float64 `toml:"content" comment:"how many times its lowest value the content loss may be: more is a collapse of the generator"`
	// Colour is how far the mean of a channel of the generator's pictures may be from the photos', of a range of 1, once it was within half of that.
	Colour float64 `toml:"colour" comment:"how far the mean of a channel may drift from the photos', of a range of 1"`
	// Critic is how many times its mean of the first steps the magnitude of the critic's loss may be: more means that the critic leaves the
	// generator behind, or that its own figures run away.
	Critic float64 `toml:"critic" comment:"how many times that of the first steps the critic's loss may be in size: more is a collapse of the critic"`
}

// guard is that of the presets. Fine-tuning moves the content loss by tens of per cent.
var guard = Guard{Content: 2, Colour: 0.03, Critic: 100}

// watched is what a guard has seen. It is part of a checkpoint.
type watched struct {
	Content, Critic      running
	Colour               [3]running
	Lowest, First        float64 // of the moving average of the content loss; of the critic's loss after its first steps
	HasLowest, Near, Led bool    // Lowest is set; all colours were near; First is set
}

// running is a moving average of watchSteps steps or so, without the weight of a start at 0.
type running struct {
	Sum, Weight float64
	N           int
}

// A moving average looks back watchSteps steps or so. It may be the lowest after lowSteps, and is judged after judgeSteps.
const watchSteps, lowSteps, judgeSteps = 50, 5, 20

func (r *running) add(v float64) {
	const keep = 1 - 1.0/watchSteps
	r.Sum, r.Weight, r.N = keep*r.Sum+(1-keep)*v, keep*r.Weight+1-keep, r.N+1
}

func (r *running) mean() float64 { return r.Sum / r.Weight }

// generator looks at the figures of a step, and returns what is wrong, or nothing.
func (w *watched) generator(g Guard, f GeneratorFigures) string {
	w.Content.add(f.Content)
	for i := range w.Colour {
		w.Colour[i].add(f.Colour[i])
	}
	if w.Content.N < lowSteps {
		return ""
	}
	v := w.Content.mean()
	if !w.HasLowest || v < w.Lowest {
		w.Lowest, w.HasLowest = v, true
	}
	if w.Content.N < judgeSteps {
		return ""
	}
	if g.Content > 0 && v > g.Content*w.Lowest {
		return fmt.Sprintf("the generator collapses: its content loss is %.3g, and was %.3g", v, w.Lowest)
	}
	far, channel := 0.0, 0
	for i := range w.Colour {
		if v := math.Abs(w.Colour[i].mean()); v > far {
			far, channel = v, i
		}
	}
	w.Near = w.Near || far <= g.Colour/2
	if g.Colour > 0 && w.Near && far > g.Colour {
		return fmt.Sprintf("colours drift: %s is %+.1f %% from the photos", [...]string{"red", "green", "blue"}[channel], 100*w.Colour[channel].mean())
	}
	return ""
}

// critic looks at the figures of a step, and returns what is wrong, or nothing.
func (w *watched) critic(g Guard, f CriticFigures) string {
	w.Critic.add(math.Abs(f.Loss))
	if w.Critic.N < judgeSteps {
		return ""
	}
	v := w.Critic.mean()
	if !w.Led {
		w.First, w.Led = v, true
	}
	if least := max(w.First, 1); g.Critic > 0 && v > g.Critic*least {
		return fmt.Sprintf("the critic collapses: its loss is %.3g in size, and was %.3g", v, w.First)
	}
	return ""
}
