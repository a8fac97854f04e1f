package finetune

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

func TestGuard(t *testing.T) {
	g := Guard{Content: 2, Colour: 0.03, Critic: 100}
	// figures returns those of step i, which go on as at 100 to 200, and then as they are told.
	for name, c := range map[string]struct {
		figures func(i int) (GeneratorFigures, CriticFigures)
		want    string
	}{
		"steady": {func(i int) (GeneratorFigures, CriticFigures) {
			return GeneratorFigures{Content: 0.1 + 0.05*float64(i%2)}, CriticFigures{Loss: -float64(i % 7)}
		}, ""},
		"one bad step": {func(i int) (g GeneratorFigures, c CriticFigures) {
			g.Content = 0.1
			if i == 250 {
				g.Content, g.Colour[1], c.Loss = 3, 0.5, 1000
			}
			return g, c
		}, ""},
		"from scratch": {func(i int) (GeneratorFigures, CriticFigures) {
			v := 1 / float64(1+i)
			return GeneratorFigures{Content: v, Colour: [3]float64{v, -v, 0}}, CriticFigures{Loss: -10 * v}
		}, ""},
		"generator": {func(i int) (GeneratorFigures, CriticFigures) {
			return GeneratorFigures{Content: 0.1 + 0.002*float64(max(0, i-200))}, CriticFigures{}
		}, "the generator collapses: its content loss is 0.2"},
		"colours": {func(i int) (GeneratorFigures, CriticFigures) {
			return GeneratorFigures{Content: 0.1, Colour: [3]float64{0, 0, -0.001 * float64(max(0, i-200))}}, CriticFigures{}
		}, "colours drift: blue is -3."},
		"critic": {func(i int) (GeneratorFigures, CriticFigures) {
			return GeneratorFigures{Content: 0.1}, CriticFigures{Loss: -3 - float64(max(0, i-200))*10}
		}, "the critic collapses: its loss is 3"},
	} {
		var w, off watched
		said := ""
		for i := 0; i < 400 && said == ""; i++ {
			gf, cf := c.figures(i)
			if said = w.critic(g, cf); said == "" {
				said = w.generator(g, gf)
			}
			if got := off.generator(Guard{}, gf) + off.critic(Guard{}, cf); got != "" {
				t.Errorf("%s: a guard that is off says %q", name, got)
			}
		}
		if !strings.HasPrefix(said, c.want) || (said == "") != (c.want == "") {
			t.Errorf("%s: %q, want %q", name, said, c.want)
		}
	}
}

// brighter is a source whose photos are too bright for some of the batches that it makes in its life.
type brighter struct {
	flat
	made, from, to int
}

func (s *brighter) Next(ctx context.Context) (Batch, error) {
	b, err := s.flat.Next(ctx)
	s.made++
	if s.made > s.from && s.made <= s.to {
		hr := make([]float32, len(b.HR))
		for i, v := range b.HR {
			hr[i] = v + 0.3
		}
		b.HR = hr
	}
	return b, err
}

// What a guard finds takes a training back to its last checkpoint, and says so in a line.
func TestGuardRollsBack(t *testing.T) {
	for _, to := range []int{88, 1 << 30} {
		c := pixels(120)
		c.Folder, c.Every, c.Rollbacks, c.Guard = t.TempDir(), 20, 2, Guard{Content: 2}
		var log strings.Builder
		trainer, err := New(Task{Generator: model(t, "SRVGGNetCompact", map[string]string{"num_feat": "4", "num_conv": "1", "upscale": "2"}),
			Source: &brighter{flat: flat{waves(1, 6, 6, 2), 1}, from: 80, to: to}, Log: slog.New(slog.NewTextHandler(&log, nil))}, c)
		if err != nil {
			t.Fatal(err)
		}
		err = trainer.Run(context.Background())
		if !strings.Contains(log.String(), "the generator collapses") || !strings.Contains(log.String(), "with half the learning rates") {
			t.Errorf("the log is %q", log.String())
		}
		if to == 88 && (err != nil || trainer.state.Batches != 120 || trainer.state.Rollbacks < 1) {
			t.Errorf("%v, %+v", err, trainer.state)
		}
		if to > 88 && !errors.Is(err, ErrDiverged) {
			t.Errorf("%v, want ErrDiverged", err)
		}
	}
}
