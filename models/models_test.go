package models

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
)

// network is what PyTorch says of a network; the scripts in testdata write it.
type network struct {
	Architecture string
	Params       map[string]string
	Parameters   int
	State        map[string][]int
	Input, Shape []int
	Output       []float64
}

func networks(t *testing.T) []network {
	t.Helper()
	var all []network
	for _, file := range []string{"networks.json", "attention.json"} {
		data, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		var some []network
		if err := json.Unmarshal(data, &some); err != nil {
			t.Fatal(err)
		}
		all = append(all, some...)
	}
	return all
}

func build(t *testing.T, arch string, params map[string]string) *onnxio.Model {
	t.Helper()
	m, err := New(arch, params, 1)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The constants are PyTorch's state dictionary, and the parameters as many.
func TestState(t *testing.T) {
	for _, want := range networks(t) {
		m := build(t, want.Architecture, want.Params)
		got, count := map[string][]int{}, 0
		for _, name := range m.Graph().Initializers() {
			info, _ := m.Graph().InitializerInfo(name)
			if info.DType != graph.Float32 {
				t.Errorf("%s is %v", name, info)
			}
			size := 1
			got[name] = []int{}
			for _, d := range info.Dims {
				got[name] = append(got[name], d.Value)
				size *= d.Value
			}
			if !strings.Contains(name, "running_") && !strings.HasSuffix(name, ".weight_u") && !strings.HasSuffix(name, ".weight_v") {
				count += size
			}
		}
		if !maps.EqualFunc(got, want.State, slices.Equal) {
			t.Errorf("%s %v: the state is\n%v\nwant\n%v", want.Architecture, want.Params, got, want.State)
		}
		if count != want.Parameters {
			t.Errorf("%s %v: %d parameters, want %d", want.Architecture, want.Params, count, want.Parameters)
		}
	}
}

// With the same weights the networks compute what PyTorch does.
func TestOutput(t *testing.T) {
	for _, want := range networks(t) {
		if want.Input == nil {
			continue
		}
		m := build(t, want.Architecture, want.Params)
		for name, shape := range want.State {
			if err := m.Graph().SetInitializer(name, pattern(t, name, shape)); err != nil {
				t.Fatal(err)
			}
		}
		y := run(t, m, pattern(t, "input", want.Input))
		if !slices.Equal(y.Shape(), want.Shape) {
			t.Errorf("%s %v: shape %v, want %v", want.Architecture, want.Params, y.Shape(), want.Shape)
			continue
		}
		largest := max(1, slices.Max(want.Output), -slices.Min(want.Output))
		for i, v := range graph.Data[float32](y) {
			if d := math.Abs(float64(v) - want.Output[i]); !(d < 5e-6*largest) {
				t.Errorf("%s %v: output %d is %v, want %v", want.Architecture, want.Params, i, v, want.Output[i])
				break
			}
		}
	}
}

// pattern is fill of testdata/make.py.
func pattern(t *testing.T, name string, shape []int) *graph.Tensor {
	t.Helper()
	n, _ := graph.Numel(shape)
	data := make([]float32, n)
	for i := range data {
		v := float64((i*31+len(name)*17)%101-50) / 50
		switch {
		case name == "input":
			v = v*0.5 + 0.5
		case len(shape) > 1:
			v *= math.Sqrt(3 / float64(n/shape[0]))
		case strings.HasSuffix(name, ".weight_u"):
			if v *= 0.1; i == 0 {
				v = 1
			}
		case strings.HasSuffix(name, ".weight_v"):
			v = float64((i*31+(len(name)+3)*17)%101-50) / 50 * math.Sqrt(3/float64(n))
		case strings.HasSuffix(name, "running_var"), strings.Contains(name, "bn") && strings.HasSuffix(name, "weight"):
			v = 1 + 0.5*v
		default:
			v *= 0.1
		}
		data[i] = float32(v)
	}
	x, err := graph.FromSlice(data, shape...)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func run(t *testing.T, m *onnxio.Model, x *graph.Tensor) *graph.Tensor {
	t.Helper()
	p, err := onnxio.NewProgram(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	out, err := p.Run(context.Background(), map[string]*graph.Tensor{"input": x})
	if err != nil {
		t.Fatal(err)
	}
	return out["output"]
}

// Initial values have the distributions of PyTorch's layers, and depend on the seed alone.
func TestInitial(t *testing.T) {
	params := map[string]string{"num_feat": "32", "num_conv": "4"}
	m := build(t, "SRVGGNetCompact", params)
	check := func(name string, bound, deviation float64) {
		t.Helper()
		x, ok, err := m.Graph().Initializer(name)
		if !ok || err != nil {
			t.Fatal(name, ok, err)
		}
		var sum, squares, most float64
		data := graph.Data[float32](x)
		for _, v := range data {
			sum += float64(v)
			squares += float64(v) * float64(v)
			most = max(most, math.Abs(float64(v)))
		}
		n := float64(len(data))
		if mean := sum / n; math.Abs(mean) > 4*deviation/math.Sqrt(n) {
			t.Errorf("%s: mean %v", name, mean)
		}
		if sd := math.Sqrt(squares / n); math.Abs(sd/deviation-1) > 3/math.Sqrt(n) {
			t.Errorf("%s: standard deviation %v, want %v", name, sd, deviation)
		}
		if most > bound || most < 0.9*bound {
			t.Errorf("%s: largest %v, want %v", name, most, bound)
		}
	}
	// U(-b, b) with b = 1/sqrt(32·9) has the standard deviation b/sqrt(3).
	b := 1 / math.Sqrt(32*9)
	check("body.2.weight", b, b/math.Sqrt(3))
	check("body.2.bias", b, b/math.Sqrt(3))
	if x, _, err := m.Graph().Initializer("body.1.weight"); err != nil || slices.ContainsFunc(graph.Data[float32](x), func(v float32) bool { return v != 0.25 }) {
		t.Errorf("slopes %v %v", x, err)
	}
	encode := func(seed uint64) string {
		m, err := New("SRVGGNetCompact", params, seed)
		if err != nil {
			t.Fatal(err)
		}
		data, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	if first, again, other := encode(7), encode(7), encode(8); first != again || first == other {
		t.Error("the file should depend on the seed, and on nothing else")
	}
	g := build(t, "CourseGenerator", map[string]string{"widths": "4", "scale": "2"})
	for name, want := range map[string]float32{"weight": 1, "bias": 0, "running_mean": 0, "running_var": 1} {
		x, _, err := g.Graph().Initializer("model.0.bn1." + name)
		if err != nil || slices.ContainsFunc(graph.Data[float32](x), func(v float32) bool { return v != want }) {
			t.Errorf("bn1.%s is %v (%v)", name, x, err)
		}
	}
}

func TestMetadata(t *testing.T) {
	for _, c := range []struct {
		arch   string
		params map[string]string
		want   map[string]string
	}{
		{"course_generator", map[string]string{"widths": "4, 16"}, map[string]string{"gansr.architecture": "CourseGenerator",
			"gansr.params": "widths=4,16 kernel=7 scale=4", "gansr.scale": "4", "gansr.range": "0,1", "gansr.channels": "rgb",
			"gansr.mean": "0.485,0.456,0.406", "gansr.std": "0.229,0.224,0.225"}},
		{"srvggnetcompact", map[string]string{"num_in_ch": "1", "num_out_ch": "1", "num_feat": "4", "num_conv": "0", "upscale": "3"},
			map[string]string{"gansr.architecture": "SRVGGNetCompact", "gansr.scale": "3", "gansr.range": "0,1", "gansr.channels": "y",
				"gansr.params": "num_in_ch=1 num_out_ch=1 num_feat=4 num_conv=0 upscale=3 act_type=prelu"}},
		{"RRDBNet", map[string]string{"num_feat": "4", "num_block": "0", "scale": "2"}, map[string]string{"gansr.architecture": "RRDBNet",
			"gansr.scale": "2", "gansr.range": "0,1", "gansr.channels": "rgb", "gansr.multiple": "2",
			"gansr.params": "num_in_ch=3 num_out_ch=3 scale=2 num_feat=4 num_block=0 num_grow_ch=32 unshuffle=auto plus=false"}},
		{"CourseCritic", map[string]string{"widths": "4"}, map[string]string{"gansr.architecture": "CourseCritic", "gansr.params": "widths=4 pool=4"}},
	} {
		m := build(t, c.arch, c.params)
		if got := m.Metadata(); !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", c.arch, got, c.want)
		}
		if name, _ := m.Producer(); name != "gansr" || m.Opset("") != 17 {
			t.Errorf("%s: producer %q, operator set %d", c.arch, name, m.Opset(""))
		}
	}
}

func TestNewErrors(t *testing.T) {
	for want, c := range map[string]struct {
		arch   string
		params map[string]string
	}{
		`RRDBNet has no parameter "nf"; it has num_in_ch num_out_ch scale num_feat num_block num_grow_ch unshuffle plus`: {"rrdbnet", map[string]string{"nf": "64"}},
		`RRDBNet: scale is "5" and should be one of 1 2 3 4 8 16`:                                                        {"rrdbnet", map[string]string{"scale": "5"}},
		`RRDBNet: num_feat is "many" and should be a whole number from 1 to 4096`:                                        {"rrdbnet", map[string]string{"num_feat": "many"}},
		`RRDBNet: num_block is "-1" and should be a whole number from 0 to 256`:                                          {"rrdbnet", map[string]string{"num_block": "-1"}},
		`RRDBNet: the network has more than 268435456 parameters`:                                                        {"rrdbnet", map[string]string{"num_feat": "4096", "num_block": "256"}},
		`SRVGGNetCompact: act_type is "tanh" and should be one of prelu relu leakyrelu`:                                  {"SRVGGNetCompact", map[string]string{"act_type": "tanh"}},
		`SRVGGNetCompact: num_out_ch is 1 and should be num_in_ch, which is 3, because the output adds to the input`: {
			"SRVGGNetCompact", map[string]string{"num_out_ch": "1"}},
		`CourseGenerator: widths is "16,,32" and should be whole numbers from 1 to 4096 with commas between them`: {
			"CourseGenerator", map[string]string{"widths": "16,,32"}},
		`CourseGenerator: widths is "16,20" and should be such that the last is a multiple of scale², which is 16`: {
			"CourseGenerator", map[string]string{"widths": "16,20"}},
		`CourseGenerator: kernel is "4" and should be odd`:                                               {"CourseGenerator", map[string]string{"kernel": "4"}},
		`CourseCritic: widths is "" and should be whole numbers from 1 to 4096 with commas between them`: {"CourseCritic", map[string]string{"widths": ""}},
	} {
		if _, err := New(c.arch, c.params, 0); err == nil || err.Error() != "models: "+want {
			t.Errorf("got  %v\nwant models: %s", err, want)
		}
	}
}

func TestUnknownArchitecture(t *testing.T) {
	_, err := New("unet", nil, 0)
	if want := `models: unknown architecture "unet"; there are CARN CourseCritic CourseGenerator `; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s...", err, want)
	}
}

func TestEmbedded(t *testing.T) {
	infos, err := Embedded()
	if err != nil || len(infos) == 0 {
		t.Fatal(infos, err)
	}
	for _, info := range infos {
		m, err := Open(info.Name)
		if err != nil {
			t.Error(err)
			continue
		}
		x, err := graph.FromSlice(make([]float32, 3*5*7), 1, 3, 5, 7)
		if err != nil {
			t.Fatal(err)
		}
		if y := run(t, m, x); !slices.Equal(y.Shape(), []int{1, 3, 20, 28}) || info.Metadata["gansr.scale"] != "4" || info.Bytes == 0 {
			t.Errorf("%s: shape %v, %v", info.Name, y.Shape(), info)
		}
	}
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := build(t, "SRVGGNetCompact", map[string]string{"num_conv": "0"}).Save(path); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); err != nil {
		t.Error(err)
	}
	if _, err := Open("no-such-model"); err == nil || !strings.Contains(err.Error(), `"no-such-model" is neither a file nor one of the embedded models: compact-x4`) {
		t.Error(err)
	}
	if _, err := Open(path + ".missing"); err == nil || !strings.HasPrefix(err.Error(), "onnx: ") {
		t.Error(err)
	}
}
