// Package graph is the operators that gansr's networks are made of and the executor that runs them.
//
// A network is a Gorgonia ExprGraph whose nodes carry operators of this package, for one set of input
// types. Builder adds operators to it and evaluates at once what depends on constants alone; Session
// compiles it (common subexpressions shared, operators fused, memory planned into one arena) and runs it.
//
// Each operator has a file of its own: what it computes, the type of its result, its evaluation, and its gradient if it has
// one. Builder.Gradients adds derivatives, of any order, to the graph.
// The package knows nothing of ONNX, of files and of images.
package graph
