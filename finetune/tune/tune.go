// Package tune is a whole training run: a folder for it, photos, a critic, validation before and after, and a result that is kept if it is better.
package tune

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"github.com/gofrs/flock"

	"github.com/gansr/gansr/finetune"
	"github.com/gansr/gansr/finetune/data"
	"github.com/gansr/gansr/finetune/eval"
	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/models"
	"github.com/gansr/gansr/onnxio"
	"github.com/gansr/gansr/upscale"
)

// ErrNoPhotos is wrapped by the error of a run without a photo to train on.
var ErrNoPhotos = data.ErrNoPhotos

// ErrNotBetter is wrapped by the error of a run that ended with a generator no better than the one it started from.
var ErrNotBetter = errors.New("the generator is no better than before on the held-out photos")

// Options say what a run does.
type Options struct {
	Model  string // ONNX file or name of an embedded generator
	Photos string // folder of HR photos, whose LR photos are made; or
	LR, HR string // folders of LR and HR photos of the same names
	Out    string // file that the result is written to
	Folder string // of the run: checkpoints, the log, the critic, the last result
	Resume bool   // go on from the folder's newest checkpoint; without it the folder must have none
	Settings

	Workers  *graph.Workers
	Log      *slog.Logger                           // nil: slog.Default()
	Progress func(done, all int, r finetune.Record) // after each step; may be nil
}

// Result tells what came of a run.
type Result struct {
	Before, After eval.Figures
	Kept          bool // Out was written
}

