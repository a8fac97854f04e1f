package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/internal/onnxrun"
)

func (a *app) bench() *cobra.Command {
	var (
		sizes   sizesFlag
		threads []int
		runs    int
		asJSON  bool
		verbose bool
		memory  bytesFlag
		train   string
		batch   int
	)
	cmd := &cobra.Command{
		Use:                   "bench MODEL | --train SETUP [--batch N] [--size WxH,...] [--threads N,...] [--runs N] [--memory SIZE] [--json] [-v]",
		DisableFlagsInUseLine: true,
		Short:                 "Measure how long a model, or a step of training, takes, and how much memory",
		Long: `bench runs a model on random images, once to warm up and then --runs times, for every
size and number of threads. peak_bytes is the largest memory of the whole process meanwhile.
--json prints one object a line: model, size, threads, runs, min_ms, median_ms, peak_bytes.

-v adds what limits the speed and a line for each step of a run: the algorithm, the median of its
times, and its speed in GF/s, billions of floating-point operations a second. "direct" counts the
operations that the operator's definition needs, "real" those that the algorithm does in products
of matrices, its transforms left out. The peak is what products of matrices reach within caches.

--train measures steps of training instead: "course" is the networks and losses of the course on
adversarial losses, LR 64x64, with a VGG16 of random weights; "compact" and "rrdb" are the generators
SRVGGNetCompact (32 convolutions) and RRDBNet with an L1 loss, LR 32x32, and have no critic.
--json prints train, batch, size, threads, runs, critic_step_ms, generator_step_ms (medians), peak_bytes.`,
		Example: "  gansr bench model.onnx --size 128x128,256x256 --threads 1,2\n  gansr bench model.onnx --json\n" +
			"  gansr bench --train course --batch 4 --json",
		Args:              args(0, 1, "MODEL"),
		ValidArgsFunction: completeModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			if runs < 1 {
				return usageError{errors.New("--runs should be at least 1")}
			}
			if len(threads) == 0 {
				threads = []int{runtime.GOMAXPROCS(0)}
			}
			switch {
			case train != "":
				if len(args) > 0 || len(sizes) > 0 || memory != 0 {
					return usageError{errors.New("--train has networks and sizes of its own, and no bound on memory")}
				}
				if !slices.Contains(onnxrun.TrainingSetups(), train) || batch < 0 {
					return usageError{fmt.Errorf("--train should be one of %s, and --batch positive", strings.Join(onnxrun.TrainingSetups(), ", "))}
				}
				return a.benchTraining(cmd.Context(), onnxrun.TrainingOptions{Setup: train, Batch: batch, Runs: runs, Details: verbose}, threads, asJSON)
			case batch != 0:
				return usageError{errors.New("--batch is for --train")}
			case len(args) == 0:
				return usageError{errors.New("MODEL or --train is needed")}
			}
			m, err := openModel(args[0])
			if err != nil {
				return err
			}
			program, err := a.bound(m, memory)
			if err != nil {
				return err
			}
			titles := fmt.Sprintf("%-12s%8s%6s%12s%12s%12s\n", "size", "threads", "runs", "min ms", "median ms", "peak MiB")
			header := titles
			if len(sizes) == 0 {
				sizes = sizesFlag{{}}
			}
			for _, size := range sizes {
				for _, n := range threads {
					if err := checkThreads(n); err != nil {
						return err
					}
					b, err := onnxrun.Bench(cmd.Context(), m, onnxrun.BenchOptions{Size: size, Threads: n, Runs: runs, Details: verbose, Program: program})
					if err != nil {
						return err
					}
					b.Model = args[0]
					if asJSON {
						err = json.NewEncoder(a.stdout).Encode(b)
					} else {
						_, err = fmt.Fprintf(a.stdout, "%s%-12s%8d%6d%12.3f%12.3f%12.1f\n", header, b.Size, b.Threads, b.Runs, b.MinMS, b.MedianMS, float64(b.PeakBytes)/(1<<20))
						header = ""
						if err == nil && verbose {
							err = a.details(b.Details)
							header = "\n" + titles
						}
					}
					if err != nil {
						return err
					}
				}
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.Var(&sizes, "size", "sizes of the input image (default: what the model's input is fixed to, or else 128x128)")
	f.IntSliceVar(&threads, "threads", nil, "numbers of threads (default: one for each CPU)")
	f.IntVar(&runs, "runs", 10, "runs to measure after the warm-up")
	f.BoolVar(&asJSON, "json", false, "print a JSON object a line")
	f.Var(&memory, "memory", memoryUsage)
	f.StringVar(&train, "train", "", "measure training instead: "+strings.Join(onnxrun.TrainingSetups(), ", "))
	f.IntVar(&batch, "batch", 0, "with --train, samples in a batch (default: 4 for course, else 8)")
	f.BoolVarP(&verbose, "verbose", "v", false, "measure each step of a run too")
	return cmd
}

// benchTraining measures training with each number of threads.
func (a *app) benchTraining(ctx context.Context, o onnxrun.TrainingOptions, threads []int, asJSON bool) error {
	header := fmt.Sprintf("%-10s%6s%10s%8s%6s%16s%19s%10s\n", "train", "batch", "size", "threads", "runs", "critic step ms", "generator step ms", "peak MiB")
	for _, n := range threads {
		if err := checkThreads(n); err != nil {
			return err
		}
		o.Threads = n
		b, err := onnxrun.BenchTraining(ctx, o)
		if err != nil {
			return err
		}
		if asJSON {
			if err := json.NewEncoder(a.stdout).Encode(b); err != nil {
				return err
			}
			continue
		}
		critic := "-"
		if b.CriticStep > 0 {
			critic = fmt.Sprintf("%.1f", b.CriticStep)
		}
		_, err = fmt.Fprintf(a.stdout, "%s%-10s%6d%10s%8d%6d%16s%19.1f%10.1f\n", header, b.Train, b.Batch, b.Size, b.Threads, b.Runs, critic, b.GeneratorStep, float64(b.PeakBytes)/(1<<20))
		header = ""
		for _, d := range []*onnxrun.Details{b.CriticDetails, b.GeneratorDetails} {
			if d != nil && err == nil {
				fmt.Fprintln(a.stdout)
				err = a.details(*d)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// details writes what -v adds.
func (a *app) details(d onnxrun.Details) error {
	const mib = 1 << 20
	fmt.Fprintf(a.stdout, "kernels %s, peak %.1f GF/s, packed weights %.1f MiB, a run beside them %.1f MiB\n\n", graph.CPUPath(), d.PeakGFLOPS, float64(d.WeightBytes)/mib, float64(d.RunBytes)/mib)
	return d.WriteLayers(a.stdout)
}
