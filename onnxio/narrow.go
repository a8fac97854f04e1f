package onnxio

import (
	"fmt"

	"github.com/gansr/gansr/graph"
)

// narrowBits returns the bits that an element of a narrow type takes in a file, and 0 for other types.
func narrowBits(dt graph.DType) int {
	if !dt.IsNarrow() {
		return 0
	}
	n, _ := elemNumber(dt)
	return elems[n].bits
}

// unpack fills d from raw, in which elements follow each other without gaps, the first in the lowest bits.
func unpack(d []graph.Narrow, raw []byte, bits int) {
	mask := uint16(1)<<bits - 1
	for i := range d {
		at := i * bits
		b := uint16(raw[at/8])
		if at%8+bits > 8 {
			b |= uint16(raw[at/8+1]) << 8
		}
		d[i] = graph.Narrow(b >> (at % 8) & mask)
	}
}

// pack is the inverse of unpack.
func pack(d []graph.Narrow, bits int) []byte {
	raw := make([]byte, (len(d)*bits+7)/8)
	for i, v := range d {
		at := i * bits
		b := uint16(v) & (1<<bits - 1) << (at % 8)
		raw[at/8] |= byte(b)
		if b > 0xff {
			raw[at/8+1] |= byte(b >> 8)
		}
	}
	return raw
}

// typedNarrow returns how many numbers int32_data has for n elements: types of two and four bits are packed there too, a byte in each.
func typedNarrow(bits, n int) int {
	if bits == 2 || bits == 4 {
		return (n*bits + 7) / 8
	}
	return n
}

// fromTypedNarrow fills d from int32_data of the length that typedNarrow says.
func fromTypedNarrow(d []graph.Narrow, data []int32, bits int) error {
	raw := make([]byte, len(data))
	for i, v := range data {
		if v < -128 || v > 255 {
			return fmt.Errorf("the value %d does not fit a byte", v)
		}
		raw[i] = byte(v)
	}
	if bits != 2 && bits != 4 {
		bits = 8
	}
	unpack(d, raw, bits)
	return nil
}
