package finetune

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/models"
	"github.com/gansr/gansr/onnxio"
)

// cycle is a Source of several batches, one after the other.
type cycle struct {
	batches []Batch
	next    int
}

func (c *cycle) Next(context.Context) (Batch, error) {
	c.next++
	return c.batches[(c.next-1)%len(c.batches)], nil
}

func (c *cycle) Len() int      { return len(c.batches) }
func (c *cycle) State() []byte { return []byte{byte(c.next)} }
func (c *cycle) Restore(state []byte) error {
	c.next = int(state[0])
	return nil
}

// split cuts a batch into batches of a size.
func split(b Batch, size int) *cycle {
	c := &cycle{}
	lr, hr := len(b.LR)/b.N, len(b.HR)/b.N
	for at := 0; at < b.N; at += size {
		c.batches = append(c.batches, Batch{LR: b.LR[at*lr:][:size*lr], HR: b.HR[at*hr:][:size*hr], N: size, H: b.H, W: b.W})
	}
	return c
}

func compact(t testing.TB) *onnxio.Model {
	return model(t, "SRVGGNetCompact", map[string]string{"num_feat": "4", "num_conv": "1", "upscale": "2"})
}

// A batch learned from in parts, or made of several batches, is the same batch: exactly if the parts are, and but for rounding if they are not.
func TestParts(t *testing.T) {
	whole := waves(6, 8, 8, 2)
	learn := func(source Source, micro, accumulate int) (*Trainer, []Record) {
		c := pixels(4)
		c.MicroBatch, c.Accumulate = micro, accumulate
		c.Adversarial = Adversarial{Kind: WassersteinPenalty, Weight: 0.1, Penalty: 10, Target: 1}
		c.Alternation = Alternation{Interleaved, 1}
		var records []Record
		critic, err := models.NewCritic("CourseCritic", map[string]string{"widths": "4,6"}, 16, 2)
		if err != nil {
			t.Fatal(err)
		}
		return train(t, Task{Generator: compact(t), Critic: critic, Source: source, Observe: func(r Record) { records = append(records, r) }}, c), records
	}
	one, oneRecords := learn(&cycle{batches: []Batch{whole}}, 0, 0)
	parts, _ := learn(&cycle{batches: []Batch{whole}}, 2, 0)
	several, _ := learn(split(whole, 2), 0, 3)
	same(t, several, parts)
	_, thirds := learn(&cycle{batches: []Batch{whole}}, 3, 1)
	for name, h := range one.tensors() {
		// Second moments of gradients that are all but 0 are those of rounding errors.
		if e := relative(parts.tensors()[name].data, h.data); !(e < 1e-3) && !strings.Contains(name, "-") {
			t.Errorf("%s differs by %.2g", name, e)
		}
	}
	for i, r := range oneRecords {
		var got, want float64
		if r.Critic != nil {
			got, want = thirds[i].Critic.Total, r.Critic.Total
		} else {
			got, want = thirds[i].Generator.Total, r.Generator.Total
		}
		if !(math.Abs(got-want) < 1e-4*math.Abs(want)) {
			t.Errorf("step %d: the loss is %v, and %v in parts", i, want, got)
		}
	}
	if _, err := New(Task{Generator: compact(t), Source: flat{whole, 1}}, func() Config { c := pixels(1); c.MicroBatch = -1; return c }()); err == nil {
		t.Error("a negative micro-batch is no error")
	}
	c := pixels(1)
	c.MicroBatch = 4
	trainer, err := New(Task{Generator: compact(t), Source: flat{whole, 1}}, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := trainer.Run(context.Background()); err == nil || !strings.Contains(err.Error(), "a batch has 6 pictures, which the micro-batch of 4 should divide") {
		t.Error(err)
	}
}

// A batch of which a later part is not finite leaves statistics as they were.
func TestSkippedParts(t *testing.T) {
	bad := waves(4, 8, 8, 2)
	bad.HR[len(bad.HR)-1] = float32(math.Inf(1))
	c := pixels(3)
	c.MicroBatch, c.Patience = 1, 9
	trainer, err := New(Task{Generator: model(t, "CourseGenerator", map[string]string{"widths": "4,8", "kernel": "3", "scale": "2"}), Source: flat{bad, 1}}, c)
	if err != nil {
		t.Fatal(err)
	}
	before := map[string][]float32{}
	for name, h := range trainer.tensors() {
		before[name] = slices.Clone(h.data)
	}
	run(t, trainer)
	if trainer.state.Skipped != 3 {
		t.Errorf("%d steps are skipped, want 3", trainer.state.Skipped)
	}
	for name, h := range trainer.tensors() {
		if !slices.Equal(h.data, before[name]) {
			t.Errorf("%s has changed", name)
		}
	}
}

// Every kind of state goes on exactly: spectral norms, batches in parts, a plateau's.
func TestResumeOfParts(t *testing.T) {
	start := func(folder string, batches int) *Trainer {
		c := pixels(batches)
		c.Folder, c.Every, c.MicroBatch, c.Accumulate = folder, 1, 1, 2
		c.Content = Content{L1: 1, Features: 0.1, Colour: 0.1}
		c.Adversarial = Adversarial{Kind: Hinge, Weight: 0.1}
		c.Alternation = Alternation{Interleaved, 1}
		c.Generator.Schedule = Schedule{Kind: "plateau", Factor: 0.5, Threshold: 0.9} // hardly ever better
		trainer, err := New(Task{Generator: compact(t), Critic: model(t, "UNetDiscriminatorSN", map[string]string{"num_feat": "2"}), Source: split(waves(4, 8, 8, 2), 1)}, c)
		if err != nil {
			t.Fatal(err)
		}
		return trainer
	}
	whole := start("", 8)
	run(t, whole)
	if p := whole.state.Generator; p.Cuts != 3 || whole.state.Contents != 0 {
		t.Errorf("the plateau is %+v after 4 epochs that are not better than the first; want 3 cuts", p)
	}
	folder := t.TempDir()
	run(t, start(folder, 5))
	second := start(folder, 8)
	if found, err := second.Resume(); !found || err != nil {
		t.Fatal(found, err)
	}
	run(t, second)
	same(t, second, whole)
	// The vectors of spectral norms are in the critic's file, which scores as the trainer does.
	path := filepath.Join(t.TempDir(), "critic.onnx")
	if err := whole.SaveCritic(path); err != nil {
		t.Fatal(err)
	}
	m, err := onnxio.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := newNetwork("critic", m, nil, true, pattern(nil))
	if err != nil || len(again.running) != 16 {
		t.Fatal(len(again.running), err)
	}
	for i, w := range again.weights() {
		if !slices.Equal(w.floats(), whole.critic.weights()[i].floats()) {
			t.Errorf("%s differs in the file", w.name)
		}
	}
}

func TestPlateauAgreesWithPyTorch(t *testing.T) {
	text, err := os.ReadFile("testdata/plateau.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Factor, Threshold, Least float64
		Patience, Cooldown       int
		Losses, Rates            []float64
	}
	if err := json.Unmarshal(text, &cases); err != nil || len(cases) != 3 {
		t.Fatal(len(cases), err)
	}
	for _, c := range cases {
		s := Schedule{Kind: "plateau", Factor: c.Factor, Patience: c.Patience, Threshold: c.Threshold, Cooldown: c.Cooldown, Least: c.Least}
		if err := s.check("adam-schedule"); err != nil {
			t.Error(err)
		}
		var p plateau
		for i, loss := range c.Losses {
			if p.see(s, loss); !(math.Abs(s.factor(0, 0, p)/c.Rates[i]-1) < 1e-12) {
				t.Fatalf("%+v: after %d losses the rate is %v, want %v", s, i+1, s.factor(0, 0, p), c.Rates[i])
			}
		}
		if p.Cuts < 2 {
			t.Errorf("%+v: %d cuts show little", s, p.Cuts)
		}
	}
}

// The perceptual loss is what the network's outputs say of the two pictures, with weights or without.
func TestPerceptual(t *testing.T) {
	state := map[string]*graph.Tensor{}
	for i, s := range [][2]int{{3, 4}, {4, 4}, {0, 0}, {4, 5}} {
		if s[0] == 0 {
			continue
		}
		at := []string{"0", "2", "", "5"}[i]
		w, b := graph.NewTensor(graph.Float32, s[1], s[0], 3, 3), graph.NewTensor(graph.Float32, s[1])
		for j := range graph.Data[float32](w) {
			graph.Data[float32](w)[j] = float32(math.Sin(float64(3*j+i))) / 3
		}
		state["features."+at+".weight"], state["features."+at+".bias"] = w, b
	}
	vgg, err := models.VGG(state, []string{"relu2_1", "conv1_2"})
	if err != nil {
		t.Fatal(err)
	}
	b := waves(2, 8, 8, 2)
	p, err := onnxio.NewProgram(vgg, nil)
	if err != nil {
		t.Fatal(err)
	}
	see := func(pixels []float32, h, w int) map[string]*graph.Tensor {
		x := graph.NewTensor(graph.Float32, 2, 3, h, w)
		space{0, 1, [3]float64{0.485, 0.456, 0.406}, [3]float64{0.229, 0.224, 0.225}}.enter(graph.Data[float32](x), pixels, h*w)
		out, err := p.Run(context.Background(), map[string]*graph.Tensor{"input": x})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	g, err := onnxio.NewProgram(compact(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	lr, err := graph.FromSlice(b.LR, 2, 3, 8, 8)
	if err != nil {
		t.Fatal(err)
	}
	sr, err := g.Run(context.Background(), map[string]*graph.Tensor{"input": lr})
	if err != nil {
		t.Fatal(err)
	}
	fake, real := see(graph.Data[float32](sr["output"]), 16, 16), see(b.HR, 16, 16)
	means := map[string][2]float64{}
	for name, y := range fake {
		var l1, l2 float64
		for i, v := range graph.Data[float32](y) {
			off := float64(v) - float64(graph.Data[float32](real[name])[i])
			l1 += math.Abs(off) / float64(y.Len())
			l2 += off * off / float64(y.Len())
		}
		means[name] = [2]float64{l1, l2}
	}
	r, c := means["relu2_1"], means["conv1_2"]
	for _, x := range []struct {
		content Content
		want    float64
	}{
		{Content{Perceptual: 1, PerceptualWeights: []float64{}}, (r[0] + c[0]) / 2}, {Content{Perceptual: 1, PerceptualDistance: "l2"}, (r[1] + c[1]) / 2},
		{Content{Perceptual: 1, PerceptualDistance: "l1", PerceptualWeights: []float64{2, 0.5}}, 2*r[0] + 0.5*c[0]},
		{Content{Perceptual: 1, PerceptualDistance: "l2", PerceptualWeights: []float64{2, 0.5}}, 2*r[1] + 0.5*c[1]},
	} {
		cfg := pixels(1)
		cfg.Content = x.content
		got := 0.0
		train(t, Task{Generator: compact(t), Perceptual: vgg, Source: flat{b, 1}, Observe: func(r Record) { got = r.Generator.Terms[0].Loss }}, cfg)
		if !(x.want > 0 && math.Abs(got/x.want-1) < 1e-5) {
			t.Errorf("%+v: the loss is %v, want %v", x.content, got, x.want)
		}
	}
	cfg := pixels(1)
	cfg.Content = Content{Perceptual: 1, PerceptualWeights: []float64{1}}
	if _, err := New(Task{Generator: compact(t), Perceptual: vgg, Source: flat{b, 1}}, cfg); err == nil || !strings.Contains(err.Error(), "one for each of 2 layers, and there are 1") {
		t.Error(err)
	}
}

// A generator whose parameters lie before an operator without a gradient is refused; with these frozen it learns.
func TestRefusesWithoutGradient(t *testing.T) {
	lacking := func() *onnxio.Model {
		b := onnxio.NewBuilder("g", 17)
		x := b.Input("input", graph.Float32, "n", 3, "h", "w")
		weight := func(name string) string {
			w := graph.NewTensor(graph.Float32, 3, 3, 1, 1)
			for i := range graph.Data[float32](w) {
				graph.Data[float32](w)[i] = float32(i) / 9
			}
			return b.Init(name, w)
		}
		first := b.Node("Conv", []string{x, weight("first.weight")})
		det := b.Node("Unsqueeze", []string{b.Node("Det", []string{first}), b.Init("axes", graph.Ints(2, 3))})
		b.Output("output", b.Node("Conv", []string{b.Node("Add", []string{first, det}), weight("last.weight")}), graph.Float32, "n", 3, "h", "w")
		m, err := b.Model()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	source := flat{waves(1, 6, 6, 1), 1}
	_, err := New(Task{Generator: lacking(), Source: source}, pixels(1))
	if err == nil || !strings.Contains(err.Error(), "the generator cannot learn") || !strings.Contains(err.Error(), "(Det)") {
		t.Fatal(err)
	}
	c := pixels(2)
	c.Freeze = []string{"first.*"}
	train(t, Task{Generator: lacking(), Source: source}, c)
}

// Networks that take pictures of one size alone, as exports often do, and critics that score nothing are refused with what would fit.
func TestFixedSizes(t *testing.T) {
	network := func(stride int, n, h, w any) *onnxio.Model {
		b := onnxio.NewBuilder("g", 17)
		x := b.Input("input", graph.Float32, n, 3, h, w)
		weight := graph.NewTensor(graph.Float32, 3, 3, 2, 2)
		for i := range graph.Data[float32](weight) {
			graph.Data[float32](weight)[i] = float32(i) / 9
		}
		op := "ConvTranspose"
		if stride < 0 {
			op, stride = "Conv", -stride
		}
		b.Output("output", b.Node(op, []string{x, b.Init("w", weight)}, onnxio.Attr{Name: "strides", Value: []int{stride, stride}}), graph.Float32, "a", 3, "c", "d")
		m, err := b.Model()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	any := func() *onnxio.Model { return network(2, "n", "h", "w") }
	for want, nets := range map[string][2]*onnxio.Model{
		"the generator takes input: tensor(float)[1,3,8,8] alone, and not [2 3 6 6]: patch 8 and micro-batch 1": {network(2, 1, 8, 8), nil},
		"the generator takes input: tensor(float)[1,3,h,w] alone, and not [2 3 6 6]: micro-batch 1":             {network(2, 1, "h", "w"), nil},
		"tensor(float)[n,3,8,6] alone, and no patch at scale 1":                                                 {network(2, "n", 8, 6), nil},
		"the critic takes input: tensor(float)[n,3,16,16] alone, and not [2 3 12 12]: patch 8 would":            {any(), network(-2, "n", 16, 16)},
		"the critic makes float32[2 3 24 24] of float32[2 3 12 12]; it should score":                            {any(), any()},
	} {
		c := pixels(1)
		if nets[1] != nil {
			c.Adversarial, c.Alternation = Adversarial{Kind: Hinge, Weight: 0.1}, Alternation{Interleaved, 1}
		}
		trainer, err := New(Task{Generator: nets[0], Critic: nets[1], Source: flat{waves(2, 6, 6, 2), 1}}, c)
		if err != nil {
			t.Fatal(err)
		}
		if err := trainer.Run(context.Background()); !errors.As(err, &SettingError{}) || !strings.Contains(err.Error(), want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}
