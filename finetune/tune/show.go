package tune

import (
	"context"
	"errors"
	"fmt"
	"image"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/gansr/gansr/finetune"
	"github.com/gansr/gansr/finetune/data"
	"github.com/gansr/gansr/finetune/eval"
	"github.com/gansr/gansr/finetune/internal/watch"
	"github.com/gansr/gansr/internal/atomicfile"
	"github.com/gansr/gansr/onnxio"
)

// show writes what a run shows of itself: the log, TensorBoard's events, the best generator, the report.
type show struct {
	o          Options
	scale      int
	set        *data.Set
	lpips      *eval.LPIPS // nil: not measured
	trainer    *finetune.Trainer
	tiles      int64 // bytes for enlarging
	all, epoch int   // batches
	before     seen

	log     *watch.Log
	events  *watch.Events
	best    float64 // of the generators that were validated while training
	hasBest bool
	batch   int // of the last step
	err     error
}

// seen is what a generator makes of the held-out photos.
type seen struct {
	mean   eval.Figures
	photos []eval.Figures
	crops  []crop
}

func (s seen) has() bool { return len(s.photos) > 0 }

// crop is the part of a photo with most detail: reduced, enlarged again, and as it is.
type crop struct {
	name       string
	lr, sr, hr image.Image
}

// The pictures that are shown: how many, and their side in LR pixels.
const (
	mostCrops = 4
	cropSide  = 48
)

// lpipsMemory is what measuring LPIPS takes, while steps run too.
func (s *show) lpipsMemory() int64 {
	var most int64
	for _, p := range s.set.Photos() {
		if p.Held && s.lpips != nil {
			most = max(most, eval.LPIPSBytes*int64(p.Size.X)*int64(p.Size.Y))
		}
	}
	return most
}

func (s *show) figures(f eval.Figures) string {
	text := fmt.Sprintf("PSNR %.3f dB, SSIM %.4f", f.PSNRY, f.SSIM)
	if s.lpips != nil {
		text += fmt.Sprintf(", LPIPS %.4f", f.LPIPS)
	}
	return text
}

// look measures the held-out photos and enlarges the crops. If none are held out there is nothing to see, which is an error unless results are kept in any
// case.
func (s *show) look(ctx context.Context, enlarge eval.Enlarge) (v seen, err error) {
	s.trainer.Rest()
	v.mean, err = eval.Held(ctx, enlarge, s.set, s.scale, s.lpips, func(f eval.Figures) error {
		v.photos = append(v.photos, f)
		return nil
	})
	if errors.Is(err, data.ErrNoPhotos) && s.o.Result == Always {
		return v, nil
	} else if err != nil {
		return v, err
	}
	for p, err := range s.set.Validation(ctx, cropSide) {
		if err != nil {
			return v, err
		}
		if len(v.crops) == mostCrops {
			break
		}
		c := crop{name: p.Name, lr: watch.FromPlanes(p.LR, p.H, p.W), hr: watch.FromPlanes(p.HR, p.H*s.scale, p.W*s.scale)}
		if c.sr, err = enlarge(ctx, c.lr); err != nil {
			return v, err
		}
		v.crops = append(v.crops, c)
	}
	return v, nil
}

// open opens the log and the events for a run that goes on after a step.
func (s *show) open(step int64) error {
	path := filepath.Join(s.o.Folder, logName)
	var err error
	if s.log, err = watch.OpenLog(path, step); err != nil {
		return err
	}
	if s.events, err = watch.CreateEvents(filepath.Join(s.o.Folder, "events"), max(step, 0)); err != nil {
		return err
	}
	records, err := watch.ReadLog(path)
	for _, r := range records {
		for _, v := range r.Scalars {
			value := v.Value
			if s.o.Measure == "lpips" { // less is better
				value = -value
			}
			if v.Name == "validation/"+s.o.Measure && (!s.hasBest || value > s.best) {
				s.best, s.hasBest = value, true
			}
		}
	}
	return err
}

