// Package convert turns files of networks into ONNX files that are complete, dynamic and checked, and turns those back into state dictionaries
// of PyTorch. It is what the command "convert" does.
package convert
