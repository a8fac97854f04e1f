package torch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/nlpodyssey/safetensors"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/atomicfile"
)

// maxHeader is how long the header of a safetensors file may be, as its specification says.
const maxHeader = 100_000_000

var safeTypes = map[safetensors.DType]graph.DType{
	safetensors.F32: graph.Float32, safetensors.F64: graph.Float64, safetensors.F16: graph.Float16, safetensors.BF16: graph.BFloat16,
	safetensors.I8: graph.Int8, safetensors.I16: graph.Int16, safetensors.I32: graph.Int32, safetensors.I64: graph.Int64,
	safetensors.U8: graph.Uint8, safetensors.U16: graph.Uint16, safetensors.U32: graph.Uint32, safetensors.U64: graph.Uint64, safetensors.BOOL: graph.Bool,
}

func decodeSafetensors(data []byte) (*File, error) {
	// The header is JSON, which takes some times its length in memory while it is read.
	if n := binary.LittleEndian.Uint64(data); n > maxHeader || n > uint64(len(data)-8) {
		return nil, fmt.Errorf("a safetensors file whose header of %d bytes does not fit its %d bytes", n, len(data))
	}
	st, err := safetensors.Deserialize(data)
	if err != nil && strings.Contains(err.Error(), "DType") { // whose error has no type
		return nil, fmt.Errorf("a safetensors file with elements of a type that is not read: %.300q", err.Error())
	}
	if err != nil {
		return nil, fmt.Errorf("a safetensors file with a damaged header: %.300q", err.Error())
	}
	_, meta, err := safetensors.ReadMetadata(data)
	if err != nil {
		return nil, fmt.Errorf("a safetensors file with a damaged header: %.300q", err.Error())
	}
	f := &File{Format: "safetensors", Metadata: meta.Metadata()}
	root := &dict{}
	for _, t := range st.Tensors() {
		raw := t.TensorView.Data()
		dt := safeTypes[t.TensorView.DType()]
		if dt == graph.Invalid {
			return nil, fmt.Errorf("tensor %.80q has elements of %v, which are not read", t.Name, t.TensorView.DType())
		}
		v := &view{of: &storage{key: t.Name, dtype: dt, n: int64(len(raw) / dt.Size()), raw: func() ([]byte, error) { return raw, nil }}, dtype: dt}
		for _, d := range t.TensorView.Shape() {
			if d > 1<<40 {
				return nil, fmt.Errorf("tensor %.80q has a dimension of %d", t.Name, d)
			}
			v.size = append(v.size, int64(d))
		}
		stride := int64(1)
		v.strides = make([]int64, len(v.size))
		for i := len(v.size) - 1; i >= 0; i-- {
			v.strides[i] = stride
			stride *= max(v.size[i], 1)
		}
		if err := v.check(); err != nil {
			return nil, err
		}
		root.set(t.Name, v)
	}
	return f.finish(root, len(data))
}

// safeView is a tensor as package safetensors writes it.
type safeView struct{ t *graph.Tensor }

func (v safeView) DType() safetensors.DType {
	for s, dt := range safeTypes {
		if dt == v.t.DType() {
			return s
		}
	}
	return safetensors.F32 // not reached: Save has checked
}

func (v safeView) DataLen() uint64 { return uint64(v.t.Len() * v.t.DType().Size()) }

func (v safeView) Shape() []uint64 {
	s := make([]uint64, len(v.t.Shape()))
	for i, d := range v.t.Shape() {
		s[i] = uint64(d)
	}
	return s
}

func (v safeView) Data() []byte {
	b := make([]byte, 0, v.DataLen())
	b, _ = binary.Append(b, binary.LittleEndian, v.t.Data()) // fails for types without a size only
	return b
}

// Save writes tensors by name as a safetensors file, which PyTorch, its users' programs and Open read. A file of that name is replaced when
// the new one is complete. metadata may be nil.
func Save(path string, tensors map[string]*graph.Tensor, metadata map[string]string) error {
	views := map[string]safeView{}
	for name, t := range tensors {
		if name == "" || name == "__metadata__" || t.DType() == graph.Invalid {
			return fmt.Errorf("torch: %s: a tensor cannot be called %q", path, name)
		}
		views[name] = safeView{t}
	}
	err := atomicfile.Write(path, func(f *os.File) error { return safetensors.SerializeToWriter(views, metadata, f) })
	if err != nil {
		if e := (*os.PathError)(nil); errors.As(err, &e) {
			err = e.Err
		}
		return fmt.Errorf("torch: %s: %w", path, err)
	}
	return nil
}
