package onnxio

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/shared"
	"github.com/gansr/gansr/onnxio/internal/onnxpb"
	"google.golang.org/protobuf/proto"
)

// A probe is a small model and values for its inputs, from which the test measures what an operator can do.
type probe struct {
	model  *Model
	feed   map[string]*graph.Tensor
	result graph.DType // of the first output
}

// seldomAlone are operators whose operands are sequences, or whose bodies decide what there is to differentiate. They are measured in
// models of several nodes.
var seldomAlone = []string{"ConcatFromSequence", "If", "Loop", "Optional", "OptionalGetElement", "Scan", "SequenceAt", "SequenceConstruct", "SequenceEmpty",
	"SequenceErase", "SequenceInsert", "SequenceLength", "SequenceMap", "SplitToSequence", "ai.onnx.preview.training.Gradient"}

// ofResult are the operators whose types are those of their result.
var ofResult = []string{"BlackmanWindow", "Constant", "ConstantOfShape", "EyeLike", "HammingWindow", "HannWindow", "MelWeightMatrix"}

// TestSupport compares the types and gradients that the registry states with what operators do in the models of testdata/ops and of the
// ONNX project. A model stands for other element types too: its values are converted.
func TestSupport(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	all := probes(t)
	for _, s := range Operators() {
		e, ps := registry[s.Name], all[s.Name]
		if len(ps) == 0 {
			t.Errorf("%s: no model has it", s.Name)
			continue
		}
		for dt := graph.Float32; dt <= graph.Int2; dt++ {
			if !e.types.has(dt) || e.types == allTypes && slices.Contains(seldomAlone, s.Name) && !dt.IsFloat() {
				continue // others are refused; what else is in a model of several nodes may need floating-point numbers
			}
			if !slices.ContainsFunc(ps, func(p *probe) bool { return p.runs(t, s.Name, dt) }) {
				t.Errorf("%s: no model runs with elements of %v", s.Name, dt)
			}
		}
		if s.Name == "SequenceLength" {
			continue // what can be differentiated in its models does not depend on its result, a number of tensors
		}
		var seen []Gradient
		for _, p := range ps {
			seen = append(seen, p.gradients(t)...)
		}
		if got := sum(seen); got != s.Gradient {
			t.Errorf("%s: the registry says gradient %q, measured %q", s.Name, s.Gradient, got)
		}
	}
}

func sum(seen []Gradient) Gradient {
	yes, no := slices.Contains(seen, GradientYes), slices.Contains(seen, GradientNo)
	switch {
	case yes && no:
		return GradientPart
	case yes:
		return GradientYes
	case no:
		return GradientNo
	}
	return GradientZero
}

