package onnxio

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gansr/gansr/onnxio/internal/onnxpb"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// node makes a node of inputs and outputs that are separated by spaces, "_" for one left out.
func nodeOf(op, inputs, outputs string, attrs ...*onnxpb.AttributeProto) *onnxpb.NodeProto {
	names := func(s string) []string {
		list := strings.Fields(s)
		for i := range list {
			if list[i] == "_" {
				list[i] = ""
			}
		}
		return list
	}
	return &onnxpb.NodeProto{Name: ptr(strings.ToLower(op)), OpType: &op, Input: names(inputs), Output: names(outputs), Attribute: attrs}
}

func graphOf(outputs string, nodes ...*onnxpb.NodeProto) *onnxpb.GraphProto {
	g := &onnxpb.GraphProto{Name: ptr("g"), Node: nodes}
	for _, o := range strings.Fields(outputs) {
		g.Output = append(g.Output, &onnxpb.ValueInfoProto{Name: &o})
	}
	return g
}

func subgraph(name string, g *onnxpb.GraphProto) *onnxpb.AttributeProto {
	return &onnxpb.AttributeProto{Name: &name, G: g, Type: onnxpb.AttributeProto_GRAPH.Enum()}
}

// modelOf makes a model with the input x and the constant w.
func modelOf(g *onnxpb.GraphProto, functions ...*onnxpb.FunctionProto) *onnxpb.ModelProto {
	g.Input = append(g.Input, &onnxpb.ValueInfoProto{Name: ptr("x")})
	g.Initializer = append(g.Initializer, &onnxpb.TensorProto{Name: ptr("w"), DataType: ptr(int32(1)), RawData: make([]byte, 4)})
	sets := []*onnxpb.OperatorSetIdProto{{Version: ptr(int64(17))}, {Domain: ptr("own"), Version: ptr(int64(1))}}
	return &onnxpb.ModelProto{IrVersion: ptr(int64(8)), OpsetImport: sets, Graph: g, Functions: functions}
}

func functionOf(name string, nodes ...*onnxpb.NodeProto) *onnxpb.FunctionProto {
	return &onnxpb.FunctionProto{Domain: ptr("own"), Name: &name, Input: []string{"x"}, Output: []string{"y"}, Node: nodes}
}

func callOf(name, in, out string) *onnxpb.NodeProto {
	n := nodeOf(name, in, out)
	n.Domain = ptr("own")
	return n
}

// doubling makes functions of which each calls the one before twice.
func doubling(n int) []*onnxpb.FunctionProto {
	fs := []*onnxpb.FunctionProto{functionOf("F0", nodeOf("Relu", "x", "y"))}
	for i := 1; i < n; i++ {
		before := fmt.Sprintf("F%d", i-1)
		fs = append(fs, functionOf(fmt.Sprintf("F%d", i), callOf(before, "x", "h"), callOf(before, "h", "y")))
	}
	return fs
}

func deep(n int) *onnxpb.GraphProto {
	g := graphOf("y", nodeOf("Relu", "x", "y"))
	for range n {
		g = graphOf("y", nodeOf("If", "x", "y", subgraph("then_branch", g)))
	}
	return g
}

