package finetune

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"

	"github.com/gansr/gansr/graph"
	"github.com/gansr/gansr/onnxio"
	"github.com/gansr/gansr/upscale"
)

// Task is what a training works on.
type Task struct {
	// Generator is the model to train further: one input and one output, pictures of RGB or of luminance alone, batches of any size.
	Generator *onnxio.Model
	// Critic scores pictures of the size of the patches; nil means no adversarial training. Its pixels are the generator's in a range from 0
	// to 1, unless its metadata tell of others.
	Critic *onnxio.Model
	// Perceptual is the network of the perceptual loss, which compares all its outputs. It does not change. Its pixels are the same as the
	// critic's unless its metadata tell of others.
	Perceptual *onnxio.Model
	Source     Source
	// Workers do the computing; nil means the calling goroutine alone.
	Workers *graph.Workers
	// Taken is how many bytes of Config.Memory the process takes beside the trainer.
	Taken int64
	// Log gets warnings; nil means none.
	Log *slog.Logger
	// Observe, if not nil, is called after each step.
	Observe func(Record)
	// Between, if not nil, is called after each batch with the number of batches so far. The trainer may be saved then; an error ends Run.
	Between func(ctx context.Context, batches int) error
}

// Record tells of one step of one network.
type Record struct {
	Batch, Epoch int // from 0
	Critic       *CriticFigures
	Generator    *GeneratorFigures
	Skipped      bool // a figure or gradient was not finite, and nothing has changed
}

// ErrDiverged is wrapped by the error of a training that went wrong: figures are not finite any more, or its guard stopped it.
var ErrDiverged = errors.New("the training went wrong")

// divergence is what went wrong in a batch.
type divergence struct {
	batch int
	what  string
}

func (d *divergence) Error() string { return fmt.Sprintf("finetune: batch %d: %s", d.batch, d.what) }
func (d *divergence) Unwrap() error { return ErrDiverged }

// Trainer trains a generator and its critic. It is for one goroutine.
type Trainer struct {
	config      Config
	source      Source
	workers     *graph.Workers
	log         *slog.Logger
	observe     func(Record)
	between     func(ctx context.Context, batches int) error
	adversarial adversarial

	generator, critic         *network // no critic: nil
	generatorAdam, criticAdam *Adam
	average                   [][]float32 // of averaged()
	perceptual                *onnxio.Program
	// The pixels of losses, the generator's input and output, the critic and the perceptual network.
	plain, in, out, seen, felt space
	luminance                  bool // the generator takes and makes luminance alone

	shape                           []int // of LR batches of the source; nil until the first
	scale                           int   // HR pixels to a pixel of LR
	criticStepper, generatorStepper *step
	memory                          *graph.Memory // of both
	taken                           int64         // bytes, beside the trainer
	terms                           []Term
	lr, hr, shares                  *graph.Tensor // a batch
	parts                           []part        // of it

	state  state
	random *rand.PCG
	draw   func(dst []float32) // numbers from 0 to below 1 for gradient penalties
}

// state counts; steps include those that were skipped. Checkpoints hold it.
type state struct {
	Batches        int // so far
	CriticSteps    int
	GeneratorSteps int
	Skipped        int
	InARow         int // steps skipped since the last good one
	Waiting        int // batches since the generator learned
	Rollbacks      int // each halves the rates
	// What the schedules have seen, and the sum and number of content losses in this epoch, which they will see.
	Generator, Critic plateau
	Content           float64
	Contents          int
	Watched           watched
}

