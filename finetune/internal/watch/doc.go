// Package watch writes what a training run shows of itself: event files that TensorBoard opens (Events), a log of one JSON object a
// line (Log), and a report in one HTML file (Report). It knows names, figures and pictures only; what they mean is its users' matter.
package watch

import (
	"math"
	"time"
)

// Scalar is a named figure of a step, such as {"critic/wasserstein", 1.25}.
type Scalar struct {
	Name  string
	Value float64
}

// Record is the figures of one step.
type Record struct {
	Step    int64
	Time    time.Time
	Scalars []Scalar
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
