package graph

import (
	"context"
	"testing"
)

// BenchmarkMove measures operators that move memory on 12 MB of float32; MB/s counts what is written.
func BenchmarkMove(b *testing.B) {
	for _, c := range []struct {
		name  string
		op    Operator
		shape []int
	}{
		{"NCHW-NHWC", Transpose{Perm: []int{0, 2, 3, 1}}, []int{1, 48, 256, 256}},
		{"NHWC-NCHW", Transpose{Perm: []int{0, 3, 1, 2}}, []int{1, 256, 256, 48}},
		{"NCHW-NHWC-3", Transpose{Perm: []int{0, 2, 3, 1}}, []int{1, 3, 1024, 1024}},
		{"NHWC-NCHW-3", Transpose{Perm: []int{0, 3, 1, 2}}, []int{1, 1024, 1024, 3}},
		{"2-D", Transpose{Perm: []int{1, 0}}, []int{1792, 1792}},
		{"heads", Transpose{Perm: []int{0, 2, 1, 3}}, []int{64, 256, 6, 32}},
		{"windows", Transpose{Perm: []int{0, 1, 3, 2, 4, 5}}, []int{1, 32, 8, 32, 8, 48}},
		{"DepthToSpace-2", DepthToSpace{Block: 2, ChannelsFirst: true}, []int{1, 12, 512, 512}},
		{"DepthToSpace-3", DepthToSpace{Block: 3, ChannelsFirst: true}, []int{1, 27, 340, 340}},
		{"DepthToSpace-4", DepthToSpace{Block: 4, ChannelsFirst: true}, []int{1, 48, 256, 256}},
		{"SpaceToDepth-2", SpaceToDepth{Block: 2}, []int{1, 3, 1024, 1024}},
		{"Pad-reflect", Pad{Mode: PadReflect, Begin: []int{0, 0, 1, 1}, End: []int{0, 0, 1, 1}}, []int{1, 48, 256, 256}},
		{"Slice-channels", Slice{Starts: []int{0, 16, 0, 0}, Sizes: []int{1, 48, 256, 256}, Steps: []int{1, 1, 1, 1}}, []int{1, 64, 256, 256}},
		{"Slice-stride-2", Slice{Starts: []int{0, 0, 0, 0}, Sizes: []int{1, 48, 256, 256}, Steps: []int{1, 1, 2, 2}}, []int{1, 48, 512, 512}},
		{"Expand", Expand{Shape: []int{1, 48, 256, 256}}, []int{1, 48, 1, 1}},
	} {
		b.Run(c.name, func(b *testing.B) {
			g := NewBuilder("bench")
			in, err := g.Input("x", Type{Float32, c.shape})
			if err != nil {
				b.Fatal(err)
			}
			out, err := g.Apply(c.op, in)
			if err != nil {
				b.Fatal(err)
			}
			w := NewWorkers(2)
			defer w.Close()
			s, err := NewSession([]*Value{in}, out, w)
			if err != nil {
				b.Fatal(err)
			}
			x, y := count(c.shape...), NewTensor(Float32, out[0].Type().Shape...)
			b.SetBytes(int64(4 * y.Len()))
			for b.Loop() {
				if _, err := s.Run(context.Background(), []*Tensor{x}, y); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
