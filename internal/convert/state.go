package convert

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
	"github.com/gansr/gansr/onnxio/torch"
)

// stateKey is the metadata key of what it takes to write the state dictionary again.
const stateKey = "gansr.state"

// maxStored bounds what gansr.state holds of tensors, compressed.
const maxStored = 4 << 20

// state is a state dictionary, as far as an ONNX file does not hold it.
type state struct {
	Names []string `json:"names"`
	// Kept are the shapes of tensors that are initialisers of the same name, where they differ.
	Kept map[string][]int `json:"shapes,omitempty"`
	// Stored are tensors that are not in the file.
	Stored map[string]*stored `json:"stored,omitempty"`
	// Merged are digests of initialisers that were computed from several tensors and cannot be divided again.
	Merged map[string]string `json:"merged,omitempty"`
	// Lost says why the state dictionary cannot be written again.
	Lost string `json:"lost,omitempty"`
}

// stored is a tensor, little-endian and deflated. Those that repeat another have its name as Same.
type stored struct {
	Type  string `json:"type"`
	Shape []int  `json:"shape"`
	Data  []byte `json:"data,omitempty"`
	Same  string `json:"same,omitempty"`
}

// keep makes the state of a file of PyTorch's whose network is m.
func keep(f *torch.File, m *onnxio.Model) (*state, error) {
	s := &state{Names: f.Names, Kept: map[string][]int{}, Stored: map[string]*stored{}, Merged: map[string]string{}}
	g, used := m.Graph(), map[string]bool{}
	seen := map[string]string{} // names by digest
	size := 0
	for _, name := range f.Names {
		t := f.Tensors[name]
		x, ok, err := g.View(name)
		if err != nil {
			return nil, err
		}
		if ok && t.DType().IsFloat() && bytes.Equal(raw(x), raw(as(t, x.DType()))) {
			used[name] = true
			if !slices.Equal(x.Shape(), t.Shape()) {
				s.Kept[name] = t.Shape()
			}
			continue
		}
		e := &stored{Type: t.DType().String(), Shape: t.Shape()}
		digest := e.Type + fmt.Sprint(e.Shape) + digestOf(t)
		if same, ok := seen[digest]; ok {
			e.Same = same
		} else {
			if e.Data, err = deflate(t); err != nil {
				return nil, err
			}
			seen[digest] = name
			size += len(e.Data)
		}
		s.Stored[name] = e
	}
	for _, name := range g.Initializers() {
		if info, _ := g.InitializerInfo(name); used[name] || !info.DType.IsFloat() {
			continue
		}
		x, _, err := g.View(name)
		if err != nil {
			return nil, err
		}
		s.Merged[name] = digestOf(x)
	}
	if size > maxStored {
		return &state{Lost: fmt.Sprintf("%d tensors were merged into others", len(s.Stored))}, nil
	}
	return s, nil
}

func digestOf(t *graph.Tensor) string {
	h := sha256.New()
	h.Write(raw(t))
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// as returns t with another type of elements, and t itself if it has that.
func as(t *graph.Tensor, dt graph.DType) *graph.Tensor {
	if t.DType() == dt {
		return t
	}
	return t.Converted(dt)
}

// raw returns the elements of t, little-endian. It may be the memory of t.
func raw(t *graph.Tensor) []byte {
	if b := graph.Bytes(t); b != nil {
		return b
	}
	b, _ := binary.Append(nil, binary.LittleEndian, t.Data()) // fails for types without a size only
	return b
}

func deflate(t *graph.Tensor) ([]byte, error) {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.DefaultCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(raw(t)); err != nil {
		return nil, err
	}
	err = w.Close()
	return b.Bytes(), err
}

// inflate is the inverse of deflate. The metadata of a file is untrusted.
func (e *stored) inflate() (*graph.Tensor, error) {
	dt := graph.Invalid
	for _, d := range []graph.DType{graph.Float32, graph.Float64, graph.Float16, graph.BFloat16, graph.Int8, graph.Int16, graph.Int32, graph.Int64,
		graph.Uint8, graph.Uint16, graph.Uint32, graph.Uint64, graph.Bool} {
		if d.String() == e.Type {
			dt = d
		}
	}
	n, ok := graph.Numel(e.Shape)
	if dt == graph.Invalid || !ok || n > 1<<28 || n*dt.Size() > 2000*(len(e.Data)+1) { // deflate makes nothing smaller than by 1032
		return nil, errors.New("its type or shape makes no sense")
	}
	t := graph.NewTensor(dt, e.Shape...)
	b := make([]byte, n*dt.Size())
	if _, err := io.ReadFull(flate.NewReader(bytes.NewReader(e.Data)), b); err != nil {
		return nil, errors.New("its data is damaged")
	}
	_, err := binary.Decode(b, binary.LittleEndian, t.Data())
	return t, err
}

// StateOf returns the state dictionary of the file that m was converted from, with the weights that m has now, as float32. Of a file
// that was not made of PyTorch's it returns the parameters and running statistics under their names in the graph; then original is false.
func StateOf(m *onnxio.Model) (tensors map[string]*graph.Tensor, original bool, err error) {
	tensors = map[string]*graph.Tensor{}
	text, ok := m.Metadata()[stateKey]
	if !ok {
		parameters, running := m.Trainable()
		for _, name := range slices.Concat(parameters, running) {
			t, _, err := m.Graph().Initializer(name)
			if err != nil {
				return nil, false, err
			}
			tensors[name] = t.Converted(graph.Float32)
		}
		if len(tensors) == 0 {
			return nil, false, errors.New("convert: the model has no parameters")
		}
		return tensors, false, nil
	}
	var s state
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return nil, true, fmt.Errorf("convert: the metadata %s is damaged: %w", stateKey, err)
	}
	if s.Lost != "" {
		return nil, true, fmt.Errorf("convert: the state dictionary cannot be written again: %s", s.Lost)
	}
	for _, name := range slices.Sorted(maps.Keys(s.Merged)) {
		t, ok, err := m.Graph().View(name)
		if err != nil {
			return nil, true, err
		}
		if !ok || digestOf(t) != s.Merged[name] {
			return nil, true, fmt.Errorf("convert: the weight %q was merged from several tensors of the state dictionary and has changed since, so that they cannot be told", name)
		}
	}
	for _, name := range s.Names {
		t, err := s.tensor(m, name)
		if err != nil {
			return nil, true, fmt.Errorf("convert: tensor %.100q: %w", name, err)
		}
		tensors[name] = t
	}
	return tensors, true, nil
}

func (s *state) tensor(m *onnxio.Model, name string) (*graph.Tensor, error) {
	if e := s.Stored[name]; e != nil {
		if of := s.Stored[e.Same]; e.Same != "" && of != nil && of.Same == "" {
			e = of
		}
		t, err := e.inflate()
		if err != nil {
			return nil, err
		}
		if t.DType().IsFloat() {
			t = t.Converted(graph.Float32)
		}
		return t, nil
	}
	t, ok, err := m.Graph().Initializer(name)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errors.New("the model has no initialiser of this name any more; another program may have renamed or merged it")
	}
	t = t.Converted(graph.Float32)
	if shape, ok := s.Kept[name]; ok {
		return t.Reshaped(shape...)
	}
	return t, nil
}
