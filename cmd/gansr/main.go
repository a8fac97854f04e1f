// Command gansr upscales photos with super-resolution generators, and runs, inspects and measures ONNX models.
//
// This package has flags, progress and exit codes; the work is done by the packages of the module.
package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/gansr/gansr/finetune"
	"github.com/gansr/gansr/finetune/tune"
	"github.com/gansr/gansr/internal/onnxrun"
	"github.com/gansr/gansr/upscale"
)

// Exit codes, which scripts rely on.
const (
	exitDone        = 0
	exitSomeFailed  = 1 // some inputs failed, the rest is done
	exitUsage       = 2
	exitNothingDone = 3 // a model or folder that cannot be used
	exitNotBetter   = 4 // trained, and the result is no better
	exitInterrupted = 130
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once

	a := &app{stdout: stdout, log: &switchWriter{w: stderr}, logFormat: "text"}
	a.setLogger()
	root := a.root()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(a.log)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return exitDone
	}
	code := exitCode(ctx, err)
	if code == exitSomeFailed {
		return code // the failures have been reported one by one
	}
	var hint []any
	if code == exitUsage {
		hint = []any{hintKey, "see " + cmd.CommandPath() + " --help"}
	} else if h := (hinted{}); errors.As(err, &h) {
		hint = []any{hintKey, h.hint}
	}
	text := strings.ReplaceAll(err.Error(), "\n", "; ") // of errors joined
	if code == exitInterrupted {
		text = "interrupted"
	}
	slog.Error(text, hint...)
	return code
}

func exitCode(ctx context.Context, err error) int {
	var (
		usage usageError
		other upscale.UsageError
		input onnxrun.InputError
		value finetune.SettingError
		some  someFailed
	)
	switch {
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &usage), errors.As(err, &other), errors.As(err, &input), errors.As(err, &value):
		return exitUsage
	case errors.Is(err, tune.ErrNotBetter):
		return exitNotBetter
	case errors.As(err, &some):
		return exitSomeFailed
	}
	return exitNothingDone
}

// usageError is a mistake in the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// someFailed ends a command of which some inputs failed.
type someFailed struct{}

func (someFailed) Error() string { return "some inputs failed" }

// hinted is an error with advice.
type hinted struct {
	error
	hint string
}

func (e hinted) Unwrap() error { return e.error }