// probes returns the models of one operator by its name, and those of several for operators that are never alone.
func probes(t *testing.T) map[string][]*probe {
	t.Helper()
	files := shared.Archive(t, "data", "onnx-tests.tar.gz")
	for _, pattern := range []string{"model.onnx", "test_data_set_0/*.pb"} {
		found, err := filepath.Glob(filepath.Join("testdata", "ops", "*", "*", filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range found {
			if files[filepath.ToSlash(f)], err = os.ReadFile(f); err != nil {
				t.Fatal(err)
			}
		}
	}
	all := map[string][]*probe{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if path.Base(name) != "model.onnx" {
			continue
		}
		m, err := Decode(files[name])
		if err != nil || len(m.Functions()) > 0 || len(m.Unsupported()) > 0 {
			continue
		}
		p := &probe{m, map[string]*graph.Tensor{}, graph.Invalid}
		set := path.Join(path.Dir(name), "test_data_set_0")
		for i, in := range m.Graph().Inputs {
			if _, x, err := DecodeTensor(files[path.Join(set, "input_"+strconv.Itoa(i)+".pb")]); err == nil {
				p.feed[in.Name] = x
			}
		}
		if _, x, err := DecodeTensor(files[path.Join(set, "output_0.pb")]); err == nil {
			p.result = x.DType()
		}
		if _, err := p.run(m, p.feed); err != nil {
			continue // training mode, and optional inputs that are left out
		}
		var ops []string
		for _, n := range m.Graph().Nodes {
			if op := n.Operator(); len(m.Graph().Nodes) == 1 || slices.Contains(seldomAlone, op) {
				ops = append(ops, op)
			}
		}
		slices.Sort(ops)
		for _, op := range slices.Compact(ops) {
			all[op] = append(all[op], p)
		}
	}
	return all
}

func (p *probe) run(m *Model, feed map[string]*graph.Tensor) (map[string]*graph.Tensor, error) {
	program, err := NewProgram(m, nil, Rounding())
	if err != nil {
		return nil, err
	}
	return program.Run(context.Background(), feed)
}

// runs reports whether the model runs with its data in elements of another type.
func (p *probe) runs(t *testing.T, op string, to graph.DType) bool {
	t.Helper()
	q := p.as(t, op, to)
	_, err := q.run(q.model, q.feed)
	return err == nil
}

// as returns the model with its data in elements of another type.
func (p *probe) as(t *testing.T, op string, to graph.DType) *probe {
	t.Helper()
	from := p.data(op)
	pb := p.copy(t)
	old, _ := elemNumber(from)
	now, ok := elemNumber(to)
	if !ok {
		t.Fatalf("%v has no number in ONNX", to)
	}
	err := walkTensors(pb.ProtoReflect(), func(pb *onnxpb.TensorProto) error {
		if pb.GetDataType() != old {
			return nil
		}
		x, err := toTensor(pb, source{}, false)
		if err != nil {
			return err
		}
		return setTensor(pb, x.Converted(to))
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range pb.Graph.Input {
		if typ := v.GetType().GetTensorType(); typ.GetElemType() == old {
			typ.ElemType = &now
		}
	}
	for _, v := range pb.Graph.Output {
		v.Type = nil
	}
	for _, a := range pb.Graph.Node[0].Attribute {
		if name := a.GetName(); name == "dtype" || name == "output_datatype" {
			a.I = ptr(int64(now))
		}
	}
	m, err := newModel(pb, source{})
	if err != nil {
		t.Fatal(err)
	}
	feed := map[string]*graph.Tensor{}
	for name, x := range p.feed {
		if x.DType() == from {
			x = x.Converted(to)
		}
		feed[name] = x
	}
	return &probe{m, feed, p.result}
}

// data returns the element type of the data that an operator works on.
func (p *probe) data(op string) graph.DType {
	if i := dataOperand[op]; !slices.Contains(ofResult, op) && i < len(p.model.Graph().Inputs) {
		return p.feed[p.model.Graph().Inputs[i].Name].DType()
	}
	return p.result
}

func (p *probe) copy(t *testing.T) *onnxpb.ModelProto {
	t.Helper()
	pb, ok := proto.Clone(p.model.pb).(*onnxpb.ModelProto)
	if !ok {
		t.Fatal("no model")
	}
	return pb
}

// gradients returns what there is of the gradient of each floating-point output with respect to each floating-point input. Inputs whose
// values decide shapes have none.
func (p *probe) gradients(t *testing.T) []Gradient {
	t.Helper()
	var seen []Gradient
	for name, x := range p.feed {
		if !x.DType().IsFloat() {
			continue
		}
		tr, in := p.translate(t, func(other string) bool { return p.feed[other].DType().IsFloat() })
		if tr == nil {
			tr, in = p.translate(t, func(other string) bool { return other == name })
		}
		if tr == nil {
			continue
		}
		for _, o := range tr.Outputs {
			if o.Type().DType.IsFloat() {
				seen = append(seen, gradientOf(t, tr.Builder, o, in[name]))
			}
		}
	}
	return seen
}

// translate makes a graph in which the inputs that vary are inputs and the others constants, and returns the inputs by name. It returns nil
// if shapes depend on the values of inputs that vary.
func (p *probe) translate(t *testing.T, vary func(name string) bool) (*Translation, map[string]*graph.Value) {
	t.Helper()
	pb := p.copy(t)
	var inputs []*onnxpb.ValueInfoProto
	types := map[string]graph.Type{}
	for _, v := range pb.Graph.Input {
		switch x := p.feed[v.GetName()]; {
		case x == nil: // it has a default, which is a constant
		case vary(v.GetName()):
			inputs = append(inputs, v)
			types[v.GetName()] = x.Type()
		default:
			c := &onnxpb.TensorProto{Name: v.Name}
			if err := setTensor(c, x); err != nil {
				t.Fatal(err)
			}
			pb.Graph.Initializer = append(pb.Graph.Initializer, c)
		}
	}
	pb.Graph.Input = inputs
	m, err := newModel(pb, source{})
	if err != nil {
		t.Fatal(err)
	}
	program, err := NewProgram(m, nil, Rounding())
	if err != nil {
		t.Fatal(err)
	}
	tr, err := program.Translate(context.Background(), types)
	if errors.Is(err, errNeedsValues) {
		return nil, nil
	}
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]*graph.Value{}
	for i, v := range m.Graph().Inputs {
		in[v.Name] = tr.Inputs[i]
	}
	return tr, in
}

func gradientOf(t *testing.T, b *graph.Builder, o, x *graph.Value) Gradient {
	t.Helper()
	grads, err := b.Gradients([]*graph.Value{o}, nil, []*graph.Value{x})
	var lacking *graph.NoGradientError
	switch {
	case errors.As(err, &lacking):
		return GradientNo
	case err != nil:
		t.Fatal(err)
	case grads[0].Known() != nil:
		f, err := graph.Floats(grads[0].Known())
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(f, func(v float64) bool { return v != 0 }) {
			return GradientZero
		}
	}
	return GradientYes
}

// Elements of types that the registry does not have are refused.
func TestUnsupportedTypes(t *testing.T) {
	b := NewBuilder("types", 17)
	b.Output("y", b.Node("Where", []string{b.Input("c", graph.Bool, 2), b.Init("x", graph.NewTensor(graph.Int4, 2)), b.Init("z", graph.NewTensor(graph.Int4, 2))}), graph.Int4, 2)
	_, err := program(t, b).Run(context.Background(), map[string]*graph.Tensor{"c": graph.NewTensor(graph.Bool, 2)})
	if want := `onnx: node "where_0" (Where): elements of int4 are not supported, only numbers, bool`; !errors.Is(err, ErrElementType) || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// The registry and the refused operators are those of the ONNX package, with its versions.
func TestEveryOperator(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("testdata", "schemas.txt"))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		n++
		var name string
		var first, last int
		if _, err := fmt.Sscan(line, &name, &first, &last); err != nil {
			t.Fatal(err)
		}
		e, runs := registry[name]
		if runs == (refused[name] != "") {
			t.Errorf("%s should be either run or refused with a reason", name)
		}
		if last == 0 && !strings.Contains(name, ".") {
			last = MaxOpset
		}
		if runs && (e.first != first || last != 0 && e.last != last) {
			t.Errorf("%s: the registry has versions %d to %d, ONNX %d to %d", name, e.first, e.last, first, last)
		}
	}
	ours := len(refused)
	for name := range registry {
		if !strings.HasPrefix(name, "com.microsoft.") && name != "SimplifiedLayerNormalization" {
			ours++
		}
	}
	if ours != n {
		t.Errorf("%d operators here, %d in ONNX", ours, n)
	}
}

// The error about a model says why an operator is refused.
func TestRefused(t *testing.T) {
	b := NewBuilder("random", 17)
	b.Output("y", b.Node("RandomUniformLike", []string{b.Input("x", graph.Float32, "n")}), graph.Float32, "n")
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewProgram(m, nil); err == nil || !strings.HasSuffix(err.Error(), `(RandomUniformLike): its result is random, so that neither tiles nor two runs would agree`) {
		t.Errorf("got %v", err)
	}
}

func TestTypesAsText(t *testing.T) {
	for typ, want := range map[types]string{
		allTypes: "all", numberTypes | boolType: "numbers, bool", floatTypes | narrowTypes: "floats, narrow", floatTypes | of(graph.Int8, graph.Uint8): "floats, int8, uint8", intTypes: "integers"} {
		if typ.String() != want {
			t.Errorf("got %q, want %q", typ, want)
		}
	}
}
