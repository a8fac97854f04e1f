//go:build !amd64

package kernel

var simdPaths []functions
