// Package onnxrun runs ONNX models on tensors from files, and measures how long a model takes and how much memory. It
// is what the commands "run" and "bench" do.
package onnxrun
