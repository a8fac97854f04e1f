package finetune

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/nlpodyssey/safetensors"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/shared"
	"github.com/gansr/gansr/models"
	"github.com/gansr/gansr/onnxio"
)

// trajectory is a training that PyTorch has recorded: tensors by name, and settings. It is a Source of its batches.
type trajectory struct {
	testing.TB
	tensors  map[string]*graph.Tensor
	settings map[string]string
	next     int
	epoch    int
}

func readTrajectory(t testing.TB, path string) *trajectory {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, meta, err := safetensors.ReadMetadata(file)
	if err != nil {
		t.Fatal(err)
	}
	st, err := safetensors.Deserialize(file)
	if err != nil {
		t.Fatal(err)
	}
	r := &trajectory{TB: t, tensors: map[string]*graph.Tensor{}, settings: meta.Metadata()}
	types := map[string]graph.DType{"F32": graph.Float32, "F64": graph.Float64, "I64": graph.Int64}
	for _, n := range st.Tensors() {
		var shape []int
		for _, d := range n.TensorView.Shape() {
			shape = append(shape, int(d))
		}
		x := graph.NewTensor(types[n.TensorView.DType().String()], shape...)
		if _, err := binary.Decode(n.TensorView.Data(), binary.LittleEndian, x.Data()); err != nil {
			t.Fatal(err)
		}
		r.tensors[n.Name] = x
	}
	r.epoch = r.whole("epoch_batches")
	return r
}

func (r *trajectory) number(key string) float64 {
	v, err := strconv.ParseFloat(r.settings[key], 64)
	if err != nil {
		r.Fatalf("setting %s: %v", key, err)
	}
	return v
}

// weight is a number that is 0 if it is not there.
func (r *trajectory) weight(key string) float64 {
	if r.settings[key] == "" {
		return 0
	}
	return r.number(key)
}

func (r *trajectory) whole(key string) int { return int(r.number(key)) }

// widths returns a list of numbers, with commas between them.
func (r *trajectory) widths(key string) []string {
	var list []int
	if err := json.Unmarshal([]byte(r.settings[key]), &list); err != nil {
		r.Fatalf("setting %s: %v", key, err)
	}
	var s []string
	for _, v := range list {
		s = append(s, strconv.Itoa(v))
	}
	return s
}

func (r *trajectory) Next(context.Context) (Batch, error) {
	lr, hr := r.tensors[fmt.Sprintf("batch.%d.lr", r.next)], r.tensors[fmt.Sprintf("batch.%d.hr", r.next)]
	r.next++
	s := lr.Shape()
	return Batch{LR: graph.Data[float32](lr), HR: graph.Data[float32](hr), N: s[0], H: s[2], W: s[3]}, nil
}

func (r *trajectory) Len() int      { return r.epoch }
func (r *trajectory) State() []byte { return []byte(strconv.Itoa(r.next)) }

func (r *trajectory) Restore(state []byte) (err error) {
	r.next, err = strconv.Atoi(string(state))
	return err
}

func (r *trajectory) batches() int {
	n := 0
	for r.tensors[fmt.Sprintf("batch.%d.lr", n)] != nil {
		n++
	}
	return n
}

// network returns a network of an architecture with the recorded weights.
func (r *trajectory) network(arch, prefix string, values map[string]string) *onnxio.Model {
	m, err := models.New(arch, values, 1)
	if err != nil {
		r.Fatal(err)
	}
	for _, name := range m.Graph().Initializers() {
		w := r.tensors[prefix+name]
		if w == nil {
			r.Fatalf("there is no %s%s", prefix, name)
		}
		if err := m.Graph().SetInitializer(name, w); err != nil {
			r.Fatal(err)
		}
	}
	// The recorded batches are in the generator's space.
	m.SetMetadata("gansr.mean", "0")
	m.SetMetadata("gansr.std", "1")
	return m
}

func (r *trajectory) generator(prefix string) *onnxio.Model {
	kernel := r.tensors[prefix+"model.0.conv1.weight"].Shape()[2]
	return r.network("CourseGenerator", prefix, map[string]string{"widths": strings.Join(r.widths("generator_channels"), ","), "scale": r.settings["scale"], "kernel": strconv.Itoa(kernel)})
}

func (r *trajectory) critic() *onnxio.Model {
	if arch := r.settings["critic"]; arch != "" {
		var values map[string]any
		if err := json.Unmarshal([]byte(r.settings["critic_params"]), &values); err != nil {
			r.Fatal(err)
		}
		text := map[string]string{}
		for k, v := range values {
			text[k] = fmt.Sprint(v)
		}
		return r.network(arch, "initial.critic.", text)
	}
	w := r.widths("critic_channels")
	pool := r.tensors["batch.0.hr"].Shape()[2] >> len(w)
	return r.network("CourseCritic", "initial.critic.", map[string]string{"widths": strings.Join(w, ","), "pool": strconv.Itoa(pool)})
}

