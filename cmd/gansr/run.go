package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/gansr/gansr/internal/onnxrun"
	"github.com/gansr/gansr/onnxio"
	"github.com/gansr/gansr/onnxio/onnxtest"
)

func (a *app) runModel() *cobra.Command {
	var (
		inputs   []string
		out      string
		testData string
		memory   bytesFlag
	)
	cmd := &cobra.Command{
		Use:                   "run MODEL [-i NAME=FILE.npy|.pb]... [-o DIR] [--memory SIZE] | --test-data DIR",
		DisableFlagsInUseLine: true,
		Short:                 "Run any ONNX model on arrays, or ONNX test folders",
		Long: `run computes a model's outputs. Inputs are NumPy arrays (.npy) or ONNX tensors (.pb).
With -o, every output becomes DIR/NAME.npy, where "/" and ":" in a name become "_";
without it, a line for each output says its type, shape, minimum, maximum and mean.

--test-data runs test folders of the ONNX project's form, one or a tree of them (model.onnx
beside test_data_set_0/input_0.pb, output_0.pb ...). It prints "pass|fail|skip NAME
largest-error-or-reason" for each, and the totals. The exit code is 1 if one fails.`,
		Example:           "  gansr run model.onnx -i x.npy\n  gansr run model.onnx -i lr=photo.npy -i strength=s.npy -o out\n  gansr run --test-data onnx-tests/node",
		Args:              args(0, 1, "MODEL"),
		ValidArgsFunction: completeModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case testData != "" && (len(args) > 0 || len(inputs) > 0 || out != ""):
				return usageError{errors.New("--test-data takes no MODEL, no -i and no -o")}
			case testData != "":
				return a.runTests(cmd, testData)
			case len(args) == 0:
				return usageError{errors.New("MODEL or --test-data is missing")}
			}
			m, err := openModel(args[0])
			if err != nil {
				return err
			}
			workers := a.workers()
			defer workers.Close()
			program, err := a.bound(m, memory)
			if err != nil {
				return err
			}
			p, err := onnxio.NewProgram(m, workers, program...)
			if err != nil {
				return err
			}
			outputs, err := onnxrun.Run(cmd.Context(), p, inputs)
			if err != nil {
				return err
			}
			if out == "" {
				for _, o := range outputs {
					fmt.Fprintln(a.stdout, o)
				}
				return nil
			}
			paths, err := onnxrun.Save(out, outputs)
			for i, p := range paths {
				if !a.quiet {
					fmt.Fprintln(a.stdout, p, outputs[i].Tensor.Type())
				}
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringArrayVarP(&inputs, "input", "i", nil, "an input, NAME=FILE or, of a model with one input, FILE; once for each input")
	f.StringVarP(&out, "output", "o", "", "folder to write the outputs to")
	f.Var(&memory, "memory", memoryUsage)
	f.StringVar(&testData, "test-data", "", "folder of ONNX tests to run")
	return cmd
}

func (a *app) runTests(cmd *cobra.Command, dir string) error {
	cases, err := onnxtest.Find(dir)
	if err != nil {
		return err
	}
	workers := a.workers()
	defer workers.Close()
	n := map[onnxtest.Status]int{}
	for _, c := range cases {
		name, err := filepath.Rel(dir, c)
		if err != nil || name == "." {
			name = filepath.Base(c)
		}
		r := onnxtest.Run(cmd.Context(), filepath.ToSlash(name), c, workers)
		if err := cmd.Context().Err(); err != nil {
			return err
		}
		n[r.Status]++
		if !a.quiet || r.Status == onnxtest.Fail {
			fmt.Fprintln(a.stdout, r)
		}
	}
	fmt.Fprintf(a.stdout, "%d passed, %d failed, %d skipped\n", n[onnxtest.Pass], n[onnxtest.Fail], n[onnxtest.Skip])
	if n[onnxtest.Fail] > 0 {
		return someFailed{}
	}
	return nil
}
