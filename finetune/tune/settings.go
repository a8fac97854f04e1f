package tune

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/gansr/gansr/finetune"
	"github.com/gansr/gansr/finetune/data"
	"github.com/gansr/gansr/finetune/internal/setting"
	"github.com/gansr/gansr/internal/atomicfile"
	"github.com/gansr/gansr/models"
	"github.com/gansr/gansr/onnxio"
	"github.com/gansr/gansr/onnxio/torch"
)

// Settings are all the values of a run, less the files that it reads and writes. The tags are for files of settings, in TOML: the keys, and what is
// said of each there.
type Settings struct {
	Patch     int     `toml:"patch" comment:"side of patches, in pixels of the reduced photos"`
	Batch     int     `toml:"batch" comment:"pairs of patches in a batch"`
	Crops     int     `toml:"crops" comment:"patches of each photo in an epoch"`
	Flips     bool    `toml:"flips" comment:"flip and turn patches at random"`
	Downscale string  `toml:"downscale" comment:"how photos are reduced: bicubic, as MATLAB does, or bilinear, as torchvision does"`
	Degrade   string  `toml:"degrade" comment:"damage to the reduced photos in the place of downscale: none, light or real; pairs stay as they are"`
	Held      float64 `toml:"held" comment:"share of the photos held out for validation, from 0 to below 1"`

	// CriticNetwork is "course", "patch" or "unet", an ONNX file, or "none". A critic that the run's folder holds is used in its place.
	CriticNetwork    string   `toml:"critic" comment:"critic: course, patch, unet, an ONNX file, or none"`
	Perceptual       string   `toml:"perceptual" comment:"torchvision's file of VGG16 or VGG19 for the perceptual loss, .pth or .safetensors"`
	PerceptualLayers []string `toml:"perceptual-layers" comment:"its layers that are compared"`

	Measure  string   `toml:"measure" comment:"what better means: psnr or ssim, of luminance, or lpips"`
	LPIPS    []string `toml:"lpips" comment:"files of LPIPS over AlexNet, to measure that too"`
	Validate int      `toml:"validate" comment:"batches after which the held-out photos are measured; 0: an epoch"`
	Result   string   `toml:"keep" comment:"when the result is written: if it is better, or always"` // Better or Always

	finetune.Config
}

// The ways to keep a result.
const (
	Better = "better" // if the measure says so
	Always = "always"
)

// Photo returns the settings to train a good generator further.
func Photo() Settings {
	return Settings{Patch: 32, Batch: 8, Crops: 16, Flips: true, Downscale: string(data.Bicubic), Degrade: "light", Held: 0.1, CriticNetwork: "patch",
		PerceptualLayers: []string{"relu3_3"}, Measure: "psnr", Result: Better, Config: finetune.Photo()}
}

// Course returns those of the course on adversarial losses. Its perceptual loss needs a file.
func Course() Settings {
	s := Photo()
	s.Patch, s.Batch = 64, 48
	s.CriticNetwork, s.Downscale, s.Degrade, s.Config = "course", string(data.Bilinear), "none", finetune.Course()
	return s
}

// Preset returns the settings that go by a name, photo or course.
func Preset(name string) (Settings, error) {
	switch name {
	case "photo":
		return Photo(), nil
	case "course":
		return Course(), nil
	}
	return Settings{}, fmt.Errorf("there is no preset %q; there are photo and course", name)
}

// Read sets what a file of settings, or a part of one, says.
func (s *Settings) Read(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("tune: settings: %w", err)
	}
	d := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
	if err := d.Decode(s); err != nil {
		where := ""
		var decode *toml.DecodeError
		var strict *toml.StrictMissingError
		switch {
		case errors.As(err, &strict):
			e := strict.Errors[0]
			row, _ := e.Position()
			where, err = fmt.Sprintf(":%d", row), fmt.Errorf("there is no setting %q", strings.Join(e.Key(), "."))
		case errors.As(err, &decode):
			row, _ := decode.Position()
			where = fmt.Sprintf(":%d", row)
			if what := setting.Want(*s, decode.Key()); what != "" && !strings.Contains(err.Error(), "already defined") {
				err = fmt.Errorf("%s should be %s", strings.Join(decode.Key(), "."), what)
			}
		}
		return fmt.Errorf("tune: settings %s%s: %w", path, where, err)
	}
	return s.groupRates(text)
}

// groupRates gives groups of a file that say no rate the network's own, as ParseGroup does.
func (s *Settings) groupRates(text []byte) error {
	type table struct{ Groups []map[string]any }
	var said struct {
		Generator table `toml:"generator-adam"`
		Critic    table `toml:"critic-adam"`
	}
	if err := toml.Unmarshal(text, &said); err != nil {
		return fmt.Errorf("tune: settings: %w", err)
	}
	for _, n := range []struct {
		said table
		have []finetune.Group
	}{{said.Generator, s.Generator.Groups}, {said.Critic, s.Critic.Groups}} {
		for i, g := range n.said.Groups {
			if g["rate"] == nil {
				n.have[i].Rate = 1
			}
		}
	}
	return nil
}

// Text returns a file of all settings.
func (s Settings) Text() ([]byte, error) {
	text, err := toml.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("tune: settings: %w", err)
	}
	return text, nil
}

// save writes a file of all settings.
func (s Settings) save(path string) error {
	text, err := s.Text()
	if err != nil {
		return err
	}
	return atomicfile.Write(path, func(f *os.File) error {
		_, err := f.Write(text)
		return err
	})
}

