package onnxio

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/gansr/gansr/onnxio/internal/onnxpb"
)

const (
	// A protobuf message is at most this long; larger models keep their tensors in external files.
	maxFile = math.MaxInt32
	// How deeply messages may lie in each other. One graph in another takes three levels; other readers allow 100.
	maxDepth = 256
	// How many nodes the calls of a model's functions may expand to.
	maxExpanded = 1 << 20
)

// source says where a model came from.
type source struct {
	file string // as errors name it, or ""
	dir  string // folder of external data, or "" if there is none
}

func (s source) wrap(err error) error { return &fileError{s.file, err} }

// fileError is an error in one line of bounded length, whatever names the file holds.
type fileError struct {
	file string
	err  error
}

func (e *fileError) Unwrap() error { return e.err }

func (e *fileError) Error() string {
	text := strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, e.err.Error())
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText/2], "") + " ... " + strings.ToValidUTF8(text[len(text)-maxText/2:], "")
	}
	if e.file != "" {
		text = e.file + ": " + text
	}
	return "onnx: " + text
}

const maxText = 1000

// Open reads and checks a model. External data is looked for in the folder of the file; its presence and size are
// checked now and it is read when a tensor is asked for.
//
// It is an error if a graph has a cycle, uses a value that nothing produces or defines one twice, if functions call
// themselves, or if a tensor's data does not have the size that its type and shape need. Nodes may be in any order.
// Operators are not checked.
func Open(path string) (*Model, error) { return openLike(path, nil) }

// OpenLike is Open for a file that may hold the weights of another model: those that are equal to the other's initialisers of their
// names share memory with them.
func OpenLike(path string, like *Model) (*Model, error) { return openLike(path, like.graph.dense) }

func openLike(path string, like map[string]*onnxpb.TensorProto) (*Model, error) {
	src := source{file: path, dir: filepath.Dir(path)}
	info, err := os.Stat(path)
	if err != nil {
		return nil, src.wrap(cause(err))
	}
	if !info.Mode().IsRegular() { // reading a pipe or device may never end
		return nil, src.wrap(errors.New("not a regular file"))
	}
	if info.Size() > maxFile {
		return nil, src.wrap(fmt.Errorf("not an ONNX file: it has %d bytes, and at most %d are possible", info.Size(), maxFile))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, src.wrap(cause(err))
	}
	defer f.Close()
	return decode(f, info.Size(), like, src)
}

// Decode reads a model as Open does. Its external data cannot be read.
func Decode(data []byte) (*Model, error) {
	return decode(bytes.NewReader(data), int64(len(data)), nil, source{})
}

// cause returns what failed without the path, which the caller names.
func cause(err error) error {
	switch e := err.(type) {
	case *os.PathError:
		return e.Err
	case *os.LinkError:
		return e.Err
	}
	return err
}

func decode(r io.Reader, size int64, like map[string]*onnxpb.TensorProto, src source) (*Model, error) {
	pb, err := readModel(r, size, like)
	if path := (*os.PathError)(nil); errors.As(err, &path) {
		return nil, src.wrap(path.Err)
	}
	if err != nil {
		return nil, src.wrap(fmt.Errorf("not an ONNX file, or a damaged one: %w", err))
	}
	m, err := newModel(pb, src)
	if err != nil {
		return nil, src.wrap(err)
	}
	return m, nil
}

func newModel(pb *onnxpb.ModelProto, src source) (*Model, error) {
	if pb.Graph == nil {
		return nil, fmt.Errorf("not an ONNX file: it holds no graph")
	}
	m := &Model{pb: pb, src: src, byID: map[funcID]*Function{}, inlined: map[*onnxpb.TensorProto]external{}}
	var err error
	if m.opsets, err = opsets(pb.OpsetImport); err != nil {
		return nil, err
	}
	if len(m.opsets) == 0 && pb.GetIrVersion() < 3 {
		m.opsets[""] = 1
	}
	if err := m.checkTensors(); err != nil {
		return nil, err
	}
	for _, f := range pb.Functions {
		if err := m.addFunction(f); err != nil {
			return nil, err
		}
	}
	v := viewer{model: m, opsets: m.opsets}
	if m.graph, err = v.graph(pb.Graph); err != nil {
		return nil, err
	}
	if err := m.graph.closed(); err != nil {
		return nil, err
	}
	return m, m.checkExpansion()
}

func opsets(imports []*onnxpb.OperatorSetIdProto) (map[string]int, error) {
	sets := map[string]int{}
	for _, o := range imports {
		d, version := normDomain(o.GetDomain()), int(o.GetVersion())
		if old, dup := sets[d]; dup && old != version {
			return nil, fmt.Errorf("opset_import has versions %d and %d for the domain %q", old, version, o.GetDomain())
		}
		sets[d] = version
	}
	return sets, nil
}

func (m *Model) addFunction(pb *onnxpb.FunctionProto) error {
	f := &Function{Domain: normDomain(pb.GetDomain()), Name: pb.GetName(), Overload: pb.GetOverload(),
		Inputs: pb.Input, Outputs: pb.Output, Attributes: pb.Attribute, Defaults: map[string]any{}, model: m, pb: pb}
	fail := func(err error) error { return fmt.Errorf("%v: %w", f.id(), err) }
	if m.byID[f.id()] != nil {
		return fmt.Errorf("%v is defined twice", f.id())
	}
	var err error
	if f.Opsets, err = opsets(pb.OpsetImport); err != nil {
		return fail(err)
	}
	v := viewer{model: m, opsets: f.Opsets}
	for _, a := range pb.AttributeProto {
		value, err := v.attribute(a)
		if err == nil {
			err = checkBound(value)
		}
		f.Defaults[a.GetName()] = value
		if err != nil {
			return fail(fmt.Errorf("attribute %q: %w", a.GetName(), err))
		}
	}
	if f.Graph, err = v.body(pb); err != nil {
		return fail(err)
	}
	m.functions = append(m.functions, f)
	m.byID[f.id()] = f
	return nil
}

// checkExpansion checks that no function calls itself and that the model stays of a sane size when calls are
// replaced with bodies: a few functions that call each other twice can mean more nodes than fit in memory.
func (m *Model) checkExpansion() error {
	index := map[*Function]int{}
	for i, f := range m.functions {
		index[f] = i
	}
	calls := make([][]int, len(m.functions)) // with repetitions
	size := make([]int, len(m.functions))
	for i, f := range m.functions {
		f.Graph.walk(func(n *Node) {
			size[i]++
			if callee := m.Function(n); callee != nil {
				calls[i] = append(calls[i], index[callee])
			}
		})
	}
	order, cyclic := topological(calls)
	if cyclic >= 0 {
		return fmt.Errorf("%v calls itself", m.functions[cyclic].id())
	}
	tooLarge := fmt.Errorf("the calls of its functions expand to more than %d nodes", maxExpanded)
	for _, i := range order {
		for _, j := range calls[i] {
			if size[i] += size[j]; size[i] > maxExpanded {
				return tooLarge
			}
		}
	}
	total := 0
	m.graph.walk(func(n *Node) {
		if f := m.Function(n); f != nil && total <= maxExpanded {
			total += size[index[f]]
		}
	})
	if total > maxExpanded {
		return tooLarge
	}
	return nil
}

// walk calls f for every node of the graph and of the graphs in it.
func (g *Graph) walk(f func(*Node)) {
	for _, n := range g.Nodes {
		f(n)
		for _, sub := range n.graphs() {
			sub.walk(f)
		}
	}
}
