package graph

import (
	"fmt"
	"slices"
)

// Sliding is a window that moves over the spatial axes of N x C x spatial: the kernel of a convolution or a pool. Pads holds the
// beginnings of all axes, then the ends; negative ones crop. With Ceil a window that reaches over the end still
// counts, if it starts before the end.
type Sliding struct {
	Kernel, Strides, Dilations, Pads []int
	Ceil                             bool
}

// maxExtent bounds what a window's attributes may claim, so that sums and products of two cannot overflow.
const maxExtent = 1 << 31

// check returns an error unless the window fits the spatial axes of x and its numbers are sensible.
func (s Sliding) check(op string, x Type) error {
	n := x.Rank() - 2
	if n < 1 {
		return fmt.Errorf("%s of %v: the shape should be N x C x spatial", op, x)
	}
	if len(s.Kernel) != n || len(s.Strides) != n || len(s.Dilations) != n || len(s.Pads) != 2*n {
		return fmt.Errorf("%s of %v: kernel %v, strides %v, dilations %v, pads %v do not fit its %d spatial axes", op, x, s.Kernel, s.Strides, s.Dilations, s.Pads, n)
	}
	for _, v := range slices.Concat(s.Kernel, s.Strides, s.Dilations) {
		if v < 1 || v > maxExtent {
			return fmt.Errorf("%s: kernel %v, strides %v and dilations %v should be from 1 to %d", op, s.Kernel, s.Strides, s.Dilations, maxExtent)
		}
	}
	for _, v := range slices.Concat(s.Pads, x.Shape) {
		if v < -maxExtent || v > maxElements {
			return fmt.Errorf("%s of %v with pads %v is too large", op, x, s.Pads)
		}
	}
	return nil
}

// out returns the spatial size of the result.
func (s Sliding) out(op string, x Type) ([]int, error) {
	if err := s.check(op, x); err != nil {
		return nil, err
	}
	n := len(s.Kernel)
	out := make([]int, n)
	for i, d := range x.Shape[2:] {
		reach := (s.Kernel[i]-1)*s.Dilations[i] + 1
		room := d + s.Pads[i] + s.Pads[n+i] - reach
		if room < 0 {
			return nil, fmt.Errorf("%s of %v: a kernel that reaches over %d positions does not fit with pads %v", op, x, reach, s.Pads)
		}
		out[i] = room/s.Strides[i] + 1
		if s.Ceil && room%s.Strides[i] != 0 && out[i]*s.Strides[i] < d+s.Pads[i] {
			out[i]++
		}
	}
	return out, nil
}

// span returns which kernel positions along an axis of size n lie inside for output position o.
func (s Sliding) span(axis, o, n int) (lo, hi int) {
	start := o*s.Strides[axis] - s.Pads[axis]
	lo = max(0, ceilDiv(-start, s.Dilations[axis]))
	return lo, max(lo, min(s.Kernel[axis], ceilDiv(n-start, s.Dilations[axis])))
}

// ceilDiv is the quotient rounded up; b is positive.
func ceilDiv(a, b int) int {
	if a <= 0 {
		return -(-a / b)
	}
	return (a + b - 1) / b
}

// unravel sets at to the position of element i of a row-major array.
func unravel(at []int, i int, shape []int) {
	for k := len(shape) - 1; k >= 0; k-- {
		at[k] = i % shape[k]
		i /= shape[k]
	}
}

func fill[T any](dst []T, v T) {
	const few = 16
	for i := range dst[:min(few, len(dst))] {
		dst[i] = v
	}
	for n := few; n < len(dst); n *= 2 { // moving memory is faster than a loop
		copy(dst[n:], dst[:n])
	}
}
