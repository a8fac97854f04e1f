// Package onnxio reads, checks, changes and writes ONNX files, and makes executable graphs of them.
//
// A [Model] is a file, complete and shape-free: whatever the file holds is written back as it was, fields that
// this package does not know included. [Model.Graph] is a read view of its nodes, values and nested graphs;
// weights are replaced in place with [Graph.SetInitializer]; a [Builder] writes new models.
//
// Files are untrusted: every size is checked before memory is allocated for it, and what a model refers to
// outside its file must lie in the file's folder.
//
// What an operator computes lives in package graph; protobuf is known to this package only.
package onnxio
