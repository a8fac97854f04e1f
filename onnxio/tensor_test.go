package onnxio

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio/internal/onnxpb"
	"google.golang.org/protobuf/proto"
)

// The constants of the test models are what the Python package onnx says they are.
func TestInitializers(t *testing.T) {
	data, err := os.ReadFile("testdata/values.json")
	if err != nil {
		t.Fatal(err)
	}
	var files map[string]map[string]struct {
		Type   string
		Shape  []int
		Values []string
	}
	if err := json.Unmarshal(data, &files); err != nil {
		t.Fatal(err)
	}
	types := map[graph.DType]bool{}
	for file, tensors := range files {
		m := open(t, file)
		if n := len(m.Graph().Initializers()); n != len(tensors) {
			t.Errorf("%s: %d initialisers, want %d", file, n, len(tensors))
		}
		for name, want := range tensors {
			got, ok, err := m.Graph().Initializer(name)
			if err != nil || !ok {
				t.Errorf("%s: %s: %v %v", file, name, ok, err)
				continue
			}
			types[got.DType()] = true
			if typ := elemType(number(t, got.DType())).name; typ != want.Type || !slices.Equal(got.Shape(), want.Shape) {
				t.Errorf("%s: %s is %s%v, want %s%v", file, name, typ, got.Shape(), want.Type, want.Shape)
			}
			if v := texts(t, got, want.Values); !slices.Equal(v, want.Values) {
				t.Errorf("%s: %s is %v, want %v", file, name, v, want.Values)
			}
			info, ok := m.Graph().InitializerInfo(name)
			if !ok || info.DType != got.DType() || len(info.Dims) != len(got.Shape()) {
				t.Errorf("%s: %s: info %v, want %v", file, name, info, got.Type())
			}
		}
	}
	if len(types) != int(graph.Bool) {
		t.Errorf("only %d element types were tested", len(types))
	}
}

func number(t *testing.T, dt graph.DType) int32 {
	t.Helper()
	n, ok := elemNumber(dt)
	if !ok {
		t.Fatalf("%v has no number", dt)
	}
	return n
}

