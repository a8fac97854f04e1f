package onnxpb

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The schema states the same fields as the Python package onnx; testdata/make.py writes the list.
func TestFields(t *testing.T) {
	want, err := os.ReadFile("testdata/fields.txt")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	messages := File_onnxir_proto.Messages()
	for i := range messages.Len() {
		got = append(got, fields(messages.Get(i))...)
	}
	slices.Sort(got)
	if d := cmp.Diff(strings.Split(strings.TrimSpace(string(want)), "\n"), got); d != "" {
		t.Errorf("fields (- onnx, + ours):\n%s", d)
	}
}

func local(name protoreflect.FullName) string {
	return strings.TrimPrefix(string(name), "gansr.onnxir.")
}

func fields(m protoreflect.MessageDescriptor) []string {
	var out []string
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		kind := f.Kind().String()
		if f.Message() != nil {
			kind = local(f.Message().FullName())
		}
		if f.Enum() != nil {
			kind = local(f.Enum().FullName())
		}
		s := fmt.Sprintf("%v %s %s %d", f.Cardinality(), kind, local(f.FullName()), f.Number())
		if f.IsPacked() {
			s += " packed"
		}
		if o := f.ContainingOneof(); o != nil {
			s += " oneof " + string(o.Name())
		}
		out = append(out, s)
	}
	for i := range m.Enums().Len() {
		e := m.Enums().Get(i)
		for j := range e.Values().Len() {
			v := e.Values().Get(j)
			out = append(out, fmt.Sprintf("value %s.%s %d", local(e.FullName()), v.Name(), v.Number()))
		}
	}
	for i := range m.Messages().Len() {
		out = append(out, fields(m.Messages().Get(i))...)
	}
	return out
}

// A model with every field of every message comes back, and so it does with fields and enum
// values that the schema does not have.
func TestLossless(t *testing.T) {
	data, err := os.ReadFile("testdata/everything.pb")
	if err != nil {
		t.Fatal(err)
	}
	m := &ModelProto{}
	if err := proto.Unmarshal(data, m); err != nil {
		t.Fatal(err)
	}
	seen := map[protoreflect.FullName]bool{}
	visit(t, m.ProtoReflect(), seen)
	messages := File_onnxir_proto.Messages()
	for i := range messages.Len() {
		if m := messages.Get(i); !seen[m.FullName()] {
			t.Errorf("everything.pb has no %s", m.FullName())
		}
		for j := range messages.Get(i).Fields().Len() {
			if f := messages.Get(i).Fields().Get(j); !seen[f.FullName()] {
				t.Errorf("everything.pb has no %s", f.FullName())
			}
		}
	}
	again, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	// Not the same bytes: where a oneof stands among the fields is up to the writer.
	back := &ModelProto{}
	if err := proto.Unmarshal(again, back); err != nil || !proto.Equal(back, m) || len(again) != len(data) {
		t.Errorf("everything.pb changed: %v", err)
	}

	m.Graph.Node[0].ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, 900, protowire.BytesType), "new"))
	m.Graph.Node[0].Attribute[0].Type = AttributeProto_AttributeType(99).Enum()
	withUnknown, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	m.Reset()
	if err := proto.Unmarshal(withUnknown, m); err != nil {
		t.Fatal(err)
	}
	if again, err = proto.Marshal(m); err != nil || !bytes.Equal(again, withUnknown) {
		t.Errorf("unknown fields changed: %v", err)
	}
	if !bytes.Contains(again, []byte("new")) {
		t.Error("the unknown field was lost")
	}
}

func visit(t *testing.T, m protoreflect.Message, seen map[protoreflect.FullName]bool) {
	seen[m.Descriptor().FullName()] = true
	if len(m.GetUnknown()) > 0 {
		t.Errorf("%s holds fields that the schema does not have", m.Descriptor().FullName())
	}
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		seen[f.FullName()] = true
		switch {
		case f.Message() == nil:
		case f.IsList():
			for i := range v.List().Len() {
				visit(t, v.List().Get(i).Message(), seen)
			}
		default:
			visit(t, v.Message(), seen)
		}
		return true
	})
}
