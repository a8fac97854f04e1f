package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/gansr/gansr/internal/inspect"
)

func (a *app) inspect() *cobra.Command {
	var (
		asJSON bool
		facts  factsFlag
	)
	cmd := &cobra.Command{
		Use:                   "inspect MODEL [--json]",
		DisableFlagsInUseLine: true,
		Short:                 "Describe a model: what it takes, what it gives, what it costs",
		Long: `inspect prints what a model's file says (inputs, outputs, operator sets, operators,
parameters, metadata, licence and source), what cannot be run, and what matters for upscaling: the scale, what
height and width must be multiples of, floating-point operations for each input pixel,
and the receptive field, the side of the square of input pixels that an output pixel sees.
Of a file of PyTorch's it describes the network that the file was taken for, and says why.
The certificate of a converted file is checked.`,
		Example:           "  gansr inspect model.onnx\n  gansr inspect model.onnx --json",
		Args:              args(1, 1, "MODEL"),
		ValidArgsFunction: completeModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := openSource(args[0], "", nil)
			if err != nil {
				return a.listTensors(err)
			}
			workers := a.workers()
			defer workers.Close()
			r, err := inspect.Inspect(cmd.Context(), args[0], s.Model, workers, facts)
			if err != nil {
				return err
			}
			r.Source = s.Said
			if asJSON {
				e := json.NewEncoder(a.stdout)
				e.SetIndent("", "  ")
				return e.Encode(r)
			}
			return a.printReport(r)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	facts.register(cmd)
	return cmd
}

func (a *app) printReport(r *inspect.Report) error {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	row := func(key string, format string, args ...any) { fmt.Fprintf(w, key+"\t"+format+"\n", args...) }
	row("model", "%s", r.Model)
	for _, line := range r.Source {
		row("source", "%s", line)
	}
	if r.Producer != "" {
		row("producer", "%s", r.Producer)
	}
	for _, e := range [][2]string{{"title", r.About.Title}, {"author", r.About.Author}, {"licence", r.About.Licence}, {"published", r.About.Source},
		{"description", r.About.Description}} {
		if e[1] != "" {
			row(e[0], "%s", oneLine(e[1]))
		}
	}
	row("format", "ONNX IR %d, opsets %s", r.IRVersion, list(r.Opsets, "%s %d"))
	for _, v := range r.Inputs {
		row("input", "%v", v)
	}
	for _, v := range r.Outputs {
		row("output", "%v", v)
	}
	row("parameters", "%d", r.Parameters)
	row("operators", "%d: %s", r.Nodes, list(r.Operators, "%s %d"))
	for _, u := range r.Unsupported {
		row("unsupported", "%s", u)
	}
	for _, key := range slices.Sorted(maps.Keys(r.Metadata)) {
		if key != "gansr.certificate" && key != "gansr.state" { // for programs
			row("metadata", "%s=%.200q", key, r.Metadata[key])
		}
	}
	if r.Sizes != "" {
		row("sizes", "%s", r.Sizes)
	}
	if r.Certificate != "" {
		row("certificate", "%s", r.Certificate)
	}
	g := r.Generator
	if g == nil {
		row("upscaling", "not possible: %s", r.NotGenerator)
		return w.Flush()
	}
	row("scale", "%d", g.Scale)
	row("colours", "%s", map[int]string{1: "luminance; bicubic colour differences", 3: "RGB"}[g.Channels])
	row("values", "%g to %g", g.Range[0], g.Range[1])
	if g.FixedSize != "" {
		row("input size", "%s only", g.FixedSize)
	} else {
		row("input size", "multiples of %d", g.SizeMultiple)
	}
	if g.WholeImage != "" {
		row("receptive field", "the whole image: %s", g.WholeImage)
	} else {
		row("receptive field", "%dx%d pixels", g.ReceptiveField, g.ReceptiveField)
	}
	row("FLOPs", "%d for each input pixel", g.FLOPsPerPixel)
	if g.Seconds > 0 {
		row("12 megapixels", "about %s and %d MiB on this machine", duration(g.Seconds), g.Memory>>20)
	}
	if g.Architecture != "" {
		row("architecture", "%s", g.Architecture)
	}
	return w.Flush()
}

// oneLine returns text of a file in a form that is safe to print, at most 200 characters of it.
func oneLine(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }), " ")
	if r := []rune(text); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return text
}

// duration rounds to what an estimate can tell.
func duration(seconds float64) string {
	switch {
	case seconds < 10:
		return fmt.Sprintf("%.1f s", seconds)
	case seconds < 120:
		return fmt.Sprintf("%.0f s", seconds)
	case seconds < 7200:
		return fmt.Sprintf("%.0f min", seconds/60)
	}
	return fmt.Sprintf("%.1f h", seconds/3600)
}

// list formats a map's entries in the order of its keys.
func list(m map[string]int, format string) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf(format, k, m[k]))
	}
	return strings.Join(parts, ", ")
}
