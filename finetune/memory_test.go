package finetune

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/gansr/gansr/onnxio"
)

// bounded returns a trainer with a batch of 6 pairs whose steps are compiled, with so many bytes less than the wanted steps take, its log, and an error.
func bounded(t *testing.T, generator func() *onnxio.Model, less int64, change func(c *Config, task *Task)) (*Trainer, string, error) {
	t.Helper()
	var log bytes.Buffer
	whole := waves(6, 16, 16, 2)
	prepare := func(memory int64) (*Trainer, error) {
		c, task := pixels(2), Task{Generator: generator(), Source: flat{whole, 1}, Log: slog.New(slog.NewTextHandler(&log, nil)), Taken: 1 << 20}
		c.Memory = Bytes(memory)
		if change != nil {
			change(&c, &task)
		}
		trainer, err := New(task, c)
		if err != nil {
			t.Fatal(err)
		}
		return trainer, trainer.Prepare(context.Background(), 6, 16, 16, 2)
	}
	free, err := prepare(0)
	if err != nil {
		t.Fatal(err)
	}
	batch := int64(4 * len(whole.LR) * 5)
	need := free.memory.Bytes() + free.taken + free.Bytes() + batch
	log.Reset()
	trainer, err := prepare(need/7*8 - less + 4096)
	return trainer, log.String(), err
}

func TestMemory(t *testing.T) {
	small := func() *onnxio.Model { return compact(t) }
	trainer, log, err := bounded(t, small, 0, nil)
	if err != nil || trainer.part() != 6 || log != "" {
		t.Errorf("%v: parts of %d pairs, %s", err, trainer.part(), log)
	}
	trainer, log, err = bounded(t, small, 20000, nil)
	if err != nil || trainer.part() != 3 || !strings.Contains(log, "in parts of 3 pairs") {
		t.Fatalf("%v: parts of %d pairs, %s", err, trainer.part(), log)
	}
	run(t, trainer)
	for want, f := range map[string]func(c *Config, task *Task){
		"statistics of 3$": func(c *Config, task *Task) {
			task.Generator = model(t, "CourseGenerator", map[string]string{"widths": "4,8", "kernel": "3", "scale": "2"})
		},
		"micro-batch [23] fits, with [0-9]+ MiB; the relativistic loss then compares with the mean score of": func(c *Config, task *Task) {
			task.Critic = model(t, "PatchGAN", map[string]string{"ndf": "4"})
			c.Adversarial, c.Alternation = Adversarial{Kind: RelativisticAverage, Weight: 0.1}, Alternation{Interleaved, 1}
		},
		"steps of 6 pairs .* micro-batch 3 fits, with [0-9]+ MiB$": func(c *Config, _ *Task) { c.MicroBatch = 6 },
	} {
		_, _, err := bounded(t, small, 20000, f)
		if value := (SettingError{}); !errors.As(err, &value) || !regexp.MustCompile(want).MatchString(err.Error()) {
			t.Errorf("got %v, want an error with %s", err, want)
		}
	}
	if _, _, err := bounded(t, small, 1<<20, nil); err == nil || !strings.Contains(err.Error(), "single pairs at once take") {
		t.Errorf("got %v", err)
	}
}

// A checkpoint tells of the memory and the parts that it was made with.
func TestMemoryIsRecorded(t *testing.T) {
	folder := t.TempDir()
	start := func(memory Bytes, taken int64) (*Trainer, *bytes.Buffer) {
		var log bytes.Buffer
		c := pixels(2)
		c.Folder, c.Memory = folder, memory
		trainer, err := New(Task{Generator: compact(t), Source: flat{waves(6, 16, 16, 2), 1}, Log: slog.New(slog.NewTextHandler(&log, nil)), Taken: taken}, c)
		if err != nil {
			t.Fatal(err)
		}
		if err := trainer.Prepare(context.Background(), 6, 16, 16, 2); err != nil {
			t.Fatal(err)
		}
		return trainer, &log
	}
	first, _ := start(64<<20, 0)
	run(t, first)
	again, log := start(64<<20, 0)
	if _, err := again.Resume(); err != nil || log.Len() > 0 {
		t.Errorf("%v; %s", err, log)
	}
	other, log := start(32<<20, 28<<20-400000)
	if _, err := other.Resume(); err != nil || !strings.Contains(log.String(), "Memory was 64MiB and is 32MiB") || !strings.Contains(log.String(), "made with 6 pairs at once, and memory is for") {
		t.Errorf("%v; %s", err, log)
	}
}

func TestBytes(t *testing.T) {
	for _, b := range []Bytes{0, 1, 4097, 3 << 20, 5<<30 + 1<<20, 2 << 30, 123456789012} {
		text, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		var back Bytes
		if err := json.Unmarshal(text, &back); err != nil || back != b {
			t.Errorf("%d becomes %s and then %d, %v", int64(b), text, int64(back), err)
		}
	}
}
