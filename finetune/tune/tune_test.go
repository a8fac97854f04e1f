package tune

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/gansr/gansr/finetune"
	"github.com/gansr/gansr/models"
	"github.com/gansr/gansr/onnxio"
)

// photos writes n smooth pictures to a folder.
func photos(t *testing.T, n int) string {
	dir := t.TempDir()
	for i := range n {
		m := image.NewNRGBA(image.Rect(0, 0, 48, 40+4*i))
		for y := range m.Rect.Dy() {
			for x := range m.Rect.Dx() {
				v := uint8(128 + 100*math.Sin(float64(x*(i+1))/9+float64(y)/7))
				m.Set(x, y, color.NRGBA{v, 255 - v, uint8(4 * x), 255})
			}
		}
		var file bytes.Buffer
		if err := png.Encode(&file, m); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.png", i)), file.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// options returns those of a short run of a small generator without training behind it.
func options(t *testing.T) (Options, *bytes.Buffer) {
	m, err := models.New("SRVGGNetCompact", map[string]string{"num_feat": "8", "num_conv": "1", "upscale": "2"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	o := Options{Model: filepath.Join(dir, "base.onnx"), Photos: photos(t, 4), Out: filepath.Join(dir, "out.onnx"), Folder: filepath.Join(dir, "run"), Settings: Photo()}
	if err := m.Save(o.Model); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	o.Log = slog.New(slog.NewTextHandler(&log, nil))
	o.Batch, o.Crops, o.Patch, o.Batches, o.CriticNetwork = 1, 2, 12, 6, "none"
	o.Generator.Rate, o.Average = 1e-3, 0
	return o, &log
}

func TestRun(t *testing.T) {
	o, log := options(t)
	o.Batches, o.Validate, o.CriticNetwork = 12, 6, "patch"
	var steps int
	o.Progress = func(done, all int, _ finetune.Record) {
		if steps++; all != 12 || done < 1 || done > 12 {
			t.Errorf("step %d of %d", done, all)
		}
	}
	res, err := Run(context.Background(), o)
	if err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	if !res.Kept || res.After.PSNRY <= res.Before.PSNRY {
		t.Errorf("%+v", res)
	}
	if steps != 24 {
		t.Errorf("%d steps were told of, want 12 of each network", steps)
	}
	for _, name := range []string{"best.onnx", "best.safetensors", "checkpoint-000000012.safetensors", "critic.onnx", "last.onnx", "log.jsonl", "report.html", "settings.toml"} {
		if _, err := os.Stat(filepath.Join(o.Folder, name)); err != nil {
			t.Error(err)
		}
	}
	if events, err := filepath.Glob(filepath.Join(o.Folder, "events", "*")); err != nil || len(events) != 1 {
		t.Errorf("events: %v, %v", events, err)
	}
	text, err := os.ReadFile(filepath.Join(o.Folder, "log.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]int{}
	for line := range bytes.Lines(text) {
		var figures map[string]any
		if err := json.Unmarshal(line, &figures); err != nil {
			t.Fatal(err)
		}
		for name := range figures {
			seen[name]++
		}
	}
	if seen["generator/l1"] != 12 || seen["critic/loss"] != 12 || seen["validation/psnr"] != 2 {
		t.Errorf("the log has %v", seen)
	}
	if m, err := onnxio.Open(o.Out); err != nil || m.Metadata()["gansr.finetune.steps"] != "12" {
		t.Errorf("the result: %v", err)
	}
	// Its critic is what the next run in another folder may start from.
	next, _ := options(t)
	next.CriticNetwork = filepath.Join(o.Folder, "critic.onnx")
	next.Result = Always
	if _, err := Run(context.Background(), next); err != nil {
		t.Error(err)
	}
}

func TestRunResumes(t *testing.T) {
	whole, _ := options(t)
	whole.CriticNetwork = "unet"
	whole.Result = Always
	parts := whole
	parts.Folder, parts.Out = whole.Folder+"-parts", whole.Out+"-parts.onnx"
	if _, err := Run(context.Background(), whole); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	parts.Progress = func(done, _ int, _ finetune.Record) {
		if done == 4 {
			cancel()
		}
	}
	if _, err := Run(ctx, parts); !errors.Is(err, context.Canceled) {
		t.Fatalf("%v, want context.Canceled", err)
	}
	if _, err := os.Stat(parts.Out); err == nil {
		t.Error("a result was written")
	}
	if _, err := Run(context.Background(), parts); err == nil || !strings.Contains(err.Error(), "another run") {
		t.Errorf("%v, want an error about another run", err)
	}
	parts.Resume, parts.Progress = true, nil
	other := parts
	other.Crops = 7
	if _, err := Run(context.Background(), other); !errors.As(err, &finetune.SettingError{}) || !strings.Contains(err.Error(), "crops is 7, and the run in") {
		t.Errorf("%v, want an error about other crops", err)
	}
	if _, err := Run(context.Background(), parts); err != nil {
		t.Fatal(err)
	}
	a, err := os.ReadFile(whole.Out)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(parts.Out); err != nil || !bytes.Equal(a, b) {
		t.Errorf("the result differs from that of a run without a break: %v", err)
	}
}

func TestRunNotBetter(t *testing.T) {
	o, log := options(t)
	o.Generator.Rate, o.Validate, o.Guard = 1, 1000, finetune.Guard{}
	res, err := Run(context.Background(), o)
	if !errors.Is(err, ErrNotBetter) || res.Kept || res.After.PSNRY >= res.Before.PSNRY {
		t.Errorf("%v, %+v\n%s", err, res, log)
	}
	if _, err := os.Stat(o.Out); err == nil {
		t.Error("the result was written")
	}
	if _, err := onnxio.Open(filepath.Join(o.Folder, "last.onnx")); err != nil {
		t.Error(err)
	}
}

// A training that ends worse than it began keeps the best that was validated.
func TestRunKeepsBest(t *testing.T) {
	o, log := options(t)
	o.Batches, o.Validate, o.Guard = 24, 2, finetune.Guard{}
	o.Generator.Schedule = finetune.Schedule{Kind: "step", Every: 2, Factor: 1000} // learns, and then ends in ruins
	res, err := Run(context.Background(), o)
	if err != nil || !res.Kept || res.After.PSNRY <= res.Before.PSNRY || !strings.Contains(log.String(), "one before it") {
		t.Errorf("%v, %+v\n%s", err, res, log)
	}
}

// What a training does again after it went back takes the place of what it did before, in the log too.
func TestRunGoesBack(t *testing.T) {
	o, log := options(t)
	o.Batches, o.Validate, o.Every, o.Result, o.Rollbacks = 60, 1000, 10, Always, 1
	o.Generator.Schedule = finetune.Schedule{Kind: "step", Every: 5, Factor: 1000} // ruins it after 30 batches, again after it went back
	if _, err := Run(context.Background(), o); err != nil {
		t.Fatalf("%v\n%s", err, log)
	}
	if !strings.Contains(log.String(), "with half the learning rates") {
		t.Errorf("the training did not go back: %s", log)
	}
	text, err := os.ReadFile(filepath.Join(o.Folder, "log.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	last := -1
	for line := range bytes.Lines(text) {
		var r struct{ Step int }
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		if r.Step != last+1 {
			t.Fatalf("step %d comes after step %d", r.Step, last)
		}
		last = r.Step
	}
	if events, err := filepath.Glob(filepath.Join(o.Folder, "events", "*")); err != nil || len(events) != 2 {
		t.Errorf("events: %v, %v", events, err)
	}
}

func TestRunRefuses(t *testing.T) {
	for want, f := range map[string]func(o *Options){
		"measure should be":             func(o *Options) { o.Measure = "vmaf" },
		"needs files with its weights":  func(o *Options) { o.Measure = "lpips" },
		"keep should be":                func(o *Options) { o.Result = "never" },
		"without photos held out":       func(o *Options) { o.Held = 0 },
		"held should be":                func(o *Options) { o.Held = 1 },
		"needs a file of VGG":           func(o *Options) { o.Content.Perceptual = 1 },
		"memory should be a size":       func(o *Options) { o.Memory = -1 },
		"which is more than the memory": func(o *Options) { o.Memory = 1 << 20 },
		"has no weight":                 func(o *Options) { o.Perceptual = "vgg16.pth" },
		"degrade should be":             func(o *Options) { o.Degrade = "heavy" },
		"nobody.onnx":                   func(o *Options) { o.CriticNetwork = "nobody.onnx" },
		"the result would replace":      func(o *Options) { o.Out = o.Model },
		"are frozen, and none is left":  func(o *Options) { o.Freeze = []string{"*"} },
		"is a folder, and a file":       func(o *Options) { o.Out = t.TempDir() },
		"cannot be written: not a dire": func(o *Options) { o.Out = filepath.Join(o.Model, "out.onnx") },
		"there is only one photo":       func(o *Options) { o.Photos = photos(t, 1) },
		"a file for its result":         func(o *Options) { o.Out = "" },
		"no folder of photos was named": func(o *Options) { o.Photos = "" },
	} {
		o, _ := options(t)
		f(&o)
		if _, err := Run(context.Background(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

func TestSettingsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "settings.toml")
	for _, s := range []Settings{Photo(), Course()} {
		s.Freeze, s.Content.PerceptualWeights = []string{"head.*"}, []float64{0.5, 1}
		s.Generator.Groups = []finetune.Group{{Names: []string{"a", "b*"}, Rate: 0.5, Decay: 0.1}}
		if err := s.save(path); err != nil {
			t.Fatal(err)
		}
		got := Photo()
		got.Critic.Rate = 7
		if err := got.Read(path); err != nil {
			t.Fatal(err)
		}
		got.Critic.Groups, got.LPIPS = nil, nil // an empty list is none
		if !reflect.DeepEqual(got, s) {
			t.Errorf("got %+v\nwant %+v", got, s)
		}
	}
	// A group without a rate has the network's.
	if err := os.WriteFile(path, []byte("[[generator-adam.groups]]\nnames = [\"a\"]\n[[generator-adam.groups]]\nnames = [\"b\"]\nrate = 0"), 0o666); err != nil {
		t.Fatal(err)
	}
	s := Photo()
	if err := s.Read(path); err != nil || len(s.Generator.Groups) != 2 {
		t.Fatalf("%v, %+v", err, s.Generator.Groups)
	}
	if err := s.Read(path); err != nil || len(s.Generator.Groups) != 2 || s.Generator.Groups[0].Rate != 1 || s.Generator.Groups[1].Rate != 0 {
		t.Errorf("%v, %+v", err, s.Generator.Groups)
	}
	for text, want := range map[string]string{
		"patch = 3\n[content]\nl3 = 1": `settings.toml:3: there is no setting "content.l3"`,
		"patch = \"many\"":             "settings.toml:1: patch should be a whole number",
		"seed = -1":                    "settings.toml:1: seed should be a whole number from 0 on",
		"memory = \"2TB\"":             "settings.toml:1: memory should be a size such as",
		"[content]\nl1 = true":         "settings.toml:2: content.l1 should be a number",
		"freeze = \"a\"":               "settings.toml:1: freeze should be a list, each a text",
		"generator-adam.groups = 3":    "settings.toml:1: generator-adam.groups should be tables",
		"patch = 1\npatch = 2":         "settings.toml:2: ",
		"patch":                        "settings.toml:1: ",
	} {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		s := Photo()
		if err := s.Read(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}
