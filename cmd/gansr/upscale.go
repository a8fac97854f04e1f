package main

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"github.com/gansr/gansr/upscale"
	"github.com/gansr/gansr/upscale/photo"
)

func (a *app) upscale() *cobra.Command {
	var (
		model, out, format string
		facts              factsFlag
		tile               = autoFlag{least: 1}
		overlap            autoFlag
		memory             = bytesFlag(2 << 30)
		opt                upscale.Options
		paths              upscale.PathOptions
	)
	cmd := &cobra.Command{
		Use:                   "upscale PATH... -o DIR|FILE [-m MODEL]",
		DisableFlagsInUseLine: true,
		Short:                 "Upscale photos and folders of photos",
		Long: `upscale enlarges photos (PNG, JPEG, WebP, TIFF, BMP) and the photos in folders, whose structure
is kept. Results that are there already, newer than their photos, are skipped, so that a run that
was interrupted goes on when it is started again. A file that cannot be read is reported, and the
rest goes on; the exit code is 1 then.

Photos are cut into tiles that overlap by as much as the model sees, so that no seam shows.`,
		Example: `  gansr upscale photos -o out
  gansr upscale photo.jpg -o large.png -m model.onnx
  gansr upscale photos -o out --scale 2 --format jpeg --quality 90`,
		Args: args(1, -1, "PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return usageError{errors.New("-o is missing: the folder, or for one photo the file, to write to")}
			}
			switch format {
			case "keep":
			case string(photo.PNG), string(photo.JPEG):
				paths.Format = photo.Format(format)
			default:
				return usageError{fmt.Errorf("--format %q is not keep, png or jpeg", format)}
			}
			opt.Tile, opt.Overlap, opt.Memory, opt.Threads = tile.n, overlap.n, int64(memory), a.threads
			if overlap.set && overlap.n == 0 {
				opt.Overlap = upscale.NoOverlap
			}
			if cmd.Flags().Changed("scale") && opt.Scale < 1 {
				return usageError{fmt.Errorf("--scale %d is not positive", opt.Scale)}
			}
			if opt.Quality < 1 || opt.Quality > 100 {
				return usageError{fmt.Errorf("--quality %d is not from 1 to 100", opt.Quality)}
			}
			file, err := openModel(model)
			if err != nil {
				return err
			}
			workers := a.workers()
			defer workers.Close()
			g, err := upscale.NewModel(cmd.Context(), file, workers, facts)
			if err != nil {
				return err
			}
			debug.SetMemoryLimit(max(int64(memory)-ownMemory, ownMemory))
			g.MaxWeights = int64(memory) / 2
			m := a.meter()
			opt.Progress = m.show
			u, err := upscale.New(g, opt)
			if err != nil {
				return err
			}
			sum, err := u.Paths(cmd.Context(), args, out, paths, func(r upscale.Result) { logResult(r, paths.DryRun) })
			m.stop()
			switch {
			case errors.Is(err, upscale.ErrNoPhotos):
				return hinted{err, "PNG, JPEG, WebP, TIFF and BMP files are read"}
			case err != nil:
				return hinted{err, "results that are complete stay; the same command goes on with the rest"}
			}
			said := "finished"
			if paths.DryRun {
				said = "would finish"
			}
			slog.Info(said, "done", sum.Done, "skipped", sum.Skipped, "failed", sum.Failed, "took", sum.Duration.Round(time.Millisecond).String())
			switch {
			case sum.Failed == 0:
				return nil
			case sum.Done+sum.Skipped == 0:
				return errors.New("no photo could be upscaled")
			}
			return someFailed{}
		},
	}
	f := cmd.Flags()
	f.StringVarP(&out, "output", "o", "", "folder, or for one photo the .png or .jpg file, to write to")
	f.StringVarP(&model, "model", "m", defaultModel, "ONNX file or name of an embedded generator")
	f.IntVar(&opt.Scale, "scale", 0, "enlargement; smaller ones than the model's are reduced from it (default: the model's)")
	f.Var(&tile, "tile", "input pixels that a tile adds on each axis")
	f.Var(&overlap, "overlap", "input pixels that a tile sees beyond its share on each side")
	f.Var(&memory, "memory", "memory that decoding, tiles and the network may take together")
	f.BoolVar(&paths.NoRecursive, "no-recursive", false, "leave the folders inside folders alone")
	f.StringVar(&format, "format", "keep", "form of the results, keep, png or jpeg; keep writes JPEG for JPEG and PNG for all others")
	f.IntVar(&opt.Quality, "quality", 95, "quality of JPEG, 1 to 100")
	f.StringVar(&paths.Suffix, "suffix", "", "put between a result's name and its extension, such as _x4")
	f.BoolVar(&paths.DryRun, "dry-run", false, "say what would be done, and write nothing")
	facts.register(cmd)
	for flag, complete := range map[string]cobra.CompletionFunc{
		"model":  completeModel,
		"format": cobra.FixedCompletions([]cobra.Completion{"keep", "png", "jpeg"}, cobra.ShellCompDirectiveNoFileComp),
	} {
		if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
			panic(err) // there is no such flag
		}
	}
	return cmd
}

// logResult says what became of one photo.
func logResult(r upscale.Result, dry bool) {
	for _, w := range r.Warnings {
		slog.Warn(w, "input", r.Input)
	}
	size := fmt.Sprintf("%dx%d", r.Out.X, r.Out.Y)
	switch {
	case r.Err != nil:
		slog.Error(r.Err.Error())
	case r.Skipped:
		slog.Info("skipped, the result is there already", "input", r.Input, "output", r.Output)
	case dry:
		slog.Info("would upscale", "input", r.Input, "output", r.Output, "size", size)
	default:
		slog.Info("upscaled", "input", r.Input, "output", r.Output, "size", size, "took", r.Duration.Round(time.Millisecond).String())
	}
}
