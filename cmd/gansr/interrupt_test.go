//go:build unix

package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// An interrupt in the middle of a photo stops the program soon, with its exit code, and leaves complete results alone.
func TestInterrupt(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	if text, err := exec.Command("gansr", "models", "new", "RRDBNet", "-o", "slow.onnx", "num_block=2").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	if err := os.Mkdir("in", 0o777); err != nil {
		t.Fatal(err)
	}
	for name, side := range map[string]int{"a.png": 8, "b.png": 3000} { // hours, without an interrupt
		if err := writePicture(filepath.Join("in", name), side, side); err != nil {
			t.Fatal(err)
		}
	}
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		cmd := exec.Command("gansr", "upscale", "in", "-o", "out", "-m", "slow.onnx")
		var log bytes.Buffer
		cmd.Stderr = &log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		defer cmd.Process.Kill()
		deadline := time.Now().Add(2 * time.Minute)
		for busy := false; !busy; time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("the second photo was not begun: %s", log.String())
			}
			if _, err := os.Stat("out/a.png"); err == nil {
				hidden, err := filepath.Glob("out/.*")
				busy = err == nil && len(hidden) == 1
			}
		}
		if err := cmd.Process.Signal(signal); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		exit := &exec.ExitError{}
		if err := cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitInterrupted {
			t.Fatalf("%v, want exit code %d; %s", err, exitInterrupted, log.String())
		}
		if took := time.Since(began); took > time.Minute {
			t.Errorf("stopping took %v", took)
		}
		if !strings.Contains(log.String(), "gansr: interrupted\n") {
			t.Errorf("log %q", log.String())
		}
		entries, err := os.ReadDir("out")
		if err != nil || len(entries) != 1 || entries[0].Name() != "a.png" {
			t.Errorf("the folder holds %v, %v; want a.png", entries, err)
		}
	}
}
