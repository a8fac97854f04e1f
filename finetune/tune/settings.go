package tune

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/gansr/gansr/finetune"
	"github.com/gansr/gansr/finetune/data"
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
		}
		return fmt.Errorf("tune: settings %s%s: %w", path, where, err)
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

func (s Settings) check() error {
	switch {
	case !slices.Contains([]string{"psnr", "ssim", "lpips"}, s.Measure):
		return fmt.Errorf("tune: there is no measure %q; there are psnr, ssim and lpips", s.Measure)
	case s.Measure == "lpips" && len(s.LPIPS) == 0:
		return errors.New("tune: the measure lpips needs files with its weights: name them (lpips)")
	case s.Validate < 0:
		return fmt.Errorf("tune: validation after %d batches is not possible", s.Validate)
	case s.Result != Better && s.Result != Always:
		return fmt.Errorf("tune: results are kept if %s or %s, not %q", Better, Always, s.Result)
	case !(s.Held >= 0 && s.Held < 1):
		return fmt.Errorf("tune: a share of %v of the photos cannot be held out", s.Held)
	case s.Held == 0 && s.Result == Better:
		return fmt.Errorf("tune: without photos held out nothing tells whether the result is better: hold some out, or keep it %s", Always)
	case s.Content.Perceptual == 0 && s.Perceptual != "":
		return fmt.Errorf("tune: %s is named, but the perceptual loss has no weight: give it one (content-perceptual)", s.Perceptual)
	case s.Content.Perceptual != 0 && s.Perceptual == "":
		return errors.New("tune: the perceptual loss needs a file of VGG16 or VGG19: name one (perceptual), or set the loss's weight to 0 (content-perceptual)")
	}
	return nil
}

// photos returns the options of the data of a run.
func (o Options) photos(scale int) (data.Options, error) {
	d := data.Options{Photos: o.Photos, LR: o.LR, HR: o.HR, Scale: scale, Patch: o.Patch, Batch: o.Batch, Crops: o.Crops, NoFlips: !o.Flips, Seed: o.Seed,
		Held: o.Held, Log: o.Log}
	if o.Held == 0 {
		d.Held = -1
	}
	if o.HR != "" { // pairs are as they are
		return d, nil
	}
	switch o.Degrade {
	case "none":
		d.Downscale = data.Downscale(o.Downscale)
	case "light":
		d.Degrade = data.Light()
	case "real":
		d.Degrade = data.Real()
	default:
		return d, fmt.Errorf("tune: there is no damage %q; there are none, light and real", o.Degrade)
	}
	return d, nil
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
	return models.VGG(f.Tensors, s.PerceptualLayers)
}
