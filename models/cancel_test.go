package models

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
)

// TestCancelled cancels runs of large networks at several points, the packing of weights among them. It takes minutes, and
// runs only if the environment variable GANSR_HEAVY is set.
func TestCancelled(t *testing.T) {
	if os.Getenv("GANSR_HEAVY") == "" {
		t.Skip("GANSR_HEAVY is not set")
	}
	for _, arch := range []string{"CourseGenerator", "SRVGGNetCompact", "RRDBNet"} {
		t.Run(arch, func(t *testing.T) {
			m, err := New(arch, nil, 1)
			if err != nil {
				t.Fatal(err)
			}
			workers := graph.NewWorkers(0)
			defer workers.Close()
			p, err := onnxio.NewProgram(m, workers)
			if err != nil {
				t.Fatal(err)
			}
			in := graph.Type{DType: graph.Float32, Shape: []int{1, 3, 256, 256}}
			tr, err := p.Translate(context.Background(), map[string]graph.Type{m.Graph().Inputs[0].Name: in})
			if err != nil {
				t.Fatal(err)
			}
			s, err := p.Session(tr, tr.Outputs)
			if err != nil {
				t.Fatal(err)
			}
			x := graph.NewTensor(in.DType, in.Shape...)
			for _, after := range []time.Duration{100 * time.Millisecond, 200 * time.Millisecond, 350 * time.Millisecond, 500 * time.Millisecond, 700 * time.Millisecond, 1100 * time.Millisecond} {
				ctx, cancel := context.WithCancel(context.Background())
				cancelled := make(chan time.Time, 1)
				time.AfterFunc(after, func() {
					cancelled <- time.Now()
					cancel()
				})
				if _, err := s.Run(ctx, []*graph.Tensor{x}); err != nil && !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				} else if err == nil {
					t.Logf("was done within %v", after)
					continue
				}
				took := time.Since(<-cancelled)
				t.Logf("cancelled after %v, returned after %v more", after, took)
				if took > 100*time.Millisecond {
					t.Errorf("cancelled after %v, returned after %v more", after, took)
				}
			}
		})
	}
}
