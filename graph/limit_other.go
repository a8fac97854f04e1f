//go:build !linux

package graph

// memoryLimit returns the bytes that one run may take, as a damaged or hostile model must not ask for more.
func memoryLimit() int64 { return maxMemory }
