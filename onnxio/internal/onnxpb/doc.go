// Package onnxpb holds the protobuf messages of ONNX files. onnxir.proto is the source; `go generate` needs no
// protoc, only the modules that _generate names.
package onnxpb

//go:generate go -C _generate run . ../onnxir.proto ../onnxir.pb.go
