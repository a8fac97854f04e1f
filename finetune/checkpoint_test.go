package finetune

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/gansr/gansr/graph"
)

// endless repeats the batches of a trajectory.
type endless struct{ *trajectory }

func (e endless) Next(ctx context.Context) (Batch, error) {
	b, err := e.trajectory.Next(ctx)
	e.next %= e.batches()
	return b, err
}

const small = "testdata/small-wgan-gp.safetensors"

// resumable returns a trainer with random numbers of its own, a moving average and checkpoints.
func resumable(t testing.TB, folder string, batches int, observe func(Record)) *Trainer {
	r := readTrajectory(t, small)
	c := r.config()
	c.Batches, c.Folder, c.Every, c.Average, c.Seed = batches, folder, 1, 0.9, 7
	trainer, err := New(Task{Generator: r.generator("initial.generator."), Critic: r.critic(), Perceptual: r.features(), Source: endless{r}, Observe: observe}, c)
	if err != nil {
		t.Fatal(err)
	}
	return trainer
}

func run(t testing.TB, trainer *Trainer) {
	t.Helper()
	if err := trainer.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// same compares everything that a checkpoint holds.
func same(t testing.TB, got, want *Trainer) {
	t.Helper()
	a, b := got.tensors(), want.tensors()
	if len(a) != len(b) || len(a) == 0 {
		t.Fatalf("%d tensors, want %d", len(a), len(b))
	}
	for name, h := range b {
		if !slices.Equal(a[name].data, h.data) {
			t.Errorf("%s differs", name)
		}
	}
	if got.state != want.state || *got.random != *want.random {
		t.Errorf("the state is %+v, want %+v", got.state, want.state)
	}
}

func TestResumeIsExact(t *testing.T) {
	whole := resumable(t, "", 9, nil)
	run(t, whole)
	folder := t.TempDir()
	first := resumable(t, folder, 9, nil)
	first.config.Batches = 4
	run(t, first)
	if names, err := checkpoints(folder); err != nil || len(names) != first.config.Keep {
		t.Errorf("the folder holds %v, %v; want the last %d", names, err, first.config.Keep)
	}
	second := resumable(t, folder, 9, nil)
	if found, err := second.Resume(); !found || err != nil {
		t.Fatal(found, err)
	}
	if second.state.Batches != 4 {
		t.Errorf("resumed after %d batches, want 4", second.state.Batches)
	}
	run(t, second)
	same(t, second, whole)
}

// A cancelled training ends with a checkpoint from which it goes on.
func TestCancel(t *testing.T) {
	folder := t.TempDir()
	ctx, cancel := context.WithCancel(context.Background())
	first := resumable(t, folder, 6, func(r Record) {
		if r.Batch == 2 {
			cancel()
		}
	})
	first.config.Every = 100
	if err := first.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v, want %v", err, context.Canceled)
	}
	second := resumable(t, folder, 6, nil)
	if found, err := second.Resume(); !found || err != nil || second.state.Batches != 3 {
		t.Fatalf("found %v, %v, after %d batches; want 3", found, err, second.state.Batches)
	}
	run(t, second)
	whole := resumable(t, "", 6, nil)
	run(t, whole)
	same(t, second, whole)
}

// Killed at any moment, a training goes on as if nothing had been.
func TestKill(t *testing.T) {
	const batches = 40
	if folder := os.Getenv("GANSR_TEST_KILL"); folder != "" { // the training that is killed
		trainer := resumable(t, folder, batches, nil)
		if _, err := trainer.Resume(); err != nil {
			t.Fatal(err)
		}
		fmt.Println("ready")
		run(t, trainer)
		return
	}
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	folder := t.TempDir()
	rng := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	kills := 0
	for attempt := range 200 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), "GANSR_TEST_KILL="+folder)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for lines.Scan() && lines.Text() != "ready" {
			t.Log(lines.Text())
		}
		timer := time.AfterFunc(time.Duration(5+rng.IntN(60+attempt))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		for lines.Scan() {
			if lines.Text() != "PASS" {
				t.Log(lines.Text())
			}
		}
		err = cmd.Wait()
		timer.Stop()
		if err == nil {
			break
		}
		if cmd.ProcessState.Exited() {
			t.Fatalf("the training failed: %v", err)
		}
		kills++
	}
	if kills == 0 {
		t.Error("nothing was killed")
	}
	t.Logf("killed %d times", kills)
	resumed, whole := resumable(t, folder, batches, nil), resumable(t, "", batches, nil)
	if found, err := resumed.Resume(); !found || err != nil || resumed.state.Batches != batches {
		t.Fatalf("found %v, %v, after %d batches; want %d", found, err, resumed.state.Batches, batches)
	}
	run(t, whole)
	same(t, resumed, whole)
}

func TestLoadRefuses(t *testing.T) {
	dir := t.TempDir()
	trainer := resumable(t, dir, 1, nil)
	good := filepath.Join(dir, "good.safetensors")
	if err := trainer.Save(good); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"cut": data[:len(data)-5], "empty": nil, "noise": []byte("this is no checkpoint at all")} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o666); err != nil {
			t.Fatal(err)
		}
		if err := trainer.Load(path); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	r := readTrajectory(t, "testdata/small-lsgan.safetensors")
	other, err := New(Task{Generator: r.generator("final.generator."), Source: r}, Config{Epochs: 1, Keep: 1, Patience: 1, BatchNorm: "batch", Generator: adam(1e-3, 0), Critic: adam(1e-3, 0), Content: Content{L1: 1}})
	if err != nil {
		t.Fatal(err)
	}
	before := slices.Clone(graph.Data[float32](other.generator.learned[0].value))
	if err := other.Load(good); err == nil || !slices.Equal(before, other.generator.learned[0].floats()) {
		t.Errorf("a checkpoint of other models: %v", err)
	}
}
