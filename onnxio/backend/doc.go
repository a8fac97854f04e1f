// Package backend makes the graphs of package onnxio a backend of onnx-go (github.com/owulveryck/onnx-go): onnx-go
// decodes a file into a [Graph], and Graph.Run computes it with onnxio's operators.
//
// The decoder of onnx-go loses parts of a file, and packages onnxio and graph, used directly, do not:
//
//   - It drops the operator sets and the domains of nodes. The opset is an option of [New]; a node of another domain
//     is taken for ONNX's own operator of that name.
//   - Graphs as attributes, so If and Loop, are errors, as are constants of the narrow and unsigned integer types, and
//     values of float16 and bfloat16; bool constants in raw_data are misread.
//   - SetInput(i) sets the node with identifier i, which is the file's i-th input counting those with initialisers.
//     Setting one of these is refused; Model.GetNodeByName finds the others.
//   - Gorgonia has no empty tensors, so an input or output cannot be one.
package backend
