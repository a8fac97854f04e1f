package graph

import (
	"fmt"
	"hash"
	"reflect"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// call is one application of an operator. Each of its results is an ExprGraph node of its own.
type call struct {
	op    Operator
	in    []*Value
	outs  []*Value
	place string // as Builder.At told it
}

// label names the call in errors.
func (c *call) label() string {
	if c.place == "" {
		return fmt.Sprintf("%s of %v", c.op.Name(), typesOf(c.in))
	}
	return c.place
}

// result is the Gorgonia operator of one result of a call.
type result struct {
	*call
	index  int
	serial uint32 // unique in the graph
}

var _ gorgonia.Op = (*result)(nil)

// Gorgonia merges nodes whose 32-bit hashes agree without comparing what they compute, so the hash is
// a serial number. Common subexpressions are shared by Builder.Apply, which does compare.
func (r *result) WriteHash(h hash.Hash) { fmt.Fprintf(h, "gansr %d", r.serial) }
func (r *result) Hashcode() uint32      { return r.serial }
func (r *result) Arity() int            { return len(r.in) }
func (r *result) ReturnsPtr() bool      { return false }
func (r *result) CallsExtern() bool     { return false }
func (r *result) OverwritesInput() int  { return -1 }
func (r *result) String() string        { return fmt.Sprintf("%s.%d", r.op.Name(), r.index) }
func (r *result) resultType() Type      { return r.outs[r.index].typ }

func (r *result) InferShape(...gorgonia.DimSizer) (tensor.Shape, error) {
	return tensor.Shape(r.resultType().Shape).Clone(), nil
}

// Type returns the exact function type: operands and result are known when a call is made.
func (r *result) Type() hm.Type {
	ts := make([]hm.Type, 0, len(r.in)+1)
	for _, v := range r.in {
		ts = append(ts, gorgoniaType(v.typ))
	}
	return hm.NewFnType(append(ts, gorgoniaType(r.resultType()))...)
}

// Do evaluates the operator on Gorgonia's values, so that Gorgonia's own machines can run a graph.
func (r *result) Do(vs ...gorgonia.Value) (gorgonia.Value, error) {
	in := make([]*Tensor, len(vs))
	for i, v := range vs {
		t, err := FromGorgonia(v)
		if err != nil {
			return nil, err
		}
		in[i] = t
	}
	out := make([]*Tensor, len(r.outs))
	for i, v := range r.outs {
		out[i] = NewTensor(v.typ.DType, v.typ.Shape...)
	}
	if err := evaluate(&Exec{}, r.op, out, in); err != nil {
		return nil, err
	}
	return ToGorgonia(out[r.index])
}

var gorgoniaDtypes = [...]tensor.Dtype{
	Float32: tensor.Float32, Float64: tensor.Float64, Float16: {Type: reflect.TypeFor[Half]()}, BFloat16: {Type: reflect.TypeFor[Brain]()},
	Int8: tensor.Int8, Int16: tensor.Int16, Int32: tensor.Int32, Int64: tensor.Int64,
	Uint8: tensor.Uint8, Uint16: tensor.Uint16, Uint32: tensor.Uint32, Uint64: tensor.Uint64, Bool: tensor.Bool,
}

var gorgoniaNarrow = tensor.Dtype{Type: reflect.TypeFor[Narrow]()}

func gorgoniaType(t Type) hm.Type {
	dt := gorgoniaNarrow
	if !t.DType.IsNarrow() {
		dt = gorgoniaDtypes[t.DType]
	}
	if t.Rank() == 0 {
		return dt
	}
	return gorgonia.TensorType{Dims: t.Rank(), Of: dt}
}

// ToGorgonia returns t as a Gorgonia value that shares its memory. It is an error for the types and shapes that Gorgonia
// lacks: float16, bfloat16, the narrow ones and empty tensors.
func ToGorgonia(t *Tensor) (gorgonia.Value, error) {
	if t.dtype.IsHalf() || t.dtype.IsNarrow() {
		return nil, fmt.Errorf("graph: gorgonia has no %v tensors", t.dtype)
	}
	if t.Len() == 0 {
		return nil, fmt.Errorf("graph: gorgonia has no empty tensors, such as %v", t.Type())
	}
	if len(t.shape) == 0 {
		return tensor.New(tensor.FromScalar(reflect.ValueOf(t.data).Index(0).Interface())), nil
	}
	return tensor.New(tensor.WithShape(t.shape...), tensor.WithBacking(t.data)), nil
}

// FromGorgonia returns a Gorgonia value as a Tensor, sharing memory where the value is a contiguous array.
func FromGorgonia(v gorgonia.Value) (*Tensor, error) {
	d, ok := v.(*tensor.Dense)
	if ok && (d.RequiresIterator() || d.DataOrder().IsColMajor()) {
		c, ok := d.Materialize().(*tensor.Dense)
		if !ok || c.DataOrder().IsColMajor() {
			return nil, fmt.Errorf("graph: gorgonia value of shape %v is not in row-major order", d.Shape())
		}
		d = c
	}
	data := v.Data()
	rv := reflect.ValueOf(data)
	if rv.Kind() != reflect.Slice { // a scalar comes as its value
		s := reflect.MakeSlice(reflect.SliceOf(rv.Type()), 1, 1)
		s.Index(0).Set(rv)
		rv = s
	}
	shape := v.Shape().Clone()
	for dt, g := range gorgoniaDtypes {
		if g.Type == rv.Type().Elem() {
			if n, _ := Numel(shape); n != rv.Len() {
				return nil, fmt.Errorf("graph: gorgonia value of shape %v holds %d elements", shape, rv.Len())
			}
			return &Tensor{DType(dt), shape, rv.Interface()}, nil
		}
	}
	return nil, fmt.Errorf("graph: gorgonia value of type %T is not supported", data)
}

func typesOf(vs []*Value) []Type {
	ts := make([]Type, len(vs))
	for i, v := range vs {
		ts[i] = v.typ
	}
	return ts
}
