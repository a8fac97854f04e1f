package data

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"

	"github.com/gansr/gansr/internal/interp"
	"github.com/gansr/gansr/upscale/photo"
)

// ErrNoPhotos is what Open and Source.Next return when nothing is left to train on.
var ErrNoPhotos = errors.New("no photo to train on")

// Options say which photos are read and what is made of them. The zero value of a field that is not named required stands
// for its default.
type Options struct {
	Photos string // folder of HR photos, whose LR photos are made; or
	LR, HR string // folders of LR and HR photos of the same names

	Scale int // required: HR pixels for an LR pixel, on each axis
	Patch int // required: side of a patch in LR pixels
	Batch int // required: pairs in a batch
	Crops int // patches of each photo in an epoch; 0: 1

	Downscale Downscale    // how LR is made of Photos
	Degrade   *Degradation // makes LR of Photos instead of Downscale; nil: not
	NoFlips   bool         // leave patches as they lie: no flips, no rotations
	Seed      uint64       // of the order, the patches and the degradations

	Held    float64      // share of photos held out for validation, 0 to 1; 0: a tenth; negative: none
	Workers int          // goroutines that make batches ahead; 0: half of GOMAXPROCS
	Cache   int64        // bytes of decoded photos that are kept; 0: 1 GiB. Each worker holds one photo more
	Limits  photo.Limits // of what is decoded
	Log     *slog.Logger // warnings; nil: slog.Default()
}

// Downscale names a way to make LR photos of HR photos. Results are rounded to 8 bits, as files would hold them.
type Downscale string

const (
	Bicubic  Downscale = "bicubic"  // antialiased, as MATLAB's imresize: what the field's test sets are made with; the default
	Bilinear Downscale = "bilinear" // antialiased, as Pillow's and torchvision's Resize
)

func (d Downscale) method() interp.Method {
	if d == Bilinear {
		return interp.Bilinear
	}
	return interp.Imresize
}

// What options may say at most.
const (
	MostPixels = 4096    // of a patch's side
	MostPairs  = 1 << 16 // of a batch, and of a photo's patches
)

// Check returns an error if options cannot be meant, without looking at any photo.
func (o Options) Check() error {
	_, err := o.withDefaults()
	return err
}

// withDefaults returns o with its defaults filled in, or says what is wrong with it.
func (o Options) withDefaults() (Options, error) {
	paired := o.LR != "" || o.HR != ""
	switch {
	case paired && o.Photos != "":
		return o, errors.New("data: a folder of photos and folders of LR and HR photos exclude each other")
	case paired && (o.LR == "" || o.HR == ""):
		return o, errors.New("data: a folder of LR photos needs one of HR photos, and the other way round")
	case !paired && o.Photos == "":
		return o, errors.New("data: no folder of photos was named")
	case paired && (o.Degrade != nil || o.Downscale != ""):
		return o, errors.New("data: LR photos that exist are neither degraded nor resized: leave that to a folder of HR photos")
	case o.Degrade != nil && o.Downscale != "":
		return o, errors.New("data: a degradation contains its own resizing: it and a way to downscale exclude each other")
	case o.Scale < 1 || o.Scale > 16:
		return o, fmt.Errorf("data: scale %d is not between 1 and 16", o.Scale)
	case o.Patch < 1 || o.Patch > MostPixels || o.Batch < 1 || o.Batch > MostPairs || o.Crops < 0 || o.Crops > MostPairs:
		return o, fmt.Errorf("data: %d patches of %d pixels, %d for each photo: patches have 1 to %d pixels, counts 1 to %d",
			o.Batch, o.Patch, o.Crops, MostPixels, MostPairs)
	case !(o.Held <= 1): // NaN too
		return o, fmt.Errorf("data: a share of %g cannot be held out: at most 1", o.Held)
	case o.Downscale != "" && o.Downscale != Bicubic && o.Downscale != Bilinear:
		return o, fmt.Errorf("data: no way to downscale is called %q: only %s and %s", o.Downscale, Bicubic, Bilinear)
	}
	if o.Degrade != nil {
		if err := o.Degrade.check(); err != nil {
			return o, err
		}
	}
	if !paired && o.Degrade == nil && o.Downscale == "" {
		o.Downscale = Bicubic
	}
	o.Crops = max(o.Crops, 1)
	if o.Held == 0 {
		o.Held = 0.1
	}
	if o.Workers <= 0 {
		o.Workers = max(1, runtime.GOMAXPROCS(0)/2)
	}
	if o.Cache <= 0 {
		o.Cache = 1 << 30
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o, nil
}
