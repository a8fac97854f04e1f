package kernel

// Path is the name of the set of functions in use: "generic", "avx2" or "avx512". The environment variable GANSR_CPU
// forces one that the CPU has.
func Path() string { return "generic" }
