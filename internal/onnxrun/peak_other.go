//go:build !linux

package onnxrun

import "runtime/metrics"

func resetPeak() {}

// peak returns the memory that the Go runtime holds now, in bytes: nearly all of the process's, since nothing else
// allocates, and nearly the largest so far, since it is given back slowly.
func peak() (int64, error) {
	s := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64() - s[1].Value.Uint64()), nil
}
