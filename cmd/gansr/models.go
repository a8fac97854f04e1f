package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/gansr/gansr/internal/convert"
	"github.com/gansr/gansr/models"
	"github.com/gansr/gansr/onnxio"
)

// defaultModel is the embedded generator that is used if the user names none.
const defaultModel = "compact-x4"

// openModel opens a MODEL argument. Of a file of PyTorch's it is the network that the file was taken for.
func openModel(name string) (*onnxio.Model, error) {
	s, err := openSource(name, "", nil)
	if err != nil {
		return nil, err
	}
	return s.Model, nil
}

// openSource opens a file, or an embedded generator, and warns of what may not be meant as it is understood. arch and values are as for convert.Open.
func openSource(name, arch string, values map[string]string) (*convert.Source, error) {
	s, err := convert.Open(name, arch, values)
	if errors.Is(err, fs.ErrNotExist) {
		err = hinted{err, `MODEL is a file or the name of an embedded generator, which "gansr models" lists`}
	}
	if err != nil {
		return nil, err
	}
	for _, w := range s.Model.Warnings() {
		slog.Warn(w, "model", name)
	}
	return s, nil
}

// completeModel completes a MODEL argument: names of embedded generators, and files.
func completeModel(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	infos, err := models.Embedded()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []cobra.Completion
	for _, i := range infos {
		names = append(names, i.Name)
	}
	return names, cobra.ShellCompDirectiveDefault
}

func (a *app) models() *cobra.Command {
	list := func(*cobra.Command, []string) error { return a.listModels() }
	cmd := &cobra.Command{
		Use:     "models [list | show NAME | new ARCH -o FILE [KEY=VALUE...]]",
		Short:   "List the embedded generators and known architectures, or make a new model",
		Example: "  gansr models\n  gansr models show SRVGGNetCompact\n  gansr models new SRVGGNetCompact -o new.onnx num_conv=8 upscale=2",
		Args:    args(0, 0, ""),
		RunE:    list,
	}
	show := &cobra.Command{
		Use:     "show NAME",
		Short:   "Describe an embedded generator or an architecture",
		Example: "  gansr models show " + defaultModel + "\n  gansr models show RRDBNet",
		Args:    args(1, 1, "NAME"),
		RunE:    func(_ *cobra.Command, args []string) error { return a.showModel(args[0]) },
	}
	var (
		out  string
		seed uint64
	)
	create := &cobra.Command{
		Use:   "new ARCH -o FILE [KEY=VALUE...]",
		Short: "Make a model of a known architecture with random weights",
		Long: `new writes an ONNX model with the architecture's structure and random weights, drawn as PyTorch
draws them: the same seed gives the same file. Weights have the names of the PyTorch code.`,
		Example: "  gansr models new SRVGGNetCompact -o new.onnx num_conv=8 upscale=2",
		Args:    args(1, -1, "ARCH"),
		RunE: func(_ *cobra.Command, args []string) error {
			if out == "" {
				return usageError{errors.New("-o is missing: the file to write to")}
			}
			values := map[string]string{}
			for _, arg := range args[1:] {
				key, value, ok := strings.Cut(arg, "=")
				if !ok {
					return usageError{fmt.Errorf("%q is not KEY=VALUE", arg)}
				}
				values[key] = value
			}
			m, err := models.New(args[0], values, seed)
			if err != nil {
				return usageError{err}
			}
			return m.Save(out)
		},
	}
	create.Flags().StringVarP(&out, "output", "o", "", "file to write to")
	create.Flags().Uint64Var(&seed, "seed", 0, "seed of the random weights")
	cmd.AddCommand(
		&cobra.Command{Use: "list", Short: "List the embedded generators and known architectures", Example: "  gansr models list", Args: args(0, 0, ""), RunE: list},
		show, create)
	for _, c := range []*cobra.Command{cmd, create} {
		c.DisableFlagsInUseLine = true
	}
	return cmd
}

func (a *app) listModels() error {
	infos, err := models.Embedded()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "embedded generators")
	for _, i := range infos {
		fmt.Fprintf(w, "  %s\t%s x%s, %d bytes\n", i.Name, i.Metadata["gansr.architecture"], i.Metadata["gansr.scale"], i.Bytes)
	}
	fmt.Fprintln(w, "architectures")
	for _, arch := range models.Architectures() {
		fmt.Fprintf(w, "  %s\t%s\n", arch.Name, arch.Summary)
	}
	return w.Flush()
}

func (a *app) showModel(name string) error {
	infos, err := models.Embedded()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, i := range infos {
		if i.Name == name {
			fmt.Fprintf(w, "%s\t%d bytes\n", i.Name, i.Bytes)
			for _, key := range slices.Sorted(maps.Keys(i.Metadata)) {
				fmt.Fprintf(w, "%s\t%s\n", key, i.Metadata[key])
			}
			return w.Flush()
		}
	}
	for _, arch := range models.Architectures() {
		if strings.EqualFold(arch.Name, name) {
			fmt.Fprintf(w, "%s\t%s\n", arch.Name, arch.Summary)
			for _, p := range arch.Params {
				fmt.Fprintf(w, "  %s=%s\t%s\n", p.Name, p.Default, p.Summary)
			}
			return w.Flush()
		}
	}
	return hinted{fmt.Errorf("%q is neither an embedded generator nor an architecture", name), `"gansr models" lists them`}
}