// features returns blocks of 2, 2 and then 3 convolutions with ReLU, as VGG16 has them, up to where the recorded weights end.
func (r *trajectory) features() *onnxio.Model {
	b := onnxio.NewBuilder("vgg", 17)
	x := b.Input("input", graph.Float32, "n", 3, "h", "w")
	layer := 0
	for block := range 5 {
		if block > 0 && r.tensors[fmt.Sprintf("initial.vgg.%d.weight", layer+1)] != nil {
			x = b.Node("MaxPool", []string{x}, onnxio.Attr{Name: "kernel_shape", Value: []int{2, 2}}, onnxio.Attr{Name: "strides", Value: []int{2, 2}})
			layer++
		}
		for range []int{2, 2, 3, 3, 3}[block] {
			at := fmt.Sprintf("initial.vgg.%d.", layer)
			if r.tensors[at+"weight"] == nil {
				break
			}
			x = b.Node("Conv", []string{x, b.Init(at+"weight", r.tensors[at+"weight"]), b.Init(at+"bias", r.tensors[at+"bias"])}, onnxio.Attr{Name: "pads", Value: []int{1, 1, 1, 1}})
			x = b.Node("Relu", []string{x})
			layer += 2
		}
	}
	b.Output("output", x, graph.Float32, "n", "c", "h_out", "w_out")
	m, err := b.Model()
	if err != nil {
		r.Fatal(err)
	}
	return m
}

func (r *trajectory) config() Config {
	c := Course()
	c.Batches = r.batches()
	c.Generator.Rate, c.Critic.Rate = r.number("generator_lr"), r.number("critic_lr")
	c.Generator.ClipNorm, c.Critic.ClipNorm = r.number("clip_grad_generator"), r.number("clip_grad_critic")
	c.Adversarial.Weight, c.Adversarial.Penalty = r.number("adversarial_weight"), r.number("lambda_gp")
	if clip := r.number("clip"); clip > 0 {
		c.Adversarial.Kind, c.Adversarial.Clip = WassersteinClip, clip
	}
	c.Alternation = Alternation{r.settings["schedule"], r.whole("n_critic")}
	c.Content.TotalVariation = r.number("tv_weight")
	if kind := r.settings["adversarial"]; kind != "" { // what testdata/record.py varies beyond the course
		c.Adversarial.Kind = kind
		c.Content = Content{L1: r.weight("l1"), L2: r.weight("l2"), Charbonnier: r.weight("charbonnier"), TotalVariation: r.weight("tv_weight"),
			Perceptual: r.weight("perceptual_weight"), Features: r.weight("features"), Colour: r.weight("colour")}
		c.MicroBatch = int(r.weight("micro_batch"))
		var groups []Group
		if text := r.settings["groups"]; text != "" {
			if err := json.Unmarshal([]byte(text), &groups); err != nil {
				r.Fatal(err)
			}
		}
		c.Generator.Groups, c.Critic.Groups = groups, groups
		for _, o := range []*Optimiser{&c.Generator, &c.Critic} {
			o.Decay, o.Decoupled = r.weight("decay"), true
			o.Schedule = Schedule{Kind: r.settings["rates"], Every: 1, Factor: 0.5, Least: 0.1}
		}
	}
	return c
}

// trainer returns a trainer that repeats the trajectory.
func (r *trajectory) trainer(workers *graph.Workers, config Config, observe func(Record)) *Trainer {
	t, err := New(Task{Generator: r.generator("initial.generator."), Critic: r.critic(), Perceptual: r.features(), Source: r, Workers: workers, Observe: observe}, config)
	if err != nil {
		r.Fatal(err)
	}
	batch, k := -1, 0
	t.draw = func(dst []float32) {
		if k++; batch != t.state.Batches {
			batch, k = t.state.Batches, 0
		}
		copy(dst, graph.Data[float32](r.tensors[fmt.Sprintf("batch.%d.epsilon.%d", batch, k)]))
	}
	return t
}

// TestTrajectories follows whole trainings that were recorded in PyTorch: small ones, which testdata/record.py makes, and the reference data's.
// GANSR_TRAJECTORIES names a folder of further ones.
func TestTrajectories(t *testing.T) {
	files, err := filepath.Glob("testdata/*.safetensors")
	if err != nil || len(files) == 0 {
		t.Fatalf("no trajectories, %v", err)
	}
	if dir := os.Getenv("GANSR_TRAJECTORIES"); dir != "" {
		more, err := filepath.Glob(filepath.Join(dir, "*.safetensors"))
		if err != nil || len(more) == 0 {
			t.Fatalf("GANSR_TRAJECTORIES: %s holds no *.safetensors (%v)", dir, err)
		}
		files = append(files, more...)
	}
	t.Run("shared", func(t *testing.T) {
		more, err := filepath.Glob(filepath.Join(shared.Path(t, "reference"), "*.safetensors"))
		if err != nil || len(more) == 0 {
			t.Fatalf("no trajectories, %v", err)
		}
		files = append(files, more...)
	})
	for _, f := range files {
		t.Run(strings.TrimSuffix(filepath.Base(f), ".safetensors"), func(t *testing.T) { followTrajectory(t, f) })
	}
}

