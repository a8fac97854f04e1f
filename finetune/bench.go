package finetune

import (
	"context"
	"time"

	"github.com/gansr/gansr/graph"
)

// StepTimes are what Time measures of the steps of a network.
type StepTimes struct {
	Took []time.Duration // of each step, with the clipping of gradients and the optimiser
	// Parts are what the session of a step does, and Each the times of each part.
	Parts []graph.Step
	Each  [][]time.Duration
	// Bytes are the memory of the session's values and workspaces.
	Bytes int64
}

// Time trains on the source's first batch alone and measures the steps of the networks, which take turns: a step of each to warm up, then runs
// steps. Without a critic its times are nil. A step whose figures are not finite is ErrDiverged.
func Time(ctx context.Context, task Task, config Config, runs int) (critic, generator *StepTimes, err error) {
	t, err := New(task, config)
	if err != nil {
		return nil, nil, err
	}
	if _, err := t.fetch(ctx); err != nil {
		return nil, nil, err
	}
	for i := range runs + 1 {
		if t.critic != nil {
			if i == 0 {
				critic = t.criticStepper.times()
			}
			err := critic.measure(ctx, i > 0, func(ctx context.Context) (bool, error) {
				_, ok, err := t.learnCritic(ctx)
				return ok, err
			})
			if err != nil {
				return nil, nil, err
			}
		}
		if i == 0 {
			generator = t.generatorStepper.times()
		}
		err := generator.measure(ctx, i > 0, func(ctx context.Context) (bool, error) {
			_, ok, err := t.learnGenerator(ctx)
			return ok, err
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return critic, generator, nil
}

func (s *step) times() *StepTimes {
	return &StepTimes{Parts: s.session.Steps(), Each: make([][]time.Duration, len(s.session.Steps())), Bytes: s.session.ArenaBytes() + s.session.WorkspaceBytes()}
}

// measure does a step and counts its times if keep is set.
func (s *StepTimes) measure(ctx context.Context, keep bool, step func(ctx context.Context) (ok bool, err error)) error {
	if keep {
		ctx = graph.WithTrace(ctx, func(part int, took time.Duration) { s.Each[part] = append(s.Each[part], took) })
	}
	began := time.Now()
	ok, err := step(ctx)
	if err != nil {
		return err
	}
	if !ok {
		return ErrDiverged
	}
	if keep {
		s.Took = append(s.Took, time.Since(began))
	}
	return nil
}
