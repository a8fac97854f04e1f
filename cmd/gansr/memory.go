package main

import (
	"fmt"
	"runtime/debug"

	"github.com/gansr/gansr/onnxio"
)

const memoryUsage = "memory that the whole process may take: slower algorithms are used where the fastest take more (default: no bound)"

// ownMemory is what the program takes beside a model and its runs.
const ownMemory = 24 << 20

// bound makes the process keep to so many bytes, 0 meaning any number, and returns options for programs of m that do too.
func (a *app) bound(m *onnxio.Model, memory bytesFlag) ([]onnxio.Option, error) {
	if memory == 0 {
		return nil, nil
	}
	left := int64(memory) - m.TensorBytes() - ownMemory
	if left <= 0 {
		return nil, usageError{fmt.Errorf("--memory %v is less than the model itself takes, %d MiB", &memory, (m.TensorBytes()+ownMemory)>>20)}
	}
	debug.SetMemoryLimit(int64(memory) - ownMemory/2)
	return []onnxio.Option{onnxio.MaxMemory(left)}, nil
}
