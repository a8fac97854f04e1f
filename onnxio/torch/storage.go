package torch

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/gansr/gansr/graph"
)

// storageTypes are the element types of torch's classes of storages.
var storageTypes = map[string]graph.DType{
	"FloatStorage": graph.Float32, "DoubleStorage": graph.Float64, "HalfStorage": graph.Float16, "BFloat16Storage": graph.BFloat16,
	"CharStorage": graph.Int8, "ByteStorage": graph.Uint8, "ShortStorage": graph.Int16, "IntStorage": graph.Int32, "LongStorage": graph.Int64,
	"BoolStorage": graph.Bool, "UntypedStorage": graph.Uint8,
}

// dtypes are torch's names of element types.
var dtypes = map[string]graph.DType{
	"float16": graph.Float16, "half": graph.Float16, "bfloat16": graph.BFloat16, "float32": graph.Float32, "float": graph.Float32, "float64": graph.Float64,
	"double": graph.Float64, "int8": graph.Int8, "int16": graph.Int16, "short": graph.Int16, "int32": graph.Int32, "int": graph.Int32, "int64": graph.Int64,
	"long": graph.Int64, "uint8": graph.Uint8, "uint16": graph.Uint16, "uint32": graph.Uint32, "uint64": graph.Uint64, "bool": graph.Bool,
}

// storage is the memory that tensors are views of.
type storage struct {
	key   string
	dtype graph.DType
	n     int64 // elements
	// raw returns its bytes, little-endian, n elements' worth.
	raw func() ([]byte, error)
	// aligned is raw where elements can be read in place.
	aligned []byte
}

// view is a tensor in a storage.
type view struct {
	of            *storage
	dtype         graph.DType
	offset        int64
	size, strides []int64
}

// rebuild makes a view of the arguments of torch._utils._rebuild_tensor_v2. A dtype of Invalid stands for the storage's.
func rebuild(a *list, dt graph.DType) (any, error) {
	s, ok := at(a, 0).(*storage)
	offset, ok2 := at(a, 1).(int64)
	size, ok3 := integers(at(a, 2))
	strides, ok4 := integers(at(a, 3))
	if !ok || !ok2 || !ok3 || !ok4 {
		return nil, fmt.Errorf("the pickle describes a tensor by something else than a storage, an offset, a size and strides")
	}
	if dt == graph.Invalid {
		dt = s.dtype
	}
	v := &view{s, dt, offset, size, strides}
	return v, v.check()
}

func integers(v any) ([]int64, bool) {
	l, ok := v.(*list)
	if !ok || len(l.items) > 64 {
		return nil, false
	}
	out := make([]int64, len(l.items))
	for i, item := range l.items {
		if out[i], ok = item.(int64); !ok {
			return nil, false
		}
	}
	return out, true
}

// check makes sure that the view lies within its storage.
func (v *view) check() error {
	fail := func(format string, args ...any) error {
		return fmt.Errorf("a tensor of size %v with strides %v at %d of storage %.40q %s", v.size, v.strides, v.offset, v.of.key, fmt.Sprintf(format, args...))
	}
	have := v.of.n * int64(v.of.dtype.Size()) / int64(v.dtype.Size())
	if len(v.size) != len(v.strides) || v.offset < 0 {
		return fail("makes no sense")
	}
	last, n := v.offset, int64(1)
	for i, d := range v.size {
		st := v.strides[i]
		if d < 0 || st < 0 {
			return fail("makes no sense")
		}
		if d == 0 {
			return nil
		}
		if d > 1 && st > 0 && (d-1 > math.MaxInt64/2/st || last > math.MaxInt64/2-(d-1)*st) || n > math.MaxInt32/d {
			return fail("is too large")
		}
		last += (d - 1) * st
		n *= d
	}
	if last >= have {
		return fail("reaches beyond its %d elements", have)
	}
	if n > max(have, maxExpanded) {
		return fail("repeats its %d elements too often", have)
	}
	return nil
}

// maxExpanded is how many elements a tensor may have that repeats those of a smaller storage.
const maxExpanded = 1 << 16

// reader makes tensors of views. left is what may still be copied, in bytes: what lies in the file in order is not copied.
type reader struct{ left int64 }

func (r *reader) spend(bytes int64) error {
	if r.left -= bytes; r.left < 0 {
		return fmt.Errorf("its tensors take much more memory than the file")
	}
	return nil
}

func (r *reader) tensor(v *view) (*graph.Tensor, error) {
	shape := make([]int, len(v.size))
	for i, d := range v.size {
		shape[i] = int(d)
	}
	n, ok := graph.Numel(shape)
	if !ok {
		return nil, fmt.Errorf("a tensor of size %v is too large", v.size)
	}
	t := graph.Type{DType: v.dtype, Shape: shape}
	if n == 0 {
		return graph.NewTensor(v.dtype, shape...), nil
	}
	if v.of.aligned == nil {
		raw, err := v.of.raw()
		if err != nil {
			return nil, err
		}
		if graph.Over(graph.Type{DType: graph.Uint64, Shape: []int{1}}, raw[:min(8, len(raw))]) == nil { // not at a multiple of eight bytes
			if err := r.spend(int64(len(raw))); err != nil {
				return nil, err
			}
			raw = append([]byte(nil), raw...)
		}
		v.of.aligned = raw
	}
	raw, es := v.of.aligned, int64(v.dtype.Size())
	if v.contiguous() {
		raw = raw[v.offset*es:][:int64(n)*es]
	} else {
		if err := r.spend(int64(n) * es); err != nil {
			return nil, err
		}
		raw = v.gather(raw, n)
	}
	return fromRaw(t, raw), nil
}

func (v *view) contiguous() bool {
	want := int64(1)
	for i := len(v.size) - 1; i >= 0; i-- {
		if v.size[i] != 1 && v.strides[i] != want {
			return false
		}
		want *= v.size[i]
	}
	return true
}

// gather returns the bytes of n elements in order.
func (v *view) gather(raw []byte, n int) []byte {
	es := v.dtype.Size()
	out := make([]byte, 0, n*es)
	at, index := v.offset, make([]int64, len(v.size))
	for range n {
		out = append(out, raw[int(at)*es:][:es]...)
		for a := len(index) - 1; a >= 0; a-- {
			index[a]++
			at += v.strides[a]
			if index[a] < v.size[a] {
				break
			}
			at -= index[a] * v.strides[a]
			index[a] = 0
		}
	}
	return out
}

// fromRaw returns a tensor of little-endian bytes of its size, over them where that is possible.
func fromRaw(t graph.Type, raw []byte) *graph.Tensor {
	if x := graph.Over(t, raw); x != nil {
		return x
	}
	x := graph.NewTensor(t.DType, t.Shape...)
	if d, ok := x.Data().([]bool); ok {
		for i := range d {
			d[i] = raw[i] != 0
		}
		return x
	}
	_, _ = binary.Decode(raw, binary.LittleEndian, x.Data()) // fails for sizes that differ only
	return x
}