func encode(t testing.TB, m proto.Message) []byte {
	t.Helper()
	data, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestDecodeErrors(t *testing.T) {
	valid, err := os.ReadFile("testdata/functions.onnx")
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("a\n\x1b[31m", 1e5)
	noSet := modelOf(graphOf("y", nodeOf("Relu", "x", "y")))
	noSet.OpsetImport = nil
	badSize := modelOf(graphOf("y", nodeOf("Relu", "x", "y")))
	badSize.Graph.Initializer[0].Dims = []int64{1 << 50}
	badNested := modelOf(graphOf("y", nodeOf("Constant", "", "y", &onnxpb.AttributeProto{Name: ptr("value"), T: &onnxpb.TensorProto{Name: ptr("c"),
		Dims: []int64{3}, DataType: ptr(int32(7)), RawData: make([]byte, 23)}})))
	withDefault := functionOf("F", nodeOf("If", "x", "y", &onnxpb.AttributeProto{Name: ptr("then_branch"), RefAttrName: ptr("g")}))
	withDefault.AttributeProto = []*onnxpb.AttributeProto{subgraph("g", graphOf("b", callOf("F", "w", "b")))}
	var loop []*onnxpb.NodeProto
	for i := range 100000 {
		loop = append(loop, nodeOf("Add", fmt.Sprintf("v%d x", i), fmt.Sprintf("v%d", (i+1)%100000)))
	}
	for _, c := range []struct {
		name string
		data []byte
		want string // "" only asks for an error
	}{
		{"empty", nil, "not an ONNX file: it holds no graph"},
		{"text", []byte("#!/bin/sh\necho this is no model\n"), ""},
		{"zeros", make([]byte, 1000), ""},
		{"length", []byte{0x3a, 0xff, 0xff, 0xff, 0xff, 0x7f}, ""},
		{"no operator set", encode(t, noSet), `node "relu" (Relu): opset_import has no version for the domain "ai.onnx"`},
		{"no operator", encode(t, modelOf(graphOf("y", nodeOf("", "x", "y")))), `node of "y" () has no operator type`},
		{"self loop", encode(t, modelOf(graphOf("y", nodeOf("Add", "x y", "y")))), `node "add" (Add) depends on its own output: the graph has a cycle`},
		{"cycle", encode(t, modelOf(graphOf("y", nodeOf("Neg", "b", "y"), nodeOf("Add", "x b", "a"), nodeOf("Mul", "a w", "b")))),
			`node "mul" (Mul) depends on its own output: the graph has a cycle`},
		{"cycle through a nested graph", encode(t, modelOf(graphOf("y", nodeOf("Relu", "y", "a"),
			nodeOf("If", "x", "y", subgraph("then_branch", graphOf("b", nodeOf("Neg", "a", "b"))))))),
			`node "relu" (Relu) depends on its own output: the graph has a cycle`},
		{"long cycle", encode(t, modelOf(graphOf("v0", loop...))), `node "add" (Add) depends on its own output: the graph has a cycle`},
		{"missing", encode(t, modelOf(graphOf("y", nodeOf("Add", "x nowhere", "y")))), `node "add" (Add) uses "nowhere", which nothing produces`},
		{"missing in a nested graph", encode(t, modelOf(graphOf("y", nodeOf("If", "x", "y", subgraph("then_branch", graphOf("b", nodeOf("Neg", "a", "b"))))))),
			`node "neg" (Neg) uses "a", which nothing produces`},
		{"missing output", encode(t, modelOf(graphOf("z", nodeOf("Relu", "x", "y")))), `graph "g" has the output "z", which nothing produces`},
		{"twice", encode(t, modelOf(graphOf("y", nodeOf("Relu", "x", "y"), nodeOf("Neg", "x", "y")))),
			`value "y" is defined twice, by node "relu" (Relu) and by node "neg" (Neg)`},
		{"input and node", encode(t, modelOf(graphOf("x", nodeOf("Relu", "w", "x")))), `value "x" is defined twice, by a graph input and by node "relu" (Relu)`},
		{"constant and node", encode(t, modelOf(graphOf("w", nodeOf("Relu", "x", "w")))), `value "w" is defined twice, by an initialiser and by node "relu" (Relu)`},
		{"two attributes", encode(t, modelOf(graphOf("y", nodeOf("Relu", "x", "y", &onnxpb.AttributeProto{Name: ptr("a"), I: ptr(int64(1))},
			&onnxpb.AttributeProto{Name: ptr("a"), I: ptr(int64(1))})))), `node "relu" (Relu) has two attributes "a"`},
		{"unknown attribute type", encode(t, modelOf(graphOf("y", nodeOf("Relu", "x", "y", &onnxpb.AttributeProto{Name: ptr("a"),
			Type: onnxpb.AttributeProto_AttributeType(99).Enum()})))), `node "relu" (Relu): attribute "a": unknown type`},
		{"huge dims", encode(t, badSize), `tensor "w": raw_data has 4 bytes, and float32[1125899906842624] needs 4503599627370496`},
		{"size in a node", encode(t, badNested), `tensor "c": raw_data has 23 bytes, and int64[3] needs 24`},
		{"nesting", encode(t, modelOf(deep(5000))), ""},
		{"self call", encode(t, modelOf(graphOf("y", callOf("F", "x", "y")), functionOf("F", callOf("F", "x", "y")))), `function "own.F" calls itself`},
		{"mutual calls", encode(t, modelOf(graphOf("y", callOf("F", "x", "y")), functionOf("F", callOf("G", "x", "y")), functionOf("G", callOf("F", "x", "y")))),
			`function "own.F" calls itself`},
		{"call in a nested graph", encode(t, modelOf(graphOf("y", callOf("F", "x", "y")),
			functionOf("F", nodeOf("If", "x", "y", subgraph("else_branch", graphOf("y2", callOf("F", "x", "y2"))))))), `function "own.F" calls itself`},
		{"doubling", encode(t, modelOf(graphOf("y", callOf("F63", "x", "y")), doubling(64)...)),
			"the calls of its functions expand to more than 1048576 nodes"},
		{"function defined twice", encode(t, modelOf(graphOf("y", callOf("F0", "x", "y")), append(doubling(1), doubling(1)...)...)),
			`function "own.F0" is defined twice`},
		{"function that sees the graph", encode(t, modelOf(graphOf("y", callOf("F", "x", "y")), functionOf("F", nodeOf("Add", "x w", "y")))),
			`function "own.F": node "add" (Add) uses "w", which nothing produces`},
		{"graph as a default", encode(t, modelOf(graphOf("y", callOf("F", "x", "y")), withDefault)),
			`function "own.F": attribute "g": a function with a graph as an attribute is not supported`},
		{"names", encode(t, modelOf(graphOf("y", nodeOf(long, long, "y")))), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := within(t, func() error { _, err := Decode(c.data); return err })
			if c.want != "" && (err == nil || err.Error() != "onnx: "+c.want) {
				t.Errorf("got  %v\nwant onnx: %s", err, c.want)
			}
			plain(t, err)
		})
	}
	t.Run("truncated", func(t *testing.T) {
		for n := range valid {
			if m, err := Decode(valid[:n]); err != nil {
				plain(t, err)
			} else if _, err := m.Encode(); err != nil { // a cut between fields can leave a whole model
				t.Error(err)
			}
		}
	})
}

