package onnxio

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio/internal/onnxpb"
	"google.golang.org/protobuf/proto"
)

// Sparse tensors become dense ones of at most this many bytes: their size comes from no data but a few numbers.
const maxDense = 256 << 20

// elem describes an element type of ONNX.
type elem struct {
	name  string // as ONNX's type strings have it
	bits  int    // 0 for strings
	dtype graph.DType
}

var elems = map[int32]elem{
	0: {"undefined", 0, 0}, 1: {"float", 32, graph.Float32}, 2: {"uint8", 8, graph.Uint8}, 3: {"int8", 8, graph.Int8},
	4: {"uint16", 16, graph.Uint16}, 5: {"int16", 16, graph.Int16}, 6: {"int32", 32, graph.Int32},
	7: {"int64", 64, graph.Int64}, 8: {"string", 0, 0}, 9: {"bool", 8, graph.Bool}, 10: {"float16", 16, graph.Float16},
	11: {"double", 64, graph.Float64}, 12: {"uint32", 32, graph.Uint32}, 13: {"uint64", 64, graph.Uint64},
	14: {"complex64", 64, 0}, 15: {"complex128", 128, 0}, 16: {"bfloat16", 16, graph.BFloat16},
	17: {"float8e4m3fn", 8, graph.Float8E4M3FN}, 18: {"float8e4m3fnuz", 8, graph.Float8E4M3FNUZ}, 19: {"float8e5m2", 8, graph.Float8E5M2},
	20: {"float8e5m2fnuz", 8, graph.Float8E5M2FNUZ}, 21: {"uint4", 4, graph.Uint4}, 22: {"int4", 4, graph.Int4},
	23: {"float4e2m1", 4, graph.Float4E2M1}, 24: {"float8e8m0", 8, graph.Float8E8M0}, 25: {"uint2", 2, graph.Uint2}, 26: {"int2", 2, graph.Int2},
	27: {"float6e2m3", 6, graph.Float6E2M3}, 28: {"float6e3m2", 6, graph.Float6E3M2},
}

func elemType(n int32) elem {
	if e, ok := elems[n]; ok {
		return e
	}
	return elem{name: fmt.Sprintf("type %d", n)}
}

func elemNumber(dt graph.DType) (int32, bool) {
	for n, e := range elems {
		if e.dtype == dt && dt != graph.Invalid {
			return n, true
		}
	}
	return 0, false
}

// DType returns the element type with ONNX's number (TensorProto.DataType), and an error that names the type if
// package graph does not have it. Operators such as Cast take these numbers.
func DType(onnxType int64) (graph.DType, error) {
	e := elemType(int32(min(max(onnxType, -1), math.MaxInt32)))
	if e.dtype == graph.Invalid {
		return graph.Invalid, fmt.Errorf("elements of %s %w", e.name, ErrElementType)
	}
	return e.dtype, nil
}

// LazyTensor is a tensor in a model that has not been converted yet.
type LazyTensor struct {
	model  *Model
	dense  *onnxpb.TensorProto
	sparse *onnxpb.SparseTensorProto
}

// Load returns a new tensor. A sparse one becomes dense. It is an error if its element type is not one of package
// graph's.
func (l *LazyTensor) Load() (*graph.Tensor, error) { return l.load(false) }

// load is Load for a tensor that may share its memory with the model, and then must not change.
func (l *LazyTensor) load(shared bool) (*graph.Tensor, error) {
	if l.sparse != nil {
		return densify(l.sparse, l.model.src)
	}
	return toTensor(l.dense, l.model.src, shared)
}

// DecodeTensor reads a file that holds one tensor, as the ONNX operator tests have them.
func DecodeTensor(data []byte) (name string, t *graph.Tensor, err error) {
	pb := &onnxpb.TensorProto{}
	if err := proto.Unmarshal(data, pb); err != nil {
		return "", nil, fmt.Errorf("onnx: not a tensor, or a damaged one: %w", err)
	}
	if t, err = toTensor(pb, source{}, true); err != nil {
		return pb.GetName(), nil, fmt.Errorf("onnx: tensor %q: %w", pb.GetName(), err)
	}
	return pb.GetName(), t, nil
}

