package npy

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gansr/gansr/graph"
)

// The files and the numbers in expect.json are NumPy's; testdata/make.py made them.
func TestDecode(t *testing.T) {
	text, err := os.ReadFile("testdata/expect.json")
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]struct {
		DType string
		Shape []int
		Bits  []uint64
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if len(want) < 19 {
		t.Fatalf("%d files", len(want))
	}
	for name, w := range want {
		data, err := os.ReadFile(filepath.Join("testdata", name+".npy"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got.DType().String() != w.DType || !slices.Equal(got.Shape(), w.Shape) {
			t.Errorf("%s: got %v, want %s%v", name, got.Type(), w.DType, w.Shape)
			continue
		}
		if b := bits(t, got); !slices.Equal(b, w.Bits) {
			t.Errorf("%s: got %x, want %x", name, b, w.Bits)
		}
		// What NumPy writes for row-major little-endian arrays is what Encode writes.
		again, err := Encode(got)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if rewritten := strings.HasPrefix(name, "fortran") || strings.HasPrefix(name, "version") || name == "bigendian"; !rewritten && !bytes.Equal(again, data) {
			t.Errorf("%s: Encode writes %q, NumPy %q", name, again, data)
		}
	}
}

// bits returns the elements as unsigned numbers of the same bits.
func bits(t *testing.T, x *graph.Tensor) []uint64 {
	raw, err := binary.Append(nil, binary.LittleEndian, x.Data())
	if err != nil {
		t.Fatal(err)
	}
	var out []uint64
	for e := range slices.Chunk(raw, x.DType().Size()) {
		out = append(out, binary.LittleEndian.Uint64(append(slices.Clone(e), make([]byte, 8)...)))
	}
	return out
}

// file returns a version 1.0 file.
func file(header string, data ...byte) string {
	return string(binary.LittleEndian.AppendUint16([]byte(magic+"\x01\x00"), uint16(len(header)))) + header + string(data)
}

func TestDecodeRefuses(t *testing.T) {
	head := func(descr, shape string) string {
		return "{'descr': " + descr + ", 'fortran_order': False, 'shape': " + shape + ", }\n"
	}
	for _, c := range []struct{ name, file, want string }{
		{"empty", "", "not a .npy file"},
		{"text", "hello", "not a .npy file"},
		{"magic only", magic, "cut short"},
		{"version 2 cut", magic + "\x02\x00\x01\x00", "cut short"},
		{"version 9", magic + "\x09\x00\x01\x00  ", "version 9.0"},
		{"huge header", magic + "\x02\x00\xff\xff\xff\xff{}", "cut short"},
		{"no keys", file("{}\n"), "does not give descr"},
		{"structured", file(head("[('a', '<f4')]", "(1,)"), 0, 0, 0, 0), "does not give descr"},
		{"object", file(head("'|O'", "(1,)"), 0, 0, 0, 0), "does not give descr"},
		{"string", file(head("'<U4'", "(1,)"), 0, 0, 0, 0), `elements of type "<U4"`},
		{"complex", file(head("'<c8'", "(1,)"), 0, 0, 0, 0, 0, 0, 0, 0), `elements of type "<c8"`},
		{"negative", file(head("'<f4'", "(-1,)")), "does not give descr"},
		{"huge dim", file(head("'<f4'", "(99999999999999999999,)")), "sizes that fit an int"},
		{"huge product", file(head("'<f4'", "(4294967296, 4294967296)")), "too large"},
		{"huge bytes", file(head("'<f8'", "(2305843009213693951,)")), "too large"},
		{"many dims", file(head("'<f4'", "("+strings.Repeat("1,", 65)+")"), 0, 0, 0, 0), "at most 64"},
		{"gigabytes promised", file(head("'<f4'", "(1000000000,)"), 0), "needs 4000000000 bytes, the file has 1"},
		{"too long", file(head("'<i2'", "(1,)"), 0, 0, 0), "needs 2 bytes, the file has 3"},
	} {
		_, err := Decode([]byte(c.file))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want one line with %q", c.name, err, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob("testdata/*.npy")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := Decode(data)
		if err != nil {
			return
		}
		again, err := Encode(x)
		if err != nil {
			t.Fatal(err)
		}
		if y, err := Decode(again); err != nil || !y.Type().Equal(x.Type()) {
			t.Fatalf("%v became %v, %v", x.Type(), y, err)
		}
	})
}
