// Package models builds the networks that gansr knows by name as ONNX models, and holds those that are built into
// the program.
//
// The constants of a model that [New] makes are the network's PyTorch state dictionary: the same names, shapes and
// meaning, so that weights can be carried over by name (num_batches_tracked of batch normalisation, which
// inference does not use, is left out). Images are NCHW; batch, height and width are dynamic unless stated.
//
// What a model's file says about itself for upscaling is in its metadata: gansr.scale, gansr.range, gansr.mean and
// gansr.std (per channel; the network sees (value-mean)/std and gives back the same), gansr.channels, gansr.multiple,
// gansr.architecture and gansr.params.
package models
