package main

import (
	"bytes"
	"io"
	"math"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/gansr/gansr/finetune"
	"github.com/gansr/gansr/finetune/tune"
)

// Every setting has a flag that is explained, and that takes the text that it shows.
func TestSettingsFlags(t *testing.T) {
	f := newSettingsFlags()
	n := 0
	for name, s := range settings(&f.given) {
		n++
		if name == "" || s.comment == "" {
			t.Errorf("flag %q has the explanation %q", name, s.comment)
		}
		flag := f.Lookup(name)
		text := flag.Value.String()
		if flag.Value.Type() == (settingValue{s.value}).Type() && text != "" {
			if err := f.Set(name, text); err != nil || flag.Value.String() != text {
				t.Errorf("--%s %q: %v, and then %q", name, text, err, flag.Value.String())
			}
		}
	}
	if n < 60 {
		t.Errorf("%d settings have flags", n)
	}
	for name, text := range map[string]string{"patch": "1.5", "seed": "-1", "average": "much", "flips": "perhaps", "content-perceptual-weights": "1,b", "memory": "2TB",
		"generator-adam-groups": "rate=2", "critic-adam-groups": "speed=2 a"} {
		if err := newSettingsFlags().Set(name, text); err == nil {
			t.Errorf("--%s %q is taken", name, text)
		}
	}
}

// refused is a setting's value that it does not take, and what the error says beside the setting's name.
type refused struct {
	setting string
	value   any
	says    string
}

// refusals lists values of all settings: numbers that are negative, not finite or too large, and words that are none of theirs.
func refusals() []refused {
	list := []refused{
		{"patch", 0, "from 1 to 4096"}, {"patch", 4097, "from 1 to 4096"}, {"batch", 0, "from 1 to 65536"}, {"batch", 65537, "from 1 to 65536"},
		{"crops", 0, "from 1 to 65536"}, {"held", 1.0, "below 1"}, {"held", 1.5, "below 1"}, {"held", 0.0, "held out"},
		{"critic", "nobody.onnx", "an ONNX file that is there"}, {"critic", "", "course, patch, unet"}, {"perceptual-layers", []string{}, "relu3_3"},
		{"epochs", 0, "positive"}, {"micro-batch", 3, "divide the 8 pairs"}, {"micro-batch", 16, "divide the 8 pairs"}, {"average", 1.0, "below 1"},
		{"freeze", []string{"nothing*"}, "no parameter"}, {"checkpoints", 0, "1 or more"}, {"patience", 0, "1 or more"},
		{"guard-content", 1.0, "above 1"}, {"guard-critic", 0.5, "above 1"}, {"guard-colour", 2.0, "from 0 to 1"},
		{"adversarial-penalty", 0.0, "positive with wgan-gp"}, {"adversarial-clip", 0.0, "positive with wgan-clip"}, {"alternation-n", 0, "1 or more"},
		{"content-perceptual-weights", []float64{1, 2}, "one for each of the 1"}, {"content-perceptual-weights", []float64{math.NaN()}, "not NaN"},
		{"perceptual", "vgg16.pth", "has no weight"}, {"content-perceptual", 1.0, "needs a file"}, {"measure", "lpips", "needs files"},
		{"content-l1", 0.0, "all other losses"},
	}
	for _, adam := range []string{"generator-adam", "critic-adam"} {
		list = append(list, refused{adam + "-rate", 0.0, "positive"}, refused{adam + "-beta1", 1.0, "below 1"}, refused{adam + "-beta2", 1.5, "below 1"},
			refused{adam + "-epsilon", 0.0, "positive"}, refused{adam + "-groups", []finetune.Group{{Names: []string{"nothing"}, Rate: 1}}, "no parameter"},
			refused{adam + "-groups", []finetune.Group{{Rate: 1}}, "should have names"}, refused{adam + "-groups", []finetune.Group{{Names: []string{"*"}, Rate: -1}}, "not -1"},
			refused{adam + "-groups", []finetune.Group{{Names: []string{"*"}, Decay: math.Inf(1)}}, "not +Inf"},
			refused{adam + "-schedule-every", 0.0, "positive with kind step"}, refused{adam + "-schedule-factor", 1.0, "between 0 and 1 with kind plateau"},
			refused{adam + "-schedule-least", 1.1, "from 0 to 1"}, refused{adam + "-schedule-threshold", 1.0, "below 1"})
	}
	photo := tune.Photo()
	for name, s := range settings(&photo) {
		switch s.value.Interface().(type) {
		case int:
			list = append(list, refused{name, -1, "not -1"}, refused{name, 1 << 40, "not 1099511627776"})
		case float64:
			list = append(list, refused{name, math.NaN(), "not NaN"}, refused{name, math.Inf(1), "not +Inf"}, refused{name, -0.5, "not -0.5"})
		case string:
			if name != "perceptual" && name != "critic" {
				list = append(list, refused{name, "nonesuch", `not "nonesuch"`})
			}
		}
	}
	return list
}

