package kernel

//go:generate go run -C _generate . -out ../simd_amd64.s -stubs ../simd_amd64.go -pkg kernel
//go:generate go run -C _generate ./transform -out ../transforms_amd64.s -stubs ../transforms_amd64.go -pkg kernel -dir ..
