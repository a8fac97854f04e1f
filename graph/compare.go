package graph

import "fmt"

// Relation is what a Compare asks of two elements.
type Relation int

// The relations. NaN is in none of them, not even with itself.
const (
	IsEqual Relation = iota
	IsLess
	IsLessOrEqual
)

// Compare tells where a and b, with numpy's broadcasting, are in the relation. The result is bool.
type Compare struct{ Is Relation }

var compareLoops = [...]loops{
	IsEqual: {Float32: equal[float32], Float64: equal[float64],
		Int8: equal[int8], Int16: equal[int16], Int32: equal[int32], Int64: equal[int64],
		Uint8: equal[uint8], Uint16: equal[uint16], Uint32: equal[uint32], Uint64: equal[uint64], Bool: equal[bool]},
	IsLess: {Float32: less[float32], Float64: less[float64],
		Int8: less[int8], Int16: less[int16], Int32: less[int32], Int64: less[int64],
		Uint8: less[uint8], Uint16: less[uint16], Uint32: less[uint32], Uint64: less[uint64]},
	IsLessOrEqual: {Float32: lessOrEqual[float32], Float64: lessOrEqual[float64],
		Int8: lessOrEqual[int8], Int16: lessOrEqual[int16], Int32: lessOrEqual[int32], Int64: lessOrEqual[int64],
		Uint8: lessOrEqual[uint8], Uint16: lessOrEqual[uint16], Uint32: lessOrEqual[uint32], Uint64: lessOrEqual[uint64]},
}

func equal[T comparable](dst []bool, a, b []T) {
	for i := range dst {
		dst[i] = a[i] == b[i]
	}
}

func less[T number](dst []bool, a, b []T) {
	for i := range dst {
		dst[i] = a[i] < b[i]
	}
}

func lessOrEqual[T number](dst []bool, a, b []T) {
	for i := range dst {
		dst[i] = a[i] <= b[i]
	}
}

func (c Compare) Name() string {
	switch c.Is {
	case IsEqual:
		return "Equal"
	case IsLess:
		return "Less"
	}
	return "LessOrEqual"
}

func (c Compare) Infer(in []Type) ([]Type, error) {
	if c.Is < 0 || int(c.Is) >= len(compareLoops) {
		return nil, fmt.Errorf("Compare: relation %d is unknown", c.Is)
	}
	out, err := inferBinary(c.Name(), &compareLoops[c.Is], in)
	if err == nil {
		out[0].DType = Bool
	}
	return out, err
}

func (c Compare) Eval(x *Exec, out, in []*Tensor) error {
	switch f := compareLoops[c.Is][in[0].dtype].(type) {
	case func(dst []bool, a, b []float32):
		compare(x, f, out[0], in)
	case func(dst []bool, a, b []float64):
		compare(x, f, out[0], in)
	case func(dst []bool, a, b []int8):
		compare(x, f, out[0], in)
	case func(dst []bool, a, b []int16):
		compare(x, f, out[0], in)
	case func(dst []bool, a, b []int32):
		compare(x, f, out[0], in)
	case func(dst []bool, a, b []int64):
		compare(x, f, out[0], in)
	case func(dst []bool, a, b []uint8):
		compare(x, f, out[0], in)
	case func(dst []bool, a, b []uint16):
		compare(x, f, out[0], in)
	case func(dst []bool, a, b []uint32):
		compare(x, f, out[0], in)
	case func(dst []bool, a, b []uint64):
		compare(x, f, out[0], in)
	case func(dst []bool, a, b []bool):
		compare(x, f, out[0], in)
	}
	return nil
}

func compare[T Element](x *Exec, f func(dst []bool, a, b []T), out *Tensor, in []*Tensor) {
	broadcast(x, f, Data[bool](out), Data[T](in[0]), Data[T](in[1]), out.shape, in[0].shape, in[1].shape)
}
