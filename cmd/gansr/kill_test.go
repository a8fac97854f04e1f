//go:build unix

package main

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// training prepares a folder for short trainings, and returns the command of one that writes to a file.
func training(t *testing.T, steps int) func(out string, more ...string) *exec.Cmd {
	t.Chdir(t.TempDir())
	if text, err := exec.Command("gansr", "models", "new", "SRVGGNetCompact", "-o", "base.onnx", "num_conv=1", "num_feat=8", "upscale=2").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if err := os.Mkdir("photos", 0o777); err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"a.png", "b.png", "c.png"} {
		if err := writePicture(filepath.Join("photos", name), 64+8*i, 64); err != nil {
			t.Fatal(err)
		}
	}
	return func(out string, more ...string) *exec.Cmd {
		args := []string{"finetune", "base.onnx", "-o", out, "--photos", "photos", "--batches", fmt.Sprint(steps), "--batch", "1", "--crops", "1", "--patch", "16", "--keep", "always"}
		return exec.Command("gansr", append(args, more...)...)
	}
}

func output(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
}

// equalFiles compares the bytes of two files.
func equalFiles(t *testing.T, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(x, y) {
		t.Errorf("%s and %s differ", a, b)
	}
}

// Killed again and again at random moments and resumed each time, a training gives the same bits as one that nobody disturbed.
func TestFinetuneKilled(t *testing.T) {
	// Moments lie between these shares of a whole run: the sooner, the more kills there are.
	kills, steps, from, to := 24, 60, 0.0, 0.125
	if testing.Short() {
		kills, steps, from, to = 3, 12, 0.25, 0.6
	}
	command := training(t, steps)
	began := time.Now()
	output(t, command("whole.onnx"))
	whole := time.Since(began)
	rng := rand.New(rand.NewPCG(uint64(began.UnixNano()), 0))
	killed, late := 0, 0
	for range kills {
		cmd := command("parts.onnx", "--resume")
		var log bytes.Buffer
		cmd.Stdout, cmd.Stderr = &log, &log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration((from+(to-from)*rng.Float64())*float64(whole)), func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		timer.Stop()
		if err == nil {
			break // it came to its end
		}
		if cmd.ProcessState.Exited() {
			t.Fatalf("%v: %s", err, log.String())
		}
		killed++
		if names, err := filepath.Glob("parts.onnx.run/checkpoint-*"); err == nil && len(names) > 0 {
			late++
		}
	}
	if killed == 0 || late == 0 {
		t.Errorf("killed %d times, %d times after a checkpoint", killed, late)
	}
	t.Logf("killed %d times, %d times after a checkpoint; a run takes %v", killed, late, whole)
	output(t, command("parts.onnx", "--resume"))
	equalFiles(t, "parts.onnx", "whole.onnx")
	equalFiles(t, "parts.onnx.run/critic.onnx", "whole.onnx.run/critic.onnx")
}

// An interrupt ends a training with a checkpoint of every batch that was done, and its exit code. Meanwhile no other process uses its folder.
func TestFinetuneInterrupt(t *testing.T) {
	command := training(t, 1e6)
	cmd := command("long.onnx")
	var log bytes.Buffer
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	deadline := time.Now().Add(time.Minute)
	for {
		if names, err := filepath.Glob("long.onnx.run/checkpoint-*[1-9].*"); err == nil && len(names) > 0 { // not the first, of no batch
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("no checkpoint: %s", log.String())
		}
		time.Sleep(20 * time.Millisecond)
	}
	if text, err := command("long.onnx", "--resume").CombinedOutput(); err == nil || !strings.Contains(string(text), "another process trains in") {
		t.Errorf("a second process: %v: %s", err, text)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	exit := &exec.ExitError{}
	if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted || !strings.Contains(log.String(), "gansr: interrupted\n") {
		t.Fatalf("%v, want exit code %d; %s", err, exitInterrupted, log.String())
	}
	names, err := filepath.Glob("long.onnx.run/checkpoint-*")
	if err != nil || len(names) == 0 {
		t.Fatal(names, err)
	}
	slices.Sort(names)
	text, err := os.ReadFile("long.onnx.run/log.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	done := strings.Count(string(text), `"generator/total"`)
	if want := fmt.Sprintf("checkpoint-%09d.safetensors", done); filepath.Base(names[len(names)-1]) != want {
		t.Errorf("after %d batches the last checkpoint is %s", done, names[len(names)-1])
	}
	if _, err := os.Stat("long.onnx"); err == nil {
		t.Error("a result was written")
	}
}