// EncodeTensor is the inverse of DecodeTensor.
func EncodeTensor(name string, t *graph.Tensor) ([]byte, error) {
	pb := &onnxpb.TensorProto{Name: &name}
	if err := setTensor(pb, t); err != nil {
		return nil, err
	}
	return proto.Marshal(pb)
}

// shapeOf returns the shape, number of elements and size in bytes of a tensor's raw data.
func shapeOf(dims []int64, e elem) (shape []int, n, bytes int, err error) {
	tooLarge := fmt.Errorf("dims %v are too large", dims[:min(len(dims), 8)])
	shape = make([]int, len(dims))
	for i, d := range dims {
		if d < 0 {
			return nil, 0, 0, fmt.Errorf("dims hold the negative number %d", d)
		}
		if shape[i] = int(d); int64(shape[i]) != d {
			return nil, 0, 0, tooLarge
		}
	}
	n, ok := graph.Numel(shape)
	if !ok || n > math.MaxInt/max(e.bits, 8) {
		return nil, 0, 0, tooLarge
	}
	return shape, n, (n*e.bits + 7) / 8, nil
}

// checkTensor checks that a tensor has as much data as its type and shape need. Types that package graph does not
// have are checked as far as they have one size.
func checkTensor(pb *onnxpb.TensorProto, src source) error {
	e := elemType(pb.GetDataType())
	shape, n, size, err := shapeOf(pb.Dims, e)
	if err != nil {
		return err
	}
	if pb.GetDataLocation() == onnxpb.TensorProto_EXTERNAL {
		return checkExternal(pb, src)
	}
	if e.dtype == graph.Invalid {
		return nil
	}
	if field, have := typedLen(pb, e.dtype); field != "" {
		if e.dtype.IsNarrow() {
			n = typedNarrow(e.bits, n)
		}
		if have != n {
			return fmt.Errorf("%s has %d elements, and %v%v needs %d", field, have, e.dtype, shape, n)
		}
		return nil
	}
	if len(pb.RawData) != size {
		return fmt.Errorf("raw_data has %d bytes, and %v%v needs %d", len(pb.RawData), e.dtype, shape, size)
	}
	return nil
}

// typedLen returns the typed field that holds a tensor's elements and its length, or "" if raw_data holds them.
func typedLen(pb *onnxpb.TensorProto, dt graph.DType) (field string, n int) {
	if len(pb.RawData) > 0 {
		return "", 0
	}
	switch dt {
	case graph.Float32:
		field, n = "float_data", len(pb.FloatData)
	case graph.Float64:
		field, n = "double_data", len(pb.DoubleData)
	case graph.Int64:
		field, n = "int64_data", len(pb.Int64Data)
	case graph.Uint32, graph.Uint64:
		field, n = "uint64_data", len(pb.Uint64Data)
	default:
		field, n = "int32_data", len(pb.Int32Data)
	}
	if n == 0 {
		return "", 0
	}
	return field, n
}

// toTensor returns pb's value, which may share its memory if so wanted.
func toTensor(pb *onnxpb.TensorProto, src source, shared bool) (*graph.Tensor, error) {
	e := elemType(pb.GetDataType())
	if e.dtype == graph.Invalid {
		return nil, fmt.Errorf("elements of %s %w", e.name, ErrElementType)
	}
	if pb.Segment != nil {
		return nil, fmt.Errorf("a tensor in segments is not supported")
	}
	if err := checkTensor(pb, src); err != nil {
		return nil, err
	}
	shape, _, _, err := shapeOf(pb.Dims, e)
	if err != nil {
		return nil, err
	}
	raw := pb.RawData
	if pb.GetDataLocation() == onnxpb.TensorProto_EXTERNAL {
		if raw, err = readExternal(pb, src); err != nil {
			return nil, err
		}
		shared = true // with nothing else
	} else if field, _ := typedLen(pb, e.dtype); field != "" {
		t := graph.NewTensor(e.dtype, shape...)
		return t, fromTyped(t, pb)
	}
	if shared {
		if t := graph.Over(graph.Type{DType: e.dtype, Shape: shape}, raw); t != nil {
			return t, nil
		}
	}
	t := graph.NewTensor(e.dtype, shape...)
	fromRaw(t, raw)
	return t, nil
}

