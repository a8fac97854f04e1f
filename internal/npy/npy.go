// Package npy reads and writes arrays in NumPy's .npy format, versions 1.0 to 3.0, for every element type of package
// graph. A bfloat16 array has the type "V2" in such a file, as ml_dtypes writes it.
//
// The format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
package npy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/gansr/gansr/graph"
)

const magic = "\x93NUMPY"

// Arrays have at most this many dimensions, as in NumPy.
const maxRank = 64

// types are the element types by NumPy's code without the byte order.
var types = map[string]graph.DType{
	"f2": graph.Float16, "f4": graph.Float32, "f8": graph.Float64, "V2": graph.BFloat16, "b1": graph.Bool,
	"i1": graph.Int8, "i2": graph.Int16, "i4": graph.Int32, "i8": graph.Int64,
	"u1": graph.Uint8, "u2": graph.Uint16, "u4": graph.Uint32, "u8": graph.Uint64,
}

var (
	descr   = regexp.MustCompile(`'descr'\s*:\s*'([<>|=])([A-Za-z][0-9]+)'`)
	fortran = regexp.MustCompile(`'fortran_order'\s*:\s*(True|False)`)
	dims    = regexp.MustCompile(`'shape'\s*:\s*\(([0-9,\s]*)\)`)
)

// Decode reads a file's content. Either byte order and both memory layouts are accepted. Nothing is allocated for a
// header that promises more than data holds.
func Decode(data []byte) (*graph.Tensor, error) {
	header, data, err := split(data)
	if err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	t, err := decode(header, data)
	if err != nil {
		return nil, fmt.Errorf("npy: %w", err)
	}
	return t, nil
}

// split separates the header's text from the elements.
func split(data []byte) (header string, elements []byte, err error) {
	cut := errors.New("the file is cut short")
	rest, ok := bytes.CutPrefix(data, []byte(magic))
	if !ok {
		return "", nil, errors.New("not a .npy file")
	}
	if len(rest) < 4 {
		return "", nil, cut
	}
	n, size := int64(binary.LittleEndian.Uint16(rest[2:])), 2
	switch rest[0] {
	case 1:
	case 2, 3:
		if len(rest) < 6 {
			return "", nil, cut
		}
		n, size = int64(binary.LittleEndian.Uint32(rest[2:])), 4
	default:
		return "", nil, fmt.Errorf("version %d.%d of the format is not supported, 1.0 to 3.0 are", rest[0], rest[1])
	}
	rest = rest[2+size:]
	if n > int64(len(rest)) {
		return "", nil, cut
	}
	return string(rest[:n]), rest[n:], nil
}

func decode(header string, data []byte) (*graph.Tensor, error) {
	d, f, s := descr.FindStringSubmatch(header), fortran.FindStringSubmatch(header), dims.FindStringSubmatch(header)
	if d == nil || f == nil || s == nil {
		return nil, fmt.Errorf("header %.200q does not give descr (of a plain element type), fortran_order and shape", header)
	}
	dt, ok := types[d[2]]
	if !ok {
		return nil, fmt.Errorf("elements of type %q are not supported", d[1]+d[2])
	}
	shape, err := parseShape(s[1])
	if err != nil {
		return nil, err
	}
	n, ok := graph.Numel(shape)
	if !ok || n > math.MaxInt/dt.Size() {
		return nil, fmt.Errorf("shape %v is too large", shape)
	}
	if n*dt.Size() != len(data) {
		return nil, fmt.Errorf("%v%v needs %d bytes, the file has %d", dt, shape, n*dt.Size(), len(data))
	}
	if f[1] == "True" && len(shape) > 1 {
		data = rowMajor(data, shape, dt.Size())
	}
	var order binary.ByteOrder = binary.LittleEndian
	if d[1] == ">" {
		order = binary.BigEndian
	}
	t := graph.NewTensor(dt, shape...)
	if _, err := binary.Decode(data, order, t.Data()); err != nil {
		return nil, err
	}
	return t, nil
}

func parseShape(s string) ([]int, error) {
	var shape []int
	for field := range strings.SplitSeq(s, ",") {
		if field = strings.TrimSpace(field); field == "" {
			continue
		}
		n, err := strconv.Atoi(field)
		if err != nil || len(shape) == maxRank {
			return nil, fmt.Errorf("shape (%.200s) is not at most %d sizes that fit an int", s, maxRank)
		}
		shape = append(shape, n)
	}
	return shape, nil
}

// rowMajor reorders the elements, of size bytes each, of an array whose first index varies fastest.
func rowMajor(data []byte, shape []int, size int) []byte {
	out := make([]byte, 0, len(data))
	index := make([]int, len(shape))
	for len(out) < len(data) {
		at := 0
		for i := len(shape) - 1; i >= 0; i-- {
			at = at*shape[i] + index[i]
		}
		out = append(out, data[at*size:(at+1)*size]...)
		for i := len(shape) - 1; i >= 0; i-- {
			if index[i]++; index[i] < shape[i] {
				break
			}
			index[i] = 0
		}
	}
	return out
}

// Encode returns the content of a file of version 1.0, in row-major order and little-endian.
func Encode(t *graph.Tensor) ([]byte, error) {
	code := ""
	for c, dt := range types {
		if dt == t.DType() {
			code = c
		}
	}
	order := "<"
	if t.DType().Size() == 1 {
		order = "|"
	}
	var shape strings.Builder
	for _, d := range t.Shape() {
		fmt.Fprintf(&shape, "%d, ", d)
	}
	s := strings.TrimSuffix(shape.String(), " ")
	if len(t.Shape()) > 1 {
		s = strings.TrimSuffix(s, ",")
	}
	header := fmt.Sprintf("{'descr': '%s%s', 'fortran_order': False, 'shape': (%s), }", order, code, s)
	const align = 64
	start := len(magic) + 4
	header += strings.Repeat(" ", align-1-(start+len(header))%align) + "\n"
	if len(header) > math.MaxUint16 {
		return nil, fmt.Errorf("npy: an array of %d dimensions cannot be written", len(t.Shape()))
	}
	out := make([]byte, 0, start+len(header)+t.Len()*t.DType().Size())
	out = append(out, magic+"\x01\x00"...)
	out = binary.LittleEndian.AppendUint16(out, uint16(len(header)))
	out = append(out, header...)
	return binary.Append(out, binary.LittleEndian, t.Data())
}
