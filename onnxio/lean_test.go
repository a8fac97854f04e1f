package onnxio

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio/internal/onnxpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// large returns a model with weights that are read apart: an initialiser and the constant of a node, and a small one.
func large(t *testing.T) *Model {
	t.Helper()
	b := NewBuilder("large", 17)
	fill := func(n int) *graph.Tensor {
		x := graph.NewTensor(graph.Float32, n)
		for i, d := 0, graph.Data[float32](x); i < n; i++ {
			d[i] = float32(i)
		}
		return x
	}
	x := b.Input("x", graph.Float32, 5000)
	x = b.Node("Add", []string{x, b.Init("w", fill(5000))})
	x = b.Node("Mul", []string{x, b.Node("Constant", nil, Attr{"value", fill(5000)})})
	x = b.Node("Sub", []string{x, b.Init("small", fill(1))})
	b.Output("y", x, graph.Float32, 5000)
	m, err := b.Model()
	if err != nil {
		t.Fatal(err)
	}
	m.SetMetadata("k", "v")
	return m
}

// Files are read and written as package proto does it, fields that nobody knows and unusual encodings included.
func TestLean(t *testing.T) {
	m := large(t)
	plain, err := proto.MarshalOptions{Deterministic: true}.Marshal(m.pb)
	if err != nil {
		t.Fatal(err)
	}
	if data, err := m.Encode(); err != nil || !bytes.Equal(data, plain) {
		t.Fatalf("%d bytes, want %d (%v)", len(data), len(plain), err)
	}
	group := protowire.AppendTag(nil, 1000, protowire.StartGroupType)
	group = protowire.AppendBytes(protowire.AppendTag(group, modelGraph, protowire.BytesType), []byte("none"))
	group = protowire.AppendTag(group, 1000, protowire.EndGroupType)
	fixed := protowire.AppendFixed32(protowire.AppendTag(nil, 1001, protowire.Fixed32Type), 7)
	fixed = protowire.AppendFixed64(protowire.AppendTag(fixed, 1002, protowire.Fixed64Type), 7)
	long := append(protowire.AppendTag(nil, 1003, protowire.VarintType), 0x81, 0x80, 0x80, 0)
	twice, err := proto.Marshal(&onnxpb.ModelProto{Graph: &onnxpb.GraphProto{DocString: ptr("merged"), Initializer: []*onnxpb.TensorProto{
		{Name: ptr("more"), DataType: ptr(int32(2)), Dims: []int64{leanBytes}, RawData: make([]byte, leanBytes)}}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, more := range [][]byte{nil, group, fixed, long, twice} {
		data := append(bytes.Clone(plain), more...)
		want := &onnxpb.ModelProto{}
		if err := proto.Unmarshal(data, want); err != nil {
			t.Fatal(err)
		}
		if len(more) > 0 && more[0] == long[0] && bytes.Equal(more, long) { // written in the shortest way
			want.ProtoReflect().SetUnknown(append(protowire.AppendTag(nil, 1003, protowire.VarintType), 1))
		}
		got, err := readModel(bytes.NewReader(data), int64(len(data)), nil)
		if err != nil || !proto.Equal(got, want) {
			t.Errorf("%x is read otherwise (%v)", more, err)
		}
		for _, n := range []int{len(plain) / 2, len(data) - 1} {
			if got, err := readModel(bytes.NewReader(data[:n]), int64(n), nil); err == nil && (n != len(data)-1 || more != nil) {
				t.Errorf("%x, cut short, is %d bytes of model", more, proto.Size(got))
			}
		}
	}
}

// The weights of a file that are those of a model share its memory, others do not, and metadata can be added at the end.
func TestOpenLike(t *testing.T) {
	m := large(t)
	path := filepath.Join(t.TempDir(), "m.onnx")
	data, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	more, err := EncodeMetadata("more", "text")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append(data, more...), 0o666); err != nil {
		t.Fatal(err)
	}
	shares := func(a, b *Model) bool {
		return unsafe.SliceData(a.graph.dense["w"].RawData) == unsafe.SliceData(b.graph.dense["w"].RawData)
	}
	same, err := OpenLike(path, m)
	if err != nil || !shares(same, m) || !same.SameGraph(m) || same.Metadata()["more"] != "text" || same.Metadata()["k"] != "v" {
		t.Errorf("%v, %v", same.Metadata(), err)
	}
	x, _, err := m.Graph().Initializer("w")
	if err != nil {
		t.Fatal(err)
	}
	graph.Data[float32](x)[4000] = -1
	if err := m.Graph().SetInitializer("w", x); err != nil {
		t.Fatal(err)
	}
	other, err := OpenLike(path, m)
	if err != nil || shares(other, m) || other.SameGraph(m) || !other.SameGraph(same) {
		t.Error("weights that differ are shared", err)
	}
}