func open(t testing.TB, file string) *Model {
	t.Helper()
	m, err := Open(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// texts formats elements as Python does; a float gets the text of want if it is the same number.
func texts(t *testing.T, x *graph.Tensor, want []string) []string {
	var out []string
	float := func(v float64) {
		if i := len(out); i < len(want) {
			if w, err := strconv.ParseFloat(want[i], 64); err == nil && math.Float64bits(w) == math.Float64bits(v) {
				out = append(out, want[i])
				return
			}
		}
		out = append(out, fmt.Sprint(v))
	}
	switch d := x.Data().(type) {
	case []float32:
		for _, v := range d {
			float(float64(v))
		}
	case []float64:
		for _, v := range d {
			float(v)
		}
	case []graph.Half:
		for _, v := range d {
			float(float64(v.Float32()))
		}
	case []graph.Brain:
		for _, v := range d {
			float(float64(v.Float32()))
		}
	case []bool:
		for _, v := range d {
			out = append(out, map[bool]string{true: "True", false: "False"}[v])
		}
	default:
		out = strings.Fields(strings.Trim(fmt.Sprint(d), "[]"))
	}
	return out
}

// Types that package graph does not have are an error when they are asked for, and not before. Narrow ones are read.
func TestOtherTypes(t *testing.T) {
	m := open(t, "other-types.onnx")
	narrow := map[string][]float64{"int4": {1, -2, 3}, "float8e5m2": {1, 2}}
	for _, name := range m.Graph().Initializers() {
		v, ok, err := m.Graph().Initializer(name)
		if values := narrow[name]; values != nil {
			if got, _ := graph.Floats(v); !ok || err != nil || !slices.Equal(got, values) {
				t.Errorf("%s: %v, %v, want %v", name, got, err, values)
			}
			continue
		}
		want := fmt.Sprintf("onnx: testdata/other-types.onnx: initialiser %q: elements of %s are not supported", name, name)
		if !ok || !errors.Is(err, ErrElementType) || filepath.ToSlash(err.Error()) != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	if _, err := DType(8); !errors.Is(err, ErrElementType) {
		t.Errorf("DType(8): %v", err)
	}
	if dt, err := DType(16); dt != graph.BFloat16 || err != nil {
		t.Errorf("DType(16) = %v, %v", dt, err)
	}
}

// A tensor of every type comes back from its file.
func TestTensorFile(t *testing.T) {
	for _, x := range sampleTensors() {
		data, err := EncodeTensor("x", x)
		if err != nil {
			t.Fatal(err)
		}
		name, y, err := DecodeTensor(data)
		if err != nil || name != "x" || !x.Type().Equal(y.Type()) || fmt.Sprint(x.Data()) != fmt.Sprint(y.Data()) {
			t.Errorf("%v %v became %q %v %v (%v)", x.Type(), x.Data(), name, y.Type(), y.Data(), err)
		}
	}
}

func sampleTensors() []*graph.Tensor {
	return []*graph.Tensor{
		tensor([]float32{1, -2.5}, 2), tensor([]float64{math.Pi}, 1, 1), tensor([]graph.Half{0x3c00, 0xfbff}, 2),
		tensor([]graph.Brain{0x3f80}, 1), tensor([]int8{-128, 127}, 2), tensor([]int16{-32768}, 1), tensor([]int32{math.MinInt32}, 1),
		tensor([]int64{math.MinInt64, math.MaxInt64}, 1, 2), tensor([]uint8{255}, 1), tensor([]uint16{65535}, 1),
		tensor([]uint32{math.MaxUint32}, 1), tensor([]uint64{math.MaxUint64}, 1), tensor([]bool{true, false}, 2),
		graph.Scalar(float32(3)), tensor([]float32{}, 2, 0, 3),
		narrowTensor(graph.Int4, 1, 15, 7), narrowTensor(graph.Uint2, 3, 0, 1, 2, 1), narrowTensor(graph.Float6E3M2, 63, 1, 32, 5, 17),
		narrowTensor(graph.Float8E4M3FN, 255),
	}
}

func narrowTensor(dt graph.DType, data ...graph.Narrow) *graph.Tensor {
	t, err := graph.FromNarrow(dt, data, len(data))
	if err != nil {
		panic(err)
	}
	return t
}

func tensor[T graph.Element](data []T, shape ...int) *graph.Tensor {
	t, err := graph.FromSlice(data, shape...)
	if err != nil {
		panic(err)
	}
	return t
}

func TestTensorErrors(t *testing.T) {
	i64 := func(v ...int64) *onnxpb.TensorProto {
		return &onnxpb.TensorProto{Dims: []int64{int64(len(v))}, DataType: ptr(int32(7)), Int64Data: v}
	}
	float := func(f func(*onnxpb.TensorProto), dims ...int64) *onnxpb.TensorProto {
		pb := &onnxpb.TensorProto{Dims: dims, DataType: ptr(int32(1))}
		f(pb)
		return pb
	}
	raw := func(n int) func(*onnxpb.TensorProto) {
		return func(pb *onnxpb.TensorProto) { pb.RawData = make([]byte, n) }
	}
	sparse := func(values, indices *onnxpb.TensorProto, dims ...int64) *onnxpb.SparseTensorProto {
		return &onnxpb.SparseTensorProto{Values: values, Indices: indices, Dims: dims}
	}
	two := func() *onnxpb.TensorProto { return i64(1, 2) }
	for _, c := range []struct {
		pb   proto.Message
		want string
	}{
		{float(raw(4), -1), "dims hold the negative number -1"},
		{float(raw(4), 1<<40, 1<<40), "dims [1099511627776 1099511627776] are too large"},
		{float(raw(4), 1<<62), "dims [4611686018427387904] are too large"},
		{float(raw(4), 1<<40), "raw_data has 4 bytes, and float32[1099511627776] needs 4398046511104"},
		{float(raw(0), 1<<40), "raw_data has 0 bytes, and float32[1099511627776] needs 4398046511104"},
		{float(raw(7), 2), "raw_data has 7 bytes, and float32[2] needs 8"},
		{float(raw(8)), "raw_data has 8 bytes, and float32[] needs 4"},
		{float(func(pb *onnxpb.TensorProto) { pb.FloatData = []float32{1, 2, 3} }, 2, 2), "float_data has 3 elements, and float32[2 2] needs 4"},
		{float(func(pb *onnxpb.TensorProto) { pb.RawData, pb.Segment = make([]byte, 4), &onnxpb.TensorProto_Segment{} }, 1), "a tensor in segments is not supported"},
		{&onnxpb.TensorProto{DataType: ptr(int32(3)), Int32Data: []int32{128}}, "the value 128 does not fit int8"},
		{&onnxpb.TensorProto{DataType: ptr(int32(2)), Int32Data: []int32{-1}}, "the value -1 does not fit uint8"},
		{&onnxpb.TensorProto{DataType: ptr(int32(12)), Uint64Data: []uint64{1 << 32}}, "the value 4294967296 does not fit uint32"},
		{&onnxpb.TensorProto{DataType: ptr(int32(99))}, "elements of type 99 are not supported"},
		{sparse(two(), i64(0, 1), 1<<32), "a sparse tensor of shape [4294967296] is larger than the 256 MiB that are supported"},
		{sparse(two(), i64(0, 4), 4), "sparse tensor: index 4 is outside 0..3"},
		{sparse(two(), i64(0, -1), 4), "sparse tensor: index -1 is outside 0..3"},
		{sparse(two(), i64(0), 4), "sparse tensor: indices [1] do not fit 2 values of shape [4]"},
		{sparse(two(), float(raw(8), 2), 4), "sparse tensor: values int64[2] and indices float32[2] should be [n] and int64[n] or int64[n,1]"},
		{sparse(nil, nil, 4), "values: elements of undefined are not supported"},
	} {
		var err error
		switch pb := c.pb.(type) {
		case *onnxpb.TensorProto:
			_, err = toTensor(pb, source{}, false)
		case *onnxpb.SparseTensorProto:
			_, err = densify(pb, source{})
		}
		if err == nil || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

func FuzzTensor(f *testing.F) {
	for _, x := range sampleTensors() {
		data, err := EncodeTensor("x", x)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	m := open(f, "typed.onnx")
	for _, pb := range m.pb.Graph.Initializer {
		data, err := proto.Marshal(pb)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		name, x, err := DecodeTensor(data)
		if err != nil {
			return
		}
		again, err := EncodeTensor(name, x)
		if err != nil {
			t.Fatal(err)
		}
		if _, y, err := DecodeTensor(again); err != nil || !x.Type().Equal(y.Type()) || string(toRaw(x)) != string(toRaw(y)) {
			t.Fatalf("%v became %v: %v", x.Type(), y, err)
		}
	})
}
