package finetune

import (
	"context"
	"os"
	"strconv"
	"testing"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
)

// BenchmarkCourse times the steps of the course's networks at LR 64x64, with a VGG16 up to relu3_3 of random weights, as
// critic-ms and generator-ms. GANSR_BATCH is the size of the batch, 1 by default.
func BenchmarkCourse(b *testing.B) {
	n := 1
	if s := os.Getenv("GANSR_BATCH"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	workers := graph.NewWorkers(0)
	defer workers.Close()
	trainer, err := New(Task{Generator: model(b, "CourseGenerator", nil), Critic: model(b, "CourseCritic", nil), Perceptual: vgg(b), Source: flat{waves(n, 64, 64, 4), 1}, Workers: workers}, Course())
	if err != nil {
		b.Fatal(err)
	}
	ctx := context.Background()
	if err := trainer.load(ctx, waves(n, 64, 64, 4)); err != nil {
		b.Fatal(err)
	}
	b.Run("critic", func(b *testing.B) {
		for b.Loop() {
			if _, ok, err := trainer.learnCritic(ctx); err != nil || !ok {
				b.Fatal(ok, err)
			}
		}
	})
	b.Run("generator", func(b *testing.B) {
		for b.Loop() {
			if _, ok, err := trainer.learnGenerator(ctx); err != nil || !ok {
				b.Fatal(ok, err)
			}
		}
	})
	b.Logf("arenas: critic %d MiB, generator %d MiB", trainer.criticStepper.session.ArenaBytes()>>20, trainer.generatorStepper.session.ArenaBytes()>>20)
}

// vgg is VGG16 up to relu3_3.
func vgg(b *testing.B) *onnxio.Model {
	net := onnxio.NewBuilder("vgg", 17)
	x, in := net.Input("input", graph.Float32, "n", 3, "h", "w"), 3
	for block, out := range []int{64, 128, 256} {
		if block > 0 {
			x = net.Node("MaxPool", []string{x}, onnxio.Attr{Name: "kernel_shape", Value: []int{2, 2}}, onnxio.Attr{Name: "strides", Value: []int{2, 2}})
		}
		for range []int{2, 2, 3}[block] {
			w := graph.NewTensor(graph.Float32, out, in, 3, 3)
			for i := range graph.Data[float32](w) {
				graph.Data[float32](w)[i] = float32((i*7919)%101-50) / 50 / float32(9*in)
			}
			name := strconv.Itoa(block) + "." + x
			x = net.Node("Relu", []string{net.Node("Conv", []string{x, net.Init(name, w)}, onnxio.Attr{Name: "pads", Value: []int{1, 1, 1, 1}})})
			in = out
		}
	}
	net.Output("output", x, graph.Float32, "n", in, "h3", "w3")
	m, err := net.Model()
	if err != nil {
		b.Fatal(err)
	}
	return m
}
