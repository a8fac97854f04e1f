// Package kernel computes on plain slices: convolution, matrix products and element-wise functions.
//
// It knows nothing of graphs, tensors or files, and is the only package that knows the CPU. Every function has a
// plain-Go form that is compiled everywhere and specifies the fast one; on amd64 a table of assembly functions, chosen
// once at start-up, takes over for float32 (see Path).
//
// Results are repeatable: for a given CPU path they depend on the operands alone, never on the number of workers or on
// which worker does what.
//
// Slices that are too short for the stated shape make a function panic; checking a model's shapes is the callers' task.
package kernel
