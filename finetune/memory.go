package finetune

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"

	"github.com/gansr/gansr/graph"
)

// Bytes returns the memory of the networks, their optimisers and what belongs to them, which lasts as long as the trainer.
func (t *Trainer) Bytes() int64 {
	var floats, bytes int64
	for _, n := range []*network{t.generator, t.critic} {
		if n == nil {
			continue
		}
		bytes += n.model.TensorBytes()
		for _, w := range n.learned { // value, gradient, the optimiser's two means, and the sum of the gradients of parts
			floats += 5 * int64(w.value.Len())
		}
		for _, w := range n.running { // value, the next, and the one before a batch
			floats += 3 * int64(w.value.Len())
		}
	}
	for _, w := range t.averaged() {
		floats += int64(w.value.Len())
	}
	if t.perceptual != nil {
		bytes += t.perceptual.Model().TensorBytes()
	}
	return bytes + 4*floats
}

// Rest gives the memory of steps back until the next.
func (t *Trainer) Rest() { t.memory.Release() }

// Prepare compiles the steps for batches of n pairs, LR of h x w pixels, which Run does with the first batch otherwise. It is a SettingError if they take more
// memory than there is, and smaller parts of a batch are not the same training.
func (t *Trainer) Prepare(ctx context.Context, n, h, w, scale int) error {
	t.scale = scale
	return t.compile(ctx, []int{n, 3, h, w})
}

// steps compiles the steps for parts of a batch, and returns what they take.
func (t *Trainer) steps(ctx context.Context, shape []int) (bytes int64, err error) {
	t.memory = graph.NewMemory()
	if t.generatorStepper, err = t.generatorStep(ctx, shape); err != nil {
		return 0, err
	}
	bytes = t.generatorStepper.session.WeightBytes()
	if t.critic != nil {
		if t.criticStepper, err = t.criticStep(ctx, shape); err != nil {
			return 0, err
		}
		bytes += t.criticStepper.session.WeightBytes()
	}
	runtime.GC() // what reading models and compiling left behind is as much as the sessions' memory, which comes next
	return bytes + t.memory.Bytes(), nil
}

// fit compiles the steps for parts of so many of a batch's pairs, or for smaller ones if these take too much memory and a part's size means nothing. It
// returns the size.
func (t *Trainer) fit(ctx context.Context, shape []int, pairs, size int) (int, error) {
	limit, from := int64(t.config.Memory), "memory allows"
	if limit == 0 {
		limit, from = graph.SystemMemory(), "the system has"
	}
	room := limit / 8 * 7 // the rest is for garbage, which collecting too often costs much time
	rest := t.taken + t.Bytes() + 4*int64(pairs)*int64(3*shape[2]*shape[3]*(1+t.scale*t.scale)+1)
	need := func(size int) (int64, error) {
		bytes, err := t.steps(ctx, []int{size, shape[1], shape[2], shape[3]})
		if tooMuch := (*graph.MemoryError)(nil); errors.As(err, &tooMuch) {
			return tooMuch.Need, nil
		}
		return bytes, err
	}
	wanted, err := need(size)
	if err != nil || rest+wanted <= room {
		return size, err
	}
	fits, takes := 0, int64(0)
	for smaller := size - 1; smaller > 0 && fits == 0; smaller-- { // algorithms depend on the size too, so that only compiling tells
		if pairs%smaller != 0 {
			continue
		}
		if takes, err = need(smaller); err != nil {
			return 0, err
		}
		if rest+takes <= room {
			fits = smaller
		}
	}
	why := fmt.Sprintf("steps of %d pairs take %s and the rest of the process %s, more than seven eighths of the %s that %s", size, mib(wanted), mib(rest), mib(limit), from)
	means := t.means(fits)
	switch {
	case fits == 0:
		return 0, SettingError{Err: fmt.Errorf("finetune: %s, and single pairs at once take %s: a smaller batch (batch) or smaller patches (patch) take less", why, mib(takes))}
	case t.config.MicroBatch == 0 && means == "":
		t.log.Info(fmt.Sprintf("%s: batches go through the networks in parts of %d pairs, which take %s", why, fits, mib(rest+takes)))
		return fits, nil
	}
	return 0, SettingError{Err: fmt.Errorf("finetune: %s: micro-batch %d fits, with %s%s", why, fits, mib(rest+takes), means)}
}

// means says what smaller parts of a batch mean for a training, if it is more than rounding.
func (t *Trainer) means(size int) string {
	var list []string
	for _, n := range []*network{t.generator, t.critic} {
		if n != nil && n.seesBatch() {
			list = append(list, fmt.Sprintf("the %s's batch normalisation then uses the statistics of %d", n.name, size))
		}
	}
	if t.critic != nil && t.config.Adversarial.Kind == RelativisticAverage {
		list = append(list, fmt.Sprintf("the relativistic loss then compares with the mean score of %d", size))
	}
	if list == nil {
		return ""
	}
	return "; " + strings.Join(list, ", and ")
}
