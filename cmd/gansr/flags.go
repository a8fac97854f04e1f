package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/gansr/gansr/finetune"
	"github.com/gansr/gansr/internal/onnxrun"
	"github.com/gansr/gansr/upscale"
)

var (
	_ pflag.Value = (*factsFlag)(nil)
	_ pflag.Value = (*bytesFlag)(nil)
	_ pflag.Value = (*autoFlag)(nil)
	_ pflag.Value = (*sizesFlag)(nil)
)

// factsFlag is what the user says of a model in place of its metadata, by the keys of docs/model-metadata.md.
type factsFlag map[string]string

var factKeys = []string{"scale", "channels", "range", "output_range", "mean", "std", "multiple", "halo"}

func (f *factsFlag) register(cmd *cobra.Command) {
	cmd.Flags().Var(f, "set", "what the model's file does not say, or says wrongly, such as range=0,255 or channels=y; any of "+strings.Join(factKeys, ", "))
}

// Set implements pflag.Value.
func (f *factsFlag) Set(s string) error {
	key, value, ok := strings.Cut(s, "=")
	if !ok || !slices.Contains(factKeys, key) {
		return fmt.Errorf("want KEY=VALUE with a KEY of %s", strings.Join(factKeys, ", "))
	}
	if _, err := upscale.FactsFromMetadata(upscale.Facts{}, map[string]string{"gansr." + key: value}); err != nil {
		return errors.Unwrap(err)
	}
	if *f == nil {
		*f = factsFlag{}
	}
	(*f)["gansr."+key] = value
	return nil
}

// String implements pflag.Value.
func (f *factsFlag) String() string { return "" }

// Type implements pflag.Value.
func (f *factsFlag) Type() string { return "KEY=VALUE" }

// bytesFlag is a number of bytes with an optional unit.
type bytesFlag finetune.Bytes

// Set implements pflag.Value.
func (b *bytesFlag) Set(s string) error {
	if strings.TrimSpace(s) == "" {
		return errors.New("want a size such as 2GiB or 500MB")
	}
	return (*finetune.Bytes)(b).UnmarshalText([]byte(s))
}

// String implements pflag.Value.
func (b *bytesFlag) String() string { return finetune.Bytes(*b).String() }

// Type implements pflag.Value.
func (b *bytesFlag) Type() string { return "SIZE" }

// autoFlag is a number of pixels that is chosen if the user does not say one.
type autoFlag struct {
	n, least int
	set      bool
}

// Set implements pflag.Value.
func (a *autoFlag) Set(s string) error {
	if s == "auto" {
		a.n, a.set = 0, false
		return nil
	}
	n, err := strconv.Atoi(s)
	if err != nil || n < a.least {
		return fmt.Errorf("want auto, or a number of pixels from %d on", a.least)
	}
	a.n, a.set = n, true
	return nil
}

// String implements pflag.Value.
func (a *autoFlag) String() string {
	if !a.set {
		return "auto"
	}
	return strconv.Itoa(a.n)
}

// Type implements pflag.Value.
func (a *autoFlag) Type() string { return "auto|N" }

// sizesFlag is a list of sizes in pixels.
type sizesFlag []onnxrun.Size

// Set implements pflag.Value.
func (f *sizesFlag) Set(s string) error {
	*f = nil
	for text := range strings.SplitSeq(s, ",") {
		w, h, _ := strings.Cut(text, "x")
		width, err1 := strconv.Atoi(w)
		height, err2 := strconv.Atoi(h)
		if err1 != nil || err2 != nil || min(width, height) < 1 || max(width, height) > 1<<16 {
			return fmt.Errorf("want WIDTHxHEIGHT, or several with commas between, such as 128x128,256x256")
		}
		*f = append(*f, onnxrun.Size{W: width, H: height})
	}
	return nil
}

// String implements pflag.Value.
func (f *sizesFlag) String() string {
	var s []string
	for _, size := range *f {
		s = append(s, size.String())
	}
	return strings.Join(s, ",")
}

// Type implements pflag.Value.
func (f *sizesFlag) Type() string { return "WxH,..." }
