//go:build !amd64

package kernel

func simd() []functions { return nil }
