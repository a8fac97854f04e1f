package graph

import "github.com/gansr/gansr/internal/kernel"

// CPUPath names the set of functions that the operators use on this CPU: "generic", "avx2" or "avx512".
func CPUPath() string { return kernel.Path() }
