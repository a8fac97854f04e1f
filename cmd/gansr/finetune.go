package main

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/gansr/gansr/finetune"
	"github.com/gansr/gansr/finetune/tune"
)

func (a *app) finetune() *cobra.Command {
	var (
		o              tune.Options
		preset, config string
		print          bool
	)
	flags := newSettingsFlags()
	cmd := &cobra.Command{
		Use:                   "finetune MODEL -o OUT.onnx (--photos DIR | --lr DIR --hr DIR)",
		DisableFlagsInUseLine: true,
		Short:                 "Train a model further on photos",
		Long: `finetune trains a generator further, against a critic and near to the photos, and writes the same
ONNX graph with new weights. A tenth of the photos is held out; the result is written only if it
enlarges them better than before, or with --keep always. If it does not the exit code is 4.

The run's folder has checkpoints, from which --resume goes on, the settings (settings.toml), the
log (log.jsonl, and events for TensorBoard), the critic, the last and the best result, and at the
end report.html. An interrupt ends with a checkpoint.

Every setting is a flag and a key of a file for --config, which --print-config writes. A flag comes
before the file, the file before what a resumed run had, and that before the preset.`,
		Example: `  gansr finetune compact-x4 -o mine.onnx --photos photos
  gansr finetune compact-x4 -o mine.onnx --photos photos --resume
  gansr finetune compact-x4 -o plain.onnx --photos photos --critic none --generator-adam-rate 1e-4`,
		Args:              args(1, 1, "MODEL"),
		ValidArgsFunction: completeModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.Folder == "" && o.Out != "" {
				o.Folder = o.Out + ".run"
			}
			var err error
			if o.Settings, err = tune.Preset(preset); err != nil {
				return usageError{fmt.Errorf("--preset: %w", err)}
			}
			if o.Resume && !cmd.Flags().Changed("preset") {
				err := o.Read(filepath.Join(o.Folder, tune.SettingsName))
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					return usageError{err}
				}
			}
			if config != "" {
				if err := o.Read(config); err != nil {
					return usageError{err}
				}
			}
			flags.apply(&o.Settings)
			if print {
				text, err := o.Text()
				if err != nil {
					return err
				}
				_, err = a.stdout.Write(text)
				return err
			}
			switch {
			case o.Out == "":
				return usageError{errors.New("-o is missing: the file to write the result to")}
			case o.Photos == "" && o.LR == "" && o.HR == "":
				return usageError{errors.New("--photos is missing: the folder of photos to train on")}
			}
			if err := o.Check(); err != nil {
				return err
			}
			if err := flags.idle(o); err != nil {
				return usageError{err}
			}
			debug.SetGCPercent(20) // few values, large ones
			if o.Memory > 0 {
				debug.SetMemoryLimit(max(int64(o.Memory)-ownMemory/2, ownMemory))
			}
			o.Model, o.Workers = args[0], a.workers()
			defer o.Workers.Close()
			o.Progress = a.training(o.Batch * max(1, o.Accumulate))
			before := lastCheckpoint(o.Folder)
			_, err = tune.Run(cmd.Context(), o)
			switch {
			case errors.Is(err, tune.ErrNoPhotos):
				return hinted{err, "PNG, JPEG, WebP, TIFF and BMP files are read"}
			case err != nil && !errors.Is(err, tune.ErrNotBetter) && lastCheckpoint(o.Folder) != before: // it came somewhere
				return hinted{err, "with --resume the same command goes on from the last checkpoint"}
			}
			return err
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.Out, "output", "o", "", "file to write the result to")
	f.StringVar(&o.Photos, "photos", "", "folder of photos, whose reduced versions are made")
	f.StringVar(&o.LR, "lr", "", "folder of reduced photos, in place of --photos")
	f.StringVar(&o.HR, "hr", "", "folder of the photos of --lr")
	f.StringVar(&preset, "preset", "photo", "settings to start from, photo or course")
	f.StringVar(&config, "config", "", "file of settings, in TOML")
	f.BoolVar(&print, "print-config", false, "print all settings, and do nothing else")
	f.StringVar(&o.Folder, "run", "", "folder of the run (default: OUT.run)")
	f.BoolVar(&o.Resume, "resume", false, "go on from the last checkpoint of the run, if there is one")
	f.AddFlagSet(flags.FlagSet)
	usage := cmd.UsageFunc()
	cmd.SetUsageFunc(func(cmd *cobra.Command) error { // settings apart from other flags
		flags.hide(true)
		defer flags.hide(false)
		if err := usage(cmd); err != nil {
			return err
		}
		flags.hide(false)
		_, err := fmt.Fprintf(cmd.OutOrStderr(), "\nSettings:\n%s", flags.FlagUsages())
		return err
	})
	return cmd
}

// lastCheckpoint returns the newest of a run's folder, or "".
func lastCheckpoint(folder string) string {
	names, _ := filepath.Glob(filepath.Join(folder, "checkpoint-*")) // the pattern is right
	return slices.Max(append(names, ""))
}

// training returns a function that says now and then how far a training has come.
func (a *app) training(batch int) func(done, all int, r finetune.Record) {
	began, said, first := time.Now(), time.Now(), -1
	return func(done, all int, r finetune.Record) {
		if first < 0 {
			first, began = done, time.Now()
		}
		if r.Generator == nil || time.Since(said) < sayEvery || done == first {
			return
		}
		said = time.Now()
		each := time.Since(began) / time.Duration(done-first)
		slog.Info(fmt.Sprintf("batch %d/%d, generator %.4f (content %.4f), %.1f pairs/s, %v left", done, all, r.Generator.Total, r.Generator.Content,
			float64(batch)/each.Seconds(), (time.Duration(all-done) * each).Round(time.Second)))
	}
}
