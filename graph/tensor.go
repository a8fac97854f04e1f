package graph

import (
	"fmt"
	"math"
	"slices"
)

// Element lists the Go types of tensor elements, one for each DType but the narrow ones, which are all [Narrow].
type Element interface {
	float32 | float64 | Half | Brain | int8 | int16 | int32 | int64 | uint8 | uint16 | uint32 | uint64 | bool
}

// Tensor is a dense array in row-major order. A shape may hold zeros (an empty tensor) and may be
// empty (a scalar). Images are NCHW.
type Tensor struct {
	dtype DType
	shape []int
	data  any // []T with the T of dtype
}

// Numel returns the number of elements of a shape, and false if a dimension is negative or the
// product does not fit an int.
func Numel(shape []int) (int, bool) {
	n := 1
	for _, d := range shape {
		if d < 0 {
			return 0, false
		}
		if d == 0 {
			n = 0
		}
		if n != 0 && d > math.MaxInt/n {
			return 0, false
		}
		n *= d
	}
	return n, true
}

// NewTensor returns a tensor of zeros. It panics on an invalid shape or type, which callers check
// first where it comes from input.
func NewTensor(dt DType, shape ...int) *Tensor {
	n, ok := Numel(shape)
	if !ok {
		panic(fmt.Sprintf("graph: invalid shape %v", shape))
	}
	return &Tensor{dt, slices.Clone(shape), makeSlice(dt, n)}
}

func makeSlice(dt DType, n int) any {
	switch dt {
	case Float32:
		return make([]float32, n)
	case Float64:
		return make([]float64, n)
	case Float16:
		return make([]Half, n)
	case BFloat16:
		return make([]Brain, n)
	case Int8:
		return make([]int8, n)
	case Int16:
		return make([]int16, n)
	case Int32:
		return make([]int32, n)
	case Int64:
		return make([]int64, n)
	case Uint8:
		return make([]uint8, n)
	case Uint16:
		return make([]uint16, n)
	case Uint32:
		return make([]uint32, n)
	case Uint64:
		return make([]uint64, n)
	case Bool:
		return make([]bool, n)
	default:
		if dt.IsNarrow() {
			return make([]Narrow, n)
		}
	}
	panic("graph: invalid element type " + dt.String())
}

// FromSlice returns a tensor over data, which it does not copy. It is an error if the shape's
// number of elements is not len(data).
func FromSlice[T Element](data []T, shape ...int) (*Tensor, error) {
	n, ok := Numel(shape)
	if !ok || n != len(data) {
		return nil, fmt.Errorf("graph: shape %v does not fit %d elements", shape, len(data))
	}
	return &Tensor{DTypeOf[T](), slices.Clone(shape), data}, nil
}

// FromNarrow is FromSlice for the narrow types.
func FromNarrow(dt DType, data []Narrow, shape ...int) (*Tensor, error) {
	n, ok := Numel(shape)
	if !ok || n != len(data) || !dt.IsNarrow() {
		return nil, fmt.Errorf("graph: %v of shape %v does not fit %d narrow elements", dt, shape, len(data))
	}
	return &Tensor{dt, slices.Clone(shape), data}, nil
}

// Scalar returns a 0-d tensor.
func Scalar[T Element](v T) *Tensor { return &Tensor{DTypeOf[T](), nil, []T{v}} }

// Ints returns a 1-d int64 tensor, the form in which ONNX passes shapes and axes.
func Ints(v ...int) *Tensor {
	d := make([]int64, len(v))
	for i, x := range v {
		d[i] = int64(x)
	}
	return &Tensor{Int64, []int{len(d)}, d}
}

// DTypeOf returns the DType of a Go element type.
func DTypeOf[T Element]() DType {
	var z T
	switch any(z).(type) {
	case float32:
		return Float32
	case float64:
		return Float64
	case Half:
		return Float16
	case Brain:
		return BFloat16
	case int8:
		return Int8
	case int16:
		return Int16
	case int32:
		return Int32
	case int64:
		return Int64
	case uint8:
		return Uint8
	case uint16:
		return Uint16
	case uint32:
		return Uint32
	case uint64:
		return Uint64
	}
	return Bool
}

// DType returns the element type.
func (t *Tensor) DType() DType { return t.dtype }

// Shape returns the dimensions. The caller must not change them.
func (t *Tensor) Shape() []int { return t.shape }

// Type returns the element type and shape.
func (t *Tensor) Type() Type { return Type{t.dtype, t.shape} }

// Len returns the number of elements.
func (t *Tensor) Len() int { n, _ := Numel(t.shape); return n }

// Data returns the elements as a slice of the Go type of the DType: []float32, []Half, []bool, []Narrow …
func (t *Tensor) Data() any { return t.data }

// Data returns t's elements as []T, without copying. It panics if T is not t's element type.
func Data[T Element](t *Tensor) []T { return t.data.([]T) }

// Reshaped returns a tensor of another shape over the same elements.
func (t *Tensor) Reshaped(shape ...int) (*Tensor, error) {
	n, ok := Numel(shape)
	if !ok || n != t.Len() {
		return nil, fmt.Errorf("graph: cannot reshape %v to %v", t.shape, shape)
	}
	return &Tensor{t.dtype, slices.Clone(shape), t.data}, nil
}

// Type is the element type and shape of a value.
type Type struct {
	DType DType
	Shape []int
}

// Rank returns the number of dimensions.
func (t Type) Rank() int { return len(t.Shape) }

// Len returns the number of elements.
func (t Type) Len() int { n, _ := Numel(t.Shape); return n }

func (t Type) bytes() int { return t.Len() * t.DType.Size() }

// Equal reports whether both agree in element type and shape.
func (t Type) Equal(o Type) bool { return t.DType == o.DType && slices.Equal(t.Shape, o.Shape) }

// String returns a form such as "float32[1 3 64 64]".
func (t Type) String() string { return fmt.Sprintf("%v%v", t.DType, t.Shape) }

// Equal reports whether a and b agree in type, shape and every element. NaN differs from NaN.
func Equal(a, b *Tensor) bool {
	if !a.Type().Equal(b.Type()) {
		return false
	}
	switch d := a.data.(type) {
	case []float32:
		return slices.Equal(d, Data[float32](b))
	case []float64:
		return slices.Equal(d, Data[float64](b))
	case []Half:
		return slices.Equal(d, Data[Half](b))
	case []Brain:
		return slices.Equal(d, Data[Brain](b))
	case []int8:
		return slices.Equal(d, Data[int8](b))
	case []int16:
		return slices.Equal(d, Data[int16](b))
	case []int32:
		return slices.Equal(d, Data[int32](b))
	case []int64:
		return slices.Equal(d, Data[int64](b))
	case []uint8:
		return slices.Equal(d, Data[uint8](b))
	case []uint16:
		return slices.Equal(d, Data[uint16](b))
	case []uint32:
		return slices.Equal(d, Data[uint32](b))
	case []uint64:
		return slices.Equal(d, Data[uint64](b))
	case []bool:
		return slices.Equal(d, Data[bool](b))
	case []Narrow:
		return slices.Equal(d, b.data.([]Narrow))
	}
	return false
}

// Floats returns a numeric tensor's elements as float64. It is an error for bool.
func Floats(t *Tensor) ([]float64, error) {
	if t.dtype == Bool {
		return nil, fmt.Errorf("graph: %v is not numeric", t.Type())
	}
	out := NewTensor(Float64, t.Len())
	convert(out, t)
	return Data[float64](out), nil
}