// New prepares a training. It is an error if settings or models cannot work; what depends on the size of the batches shows in Run.
func New(task Task, config Config) (*Trainer, error) {
	if task.Generator == nil || task.Source == nil {
		return nil, errors.New("finetune: a generator and a source of batches are needed")
	}
	if err := config.check(task.Critic != nil, task.Perceptual); err != nil {
		return nil, err
	}
	if task.Source.Len() < 1 {
		return nil, errors.New("finetune: the source has no batch")
	}
	t := &Trainer{config: config, source: task.Source, workers: task.Workers, log: task.Log, observe: task.Observe, between: task.Between, random: rand.NewPCG(config.Seed, 1), memory: graph.NewMemory(), taken: task.Taken}
	t.draw = t.uniform
	if t.log == nil {
		t.log = slog.New(slog.DiscardHandler)
	}
	batch := config.BatchNorm == "batch"
	var err error
	if t.generator, err = newNetwork("generator", task.Generator, t.workers, batch, pattern(config.Freeze)); err != nil {
		return nil, err
	}
	if err := t.generator.differentiable(); err != nil {
		return nil, err
	}
	t.generatorAdam = config.Generator.optimiser(t.generator, t.workers)
	if t.in, t.out, err = spaces(task.Generator, upscale.Facts{Channels: 3}); err != nil {
		return nil, err
	}
	t.plain = t.out.plain()
	if dims := task.Generator.Graph().Inputs[0].Dims; len(dims) == 4 && dims[1].Known() && dims[1].Value == 1 {
		t.luminance = true
		if t.plain != (space{0, 1, [3]float64{}, [3]float64{1, 1, 1}}) {
			return nil, errors.New("finetune: a generator of luminance should have mean 0 and deviation 1")
		}
	}
	if task.Critic != nil {
		if t.critic, err = newNetwork("critic", task.Critic, t.workers, true, pattern(nil)); err != nil {
			return nil, err
		}
		t.criticAdam = config.Critic.optimiser(t.critic, t.workers)
		if t.seen, _, err = spaces(task.Critic, t.plain.facts()); err != nil {
			return nil, err
		}
		if t.adversarial, err = adversarialLoss(config.Adversarial.Kind); err != nil {
			return nil, err
		}
	}
	if task.Perceptual != nil {
		if t.perceptual, err = onnxio.NewProgram(task.Perceptual, t.workers); err != nil {
			return nil, err
		}
		if t.felt, _, err = spaces(task.Perceptual, t.plain.facts()); err != nil {
			return nil, err
		}
	}
	for _, w := range t.averaged() {
		t.average = append(t.average, slices.Clone(w.floats()))
	}
	return t, nil
}

// averaged lists what has a moving average.
func (t *Trainer) averaged() []*weight {
	if t.config.Average == 0 {
		return nil
	}
	return t.generator.weights()
}

func (t *Trainer) uniform(dst []float32) {
	r := rand.New(t.random)
	for i := range dst {
		dst[i] = r.Float32()
	}
}

// total is the number of batches of the training.
func (t *Trainer) total() int {
	if t.config.Batches > 0 {
		return t.config.Batches
	}
	return t.config.Epochs * t.perEpoch()
}

// perEpoch is the number of batches in an epoch.
func (t *Trainer) perEpoch() int { return max(1, t.source.Len()/t.accumulate()) }

// accumulate is the number of the source's batches in one.
func (t *Trainer) accumulate() int { return max(1, t.config.Accumulate) }

func (t *Trainer) epochs() float64   { return float64(t.state.Batches) / float64(t.perEpoch()) }
func (t *Trainer) progress() float64 { return float64(t.state.Batches) / float64(t.total()) }

