package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/gansr/gansr/finetune"
	"github.com/gansr/gansr/finetune/data"
	"github.com/gansr/gansr/finetune/tune"
	"github.com/gansr/gansr/models"
	"github.com/gansr/gansr/onnxio/torch"
)

func (a *app) finetune() *cobra.Command {
	var (
		o                           tune.Options
		preset, config, degrade     string
		perceptual                  string
		layers                      []string
		print                       bool
		epochs, steps, microBatches int
		rate                        float64
	)
	cmd := &cobra.Command{
		Use:                   "finetune MODEL -o OUT.onnx (--photos DIR | --lr DIR --hr DIR)",
		DisableFlagsInUseLine: true,
		Short:                 "Train a model further on photos",
		Long: `finetune trains a generator further, against a critic and near to the photos, and writes the same
ONNX graph with new weights. A tenth of the photos is held out; the result is written only if it
enlarges them better than before, or with --keep always. If it does not the exit code is 4.

The run's folder has checkpoints, from which --resume goes on, the log (log.jsonl, and events for
TensorBoard), the critic, the last and the best result, and at the end report.html. An interrupt ends with a checkpoint. --config reads settings as --print-config
writes them, in JSON; flags come before it, and it before the preset.`,
		Example: `  gansr finetune compact-x4 -o mine.onnx --photos photos
  gansr finetune compact-x4 -o mine.onnx --photos photos --critic none --resume`,
		Args:              args(1, 1, "MODEL"),
		ValidArgsFunction: completeModel,
		RunE: func(cmd *cobra.Command, args []string) error {
			set := cmd.Flags().Changed
			switch preset {
			case "photo":
				o.Config = finetune.Photo()
			case "course":
				o.Config = finetune.Course()
			default:
				return usageError{fmt.Errorf("--preset %q is not photo or course", preset)}
			}
			if config != "" {
				text, err := os.ReadFile(config)
				if err != nil {
					return err
				}
				if err := json.Unmarshal(text, &o.Config); err != nil {
					return usageError{fmt.Errorf("--config %s: %w", config, err)}
				}
			}
			if set("epochs") {
				o.Config.Epochs = epochs
			}
			if set("steps") {
				o.Config.Batches = steps
			}
			if set("micro-batch") {
				o.Config.MicroBatch = microBatches
			}
			if set("rate") {
				o.Config.Generator.Rate = rate
			}
			if !set("critic") && preset == "course" {
				o.Critic = "course"
			}
			if o.Critic == "none" {
				o.Config.Adversarial.Weight, o.Config.Content.Features = 0, 0
			}
			if print {
				e := json.NewEncoder(a.stdout)
				e.SetIndent("", "  ")
				return e.Encode(o.Config)
			}
			switch {
			case o.Out == "":
				return usageError{errors.New("-o is missing: the file to write the result to")}
			case o.Data.Photos == "" && o.Data.HR == "":
				return usageError{errors.New("--photos is missing: the folder of photos to train on")}
			}
			switch degrade {
			case "none":
			case "light":
				o.Data.Degrade = data.Light()
			case "real":
				o.Data.Degrade = data.Real()
			default:
				return usageError{fmt.Errorf("--degrade %q is not none, light or real", degrade)}
			}
			if perceptual != "" {
				f, err := torch.Open(perceptual)
				if err != nil {
					return err
				}
				if o.Perceptual, err = models.VGG(f.Tensors, layers); err != nil {
					return err
				}
			}
			if o.Folder == "" {
				o.Folder = o.Out + ".run"
			}
			o.Model, o.Data.Seed = args[0], o.Config.Seed
			o.Workers = a.workers()
			defer o.Workers.Close()
			o.Progress = a.training(o.Data.Batch)
			_, err := tune.Run(cmd.Context(), o)
			return err
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.Out, "output", "o", "", "file to write the result to")
	f.StringVar(&o.Data.Photos, "photos", "", "folder of photos, whose reduced versions are made")
	f.StringVar(&o.Data.LR, "lr", "", "folder of reduced photos, in place of --photos")
	f.StringVar(&o.Data.HR, "hr", "", "folder of the photos of --lr")
	f.StringVar(&preset, "preset", "photo", "settings to start from, photo or course")
	f.StringVar(&config, "config", "", "file of settings, in JSON")
	f.BoolVar(&print, "print-config", false, "print the settings, and do nothing else")
	f.StringVar(&o.Folder, "run", "", "folder of the run (default: OUT.run)")
	f.BoolVar(&o.Resume, "resume", false, "go on from the last checkpoint of the run")
	f.IntVar(&epochs, "epochs", 0, "times through the photos (default: the settings')")
	f.IntVar(&steps, "steps", 0, "batches in the place of --epochs")
	f.IntVar(&microBatches, "micro-batch", 0, "pairs that go through the networks at once (default: the batch)")
	f.Float64Var(&rate, "rate", 0, "learning rate of the generator (default: the settings')")
	f.StringVar(&o.Critic, "critic", "patch", "critic: course, patch, unet, an ONNX file, or none (default of the preset course: course)")
	f.StringVar(&perceptual, "perceptual", "", "torchvision's file of VGG16 or VGG19 for the perceptual loss, .pth or .safetensors")
	f.StringSliceVar(&layers, "perceptual-layers", []string{"relu3_3"}, "its layers that are compared")
	f.IntVar(&o.Data.Patch, "patch", 32, "side of patches in reduced pixels")
	f.IntVar(&o.Data.Batch, "batch", 8, "pairs of patches in a batch")
	f.IntVar(&o.Data.Crops, "crops", 16, "patches of each photo in an epoch")
	f.StringVar(&degrade, "degrade", "none", "damage to the reduced photos: none, light or real")
	f.Float64Var(&o.Data.Held, "held", 0.1, "share of photos held out for validation")
	f.StringVar(&o.Measure, "measure", "psnr", "what better means: psnr or ssim, of luminance")
	f.IntVar(&o.Validate, "validate", 0, "batches after which the held-out photos are measured (default: an epoch)")
	f.StringVar(&o.Keep, "keep", tune.Better, "when the result is written: better or always")
	return cmd
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
