// Package torch reads the files that PyTorch writes, as far as the weights of a network go: what torch.save makes of state dictionaries,
// checkpoints and whole modules, in the zip form and the older one, TorchScript archives, and safetensors. It writes safetensors.
//
// Files are untrusted. A pickle is a program; here it only puts values together. Classes that occur in checkpoints are known by name and
// become plain values, the objects of modules are looked at without their code, and any other class is an error. What a file takes in
// memory is bounded by a small multiple of its size.
package torch