// Run trains to the end. When ctx is cancelled it ends after the current batch with a checkpoint, if there is a folder for them, and returns
// ctx's error; Run may then be called again.
func (t *Trainer) Run(ctx context.Context) error {
	every := t.config.Every
	if every == 0 {
		every = t.perEpoch()
	}
	if err := t.saveStart(); err != nil {
		return err
	}
	saved := t.state.Batches
	save := func() error {
		if t.config.Folder == "" || saved == t.state.Batches {
			return nil
		}
		saved = t.state.Batches
		return t.saveCheckpoint()
	}
	for t.state.Batches < t.total() {
		if err := ctx.Err(); err != nil {
			return errors.Join(err, save())
		}
		if fetched, err := t.fetch(ctx); err != nil {
			if ctx.Err() != nil {
				err = ctx.Err()
			}
			if !fetched {
				err = errors.Join(err, save())
			}
			return err
		}
		// A batch is all or nothing: a checkpoint has no place within one.
		err := t.batch(context.WithoutCancel(ctx))
		if errors.Is(err, ErrDiverged) && t.state.Rollbacks < t.config.Rollbacks {
			if found, failed := t.rollBack(err); failed != nil {
				return errors.Join(err, failed)
			} else if found {
				saved = t.state.Batches
				continue
			}
		}
		if err != nil {
			return err
		}
		if t.state.Batches%every == 0 && t.state.InARow == 0 { // to go back to in better times
			if err := save(); err != nil {
				return err
			}
		}
		if t.between != nil {
			if err := t.between(ctx, t.state.Batches); err != nil {
				return errors.Join(err, save())
			}
		}
	}
	return save()
}

// saveStart writes a checkpoint of a training that has none: the one to go back to.
func (t *Trainer) saveStart() error {
	if t.config.Folder == "" {
		return nil
	}
	names, err := checkpoints(t.config.Folder)
	if err != nil || len(names) > 0 {
		return err
	}
	return t.saveCheckpoint()
}

// rollBack goes back to the last checkpoint, if there is one, and halves the learning rates.
func (t *Trainer) rollBack(why error) (found bool, err error) {
	if t.config.Folder == "" {
		return false, nil
	}
	t.Rest() // a checkpoint takes memory too
	from, n := t.state.Batches, t.state.Rollbacks
	if found, err = t.Resume(); !found || err != nil {
		return found, err
	}
	t.state.Rollbacks = n + 1
	t.log.Warn(fmt.Sprintf("%v: back from batch %d to %d, with half the learning rates", why, from, t.state.Batches))
	return true, nil
}

// batch does the steps of one batch.
func (t *Trainer) batch(ctx context.Context) error {
	epoch := t.state.Batches / t.perEpoch()
	critic, generator := 0, true
	t.state.Waiting++
	if t.critic != nil {
		critic = 1
		if t.config.Alternation.Kind == Interleaved {
			critic = t.config.Alternation.N
		} else {
			generator = epoch == 0 || t.state.Waiting >= t.config.Alternation.N
		}
	}
	for range critic {
		figures, ok, err := t.learnCritic(ctx)
		if err == nil {
			err = t.done(Record{Critic: &figures}, ok)
		}
		if err != nil {
			return err
		}
		t.state.CriticSteps++
	}
	if generator {
		figures, ok, err := t.learnGenerator(ctx)
		if err == nil {
			err = t.done(Record{Generator: &figures}, ok)
		}
		if err != nil {
			return err
		}
		t.state.Waiting = 0
		t.state.GeneratorSteps++
		if ok && t.plateaus() {
			t.state.Content += figures.Content
			t.state.Contents++
		}
	}
	t.state.Batches++
	if n := t.state.Contents; n > 0 && t.state.Batches%t.perEpoch() == 0 {
		loss := t.state.Content / float64(n)
		t.state.Generator.see(t.config.Generator.Schedule, loss)
		t.state.Critic.see(t.config.Critic.Schedule, loss)
		t.state.Content, t.state.Contents = 0, 0
	}
	return nil
}

// plateaus reports whether a schedule looks at losses.
func (t *Trainer) plateaus() bool {
	return t.config.Generator.Schedule.Kind == "plateau" || t.config.Critic.Schedule.Kind == "plateau"
}

