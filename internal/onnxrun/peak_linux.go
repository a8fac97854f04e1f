package onnxrun

import (
	"bytes"
	"fmt"
	"os"
)

// resetPeak makes the kernel forget the largest memory so far; without the right to, peak covers the process's life.
func resetPeak() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// peak returns the largest resident memory since resetPeak, in bytes.
func peak() (int64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	_, line, _ := bytes.Cut(status, []byte("VmHWM:"))
	var kib int64
	if _, err := fmt.Sscanf(string(line), "%d kB", &kib); err != nil {
		return 0, fmt.Errorf("/proc/self/status: VmHWM: %w", err)
	}
	return kib << 10, nil
}
