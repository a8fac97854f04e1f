package graph

import "github.com/gansr/gansr/internal/kernel"

// CPUPath names the set of functions that the operators use on this CPU: "generic", "avx2" or "avx512".
func CPUPath() string { return kernel.Path() }

// Transforms lists the transforms that convolutions can use on this CPU, such as "winograd4" or "fft24".
func Transforms() []string { return kernel.Transforms() }

// CheckEnvironment reports an environment variable that asks for what this CPU does not have: GANSR_CPU names the set of
// functions, GANSR_CONV the algorithm of every convolution that can use it. NewSession checks it too.
func CheckEnvironment() error { return kernel.CheckEnvironment() }