// done tells of a step.
func (t *Trainer) done(r Record, ok bool) error {
	r.Batch, r.Epoch, r.Skipped = t.state.Batches, t.state.Batches/t.perEpoch(), !ok
	t.state.InARow++
	if ok {
		t.state.InARow = 0
	} else {
		t.state.Skipped++
	}
	if t.observe != nil {
		t.observe(r)
	}
	wrong := ""
	switch {
	case t.state.InARow >= t.config.Patience:
		wrong = "the figures of the last steps are not finite"
	case ok && r.Generator != nil:
		wrong = t.state.Watched.generator(t.config.Guard, *r.Generator)
	case ok && r.Critic != nil:
		wrong = t.state.Watched.critic(t.config.Guard, *r.Critic)
	}
	if wrong != "" {
		return &divergence{r.Batch, wrong}
	}
	return nil
}

// fetch takes as many batches from the source as make one. If it cannot, the source stays where it was; fetched tells whether a batch came that
// does not fit.
func (t *Trainer) fetch(ctx context.Context) (fetched bool, err error) {
	var from []byte
	if t.accumulate() > 1 {
		from = t.source.State()
	}
	for i := range t.accumulate() {
		b, err := t.source.Next(ctx)
		if err != nil {
			if i > 0 {
				err = errors.Join(err, t.source.Restore(from))
			}
			return false, err
		}
		if err := t.load(ctx, b, i); err != nil {
			return true, err
		}
	}
	return true, nil
}

// load takes a batch of the source as the i-th in a batch, and compiles the steps if it is the first of all.
func (t *Trainer) load(ctx context.Context, b Batch, i int) error {
	shape := []int{b.N, 3, b.H, b.W}
	if n, ok := graph.Numel(shape); !ok || n == 0 || n != len(b.LR) {
		return fmt.Errorf("finetune: a batch of %d numbers should be %v", len(b.LR), shape)
	}
	if t.shape == nil {
		for t.scale = 1; 3*b.N*b.H*b.W*t.scale*t.scale < len(b.HR); {
			t.scale++
		}
		if err := t.compile(ctx, shape); err != nil {
			return err
		}
	}
	hr := t.hr.Len() / t.accumulate()
	if b.N != t.shape[0] || b.H != t.shape[2] || b.W != t.shape[3] || len(b.HR) != hr {
		return fmt.Errorf("finetune: a batch is %v with %d numbers of HR, and should be %v with %d: all batches have the same shape, and HR the size that the generator makes",
			shape, len(b.HR), t.shape, hr)
	}
	t.plain.enter(graph.Data[float32](t.lr)[i*len(b.LR):][:len(b.LR)], b.LR, b.H*b.W)
	t.plain.enter(graph.Data[float32](t.hr)[i*hr:][:hr], b.HR, hr/b.N/3)
	return nil
}

// compile makes the steps for batches of a shape.
func (t *Trainer) compile(ctx context.Context, shape []int) (err error) {
	n, size := shape[0]*t.accumulate(), t.config.MicroBatch
	if size == 0 {
		size = shape[0]
	}
	if n%size != 0 {
		return fmt.Errorf("finetune: a batch has %d pictures, which the micro-batch of %d should divide", n, size)
	}
	if size, err = t.fit(ctx, shape, n, size); err != nil {
		return err
	}
	of := []int{size, 3, shape[2], shape[3]}
	t.shape = shape
	t.lr, t.hr, t.shares = graph.NewTensor(graph.Float32, n, 3, of[2], of[3]), graph.NewTensor(graph.Float32, n, 3, of[2]*t.scale, of[3]*t.scale), graph.NewTensor(graph.Float32, n, 1, 1, 1)
	for at := 0; at < n; at += size {
		var p part
		for _, v := range []struct {
			into **graph.Tensor
			all  *graph.Tensor
		}{{&p.lr, t.lr}, {&p.hr, t.hr}, {&p.shares, t.shares}} {
			s := v.all.Shape()
			each := v.all.Len() / n
			if *v.into, err = graph.FromSlice(graph.Data[float32](v.all)[at*each:][:size*each], size, s[1], s[2], s[3]); err != nil {
				return fmt.Errorf("finetune: %w", err)
			}
		}
		t.parts = append(t.parts, p)
	}
	return nil
}