func (s *show) write(r watch.Record) error { return errors.Join(s.log.Write(r), s.events.Scalars(r)) }

// step is called after each step of the trainer.
func (s *show) step(r finetune.Record) {
	if r.Batch < s.batch { // the training went back: what it does again takes the place of what was
		s.err = s.close()
		s.log, s.events = nil, nil
	}
	s.batch = r.Batch
	if s.err == nil && s.log == nil {
		s.err = s.open(int64(r.Batch) - 1)
	}
	if s.err == nil {
		s.err = s.write(watch.Record{Step: int64(r.Batch), Time: time.Now(), Scalars: scalars(r)})
	}
	if s.o.Progress != nil {
		s.o.Progress(r.Batch+1, s.all, r)
	}
}

// between is called after each batch of the trainer. An error of step ends the run here.
func (s *show) between(ctx context.Context, batches int) error {
	every := s.o.Validate
	if every == 0 {
		every = s.epoch
	}
	if s.err != nil || batches%every != 0 {
		err := s.err
		s.err = nil
		return err
	}
	model, err := s.trainer.Generator()
	if err != nil {
		return err
	}
	file, err := model.Encode()
	if err != nil {
		return err
	}
	if model, err = onnxio.Decode(file); err != nil {
		return err
	}
	enlarge, _, err := s.o.enlarger(ctx, model, s.tiles)
	if err != nil {
		return err
	}
	v, err := s.look(ctx, enlarge)
	if err != nil || !v.has() {
		return err
	}
	r := watch.Record{Step: int64(batches) - 1, Time: time.Now(), Scalars: []watch.Scalar{
		{Name: "validation/psnr", Value: v.mean.PSNRY}, {Name: "validation/ssim", Value: v.mean.SSIM}, {Name: "validation/psnr_rgb", Value: v.mean.PSNRRGB}}}
	if s.lpips != nil {
		r.Scalars = append(r.Scalars, watch.Scalar{Name: "validation/lpips", Value: v.mean.LPIPS})
	}
	var rows [][]image.Image
	for _, c := range v.crops {
		rows = append(rows, []image.Image{c.lr, c.sr, c.hr})
	}
	if err := errors.Join(s.write(r), s.events.Image(r.Step, r.Time, "LR|SR|HR", watch.Grid(rows)), s.events.Flush()); err != nil {
		return err
	}
	s.o.Log.Info(fmt.Sprintf("held-out photos after %d batches: %s", batches, s.figures(v.mean)))
	if value := s.o.value(v.mean); !s.hasBest || value > s.best {
		best := filepath.Join(s.o.Folder, bestName)
		if err := errors.Join(model.Save(best+".onnx"), s.trainer.Save(best+".safetensors")); err != nil {
			return err
		}
		s.best, s.hasBest = value, true
	}
	return nil
}

func (s *show) close() error {
	err := s.err
	if s.log != nil {
		err = errors.Join(err, s.log.Close())
	}
	if s.events != nil {
		err = errors.Join(err, s.events.Close())
	}
	return err
}

// scalars names the figures of a step.
func scalars(r finetune.Record) (list []watch.Scalar) {
	add := func(name string, v float64) { list = append(list, watch.Scalar{Name: name, Value: v}) }
	if c := r.Critic; c != nil {
		add("critic/loss", c.Loss)
		add("critic/penalty", c.Penalty)
		add("critic/gradient", c.GradNorm)
	}
	if g := r.Generator; g != nil {
		add("generator/total", g.Total)
		add("generator/content", g.Content)
		add("generator/adversarial", g.Adversarial)
		add("generator/gradient", g.GradNorm)
		add("generator/mse", g.MSE)
		add("generator/psnr", -10*math.Log10(g.MSE))
		for _, t := range g.Terms {
			add("generator/"+t.Name, t.Loss)
		}
	}
	return list
}