// fromRaw fills t from little-endian data of its size.
func fromRaw(t *graph.Tensor, raw []byte) {
	le := binary.LittleEndian
	switch d := t.Data().(type) {
	case []float32:
		fill(d, raw, 4, func(b []byte) float32 { return math.Float32frombits(le.Uint32(b)) })
	case []float64:
		fill(d, raw, 8, func(b []byte) float64 { return math.Float64frombits(le.Uint64(b)) })
	case []graph.Half:
		fill(d, raw, 2, func(b []byte) graph.Half { return graph.Half(le.Uint16(b)) })
	case []graph.Brain:
		fill(d, raw, 2, func(b []byte) graph.Brain { return graph.Brain(le.Uint16(b)) })
	case []int8:
		fill(d, raw, 1, func(b []byte) int8 { return int8(b[0]) })
	case []int16:
		fill(d, raw, 2, func(b []byte) int16 { return int16(le.Uint16(b)) })
	case []int32:
		fill(d, raw, 4, func(b []byte) int32 { return int32(le.Uint32(b)) })
	case []int64:
		fill(d, raw, 8, func(b []byte) int64 { return int64(le.Uint64(b)) })
	case []uint8:
		copy(d, raw)
	case []uint16:
		fill(d, raw, 2, le.Uint16)
	case []uint32:
		fill(d, raw, 4, le.Uint32)
	case []uint64:
		fill(d, raw, 8, le.Uint64)
	case []graph.Narrow:
		unpack(d, raw, narrowBits(t.DType()))
	case []bool:
		fill(d, raw, 1, func(b []byte) bool { return b[0] != 0 })
	}
}

func fill[T any](dst []T, raw []byte, size int, get func([]byte) T) {
	for i := range dst {
		dst[i] = get(raw[i*size:])
	}
}

// fromTyped fills t from the typed field of its element type, which has t's number of elements.
func fromTyped(t *graph.Tensor, pb *onnxpb.TensorProto) error {
	switch d := t.Data().(type) {
	case []float32:
		copy(d, pb.FloatData)
	case []float64:
		copy(d, pb.DoubleData)
	case []int64:
		copy(d, pb.Int64Data)
	case []int32:
		copy(d, pb.Int32Data)
	case []uint64:
		copy(d, pb.Uint64Data)
	case []uint32:
		return narrow(d, pb.Uint64Data, math.MaxUint32, 0, func(v uint64) uint32 { return uint32(v) })
	case []graph.Half: // bits, by some writers as a signed number
		return narrow(d, pb.Int32Data, math.MaxUint16, math.MinInt16, func(v int32) graph.Half { return graph.Half(v) })
	case []graph.Brain:
		return narrow(d, pb.Int32Data, math.MaxUint16, math.MinInt16, func(v int32) graph.Brain { return graph.Brain(v) })
	case []int8:
		return narrow(d, pb.Int32Data, math.MaxInt8, math.MinInt8, func(v int32) int8 { return int8(v) })
	case []int16:
		return narrow(d, pb.Int32Data, math.MaxInt16, math.MinInt16, func(v int32) int16 { return int16(v) })
	case []uint8:
		return narrow(d, pb.Int32Data, math.MaxUint8, 0, func(v int32) uint8 { return uint8(v) })
	case []uint16:
		return narrow(d, pb.Int32Data, math.MaxUint16, 0, func(v int32) uint16 { return uint16(v) })
	case []graph.Narrow:
		return fromTypedNarrow(d, pb.Int32Data, narrowBits(t.DType()))
	case []bool:
		return narrow(d, pb.Int32Data, math.MaxInt32, math.MinInt32, func(v int32) bool { return v != 0 })
	}
	return nil
}

func narrow[D any, S int32 | uint64](dst []D, src []S, hi, lo S, conv func(S) D) error {
	for i, v := range src {
		if v > hi || v < lo {
			var d D
			return fmt.Errorf("the value %d does not fit %T", v, d)
		}
		dst[i] = conv(v)
	}
	return nil
}