// Run trains, and writes the result. When ctx is cancelled it ends with a checkpoint and ctx's error. The error wraps ErrNotBetter, and Result is
// complete, if the result was not worth keeping.
func Run(ctx context.Context, o Options) (res Result, err error) {
	if o.Out == "" || o.Folder == "" {
		return res, errors.New("tune: a run needs a file for its result and a folder")
	}
	if err := o.Check(); err != nil {
		return res, err
	}
	if o.CriticNetwork == "none" {
		o.Adversarial.Weight, o.Content.Features = 0, 0
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	had, err := filepath.Glob(filepath.Join(o.Folder, "checkpoint-*.safetensors"))
	if err == nil && len(had) > 0 && !o.Resume {
		err = fmt.Errorf("tune: %s holds the checkpoints of another run: go on with it (--resume), or choose another folder (--run)", o.Folder)
	}
	if err != nil {
		return res, err
	}
	if len(had) > 0 {
		if err := o.checkResumed(); err != nil {
			return res, err
		}
	}
	model, err := models.Open(o.Model)
	if err != nil {
		return res, err
	}
	_, scale, err := o.enlarger(ctx, model, 0)
	if err != nil {
		return res, err
	}
	if a, err := os.Stat(o.Model); err == nil {
		if b, err := os.Stat(o.Out); err == nil && os.SameFile(a, b) {
			return res, finetune.SettingError{Err: fmt.Errorf("tune: the result would replace %s, which the training starts from: choose another file", o.Model)}
		}
	}
	for _, path := range []string{o.Out, filepath.Join(o.Folder, lockName)} {
		if err := writable(path); err != nil {
			return res, err
		}
	}
	photos := o.photos(scale)
	if err := photos.Check(); err != nil {
		return res, finetune.SettingError{Err: err}
	}
	critic, err := o.critic(scale)
	if err != nil {
		return res, err
	}
	perceptual, err := o.vgg()
	if err != nil {
		return res, err
	}
	config := o.Config
	config.Folder = o.Folder
	if err := config.Check(model, critic, perceptual); err != nil {
		return res, err
	}
	show := &show{o: o, scale: scale}
	if len(o.LPIPS) > 0 {
		if show.lpips, err = eval.OpenLPIPS(o.LPIPS, o.Workers); err != nil {
			return res, err
		}
	}
	set, err := data.Open(ctx, photos) // once all else is known to be right: there may be many
	if err != nil {
		return res, err
	}
	show.set = set
	if o.Result == Better && !slices.ContainsFunc(set.Photos(), func(p data.Photo) bool { return p.Held }) {
		return res, finetune.SettingError{Err: fmt.Errorf("tune: there is only one photo in %s%s, and without others held out nothing tells whether the result is better: add some, or keep it %s", o.Photos, o.HR, Always)}
	}
	if err := errors.Join(os.MkdirAll(o.Folder, 0o777), os.MkdirAll(filepath.Dir(o.Out), 0o777)); err != nil {
		return res, fmt.Errorf("tune: %w", err)
	}
	lock := flock.New(filepath.Join(o.Folder, lockName))
	if locked, err := lock.TryLock(); err != nil {
		return res, fmt.Errorf("tune: lock the run's folder: %w", err)
	} else if !locked {
		return res, fmt.Errorf("tune: another process trains in %s: wait for its end, or choose another folder (--run)", o.Folder)
	}
	defer func() { err = errors.Join(err, lock.Close()) }() // the operating system does it for a process that is killed
	if critic != nil {
		if err := critic.Save(filepath.Join(o.Folder, criticStartName)); err != nil {
			return res, err
		}
	}
	task := finetune.Task{Generator: model, Critic: critic, Perceptual: perceptual, Source: set.Train(), Workers: o.Workers, Log: o.Log, Taken: ownMemory + set.Memory() + show.lpipsMemory()}
	show.epoch = max(1, task.Source.Len()/max(1, o.Accumulate))
	if show.all = o.Batches; show.all == 0 {
		show.all = o.Epochs * show.epoch
	}
	defer func() { err = errors.Join(err, show.close()) }()
	task.Observe, task.Between = show.step, show.between
	trainer, err := finetune.New(task, config)
	if err != nil {
		return res, err
	}
	show.trainer = trainer
	if show.tiles, err = o.tiles(set, task.Taken+trainer.Bytes()); err != nil {
		return res, err
	}
	if err := trainer.Prepare(ctx, o.Batch, o.Patch, o.Patch, scale); err != nil {
		return res, err
	}
	enlarge, _, err := o.enlarger(ctx, model, show.tiles)
	if err != nil {
		return res, err
	}
	if o.Resume {
		if _, err = trainer.Resume(); err != nil {
			return res, err
		}
	}
	if err := o.save(filepath.Join(o.Folder, SettingsName)); err != nil { // settings that work
		return res, err
	}
	if show.before, err = show.look(ctx, enlarge); err != nil {
		return res, err
	}
	res.Before = show.before.mean
	if show.before.has() {
		o.Log.Info("held-out photos before: " + show.figures(res.Before))
	}
	diverged := trainer.Run(ctx)
	if diverged != nil {
		if !errors.Is(diverged, finetune.ErrDiverged) {
			return res, diverged
		}
		if _, err := trainer.Resume(); err != nil {
			return res, errors.Join(diverged, err)
		}
		o.Log.Warn(diverged.Error() + ": the last checkpoint is taken for the result")
	}
	return o.finish(ctx, show, critic != nil, res)
}

// writable returns an error if a file could not be written at path, whose folders may have to be made: better now than after hours.
func writable(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return finetune.SettingError{Err: fmt.Errorf("tune: %s is a folder, and a file is to be written there", path)}
	}
	dir := filepath.Dir(path)
	for above := filepath.Dir(dir); above != dir; dir, above = above, filepath.Dir(above) {
		if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	f, err := os.CreateTemp(dir, ".gansr-*.tmp")
	if err == nil {
		err = errors.Join(f.Close(), os.Remove(f.Name()))
	}
	if where := (*fs.PathError)(nil); errors.As(err, &where) {
		err = where.Err
	}
	if err != nil {
		return fmt.Errorf("tune: %s cannot be written: %w", path, err)
	}
	return nil
}

// finish validates the result, keeps it if it should be, and writes the report.
func (o Options) finish(ctx context.Context, show *show, critic bool, res Result) (Result, error) {
	last := filepath.Join(o.Folder, lastName)
	if err := show.trainer.SaveGenerator(last); err != nil {
		return res, err
	}
	if critic {
		if err := show.trainer.SaveCritic(filepath.Join(o.Folder, criticName)); err != nil {
			return res, err
		}
	}
	after, model, err := o.result(ctx, show, last)
	if err != nil {
		return res, err
	}
	res.After = after.mean
	better := o.better(res.After, res.Before)
	// Without held-out photos there is nothing that could be better.
	if res.Kept = better || o.Result == Always; res.Kept {
		if err := model.Save(o.Out); err != nil {
			return res, err
		}
	}
	if after.has() {
		o.Log.Info("held-out photos after:  " + show.figures(res.After))
	}
	if err := show.report(after, res.Kept); err != nil {
		return res, err
	}
	report := filepath.Join(o.Folder, reportName)
	if !res.Kept {
		return res, fmt.Errorf("tune: %w, by %s; it is %s, and the report %s", ErrNotBetter, o.Measure, last, report)
	}
	o.Log.Info(fmt.Sprintf("%s is written; the report is %s", o.Out, report))
	return res, nil
}

// result returns the last generator, or the best of those that were validated meanwhile if the last is no better than the first and that one is.
func (o Options) result(ctx context.Context, show *show, last string) (seen, *onnxio.Model, error) {
	look := func(path string) (s seen, m *onnxio.Model, err error) {
		if m, err = onnxio.Open(path); err != nil {
			return s, nil, err
		}
		enlarge, _, err := o.enlarger(ctx, m, show.tiles)
		if err != nil {
			return s, nil, err
		}
		s, err = show.look(ctx, enlarge)
		return s, m, err
	}
	after, model, err := look(last)
	if err != nil || o.Result == Always || o.better(after.mean, show.before.mean) || !show.hasBest {
		return after, model, err
	}
	best, bestModel, err := look(filepath.Join(o.Folder, bestName+".onnx"))
	if err != nil || !o.better(best.mean, show.before.mean) {
		return after, model, err
	}
	o.Log.Warn("the last generator is no better than the first, but one before it is, which is kept")
	return best, bestModel, nil
}

// better compares by the measure.
func (o Options) better(a, b eval.Figures) bool { return o.value(a) > o.value(b) }

// value is what the measure looks at: more is better.
func (o Options) value(f eval.Figures) float64 {
	switch o.Measure {
	case "ssim":
		return f.SSIM
	case "lpips":
		return -f.LPIPS
	}
	return f.PSNRY
}

// enlarger returns a generator that enlarges pictures in tiles, with the memory of upscaling's default if it is 0.
func (o Options) enlarger(ctx context.Context, m *onnxio.Model, memory int64) (eval.Enlarge, int, error) {
	g, err := upscale.NewModel(ctx, m, o.Workers, nil)
	if err != nil {
		return nil, 0, err
	}
	g.MaxWeights = memory / 2
	return eval.Generator(g, upscale.Options{Memory: memory})
}

// ownMemory is what a process takes beside what it works on.
const ownMemory = 32 << 20

// tiles returns the memory that enlarging held-out photos may take, while steps take none: what is left when one is measured. 0 is upscaling's default.
func (o Options) tiles(set *data.Set, taken int64) (int64, error) {
	if o.Memory == 0 {
		return 0, nil
	}
	const least, most = 64 << 20, 2 << 30
	room := int64(o.Memory)/8*7 - taken // as for steps
	left := room
	for _, p := range set.Photos() {
		if measure := eval.MeasureBytes * int64(p.Size.X) * int64(p.Size.Y); p.Held && room-measure < left {
			if left = room - measure; left < least {
				return 0, finetune.SettingError{Err: fmt.Errorf("tune: photos, networks and optimisers take %d MiB, and measuring the held-out photo %s of %dx%d pixels %d MiB, which is more than the memory of %s allows",
					taken>>20, p.Name, p.Size.X, p.Size.Y, (measure+least)>>20, o.Memory)}
			}
		}
	}
	if left < least {
		return 0, finetune.SettingError{Err: fmt.Errorf("tune: photos, networks and optimisers take %d MiB, which is more than the memory of %s allows", taken>>20, o.Memory)}
	}
	return min(left, most), nil
}

// Files of a run's folder beside checkpoints.
const (
	criticName = "critic.onnx"
	// criticStartName is the critic that the folder's checkpoints started from.
	criticStartName = "critic-start.onnx"
	lastName        = "last.onnx"
	bestName        = "best" // .onnx, and .safetensors: its checkpoint
	logName         = "log.jsonl"
	reportName      = "report.html"
	lockName        = "lock"
)

// SettingsName is the file in a run's folder that holds its settings.
const SettingsName = "settings.toml"

// critic returns the run's critic. A resumed run starts from the one that its checkpoints belong to.
func (o Options) critic(scale int) (*onnxio.Model, error) {
	if o.CriticNetwork == "none" {
		return nil, nil
	}
	if o.Resume {
		if m, err := onnxio.Open(filepath.Join(o.Folder, criticStartName)); err == nil || !errors.Is(err, fs.ErrNotExist) {
			return m, err
		}
	}
	if m, err := onnxio.Open(filepath.Join(o.Folder, criticName)); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	arch, known := map[string]string{"course": "CourseCritic", "patch": "PatchGAN", "unet": "UNetDiscriminatorSN"}[o.CriticNetwork]
	if !known {
		m, err := onnxio.Open(o.CriticNetwork)
		if errors.Is(err, fs.ErrNotExist) {
			err = finetune.SettingError{Err: fmt.Errorf("tune: critic should be course, patch, unet, an ONNX file that is there or none, not %q", o.CriticNetwork)}
		}
		return m, err
	}
	m, err := models.NewCritic(arch, nil, o.Patch*scale, o.Seed)
	if err != nil {
		return nil, finetune.SettingError{Err: fmt.Errorf("tune: critic %s does not fit patches of %d pixels at scale %d: %w", o.CriticNetwork, o.Patch, scale, err)}
	}
	return m, nil
}