// with are the settings beside which a value is refused.
func (r refused) with() (s tune.Settings) {
	s = tune.Photo()
	switch r.setting {
	case "adversarial-penalty":
		s.Adversarial.Kind = finetune.WassersteinPenalty
	case "adversarial-clip":
		s.Adversarial.Kind = finetune.WassersteinClip
	case "generator-adam-schedule-every":
		s.Generator.Schedule = finetune.Schedule{Kind: "step", Factor: 0.5}
	case "critic-adam-schedule-every":
		s.Critic.Schedule = finetune.Schedule{Kind: "step", Factor: 0.5}
	case "generator-adam-schedule-factor":
		s.Generator.Schedule.Kind = "plateau"
	case "critic-adam-schedule-factor":
		s.Critic.Schedule.Kind = "plateau"
	case "content-l1":
		s.CriticNetwork = "none"
	case "content-perceptual-weights", "perceptual-layers":
		s.Content.Perceptual, s.Perceptual = 1, "vgg16.pth"
	}
	return s
}

// Whatever says it, a value that a setting does not take ends the command with exit code 2 and one line that names the setting, before any photo is read: here there is
// no folder of photos, which is not what the line says.
func TestSettingsRefuse(t *testing.T) {
	t.Chdir(t.TempDir())
	command := []string{"finetune", "compact-x4", "-o", "out.onnx", "--photos", "nowhere"}
	expect := func(r refused, from string, more ...string) {
		t.Helper()
		var log bytes.Buffer
		code := run(slices.Concat(command, more), io.Discard, &log)
		name := regexp.MustCompile("-(beta[12]|every|factor)$").ReplaceAllString(r.setting, "")
		line, hint, _ := strings.Cut(log.String(), "\n")
		says := strings.Contains(line, name) && (strings.Contains(line, r.says) || strings.Contains(line, "want "))
		if code != exitUsage || !says || hint != "hint: see gansr finetune --help\n" {
			t.Errorf("%s = %v of %s: exit code %d, %s", r.setting, r.value, from, code, log.String())
		}
	}
	for _, r := range refusals() {
		s := r.with()
		var before, after, flag string
		for name, into := range settings(&s) {
			if name == r.setting {
				before = settingValue{into.value}.String()
				into.value.Set(reflect.ValueOf(r.value))
				after = settingValue{into.value}.String()
				flag = "--" + name + "=" + after
			}
		}
		text, err := s.Text()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("all.toml", text, 0o666); err != nil {
			t.Fatal(err)
		}
		expect(r, "a file", "--config", "all.toml")
		if before == after { // groups, which a flag does not show
			continue
		}
		if text, err = r.with().Text(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile("rest.toml", text, 0o666); err != nil {
			t.Fatal(err)
		}
		expect(r, "a flag", "--config", "rest.toml", flag)
	}
}

// Flags that have no effect beside others are refused too.
func TestSettingsContradict(t *testing.T) {
	t.Chdir(t.TempDir())
	for text, want := range map[string]string{
		"--photos nowhere --epochs 2 --batches 7":                 "--epochs has no effect: batches are 7",
		"--lr nowhere --hr nowhere --degrade real":                "--degrade has no effect: the pairs",
		"--lr nowhere --hr nowhere --downscale bilinear":          "--downscale has no effect: the pairs",
		"--photos nowhere --downscale bilinear":                   "--degrade light reduces photos in its own way",
		"--photos nowhere --critic none --adversarial-weight 0.1": "--adversarial-weight has no effect: there is no critic",
		"--photos nowhere --critic none --critic-adam-rate 1":     "--critic-adam-rate has no effect: there is no critic",
		"--photos nowhere --perceptual-layers relu1_1":            "--perceptual-layers has no effect",
		"--photos nowhere --lr nowhere":                           "exclude each other",
		"--lr nowhere":                                            "needs one of HR photos",
		"--hr nowhere":                                            "needs one of HR photos",
		"--photos nowhere --critic patch --patch 4":               "critic patch does not fit patches of 4 pixels at scale 4",
	} {
		var log bytes.Buffer
		args := append([]string{"finetune", "compact-x4", "-o", "out.onnx"}, strings.Fields(text)...)
		if code := run(args, io.Discard, &log); code != exitUsage || !strings.Contains(log.String(), want) {
			t.Errorf("%s: exit code %d, %s", text, code, log.String())
		}
	}
	for _, text := range []string{"--critic none --adversarial-weight 0", "--downscale bilinear --degrade none", "--preset course --degrade light --perceptual x --critic none"} {
		var log bytes.Buffer
		args := append([]string{"finetune", "compact-x4", "-o", "out.onnx", "--photos", "nowhere"}, strings.Fields(text)...)
		if code := run(args, io.Discard, &log); code != exitNothingDone {
			t.Errorf("%s: exit code %d, %s", text, code, log.String())
		}
	}
}
