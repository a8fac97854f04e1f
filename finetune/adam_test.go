package finetune

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"

	"github.com/gansr/gansr/graph"
)

// optimiserCase is what testdata/record.py records of an optimiser: a step for each list of gradients, clipped if Norm is not 0.
type optimiserCase struct {
	Kind                               string
	Rate, Beta1, Beta2, Epsilon, Decay float64
	Initial                            [][]float32
	Grads                              [][][]float32
	After                              []struct {
		Norm    float64
		Weights [][]float32
	}
}

func weightsOf(t testing.TB, values [][]float32) (list []*weight, model []gorgonia.ValueGrad) {
	for _, v := range values {
		x, err := graph.FromSlice(slices.Clone(v), len(v))
		if err != nil {
			t.Fatal(err)
		}
		w := &weight{value: x, next: graph.NewTensor(graph.Float32, len(v))}
		list, model = append(list, w), append(model, w)
	}
	return list, model
}

func TestAdamAgreesWithPyTorch(t *testing.T) {
	data, err := os.ReadFile("testdata/adam.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []optimiserCase
	if err := json.Unmarshal(data, &cases); err != nil || len(cases) != 4 {
		t.Fatalf("%d cases, %v", len(cases), err)
	}
	for _, c := range cases {
		a := &Adam{Rate: c.Rate, Beta1: c.Beta1, Beta2: c.Beta2, Epsilon: c.Epsilon, Decay: c.Decay, Decoupled: c.Kind == "AdamW"}
		list, model := weightsOf(t, c.Initial)
		for step, grads := range c.Grads {
			var all [][]float32
			for i, w := range list {
				copy(w.gradient(), grads[i])
				all = append(all, w.gradient())
			}
			if want := c.After[step].Norm; want != 0 {
				norm := globalNorm(nil, all)
				if !(math.Abs(norm/want-1) < 1e-6) {
					t.Errorf("%s step %d: norm %v, want %v", c.Kind, step, norm, want)
				}
				clipNorm(nil, all, norm, 1)
			}
			if err := a.Step(model); err != nil {
				t.Fatal(err)
			}
			for i, w := range list {
				if e := relative(w.floats(), c.After[step].Weights[i]); !(e < 5e-7) {
					t.Errorf("%s decay %v, step %d: weights %d differ by %.2g", c.Kind, c.Decay, step, i, e)
				}
			}
		}
	}
}

// Gorgonia's Adam does the same but for rounding, and but for its own choice of numbers.
func TestAdamAgreesWithGorgonia(t *testing.T) {
	initial := [][]float32{{1, -2, 0.5}, {3, 0.25}, {-0.7}}
	ours, ourModel := weightsOf(t, initial)
	theirs, theirModel := weightsOf(t, initial)
	a := &Adam{Rate: 0.02, Beta1: 0.8, Beta2: 0.95, Epsilon: 1e-6}
	g := gorgonia.NewAdamSolver(gorgonia.WithLearnRate(0.02), gorgonia.WithBeta1(0.8), gorgonia.WithBeta2(0.95), gorgonia.WithEps(1e-6))
	for step := range 20 {
		for i := range ours {
			for j := range ours[i].gradient() {
				v := float32(math.Sin(float64(7*step+3*i+j)) * math.Pow(10, float64(step%3-1)))
				ours[i].gradient()[j], theirs[i].gradient()[j] = v, v
			}
		}
		for solver, model := range map[gorgonia.Solver][]gorgonia.ValueGrad{a: ourModel, g: theirModel} {
			if err := solver.Step(model); err != nil {
				t.Fatal(err)
			}
		}
		for i := range ours {
			if e := relative(ours[i].floats(), theirs[i].floats()); !(e < 1e-5) {
				t.Errorf("step %d: weights %d differ by %.2g", step, i, e)
			}
			if slices.ContainsFunc(ours[i].gradient(), func(v float32) bool { return v != 0 }) {
				t.Errorf("step %d: gradients %d are not zero: %v", step, i, ours[i].gradient())
			}
		}
	}
}

// The number of workers changes no bit, of tensors of several chunks either.
func TestUpdatesDoNotDependOnWorkers(t *testing.T) {
	run := func(workers *graph.Workers) ([]float32, float64) {
		n := 3*chunk + 77
		list, model := weightsOf(t, [][]float32{make([]float32, n)})
		a := &Adam{Rate: 0.01, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, Workers: workers}
		norm := 0.0
		for step := range 3 {
			for j := range n {
				list[0].gradient()[j] = float32(math.Sin(float64(step + j)))
			}
			norm = globalNorm(workers, [][]float32{list[0].gradient()})
			clipNorm(workers, [][]float32{list[0].gradient()}, norm, 1)
			if err := a.Step(model); err != nil {
				t.Fatal(err)
			}
		}
		return list[0].floats(), norm
	}
	workers := graph.NewWorkers(3)
	defer workers.Close()
	one, oneNorm := run(nil)
	three, threeNorm := run(workers)
	if !slices.Equal(one, three) || oneNorm != threeNorm {
		t.Errorf("weights or norms %v and %v differ", oneNorm, threeNorm)
	}
}

func TestAdamRefusesAnotherModel(t *testing.T) {
	_, model := weightsOf(t, [][]float32{{1, 2}, {3}})
	_, other := weightsOf(t, [][]float32{{1, 2}, {3, 4}})
	a := &Adam{Rate: 0.1, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}
	if err := a.Step(model); err != nil {
		t.Fatal(err)
	}
	if err := a.Step(other); err == nil {
		t.Error("another model is no error")
	}
}

func BenchmarkAdam(b *testing.B) {
	workers := graph.NewWorkers(0)
	defer workers.Close()
	_, model := weightsOf(b, [][]float32{make([]float32, 1<<22)})
	a := &Adam{Rate: 0.01, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8, Workers: workers}
	b.SetBytes(16 << 22)
	for b.Loop() {
		if err := a.Step(model); err != nil {
			b.Fatal(err)
		}
	}
}

func TestSchedules(t *testing.T) {
	for _, c := range []struct {
		s             Schedule
		epochs, share float64
		want          float64
	}{
		{Schedule{}, 7, 0.5, 1}, {Schedule{Kind: "step", Every: 2, Factor: 0.5}, 3.9, 0.5, 0.5}, {Schedule{Kind: "step", Every: 2, Factor: 0.5}, 4, 0.5, 0.25},
		{Schedule{Kind: "cosine", Least: 0.2}, 0, 0, 1}, {Schedule{Kind: "cosine", Least: 0.2}, 0, 0.5, 0.6}, {Schedule{Kind: "cosine", Least: 0.2}, 0, 1, 0.2},
	} {
		if got := c.s.factor(c.epochs, c.share, plateau{}); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%+v after %v epochs is %v, want %v", c.s, c.epochs, got, c.want)
		}
	}
}
