package onnxrun

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gansr/gansr/finetune"
	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/models"
	"github.com/gansr/gansr/onnxio"
)

// Training is how long the steps of a training take.
type Training struct {
	Train         string  `json:"train"`
	Batch         int     `json:"batch"`
	Size          string  `json:"size"` // of the generator's input
	Threads       int     `json:"threads"`
	Runs          int     `json:"runs"`                     // of each step, after a warm-up
	CriticStep    float64 `json:"critic_step_ms,omitempty"` // medians
	GeneratorStep float64 `json:"generator_step_ms"`
	PeakBytes     int64   `json:"peak_bytes"` // the largest memory of the whole process meanwhile
	// What the parts of a step take, on request.
	CriticDetails    *Details `json:"critic_details,omitempty"`
	GeneratorDetails *Details `json:"generator_details,omitempty"`
}

// TrainingOptions say what BenchTraining does. Threads of 0 are one for each CPU; a Batch of 0 is the setup's.
type TrainingOptions struct {
	Setup                string // one of TrainingSetups
	Batch, Threads, Runs int
	Details              bool
}

// trainingSetup is networks of random weights and what they learn from.
type trainingSetup struct {
	name, generator string
	params          map[string]string
	adversarial     bool // with the course's critic and a VGG16, as in the course; otherwise L1 alone
	batch, size     int  // the usual batch, and the size of LR patches
}

var trainingSetups = []trainingSetup{
	{"course", "CourseGenerator", nil, true, 4, 64},
	{"compact", "SRVGGNetCompact", map[string]string{"num_conv": "32"}, false, 8, 32},
	{"rrdb", "RRDBNet", nil, false, 8, 32},
}

// TrainingSetups lists the names of what BenchTraining can train.
func TrainingSetups() []string {
	var names []string
	for _, s := range trainingSetups {
		names = append(names, s.name)
	}
	return names
}

// BenchTraining measures the steps of critic and generator on a batch of random images, which are four times as large in HR.
func BenchTraining(ctx context.Context, o TrainingOptions) (Training, error) {
	at := slices.IndexFunc(trainingSetups, func(s trainingSetup) bool { return s.name == o.Setup })
	if at < 0 {
		return Training{}, fmt.Errorf("there is no training %q to measure; there are %s", o.Setup, strings.Join(TrainingSetups(), ", "))
	}
	setup := trainingSetups[at]
	if o.Batch == 0 {
		o.Batch = setup.batch
	}
	workers := graph.NewWorkers(o.Threads)
	defer workers.Close()
	b := Training{Train: setup.name, Batch: o.Batch, Size: Size{setup.size, setup.size}.String(), Threads: workers.Threads(), Runs: o.Runs}
	debug.FreeOSMemory()
	resetPeak()
	task, config, err := setup.task(o.Batch)
	if err != nil {
		return b, err
	}
	task.Workers = workers
	critic, generator, err := finetune.Time(ctx, task, config, o.Runs)
	if err != nil {
		return b, err
	}
	if b.PeakBytes, err = peak(); err != nil {
		return b, err
	}
	peakFLOPS := 0.0
	if o.Details {
		peakFLOPS = graph.PeakFLOPS(workers) / 1e9
	}
	show := func(s *finetune.StepTimes) (stepMS float64, d *Details) {
		if s == nil {
			return 0, nil
		}
		if o.Details {
			d = &Details{RunBytes: s.Bytes, PeakGFLOPS: peakFLOPS}
			for i, p := range s.Parts {
				d.Layers = append(d.Layers, newLayer(p, median(allMS(s.Each[i]))))
			}
		}
		return median(allMS(s.Took)), d
	}
	b.CriticStep, b.CriticDetails = show(critic)
	b.GeneratorStep, b.GeneratorDetails = show(generator)
	return b, nil
}

func allMS(took []time.Duration) []float64 {
	list := make([]float64, len(took))
	for i, d := range took {
		list[i] = ms(d)
	}
	return list
}

// task makes the networks and a batch.
func (s trainingSetup) task(batch int) (task finetune.Task, c finetune.Config, err error) {
	if task.Generator, err = models.New(s.generator, s.params, 1); err != nil {
		return task, c, err
	}
	c = finetune.Course()
	if s.adversarial {
		if task.Critic, err = models.New("CourseCritic", nil, 2); err != nil {
			return task, c, err
		}
		if task.Perceptual, err = vgg16(); err != nil {
			return task, c, err
		}
	} else {
		c.Adversarial.Weight, c.Content = 0, finetune.Content{L1: 1}
	}
	source := oneBatch{N: batch, H: s.size, W: s.size}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, of := range []struct {
		pixels *[]float32
		n      int
	}{{&source.LR, 1}, {&source.HR, 16}} {
		*of.pixels = make([]float32, batch*3*s.size*s.size*of.n)
		for i := range *of.pixels {
			(*of.pixels)[i] = rng.Float32()
		}
	}
	task.Source = source
	return task, c, nil
}

// oneBatch is a Source that gives the same batch every time.
type oneBatch finetune.Batch

func (b oneBatch) Next(context.Context) (finetune.Batch, error) { return finetune.Batch(b), nil }
func (oneBatch) State() []byte                                  { return nil }
func (oneBatch) Restore([]byte) error                           { return nil }
func (oneBatch) Len() int                                       { return 1 }

// vgg16 makes VGG16 (Simonyan and Zisserman, arXiv:1409.1556) up to its seventh activation, relu3_3, with random weights that keep the size
// of values.
func vgg16() (*onnxio.Model, error) {
	const opset = 17
	net := onnxio.NewBuilder("vgg16", opset)
	rng := rand.New(rand.NewPCG(3, 4))
	attr := func(name string, value ...int) onnxio.Attr { return onnxio.Attr{Name: name, Value: value} }
	x, in, layer := net.Input("input", graph.Float32, "n", 3, "h", "w"), 3, 0
	for block, convs := range []int{2, 2, 3} {
		if block > 0 {
			x = net.Node("MaxPool", []string{x}, attr("kernel_shape", 2, 2), attr("strides", 2, 2))
			layer++
		}
		for range convs {
			out := 64 << block
			w, bias := graph.NewTensor(graph.Float32, out, in, 3, 3), graph.NewTensor(graph.Float32, out)
			bound := float32(math.Sqrt(6 / float64(9*in)))
			for i := range graph.Data[float32](w) {
				graph.Data[float32](w)[i] = bound * (2*rng.Float32() - 1)
			}
			name := "features." + strconv.Itoa(layer)
			x = net.Node("Conv", []string{x, net.Init(name+".weight", w), net.Init(name+".bias", bias)}, attr("pads", 1, 1, 1, 1))
			x = net.Node("Relu", []string{x})
			in, layer = out, layer+2
		}
	}
	net.Output("output", x, graph.Float32, "n", in, "h_out", "w_out")
	return net.Model()
}
