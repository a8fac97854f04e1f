package convert

import (
	"context"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/shared"
	"github.com/gansr/gansr/models"
	"github.com/gansr/gansr/onnxio"
	"github.com/gansr/gansr/onnxio/torch"
)

func newModel(t *testing.T) *onnxio.Model {
	t.Helper()
	m, err := models.New("CourseGenerator", map[string]string{"widths": "4,8", "scale": "2", "kernel": "3"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// fileOf writes what PyTorch would save of a model.
func fileOf(t *testing.T, m *onnxio.Model) (path string, tensors map[string]*graph.Tensor) {
	t.Helper()
	tensors = map[string]*graph.Tensor{}
	for _, name := range m.Graph().Initializers() {
		x, _, err := m.Graph().Initializer(name)
		if err != nil {
			t.Fatal(err)
		}
		tensors[name] = x
		if before, ok := strings.CutSuffix(name, "running_var"); ok {
			tensors[before+"num_batches_tracked"] = graph.Scalar(int64(17))
		}
	}
	path = filepath.Join(t.TempDir(), "net.safetensors")
	if err := torch.Save(path, tensors, nil); err != nil {
		t.Fatal(err)
	}
	return path, tensors
}

// A state dictionary comes back as it was, counters included, and with what training changed.
func TestBack(t *testing.T) {
	path, want := fileOf(t, newModel(t))
	s, err := Open(path, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "net.onnx")
	if _, err := Convert(context.Background(), s, out, Options{}); err != nil {
		t.Fatal(err)
	}
	m, err := onnxio.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	parameters, _ := m.Trainable()
	tuned, _, err := m.Graph().Initializer(parameters[0])
	if err != nil {
		t.Fatal(err)
	}
	graph.Data[float32](tuned)[0] += 1
	if err := m.Graph().SetInitializer(parameters[0], tuned); err != nil {
		t.Fatal(err)
	}
	want[parameters[0]] = tuned
	got, original, err := StateOf(m)
	if err != nil || !original || len(got) != len(want) {
		t.Fatalf("%d tensors, want %d (%v, %v)", len(got), len(want), original, err)
	}
	counters := 0
	for name, w := range want {
		if got[name] == nil || !graph.Equal(got[name], w) {
			t.Errorf("%s is %v, want %v", name, got[name], w)
		}
		if strings.HasSuffix(name, "num_batches_tracked") {
			counters++
		}
	}
	if counters == 0 {
		t.Error("no counters")
	}
}

// A certificate holds for the file that it is in, and not for one that was changed.
func TestVerify(t *testing.T) {
	path, _ := fileOf(t, newModel(t))
	s, err := Open(path, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "net.onnx")
	r, err := Convert(context.Background(), s, out, Options{})
	if err != nil || r.Certificate == nil || len(r.Certificate.Cases) != 3 || r.Certificate.Cases[2].Shape[0] != 2 {
		t.Fatalf("%+v (%v)", r, err)
	}
	m, err := onnxio.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	if c, err := Verify(context.Background(), m, nil); err != nil || c == nil {
		t.Fatal(c, err)
	}
	parameters, _ := m.Trainable()
	x, _, err := m.Graph().Initializer(parameters[0])
	if err != nil {
		t.Fatal(err)
	}
	graph.Data[float32](x)[0] += 1
	if err := m.Graph().SetInitializer(parameters[0], x); err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(context.Background(), m, nil); err == nil || !strings.Contains(err.Error(), "has changed since") {
		t.Error(err)
	}
	if c, err := Verify(context.Background(), newModel(t), nil); c != nil || err != nil {
		t.Error(c, err)
	}
}

// Exports are written with operators of other versions, in float16, and compute the same.
func TestVersions(t *testing.T) {
	for _, name := range []string{"rrdb-x2-unshuffle/legacy.onnx", "compact-x2-leakyrelu/dynamo.onnx", "nafnet/legacy.onnx", "swinir-x2-lightweight/dynamo.onnx"} {
		s, err := Open(shared.Path(t, "reference", "torch", filepath.FromSlash(name)), "", nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, version := range []int{11, 13, 18, 23} {
			out := filepath.Join(t.TempDir(), strconv.Itoa(version)+".onnx")
			_, err := Convert(context.Background(), s, out, Options{Opset: version})
			if err != nil {
				t.Errorf("%s, version %d: %v", name, version, err)
				continue
			}
			if m, err := onnxio.Open(out); err != nil || m.Opset("") != version {
				t.Errorf("%s, version %d: %v", name, version, err)
			}
		}
		r, err := Convert(context.Background(), s, filepath.Join(t.TempDir(), "half.onnx"), Options{Half: true})
		if err != nil || !(r.Certificate.Error > 1e-6 && r.Certificate.Error < 0.02) {
			t.Errorf("%s in float16: %+v, %v", name, r, err)
		}
	}
}

// What a file says of values counts unless a picture clearly says otherwise.
func TestSettle(t *testing.T) {
	results := func(errors ...float64) []probed {
		var all []probed
		for i, e := range errors {
			all = append(all, probed{candidates[i], e})
		}
		slices.SortStableFunc(all, func(a, b probed) int {
			if a.error < b.error {
				return -1
			}
			return 1
		})
		return all
	}
	for _, c := range []struct {
		results         []probed
		stated, assumed bool
		keys, say       string
	}{
		{results(0.3, 0.01, 0.4), true, true, "range=0,255", "measured"},
		{results(0.3, 0.01, 0.4), true, false, "", "as the file says, but"},
		{results(0.004, 0.001, 0.4), true, true, "", "values: range=0,1"},
		{results(0.3, 0.01, 0.4), false, false, "range=0,255", "measured"},
		{results(0.3, 0.05, 0.051), false, false, "", "not clear"},
		{results(0.3, 0.5, 0.2), false, false, "", "not known"},
		{results(0.004, 0.002, 0.5), false, false, "range=0,1", "measured"},
	} {
		var stated map[string]string
		if c.stated {
			stated = candidates[0]
		}
		keys, say := settle(c.results, stated, c.assumed)
		if text(keys) != c.keys || !strings.Contains(say, c.say) {
			t.Errorf("%+v: %q, %s", c, text(keys), say)
		}
	}
}

// A file with values that are not finite is refused, and the tensor named.
func TestNotFinite(t *testing.T) {
	path, tensors := fileOf(t, newModel(t))
	name := slices.Sorted(maps.Keys(tensors))[0]
	graph.Data[float32](tensors[name])[0] = float32(math.NaN())
	if err := torch.Save(path, tensors, nil); err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "net.onnx")
	if _, err := Convert(context.Background(), s, out, Options{}); err == nil || !strings.Contains(err.Error(), strconv.Quote(name)+" holds some") {
		t.Errorf("%s: %v", name, err)
	}
	if isThere(out) {
		t.Error("a file was written")
	}
}
