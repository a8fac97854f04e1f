package finetune

import (
	"context"
	"math"
	"slices"
	"testing"
)

// The moving average keeps (1+n)/(10+n) of itself in step n, and no more than it should.
func TestAverage(t *testing.T) {
	c := pixels(12)
	c.Average = 0.5
	var trainer *Trainer
	var want []float64
	n := 0
	follow := func(keep float64) {
		at := 0
		for _, w := range trainer.averaged() {
			for _, v := range w.floats() {
				want[at] = keep*want[at] + (1-keep)*float64(v)
				at++
			}
		}
	}
	trainer, err := New(Task{Generator: model(t, "SRVGGNetCompact", map[string]string{"num_feat": "4", "num_conv": "1", "upscale": "2"}), Source: flat{waves(1, 6, 6, 2), 12},
		Between: func(context.Context, int) error {
			n++
			follow(min(0.5, float64(1+n)/float64(10+n)))
			return nil
		}}, c)
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range trainer.averaged() {
		want = slices.Concat(want, make([]float64, w.value.Len()))
	}
	follow(0)
	if err := trainer.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	for i, got := range slices.Concat(trainer.average...) {
		if math.Abs(float64(got)-want[i]) > 1e-6 {
			t.Fatalf("element %d is %v, want %v", i, got, want[i])
		}
	}
}
