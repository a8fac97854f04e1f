package main

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gansr/gansr/internal/convert"
)

func (a *app) convert() *cobra.Command {
	var (
		out, arch string
		set, meta []string
		check     string
		size      string
		opt       convert.Options
	)
	cmd := &cobra.Command{
		Use:                   "convert FILE -o OUT.onnx|OUT.safetensors [--arch NAME] [--set KEY=VALUE]... [--opset N] [--fp16] [--size HxW|dynamic] [--range LO,HI] [--metadata KEY=VALUE]... [--check HxW,...|none]",
		DisableFlagsInUseLine: true,
		Short:                 "Turn PyTorch files and ONNX exports into checked ONNX files, and back",
		Long: `convert reads the weights of a network from a file of PyTorch's (.pth, .pt, .ckpt,
.safetensors), recognises the architecture, and writes an ONNX file that takes images of
any size and says in its metadata what upscaling must know. No Python runs, and no code in
the file. What the tensors do not tell is assumed and said; --arch and --set give it.
ONNX files become simpler: constants are computed, functions are put in their place.
With --size dynamic an export for one height and width takes others too: constants in it
that came from the size are computed from the image.

The result is read again and compared with its source at several sizes; the certificate
of that is in the file, and "gansr inspect" checks it. With an OUT that ends in .safetensors
the weights are written under the names of the PyTorch file that a model came from.`,
		Example:           "  gansr convert RealESRGAN_x4plus.pth -o realesrgan-x4.onnx\n  gansr convert tuned.onnx -o tuned.safetensors",
		Args:              args(1, 1, "FILE"),
		ValidArgsFunction: completeModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return usageError{errors.New("-o is missing: the file to write to")}
			}
			values, err := keyValues("--set", set)
			if err != nil {
				return usageError{err}
			}
			if opt.Metadata, err = keyValues("--metadata", meta); err != nil {
				return usageError{err}
			}
			if err := parseCheck(check, &opt); err != nil {
				return usageError{err}
			}
			if opt.AnySize = size == "dynamic"; !opt.AnySize && size != "" {
				sizes, err := parseSizes("--size", size)
				if err != nil || len(sizes) != 1 {
					return usageError{fmt.Errorf("--size %q: want HEIGHTxWIDTH or dynamic", size)}
				}
				opt.Size = sizes[0]
			}
			s, err := openSource(args[0], arch, values)
			if err != nil {
				return a.listTensors(err)
			}
			debug.SetGCPercent(20) // few values, large ones
			opt.Workers = a.workers()
			defer opt.Workers.Close()
			r, err := convert.Convert(cmd.Context(), s, out, opt)
			if usage := convert.UsageError(""); errors.As(err, &usage) {
				return usageError{err}
			}
			if err != nil {
				return err
			}
			if !a.quiet {
				for _, line := range r.Said {
					fmt.Fprintln(a.stdout, line)
				}
				fmt.Fprintln(a.stdout, "written:", out)
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVarP(&out, "output", "o", "", "file to write to, .onnx or .safetensors")
	f.StringVar(&arch, "arch", "", "the architecture, if it is not recognised; \"gansr models\" lists them")
	f.StringArrayVar(&set, "set", nil, "a hyper-parameter of the architecture, KEY=VALUE; \"gansr models show ARCH\" lists them")
	f.IntVar(&opt.Opset, "opset", 0, "version of ONNX's operators to write, 11 to 28 (default: 17 where the operators allow it)")
	f.BoolVar(&opt.Half, "fp16", false, "write a model that computes in float16, and say what that costs")
	f.StringVar(&size, "size", "", "height and width that the file is for, or dynamic: take the size off an export that is made for one (default: as it is)")
	f.StringVar(&opt.Range, "range", "", "the network's values for black and white, such as 0,255 (default: as the file says, or measured)")
	f.StringArrayVar(&meta, "metadata", nil, "an entry that the file states, KEY=VALUE, such as license=MIT or source=https://example.org/model")
	f.StringVar(&check, "check", "", "heights and widths of the inputs to compare on, such as 64x48,128x128, or none (default: three that suit the network)")
	return cmd
}

// listTensors prints what a file holds whose architecture is unknown, and returns err.
func (a *app) listTensors(err error) error {
	if unknown := (*convert.UnknownError)(nil); errors.As(err, &unknown) && !a.quiet {
		for _, line := range unknown.Tensors() {
			fmt.Fprintln(a.stdout, line)
		}
	}
	return err
}

// keyValues reads the values of a flag that takes KEY=VALUE.
func keyValues(flag string, list []string) (map[string]string, error) {
	values := map[string]string{}
	for _, kv := range list {
		key, value, ok := strings.Cut(kv, "=")
		if !ok || key == "" {
			return nil, fmt.Errorf("%s %q: want KEY=VALUE", flag, kv)
		}
		values[key] = value
	}
	return values, nil
}

func parseCheck(text string, opt *convert.Options) error {
	if opt.NoCheck = text == "none"; opt.NoCheck || text == "" {
		return nil
	}
	var err error
	if opt.Sizes, err = parseSizes("--check", text); err != nil {
		return fmt.Errorf("%w, or none", err)
	}
	return nil
}

func parseSizes(flag, text string) (sizes [][2]int, err error) {
	for s := range strings.SplitSeq(text, ",") {
		a, b, _ := strings.Cut(s, "x")
		h, err1 := strconv.Atoi(a)
		w, err2 := strconv.Atoi(b)
		if err1 != nil || err2 != nil || min(h, w) < 1 || max(h, w) > 4096 {
			return nil, fmt.Errorf("%s %q: want HEIGHTxWIDTH, several with commas between", flag, text)
		}
		sizes = append(sizes, [2]int{h, w})
	}
	return sizes, nil
}