// report writes the page on the run.
func (s *show) report(after seen, kept bool) error {
	records, err := watch.ReadLog(filepath.Join(s.o.Folder, logName))
	if err != nil && !errors.Is(err, os.ErrNotExist) { // a run of no steps
		return err
	}
	chart := func(title string, names ...string) watch.Chart {
		return watch.Chart{Title: title, Records: records, Names: names}
	}
	page := watch.Report{Title: "Fine-tuning of " + s.o.Model, Charts: []watch.Chart{
		chart("Generator", "generator/total", "generator/content", "generator/adversarial"),
		chart("Critic: loss without penalty, norm of the penalty's gradients", "critic/loss", "critic/penalty"),
		chart("Norms of gradients", "generator/gradient", "critic/gradient"),
		chart("PSNR of held-out photos", "validation/psnr"), chart("SSIM of held-out photos", "validation/ssim")}}
	if s.lpips != nil {
		page.Charts = append(page.Charts, chart("LPIPS of held-out photos", "validation/lpips"))
	}
	b, a := s.before.mean, after.mean
	if after.has() {
		page.Summary = append(page.Summary, fmt.Sprintf("On %d held-out photos PSNR went from %.3f to %.3f dB (%+.3f) and SSIM from %.4f to %.4f (%+.4f).",
			len(after.photos), b.PSNRY, a.PSNRY, a.PSNRY-b.PSNRY, b.SSIM, a.SSIM, a.SSIM-b.SSIM))
		if s.lpips != nil {
			page.Summary = append(page.Summary, fmt.Sprintf("LPIPS, which is lower the more alike pictures look, went from %.4f to %.4f (%+.4f).", b.LPIPS, a.LPIPS, a.LPIPS-b.LPIPS))
		}
	}
	if kept {
		page.Summary = append(page.Summary, "The result is "+s.o.Out+".")
	} else {
		page.Summary = append(page.Summary, "By "+s.o.Measure+" that is no better, so the result was left in the run's folder.")
	}
	for _, l := range s.set.LeftOut() {
		page.Warnings = append(page.Warnings, "photo left out: "+l.String())
	}
	table := watch.Table{Caption: "Luminance, without as many pixels at the edges as the scale", Head: []string{"photo", "PSNR before", "after", "SSIM before", "after"}}
	if s.lpips != nil {
		table.Head = append(table.Head, "LPIPS before", "after")
	}
	row := func(b, a eval.Figures) {
		cells := []string{a.Name, fmt.Sprintf("%.3f", b.PSNRY), fmt.Sprintf("%.3f", a.PSNRY), fmt.Sprintf("%.4f", b.SSIM), fmt.Sprintf("%.4f", a.SSIM)}
		if s.lpips != nil {
			cells = append(cells, fmt.Sprintf("%.4f", b.LPIPS), fmt.Sprintf("%.4f", a.LPIPS))
		}
		table.Rows = append(table.Rows, cells)
	}
	for i, f := range after.photos {
		if i < len(s.before.photos) && s.before.photos[i].Name == f.Name {
			row(s.before.photos[i], f)
		}
	}
	if after.has() {
		row(b, a)
		page.Tables = []watch.Table{table}
	}
	for i, c := range after.crops {
		if i < len(s.before.crops) {
			page.Pictures = append(page.Pictures, watch.Comparison{Caption: c.name,
				Panels: []watch.Panel{{Label: "LR", Image: c.lr}, {Label: "before", Image: s.before.crops[i].sr}, {Label: "after", Image: c.sr}, {Label: "HR", Image: c.hr}}})
		}
	}
	settings, err := s.o.Text()
	if err != nil {
		return err
	}
	page.Settings = []watch.Setting{{Name: "generator", Value: s.o.Model}, {Name: "photos", Value: s.o.Photos + s.o.HR}, {Name: SettingsName, Value: string(settings)}}
	return atomicfile.Write(filepath.Join(s.o.Folder, reportName), func(f *os.File) error { return page.Write(f) })
}
