package eval

import (
	"context"
	"math"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/shared"
	"github.com/gansr/gansr/models"
	"github.com/gansr/gansr/upscale"
)

// Bicubic interpolation has the figures on Set5 and Set14 that are published everywhere, the embedded generator those of its card.
func TestSets(t *testing.T) {
	workers := graph.NewWorkers(0)
	defer workers.Close()
	m, err := models.Open("compact-x4")
	if err != nil {
		t.Fatal(err)
	}
	g, err := upscale.NewModel(t.Context(), m, workers, nil)
	if err != nil {
		t.Fatal(err)
	}
	generator, scale, err := Generator(g, upscale.Options{})
	if err != nil || scale != 4 {
		t.Fatal(scale, err)
	}
	for _, c := range []struct {
		set      string
		photos   int
		enlarge  Enlarge
		y, close float64
	}{
		{"Set5", 5, Bicubic(4), 28.43, 0.01}, {"Set5", 5, generator, 30.82, 0.01},
		{"Set14", 14, Bicubic(4), 26.09, 0.01}, {"Set14", 14, generator, 27.78, 0.01},
	} {
		folder := shared.Path(t, "data/bench/"+c.set+"/x4")
		n := 0
		mean, err := Run(t.Context(), c.enlarge, Options{HR: folder, LR: folder, Scale: 4}, func(Figures) error { n++; return nil })
		if err != nil || n != c.photos || math.Abs(mean.PSNRY-c.y) > c.close {
			t.Errorf("%s: %d photos, %+v, want Y %v; %v", c.set, n, mean, c.y, err)
		}
	}
}

func TestNothingToMeasure(t *testing.T) {
	if _, err := Run(context.Background(), Bicubic(2), Options{HR: t.TempDir(), Scale: 2}, func(Figures) error { return nil }); err == nil {
		t.Error("no photos, and no error")
	}
}