// within fails the test if f takes long or much memory.
func within(t *testing.T, f func() error) error {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	err := f()
	runtime.ReadMemStats(&after)
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("took %v", d)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<30 {
		t.Errorf("allocated %d MiB", n>>20)
	}
	return err
}

// plain checks that there is an error in one printable line of bounded length.
func plain(t *testing.T, err error) {
	t.Helper()
	switch {
	case err == nil:
		t.Error("no error")
	case strings.ContainsAny(err.Error(), "\n\r\x1b") || len(err.Error()) > 1200 || !strings.HasPrefix(err.Error(), "onnx: "):
		t.Errorf("%d bytes: %.1300q", len(err.Error()), err.Error())
	}
}

func TestNestingLimit(t *testing.T) {
	if _, err := Decode(encode(t, modelOf(deep(60)))); err != nil {
		t.Errorf("60 graphs in each other: %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "m.onnx")
	for _, p := range []string{path, dir} {
		_, err := Open(p)
		plain(t, err)
		if !strings.HasPrefix(err.Error(), "onnx: "+p+": ") || strings.Count(err.Error(), p) != 1 {
			t.Errorf("%v: should name the file once", err)
		}
	}
}

// External data must be whole and in the model's folder.
func TestExternalErrors(t *testing.T) {
	dir := t.TempDir()
	models := filepath.Join(dir, "models")
	write := func(p string, n int) {
		if err := os.MkdirAll(filepath.Dir(p), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, make([]byte, n), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(dir, "secret"), 4)
	write(filepath.Join(models, "ok"), 8)
	link := os.Symlink(filepath.Join("..", "secret"), filepath.Join(models, "link"))
	folder := os.Symlink("..", filepath.Join(models, "up"))
	for _, c := range []struct {
		location, offset, length string
		want                     string
	}{
		{"ok", "4", "4", ""},
		{"ok", "", "", ""},
		{"./ok", "", "4", ""},
		{"", "0", "4", `external data "" should be a file in the model's folder`},
		{"../secret", "0", "4", `external data "../secret" should be a file in the model's folder`},
		{"a/../../secret", "0", "4", `external data "a/../../secret" should be a file in the model's folder`},
		{filepath.ToSlash(filepath.Join(dir, "secret")), "0", "4", "should be a file in the model's folder"},
		{"link", "0", "4", `external data "link": path escapes from parent`},
		{"up/secret", "0", "4", `external data "up/secret": path escapes from parent`},
		{"missing", "0", "4", `external data "missing" is missing: `},
		{".", "0", "4", `external data ".": not a regular file`},
		{"ok", "5", "4", `external data "ok": 4 bytes at offset 5 are beyond the end of the file of 8 bytes`},
		{"ok", "9223372036854775807", "4", "are beyond the end of the file of 8 bytes"},
		{"ok", "-1", "4", `external data: offset "-1" should be a number of bytes`},
		{"ok", "0", "-4", `external data: length "-4" should be a number of bytes`},
		{"ok", "0", "5", `external data "ok": the length is 5 bytes, and the type and shape need 4`},
		{"ok", "one", "4", `external data: offset "one" should be a number of bytes`},
	} {
		if strings.HasPrefix(c.location, "link") && link != nil || strings.HasPrefix(c.location, "up") && folder != nil {
			t.Log("no symbolic links here")
			continue
		}
		pb := modelOf(graphOf("y", nodeOf("Add", "x w", "y")))
		w := pb.Graph.Initializer[0]
		w.RawData, w.DataLocation = nil, onnxpb.TensorProto_EXTERNAL.Enum()
		for k, v := range map[string]string{"location": c.location, "offset": c.offset, "length": c.length} {
			if v != "" {
				w.ExternalData = append(w.ExternalData, &onnxpb.StringStringEntryProto{Key: &k, Value: &v})
			}
		}
		path := filepath.Join(models, "m.onnx")
		if err := os.WriteFile(path, encode(t, pb), 0o666); err != nil {
			t.Fatal(err)
		}
		m, err := Open(path)
		if c.want == "" {
			if err != nil {
				t.Errorf("%v: %v", c, err)
				continue
			}
			if _, _, err := m.Graph().Initializer("w"); err != nil {
				t.Errorf("%v: %v", c, err)
			}
			continue
		}
		plain(t, err)
		if err == nil || !strings.Contains(err.Error(), path+`: tensor "w": `) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

// Nodes in any order are sorted, and only as far as they must be.
func TestSort(t *testing.T) {
	m, err := newModel(modelOf(graphOf("d", nodeOf("D", "c", "d"), nodeOf("A", "x", "a"), nodeOf("E", "x", "e"), nodeOf("C", "b a", "c"), nodeOf("B", "a", "b"))), source{})
	if err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, n := range m.Graph().Nodes {
		order = append(order, n.Name)
	}
	if want := []string{"A", "E", "B", "C", "D"}; !slices.Equal(order, want) {
		t.Errorf("%v, want %v", order, want)
	}
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.onnx")
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Add(encode(f, modelOf(graphOf("y", callOf("F3", "x", "y")), doubling(4)...)))
	f.Add(encode(f, modelOf(deep(3))))
	f.Add(protowire.AppendTag(nil, 7, protowire.BytesType))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(data)
		if err != nil {
			plain(t, err)
			return
		}
		again, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(again); err != nil {
			t.Fatal(err)
		}
		for _, name := range m.Graph().Initializers() {
			if _, ok, err := m.Graph().Initializer(name); !ok {
				t.Fatalf("no %q: %v", name, err)
			}
		}
		for _, fn := range m.Functions() {
			_, _ = fn.Body(&Node{})
		}
		m.Graph().walk(func(n *Node) {
			_ = n.Label()
			if fn := m.Function(n); fn != nil {
				_, _ = fn.Body(n)
			}
		})
	})
}

// Reading what is not a file may never end.
func TestOpenNotAFile(t *testing.T) {
	for _, path := range []string{t.TempDir(), os.DevNull} {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: error %v", path, err)
		}
	}
}
