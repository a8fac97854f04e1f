package graph

import (
	"slices"

	"github.com/gansr/gansr/internal/kernel"
)

// momentsOnBlocks is Moments of each channel of a blocked image, [N, C/L, H, W, L].
type momentsOnBlocks struct{ Moments }

// byChannel reports whether the moments are those of each channel of an image.
func (m Moments) byChannel(of Type) bool {
	return of.DType == Float32 && of.Rank() == 4 && of.Len() > 0 && slices.Equal(m.Axes, []int{0, 2, 3})
}

// Eval sums up the distances from the first pixel and their squares, which lose little to cancellation.
func (m momentsOnBlocks) Eval(x *Exec, out, in []*Tensor) error {
	s, lanes := in[0].shape, kernel.Lanes()
	images, blocks, size := s[0], s[1], s[2]*s[3]*lanes
	src, means, variances := Data[float32](in[0]), Data[float32](out[0]), Data[float32](out[1])
	sums := make([]float64, images*blocks*2*sumLanes)
	const piece = 64 * sumLanes
	x.parallel(images*blocks, max(1, grain/size), func(lo, hi int) {
		first, part := make([]float32, piece), make([]float32, piece)
		for i := lo; i < hi; i++ {
			from := src[i/images*size:][:lanes] // of the first image
			for at := 0; at < piece; at += lanes {
				copy(first[at:], from)
			}
			a := src[(i%images*blocks+i/images)*size:][:size]
			sum := sums[i*2*sumLanes:][:2*sumLanes]
			for len(a) > 0 {
				n := min(len(a), piece)
				d := part[:n]
				kernel.Sub(d, a[:n], first[:n])
				kernel.Sums(sum[:sumLanes], d)
				kernel.Mul(d, d, d)
				kernel.Sums(sum[sumLanes:], d)
				a = a[n:]
			}
		}
	})
	n := float64(images * size / lanes)
	for c := range means {
		var sum, square float64
		for image := range images {
			at := (c/lanes*images + image) * 2 * sumLanes
			for k := c % lanes; k < sumLanes; k += lanes {
				sum, square = sum+sums[at+k], square+sums[at+sumLanes+k]
			}
		}
		sum, square = sum/n, square/n
		means[c] = float32(float64(src[c/lanes*size+c%lanes]) + sum)
		variances[c] = float32(max(square-sum*sum, 0))
	}
	return nil
}

// batchNormOnBlocks is BatchNorm of a blocked image. Channels that fill a block become 0.
type batchNormOnBlocks struct{ BatchNorm }

func (b batchNormOnBlocks) Eval(x *Exec, out, in []*Tensor) error {
	factor, term, err := b.affine(in[1:])
	if err != nil {
		return err
	}
	s, lanes := in[0].shape, kernel.Lanes()
	blocks, size := s[1], s[2]*s[3]*lanes
	scale, shift := make([]float32, blocks*lanes), make([]float32, blocks*lanes)
	number2number(scale, factor)
	number2number(shift, term)
	d, a := Data[float32](out[0]), Data[float32](in[0])
	x.parallel(s[0]*blocks, max(1, grain/max(1, size)), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			c := i % blocks * lanes
			kernel.ScaleShiftBlock(d[i*size:][:size], a[i*size:][:size], scale[c:][:lanes], shift[c:][:lanes])
		}
	})
	return nil
}
