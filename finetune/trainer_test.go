package finetune

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/models"
	"github.com/gansr/gansr/onnxio"
)

// flat is a Source of one batch, again and again.
type flat struct {
	Batch
	epoch int
}

func (s flat) Next(context.Context) (Batch, error) { return s.Batch, nil }
func (s flat) Len() int                            { return s.epoch }
func (s flat) State() []byte                       { return nil }
func (s flat) Restore([]byte) error                { return nil }
func (s flat) Digest() string                      { return "digest of flat" }

// waves returns a batch of n smooth pictures of a size.
func waves(n, h, w, scale int) Batch {
	fill := func(h, w int, step float64) []float32 {
		d := make([]float32, n*3*h*w)
		for i := range d {
			y, x := float64(i/w%h)*step, float64(i%w)*step
			d[i] = float32(0.5 + 0.4*math.Sin(0.7*x+0.3*y+float64(i/(h*w))))
		}
		return d
	}
	return Batch{LR: fill(h, w, 1), HR: fill(h*scale, w*scale, 1/float64(scale)), N: n, H: h, W: w}
}

func model(t testing.TB, arch string, values map[string]string) *onnxio.Model {
	t.Helper()
	m, err := models.New(arch, values, 3)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// pixels are settings for a training without a critic.
func pixels(batches int) Config {
	return Config{Batches: batches, Keep: 1, Patience: 2, BatchNorm: "batch", Generator: adam(2e-3, 0), Critic: adam(1e-3, 0), Content: Content{L1: 1}}
}

func train(t testing.TB, task Task, c Config) *Trainer {
	t.Helper()
	trainer, err := New(task, c)
	if err != nil {
		t.Fatal(err)
	}
	if err := trainer.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	return trainer
}

// A generator with the course's normalisation learns pixels; what it writes is the same graph, and better.
func TestResult(t *testing.T) {
	m := model(t, "CourseGenerator", map[string]string{"widths": "4,8", "kernel": "3", "scale": "2"})
	before, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	var losses []float64
	c := pixels(40)
	c.Freeze = []string{"model.0.*"}
	c.Average = 0.5
	source := flat{waves(2, 8, 6, 2), 10}
	trainer := train(t, Task{Generator: m, Source: source, Observe: func(r Record) { losses = append(losses, r.Generator.Total) }}, c)
	if len(losses) != 40 || !(losses[39] < 0.5*losses[0]) {
		t.Errorf("the losses of 40 steps are %.3v", losses)
	}
	path := filepath.Join(t.TempDir(), "out.onnx")
	if err := trainer.SaveGenerator(path); err != nil {
		t.Fatal(err)
	}
	after, err := onnxio.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	base, err := onnxio.Decode(before)
	if err != nil {
		t.Fatal(err)
	}
	if names := after.Graph().Initializers(); !slices.Equal(names, base.Graph().Initializers()) {
		t.Errorf("the initialisers are %v", names)
	}
	for _, name := range base.Graph().Initializers() {
		is, _, err := after.Graph().Initializer(name)
		if err != nil {
			t.Fatal(err)
		}
		was, _, err := base.Graph().Initializer(name)
		if err != nil {
			t.Fatal(err)
		}
		if frozen := strings.HasPrefix(name, "model.0."); graph.Equal(is, was) != frozen {
			t.Errorf("%s changed: %v, frozen: %v", name, !graph.Equal(is, was), frozen)
		}
	}
	md := after.Metadata()
	var settings Config
	if err := json.Unmarshal([]byte(md["gansr.finetune.settings"]), &settings); err != nil || settings.Batches != 40 {
		t.Errorf("the settings are %q, %v", md["gansr.finetune.settings"], err)
	}
	if len(md["gansr.finetune.base"]) != 64 || md["gansr.finetune.steps"] != "40" || md["gansr.finetune.data"] != "digest of flat" || md["gansr.mean"] != "0.485,0.456,0.406" {
		t.Errorf("the metadata are %v", md)
	}
	// In inference, its pixels are near the photo's too.
	x, y := graph.NewTensor(graph.Float32, 2, 3, 8, 6), graph.NewTensor(graph.Float32, 2, 3, 16, 12)
	trainer.plain.enter(graph.Data[float32](x), source.LR, 48)
	trainer.plain.enter(graph.Data[float32](y), source.HR, 192)
	if e := relative(graph.Data[float32](infer(t, path, x)), graph.Data[float32](y)); !(e < 0.5) {
		t.Errorf("the result differs by %.2g", e)
	}
}

// Running statistics that are kept do not change, and the step computes with them.
func TestRunningStatistics(t *testing.T) {
	m := model(t, "CourseGenerator", map[string]string{"widths": "4,8", "kernel": "3", "scale": "2"})
	c := pixels(2)
	c.BatchNorm = "running"
	trainer := train(t, Task{Generator: m, Source: flat{waves(2, 8, 8, 2), 1}}, c)
	if n := len(trainer.generator.running); n != 0 {
		t.Errorf("%d statistics are learned", n)
	}
}

// A step that is not finite changes nothing, and too many in a row end the training.
func TestSkip(t *testing.T) {
	m := model(t, "SRVGGNetCompact", map[string]string{"num_feat": "4", "num_conv": "1", "upscale": "2"})
	bad := waves(1, 6, 6, 2)
	bad.HR[5] = float32(math.NaN())
	skipped := 0
	trainer, err := New(Task{Generator: m, Source: flat{bad, 1}, Observe: func(r Record) {
		if r.Skipped {
			skipped++
		}
	}}, pixels(10))
	if err != nil {
		t.Fatal(err)
	}
	before := slices.Clone(trainer.generator.learned[0].floats())
	if err := trainer.Run(context.Background()); !errors.Is(err, ErrDiverged) || skipped != 2 {
		t.Errorf("got %v after %d steps, want ErrDiverged after 2", err, skipped)
	}
	if !slices.Equal(before, trainer.generator.learned[0].floats()) || trainer.generatorAdam.State.Steps != 0 {
		t.Error("the step has changed something")
	}
}

// shaky is a Source whose batches from the fourth on hold no numbers, until it has been at its fourth twice.
type shaky struct {
	flat
	next, falls int
}

func (s *shaky) Next(context.Context) (Batch, error) {
	b := s.Batch
	if s.next == 3 {
		s.falls++
	}
	if s.next++; s.next > 3 && s.falls < 3 {
		b.LR = slices.Repeat([]float32{float32(math.NaN())}, len(b.LR))
	}
	return b, nil
}

func (s *shaky) State() []byte { return []byte{byte(s.next)} }

func (s *shaky) Restore(state []byte) error {
	s.next = int(state[0])
	return nil
}

// A training whose figures are not finite any more goes back, and on more slowly.
func TestRollBack(t *testing.T) {
	start := func(rollbacks int) (*Trainer, *shaky) {
		source := &shaky{flat: flat{waves(1, 6, 6, 2), 1}}
		c := pixels(8)
		c.Folder, c.Every, c.Rollbacks = t.TempDir(), 2, rollbacks
		trainer, err := New(Task{Generator: model(t, "SRVGGNetCompact", map[string]string{"num_feat": "4", "num_conv": "1", "upscale": "2"}), Source: source}, c)
		if err != nil {
			t.Fatal(err)
		}
		return trainer, source
	}
	trainer, source := start(2)
	if err := trainer.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	// 2 batches, 3 in vain, those again, and then all.
	got := trainer.state
	got.Watched = watched{}
	if want := (state{Batches: 8, GeneratorSteps: 8, Rollbacks: 2}); got != want || source.falls != 3 {
		t.Errorf("the state is %+v after %d falls, want %+v", got, source.falls, want)
	}
	if want := 2e-3 / 4; trainer.generatorAdam.Rate != want {
		t.Errorf("the rate is %v, want %v", trainer.generatorAdam.Rate, want)
	}
	trainer, _ = start(1)
	if err := trainer.Run(context.Background()); !errors.Is(err, ErrDiverged) {
		t.Errorf("got %v, want ErrDiverged", err)
	}
}

func TestNewRefuses(t *testing.T) {
	generator := func() *onnxio.Model {
		return model(t, "SRVGGNetCompact", map[string]string{"num_feat": "4", "num_conv": "1", "upscale": "2"})
	}
	source := flat{waves(1, 6, 6, 2), 1}
	for want, f := range map[string]func(task *Task, c *Config){
		"a generator and a source":               func(task *Task, _ *Config) { task.Source = nil },
		"need a critic":                          func(_ *Task, c *Config) { c.Adversarial.Weight = 1 },
		"needs a network":                        func(_ *Task, c *Config) { c.Content.Perceptual = 1 },
		"all are frozen":                         func(_ *Task, c *Config) { c.Freeze = []string{"*"} },
		"rate should be positive":                func(_ *Task, c *Config) { c.Generator.Rate = 0 },
		"generator-adam-schedule-kind should be": func(_ *Task, c *Config) { c.Generator.Schedule.Kind = "linear" },
		"batch-norm should be":                   func(_ *Task, c *Config) { c.BatchNorm = "" },
		"adversarial-kind should be": func(task *Task, c *Config) {
			task.Critic, c.Alternation, c.Adversarial.Kind = generator(), Alternation{PerBatch, 1}, "gan"
		},
	} {
		task, c := Task{Generator: generator(), Source: source}, pixels(1)
		f(&task, &c)
		if _, err := New(task, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
	// What depends on the batch shows in Run.
	for want, b := range map[string]Batch{"a batch of": {LR: make([]float32, 5), N: 1, H: 6, W: 6}, "HR the size": {LR: source.LR, HR: source.LR, N: 1, H: 6, W: 6}} {
		trainer, err := New(Task{Generator: generator(), Source: flat{b, 1}}, pixels(1))
		if err != nil {
			t.Fatal(err)
		}
		if err := trainer.Run(context.Background()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

// The presets are complete.
func TestPresets(t *testing.T) {
	for _, c := range []Config{Course(), Photo()} {
		if err := c.CheckValues(); err != nil {
			t.Error(err)
		}
		text, err := json.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		var back Config
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&back); err != nil {
			t.Error(err)
		}
	}
}

// The preset for photos trains each embedded generator.
func TestPhotoPreset(t *testing.T) {
	infos, err := models.Embedded()
	if err != nil || len(infos) == 0 {
		t.Fatal(infos, err)
	}
	for _, info := range infos {
		m, err := models.Open(info.Name)
		if err != nil {
			t.Fatal(err)
		}
		scale, err := strconv.Atoi(info.Metadata["gansr.scale"])
		if err != nil {
			t.Fatal(err)
		}
		c := Photo()
		c.Batches = 3
		critic := model(t, "CourseCritic", map[string]string{"widths": "4,8", "pool": strconv.Itoa(16 * scale / 4)})
		steps := 0
		trainer := train(t, Task{Generator: m, Critic: critic, Source: flat{waves(1, 16, 16, scale), 1}, Observe: func(r Record) {
			steps++
			if r.Skipped {
				t.Errorf("%s: %+v", info.Name, r)
			}
			if g := r.Generator; g != nil && !(g.GradNorm > 0 && len(g.Terms) == 2 && g.Terms[1].Name == "features" && g.Terms[1].Loss > 0) {
				t.Errorf("%s: %+v", info.Name, g)
			}
		}}, c)
		if steps != 6 || trainer.state.CriticSteps != 3 {
			t.Errorf("%s: %d steps, %+v", info.Name, steps, trainer.state)
		}
	}
}

// Pixels come back from every space.
func TestSpaces(t *testing.T) {
	unit := space{0, 1, [3]float64{}, [3]float64{1, 1, 1}}
	for _, s := range []space{unit, {0, 255, [3]float64{}, [3]float64{1, 1, 1}}, {-1, 1, [3]float64{0.5, 0.4, 0.3}, [3]float64{0.2, 0.3, 0.4}}} {
		to, add := unit.affine(s)
		back, sub := s.affine(unit)
		for c := range 3 {
			p := 0.3
			want := s.lo + (s.hi-s.lo)*(p-s.mean[c])/s.std[c]
			v := p*to[c] + add[c]
			if math.Abs(v-want) > 1e-12 || math.Abs(v*back[c]+sub[c]-p) > 1e-12 {
				t.Errorf("%+v: %v becomes %v, want %v, and then %v", s, p, v, want, v*back[c]+sub[c])
			}
		}
	}
}

// Resuming with other settings says so.
func TestWarning(t *testing.T) {
	folder := t.TempDir()
	run(t, resumable(t, folder, 2, nil))
	var log bytes.Buffer
	other := resumable(t, folder, 3, nil)
	other.log = slog.New(slog.NewTextHandler(&log, nil))
	if _, err := other.Resume(); err != nil || !strings.Contains(log.String(), "other settings") {
		t.Errorf("%v; the log is %q", err, log.String())
	}
}
