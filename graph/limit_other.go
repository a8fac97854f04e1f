//go:build !linux

package graph

// SystemMemory returns the bytes that one run may take, as a damaged or hostile model must not ask for more.
func SystemMemory() int64 { return maxMemory }
