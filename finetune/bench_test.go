package finetune

import (
	"context"
	"errors"
	"math"
	"testing"
)

// Times are those of every step after the first, of both networks, and of all that their sessions do.
func TestTime(t *testing.T) {
	generator := model(t, "CourseGenerator", map[string]string{"widths": "4,16", "kernel": "3"})
	critic := model(t, "CourseCritic", map[string]string{"widths": "4,4", "pool": "8"})
	c := Course()
	c.Content = Content{L1: 1}
	task := Task{Generator: generator, Critic: critic, Source: flat{waves(2, 8, 8, 4), 1}}
	of, og, err := Time(context.Background(), task, c, 3)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]*StepTimes{"critic": of, "generator": og} {
		if len(s.Took) != 3 || s.Bytes <= 0 || len(s.Parts) == 0 || len(s.Each) != len(s.Parts) {
			t.Fatalf("%s: %d steps of %d parts with times of %d, %d bytes", name, len(s.Took), len(s.Parts), len(s.Each), s.Bytes)
		}
		for i, each := range s.Each {
			if len(each) != 3 {
				t.Errorf("%s: %v has %d times", name, s.Parts[i], len(each))
			}
		}
	}
	task.Critic, c.Adversarial.Weight = nil, 0
	if of, og, err = Time(context.Background(), task, c, 1); err != nil || of != nil || len(og.Took) != 1 {
		t.Errorf("without a critic: %v %v %v", of, og, err)
	}
	bad := waves(2, 8, 8, 4)
	for i := range bad.HR {
		bad.HR[i] = float32(math.Inf(1))
	}
	task.Source = flat{bad, 1}
	if _, _, err := Time(context.Background(), task, c, 1); !errors.Is(err, ErrDiverged) {
		t.Errorf("with infinite pixels: %v", err)
	}
}