// toRaw returns t's elements as little-endian bytes.
func toRaw(t *graph.Tensor) []byte {
	raw := make([]byte, 0, t.Len()*t.DType().Size())
	switch d := t.Data().(type) {
	case []graph.Narrow:
		return pack(d, narrowBits(t.DType()))
	case []uint8:
		return append(raw, d...)
	case []graph.Half:
		for _, v := range d {
			raw = binary.LittleEndian.AppendUint16(raw, uint16(v))
		}
	case []graph.Brain:
		for _, v := range d {
			raw = binary.LittleEndian.AppendUint16(raw, uint16(v))
		}
	default:
		raw, _ = binary.Append(raw, binary.LittleEndian, d) // fails for types without a size only
	}
	return raw
}

// setTensor replaces type, shape and data of pb.
func setTensor(pb *onnxpb.TensorProto, t *graph.Tensor) error {
	if err := setType(pb, t); err != nil {
		return err
	}
	pb.RawData = toRaw(t)
	return nil
}

// setType replaces type and shape of pb, and removes its data.
func setType(pb *onnxpb.TensorProto, t *graph.Tensor) error {
	num, ok := elemNumber(t.DType())
	if !ok {
		return fmt.Errorf("onnx: a tensor of %v cannot be written", t.DType())
	}
	pb.Dims = nil
	for _, d := range t.Shape() {
		pb.Dims = append(pb.Dims, int64(d))
	}
	pb.DataType = &num
	pb.RawData, pb.FloatData, pb.DoubleData, pb.Int32Data, pb.Int64Data, pb.Uint64Data, pb.StringData = nil, nil, nil, nil, nil, nil, nil
	pb.Segment, pb.ExternalData, pb.DataLocation = nil, nil, nil
	return nil
}

// densify makes a dense tensor of a sparse one: indices are positions in the flattened array or one row of
// coordinates for each value.
func densify(pb *onnxpb.SparseTensorProto, src source) (*graph.Tensor, error) {
	values, err := toTensor(orEmpty(pb.Values), src, true)
	if err != nil {
		return nil, fmt.Errorf("values: %w", err)
	}
	indices, err := toTensor(orEmpty(pb.Indices), src, true)
	if err != nil {
		return nil, fmt.Errorf("indices: %w", err)
	}
	shape, n, size, err := shapeOf(pb.Dims, elemType(pb.Values.GetDataType()))
	if err != nil {
		return nil, err
	}
	if size > maxDense {
		return nil, fmt.Errorf("a sparse tensor of shape %v is larger than the %d MiB that are supported", shape, maxDense>>20)
	}
	if values.DType().IsNarrow() {
		return nil, fmt.Errorf("sparse tensors of %v %w", values.DType(), ErrElementType)
	}
	full, nnz, rank := shape, values.Len(), len(shape)
	is := indices.Shape()
	switch {
	case len(values.Shape()) != 1 || indices.DType() != graph.Int64:
		return nil, fmt.Errorf("sparse tensor: values %v and indices %v should be [n] and int64[n] or int64[n,%d]",
			values.Type(), indices.Type(), rank)
	case len(is) == 1 && is[0] == nnz:
		shape, rank = []int{n}, 1
	case len(is) == 2 && is[0] == nnz && is[1] == rank:
	default:
		return nil, fmt.Errorf("sparse tensor: indices %v do not fit %d values of shape %v", is, nnz, shape)
	}
	pos := make([]int, nnz)
	for i, idx := range graph.Data[int64](indices) {
		d := shape[i%rank]
		if idx < 0 || idx >= int64(d) {
			return nil, fmt.Errorf("sparse tensor: index %d is outside 0..%d", idx, d-1)
		}
		pos[i/rank] = pos[i/rank]*d + int(idx)
	}
	es, from := values.DType().Size(), toRaw(values)
	raw := make([]byte, size)
	for i, p := range pos {
		copy(raw[p*es:], from[i*es:(i+1)*es])
	}
	dense := graph.NewTensor(values.DType(), n)
	fromRaw(dense, raw)
	return dense.Reshaped(full...)
}
