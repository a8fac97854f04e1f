package upscale

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// FactsFromMetadata returns base with what the ONNX metadata_props in m say instead; docs/model-metadata.md lists the keys.
// Keys that are absent leave base as it is, unknown ones are ignored. Values given on a command line can be put into m under
// the same keys.
func FactsFromMetadata(base Facts, m map[string]string) (Facts, error) {
	f := base
	for _, k := range []struct {
		key string
		set func(value string) error
	}{
		{"gansr.scale", positive(&f.Scale, 64)},
		{"gansr.channels", func(v string) error {
			switch strings.ToLower(v) {
			case "rgb":
				f.Channels = 3
			case "y":
				f.Channels = 1
			default:
				return fmt.Errorf(`want "rgb" or "y"`)
			}
			return nil
		}},
		{"gansr.range", interval(&f.Range)},
		{"gansr.output_range", interval(&f.OutRange)},
		{"gansr.mean", triple(&f.Mean)},
		{"gansr.std", func(v string) error {
			if err := triple(&f.Std)(v); err != nil {
				return err
			}
			for _, s := range f.Std {
				if s <= 0 {
					return fmt.Errorf("want positive numbers")
				}
			}
			return nil
		}},
		{"gansr.multiple", positive(&f.Multiple, 4096)},
		{"gansr.halo", func(v string) error {
			n, err := strconv.Atoi(v)
			if err != nil || n < 0 || n > 4096 {
				return fmt.Errorf("want a whole number from 0 to 4096")
			}
			f.Halo, f.ReducedHalo = n, n
			return nil
		}},
		{"gansr.architecture", func(v string) error { f.Architecture = v; return nil }},
	} {
		if v, ok := m[k.key]; ok {
			if err := k.set(strings.TrimSpace(v)); err != nil {
				return base, fmt.Errorf("upscale: metadata %s is %.40q: %w", k.key, v, err)
			}
		}
	}
	return f, nil
}

func positive(dst *int, most int) func(string) error {
	return func(v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > most {
			return fmt.Errorf("want a whole number from 1 to %d", most)
		}
		*dst = n
		return nil
	}
}

func interval(dst *Range) func(string) error {
	return func(v string) error {
		n, err := numbers(v)
		if err != nil || len(n) != 2 || n[0] >= n[1] {
			return fmt.Errorf(`want two numbers in rising order, such as "0,255"`)
		}
		*dst = Range{n[0], n[1]}
		return nil
	}
}

func triple(dst *[3]float32) func(string) error {
	return func(v string) error {
		n, err := numbers(v)
		switch {
		case err == nil && len(n) == 3:
			copy(dst[:], n)
		case err == nil && len(n) == 1:
			*dst = [3]float32{n[0], n[0], n[0]}
		default:
			return fmt.Errorf(`want three numbers, such as "0.485,0.456,0.406", or one for all channels`)
		}
		return nil
	}
}

func numbers(v string) ([]float32, error) {
	var out []float32
	for s := range strings.SplitSeq(v, ",") {
		n, err := strconv.ParseFloat(strings.TrimSpace(s), 32)
		if err != nil || math.IsInf(n, 0) || math.IsNaN(n) {
			return nil, fmt.Errorf("%q is no number", s)
		}
		out = append(out, float32(n))
	}
	return out, nil
}