func followTrajectory(t *testing.T, path string) {
	workers := graph.NewWorkers(2)
	defer workers.Close()
	r := readTrajectory(t, path)
	criticLog, generatorLog, at := r.tensors["log.critic"], r.tensors["log.generator"], graph.Data[int64](r.tensors["log.generator_batch"])
	critics, generators := 0, 0
	worst := map[string]float64{}
	// The figure, or its column's largest magnitude, whichever is larger.
	compare := func(what string, got []float64, table *graph.Tensor, row int) {
		columns := table.Shape()[1]
		all := graph.Data[float64](table)
		if row >= table.Shape()[0] {
			t.Fatalf("%s: there is no row %d", what, row)
		}
		for k, v := range got {
			largest := 0.0
			for i := k; i < len(all); i += columns {
				largest = max(largest, math.Abs(all[i]))
			}
			off := math.Abs(v - all[row*columns+k])
			worst[what] = max(worst[what], off/max(largest, 1e-30))
			if !(off <= 1e-3*largest) {
				t.Errorf("%s, row %d: figure %d is %v, want %v", what, row, k, v, all[row*columns+k])
			}
		}
	}
	trainer := r.trainer(workers, r.config(), func(rec Record) {
		if c := rec.Critic; c != nil {
			compare("critic", []float64{c.Loss, c.Total, c.Penalty, c.GradNorm}, criticLog, critics)
			critics++
		}
		if g := rec.Generator; g != nil {
			if generators >= len(at) || at[generators] != int64(rec.Batch) {
				t.Fatalf("the generator learns on batch %d; want %v", rec.Batch, at)
			}
			terms := map[string]float64{}
			for _, term := range g.Terms {
				terms[term.Name] = term.Loss
			}
			// The record has the mean score, of which the loss is the negative.
			compare("generator", []float64{g.Total, g.Content, -g.Adversarial, terms["perceptual"], terms["tv"], g.GradNorm}, generatorLog, generators)
			generators++
		}
	})
	if err := trainer.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	if critics != criticLog.Shape()[0] || generators != len(at) {
		t.Errorf("%d steps of the critic and %d of the generator, want %d and %d", critics, generators, criticLog.Shape()[0], len(at))
	}
	for _, n := range []*network{trainer.generator, trainer.critic} {
		for _, w := range n.weights() {
			want := graph.Data[float32](r.tensors["final."+n.name+"."+w.name])
			e := relative(w.floats(), want)
			worst[n.name+" weights"] = max(worst[n.name+" weights"], e)
			if !(e <= 5e-3) {
				t.Errorf("%s %s differs by %.2g of its norm", n.name, w.name, e)
			}
		}
	}
	out := filepath.Join(t.TempDir(), "out.onnx")
	if err := trainer.SaveGenerator(out); err != nil {
		t.Fatal(err)
	}
	got := infer(t, out, r.tensors["eval.input"])
	want := r.tensors["eval.output"]
	if !slices.Equal(got.Shape(), want.Shape()) {
		t.Fatalf("the evaluation is %v, want %v", got.Type(), want.Type())
	}
	for i, w := range graph.Data[float32](want) {
		worst["evaluation"] = max(worst["evaluation"], math.Abs(float64(graph.Data[float32](got)[i])-float64(w)))
	}
	if !(worst["evaluation"] <= 1e-4) {
		t.Errorf("the evaluation differs by %.2g", worst["evaluation"])
	}
	t.Logf("the largest differences: %v", worst)
}

// relative returns the distance of two vectors as a share of the length of the second.
func relative(got, want []float32) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	off, whole := 0.0, 0.0
	for i, w := range want {
		off += math.Pow(float64(got[i])-float64(w), 2)
		whole += float64(w) * float64(w)
	}
	return math.Sqrt(off / whole)
}

// infer runs a model file on a picture.
func infer(t *testing.T, path string, x *graph.Tensor) *graph.Tensor {
	t.Helper()
	m, err := onnxio.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	p, err := onnxio.NewProgram(m, nil)
	if err != nil {
		t.Fatal(err)
	}
	y, err := p.Run(context.Background(), map[string]*graph.Tensor{"input": x})
	if err != nil {
		t.Fatal(err)
	}
	return y["output"]
}
