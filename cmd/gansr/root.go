package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/gansr/gansr/graph"
)

// app is what all commands share.
type app struct {
	stdout    io.Writer
	log       *switchWriter // where log lines go: stderr, by way of the progress bar if there is one
	threads   int
	quiet     bool
	logFormat string
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "gansr",
		Short: "Upscale photos with super-resolution generators",
		Long: `gansr upscales photos with super-resolution generators, and runs, inspects and
measures ONNX models. It needs no Python and no graphics card.

MODEL is an ONNX file or the name of an embedded generator ("gansr models").
Exit codes: 0 all done, 1 some inputs failed and the rest is done, 2 wrong usage,
3 nothing could be done, 4 trained but not better, 130 interrupted.`,
		Example:       "  gansr upscale photos -o out\n  gansr inspect model.onnx",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.ArbitraryArgs,

		SuggestionsMinimumDistance: 2,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.Join(cmd.Help(), usageError{errors.New("no command is given")})
			}
			err := fmt.Errorf("unknown command %q", args[0])
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				err = fmt.Errorf("unknown command %q; did you mean %s?", args[0], strings.Join(near, " or "))
			}
			return usageError{err}
		},
		PersistentPreRunE: func(*cobra.Command, []string) error { return a.prepare() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	f := root.PersistentFlags()
	f.IntVar(&a.threads, "threads", 0, "threads to compute with (default: one for each CPU)")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "show warnings and errors only")
	f.StringVar(&a.logFormat, "log-format", a.logFormat, "form of the lines on standard error, \"text\" or \"json\"")
	root.AddCommand(a.upscale(), a.runModel(), a.inspect(), a.convert(), a.bench(), a.eval(), a.finetune(), a.models(), a.version(), a.docs())
	root.InitDefaultCompletionCmd()
	usageErrors(root)
	return root
}

// usageErrors makes what the argument checks of cmd and its commands return mistakes of usage.
func usageErrors(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usageError{err}
			}
			return nil
		}
	}
	for _, c := range cmd.Commands() {
		usageErrors(c)
	}
}

// prepare checks the flags that all commands have, and acts on them.
func (a *app) prepare() error {
	if a.logFormat != "text" && a.logFormat != "json" {
		format := a.logFormat
		a.logFormat = "text"
		return usageError{fmt.Errorf("--log-format %q is not text or json", format)}
	}
	a.setLogger()
	if err := graph.CheckEnvironment(); err != nil {
		return usageError{err}
	}
	return checkThreads(a.threads)
}

// checkThreads refuses numbers of threads that cannot be meant: each takes memory.
func checkThreads(n int) error {
	const most = 1024
	if n < 0 || n > most {
		return usageError{fmt.Errorf("--threads %d is not from 0 to %d", n, most)}
	}
	return nil
}

func (a *app) setLogger() {
	level := slog.LevelInfo
	if a.quiet {
		level = slog.LevelWarn
	}
	if a.logFormat == "json" {
		slog.SetDefault(slog.New(slog.NewJSONHandler(a.log, &slog.HandlerOptions{Level: level})))
		return
	}
	slog.SetDefault(slog.New(&textHandler{w: a.log, level: level}))
}

func (a *app) workers() *graph.Workers { return graph.NewWorkers(a.threads) }

// args checks the number of arguments; what says what they should be. A most of -1 is any number.
func args(least, most int, what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return fmt.Errorf("%s is missing", what)
		case most >= 0 && len(args) > most:
			return fmt.Errorf("unexpected argument %q", args[most])
		}
		return nil
	}
}