// Check returns a finetune.SettingError if a setting has a value that it does not take, as far as that can be told without the files that a run reads.
func (s Settings) Check() error {
	err := s.checkValues()
	if err == nil {
		err = s.Config.CheckValues()
	}
	if err == nil {
		err = s.checkPairs()
	}
	if err != nil {
		return finetune.SettingError{Err: fmt.Errorf("tune: %w", err)}
	}
	return nil
}

func (s Settings) checkValues() error {
	if err := setting.Numbers(s); err != nil {
		return err
	}
	for _, n := range []struct {
		name        string
		value, most int
	}{{"patch", s.Patch, data.MostPixels}, {"batch", s.Batch, data.MostPairs}, {"crops", s.Crops, data.MostPairs}} {
		if n.value < 1 || n.value > n.most {
			return fmt.Errorf("%s should be from 1 to %d, not %d", n.name, n.most, n.value)
		}
	}
	for _, err := range []error{
		setting.OneOf("downscale", s.Downscale, string(data.Bicubic), string(data.Bilinear)),
		setting.OneOf("degrade", s.Degrade, "none", "light", "real"),
		setting.OneOf("measure", s.Measure, "psnr", "ssim", "lpips"),
		setting.OneOf("keep", s.Result, Better, Always),
	} {
		if err != nil {
			return err
		}
	}
	switch {
	case s.Held >= 1:
		return fmt.Errorf("held should be a share from 0 to below 1, not %v", s.Held)
	case s.CriticNetwork == "":
		return errors.New("critic should be course, patch, unet, an ONNX file or none, and is empty")
	}
	return nil
}

// checkPairs looks at settings that belong together.
func (s Settings) checkPairs() error {
	pairs := s.Batch * max(1, s.Accumulate)
	weights, layers := len(s.Content.PerceptualWeights), len(s.PerceptualLayers)
	switch {
	case s.Measure == "lpips" && len(s.LPIPS) == 0:
		return errors.New("the measure lpips needs files with its weights: name them (lpips)")
	case s.Held == 0 && s.Result == Better:
		return fmt.Errorf("held is 0, and without photos held out nothing tells whether the result is better: hold some out, or keep it %s", Always)
	case s.MicroBatch != 0 && (s.MicroBatch > pairs || pairs%s.MicroBatch != 0):
		return fmt.Errorf("micro-batch should divide the %d pairs of a batch, and %d does not", pairs, s.MicroBatch)
	case s.Content.Perceptual == 0 && s.Perceptual != "":
		return fmt.Errorf("%s is named, but the perceptual loss has no weight: give it one (content-perceptual)", s.Perceptual)
	case s.Content.Perceptual != 0 && s.Perceptual == "":
		return errors.New("the perceptual loss needs a file of VGG16 or VGG19: name one (perceptual), or set the loss's weight to 0 (content-perceptual)")
	case s.Content.Perceptual != 0 && layers == 0:
		return errors.New("the perceptual loss needs layers: name some (perceptual-layers), such as relu3_3")
	case s.Content.Perceptual != 0 && weights != 0 && weights != layers:
		return fmt.Errorf("content-perceptual-weights should be one for each of the %d perceptual-layers, and there are %d", layers, weights)
	}
	return nil
}

// checkResumed returns an error if the run in the folder has other settings of its data, whose order its checkpoints know.
func (o Options) checkResumed() error {
	was := o.Settings
	if err := was.Read(filepath.Join(o.Folder, SettingsName)); err != nil { // the checkpoints will tell
		return nil
	}
	pairs := o.HR != ""
	if pairs || o.Degrade != "none" { // it does not count
		was.Downscale = o.Downscale
	}
	if pairs {
		was.Degrade = o.Degrade
	}
	for _, s := range []struct {
		name    string
		was, is any
	}{
		{"patch", was.Patch, o.Patch}, {"batch", was.Batch, o.Batch}, {"crops", was.Crops, o.Crops}, {"flips", was.Flips, o.Flips}, {"downscale", was.Downscale, o.Downscale},
		{"degrade", was.Degrade, o.Degrade}, {"held", was.Held, o.Held}, {"seed", was.Seed, o.Seed},
	} {
		if s.was != s.is {
			return finetune.SettingError{Err: fmt.Errorf("tune: %s is %v, and the run in %s has %v: a run that is resumed keeps the settings of its data", s.name, s.is, o.Folder, s.was)}
		}
	}
	return nil
}

// photos returns the options of the data of a run.
func (o Options) photos(scale int) data.Options {
	d := data.Options{Photos: o.Photos, LR: o.LR, HR: o.HR, Scale: scale, Patch: o.Patch, Batch: o.Batch, Crops: o.Crops, NoFlips: !o.Flips, Seed: o.Seed,
		Held: o.Held, Cache: min(1<<30, int64(o.Memory)/8), Log: o.Log}
	if o.Held == 0 {
		d.Held = -1
	}
	if o.LR != "" || o.HR != "" { // pairs are as they are
		return d
	}
	switch o.Degrade {
	case "none":
		d.Downscale = data.Downscale(o.Downscale)
	case "light":
		d.Degrade = data.Light()
	case "real":
		d.Degrade = data.Real()
	}
	return d
}

// vgg returns the network of the perceptual loss, if there is that loss.
func (s Settings) vgg() (*onnxio.Model, error) {
	if s.Content.Perceptual == 0 {
		return nil, nil
	}
	f, err := torch.Open(s.Perceptual)
	if err != nil {
		return nil, err
	}
	m, err := models.VGG(f.Tensors, s.PerceptualLayers)
	if err != nil {
		return nil, finetune.SettingError{Err: fmt.Errorf("tune: %s: %w", s.Perceptual, err)}
	}
	return m, nil
}
