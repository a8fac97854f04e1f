package convert

import (
	"context"
	_ "embed" // the picture
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/gansr/gansr/upscale"
)

// probeRGB is a natural picture of 64 x 48 pixels, red, green and blue: a part of examples/photos/coast.png, reduced to 96 x 72 by means of areas.
//
//go:embed probe.rgb
var probeRGB []byte

const probeW, probeH = 64, 48

// rangeKeys are the metadata keys that say which values a network takes and gives.
var rangeKeys = []string{"gansr.range", "gansr.output_range", "gansr.mean", "gansr.std"}

// candidates are the values that networks commonly take, the most common first.
var candidates = []map[string]string{
	{"gansr.range": "0,1"},
	{"gansr.range": "0,255"},
	{"gansr.range": "-1,1"},
	{"gansr.range": "0,1", "gansr.output_range": "-1,1"},
	{"gansr.range": "0,1", "gansr.mean": "0.485,0.456,0.406", "gansr.std": "0.229,0.224,0.225"},
}

// mapping is how pixels enter a network and leave it.
type mapping struct{ in, out [3][2]float32 } // a and b of a*p + b, by channel

func mappingOf(md map[string]string) (mapping, error) {
	f, err := upscale.FactsFromMetadata(upscale.Facts{}, md)
	if err != nil {
		return mapping{}, err
	}
	var m mapping
	for c := range 3 {
		lo, length, std := f.Range.Lo, f.Range.Hi-f.Range.Lo, f.Std[c]
		if length == 0 {
			lo, length = 0, 1
		}
		if std == 0 {
			std = 1
		}
		a := length / std
		m.in[c] = [2]float32{a, lo - a*f.Mean[c]}
		m.out[c] = [2]float32{1 / a, f.Mean[c] - lo/a}
		if r := f.OutRange; r != (upscale.Range{}) {
			m.out[c] = [2]float32{1 / (r.Hi - r.Lo), -r.Lo / (r.Hi - r.Lo)}
		}
	}
	return m, nil
}

// text describes values by their keys.
func text(md map[string]string) string {
	var parts []string
	for _, k := range rangeKeys {
		if v, ok := md[k]; ok {
			parts = append(parts, strings.TrimPrefix(k, "gansr.")+"="+v)
		}
	}
	return strings.Join(parts, " ")
}

const (
	probeFLOPs = 3e9   // for one run, if that is enough for the smallest picture
	fitting    = 0.005 // a deviation that leaves no doubt about the values that are stated or usual
	matching   = 0.08  // the largest deviation of a result that resembles the picture, with pixels from 0 to 1
	clearly    = 1.4   // how much larger the deviations of other values must be

	costly  = 2e7  // operations for a pixel, from which on one run decides if it can
	trusted = 0.03 // a deviation that agrees with values that are stated
	related = 0.5  // the least correlation with the picture of what a trained network makes of values from 0 to 1
)

// probed is how well values fit.
type probed struct {
	keys  map[string]string
	error float64 // root of the mean square of the deviation, with pixels from 0 to 1
}

// probe runs the network on a picture with each of the usual values and measures how far the result, reduced to the picture's size, is from
// it. The best comes first. Of a costly network it does one small run where that leaves nothing to find out: if stated values fit, or if the result
// has nothing to do with the picture, as that of a network without training.
func probe(ctx context.Context, u *upscale.Model, stated map[string]string) ([]probed, error) {
	f := u.Facts()
	w, h := probeW, probeH
	for float64(u.FLOPs)*float64(w*h) > probeFLOPs && h > 16 {
		w, h = w/2, h/2
	}
	h = max(h, 16)
	w, h = w/f.Multiple*f.Multiple, h/f.Multiple*f.Multiple
	if f.FixedW > 0 {
		w, h = f.FixedW, f.FixedH
	}
	if w < 8 || h < 8 || w > probeW || h > probeH {
		return nil, errors.New("its sizes do not suit the test picture")
	}
	all := slices.Clone(candidates)
	if len(stated) > 0 && !slices.ContainsFunc(all, func(c map[string]string) bool { return text(c) == text(stated) }) {
		all = append(all, stated)
	}
	if u.FLOPs > costly && f.FixedW == 0 {
		const side = 12
		n := (side + f.Multiple - 1) / f.Multiple * f.Multiple
		keys := stated
		if len(stated) == 0 {
			keys = candidates[0]
		}
		if n < h {
			e, correlation, err := deviation(ctx, u, keys, n, n)
			if err != nil {
				return nil, err
			}
			if len(stated) > 0 && e <= trusted || correlation < related {
				return []probed{{keys, e}}, nil
			}
		}
	}
	var results []probed
	for _, keys := range all {
		if f.Channels == 1 && keys["gansr.mean"] != "" {
			continue
		}
		e, _, err := deviation(ctx, u, keys, w, h)
		if err != nil {
			return nil, err
		}
		results = append(results, probed{keys, e})
	}
	slices.SortStableFunc(results, func(a, b probed) int {
		switch {
		case a.error < b.error:
			return -1
		case a.error > b.error:
			return 1
		}
		return 0
	})
	return results, nil
}

// deviation runs the network on w x h pixels of the picture. The correlation is that of the channel in which it is least.
func deviation(ctx context.Context, u *upscale.Model, keys map[string]string, w, h int) (e, correlation float64, err error) {
	m, err := mappingOf(keys)
	if err != nil {
		return 0, 0, err
	}
	f := u.Facts()
	s := f.Scale
	picture := make([]float32, f.Channels*w*h)
	src, dst := make([]float32, len(picture)), make([]float32, len(picture)*s*s)
	x0, y0 := (probeW-w)/2, (probeH-h)/2
	for c := range f.Channels {
		for i := range w * h {
			px := probeRGB[3*((y0+i/w)*probeW+x0+i%w):]
			v := float32(px[c]) / 255
			if f.Channels == 1 {
				v = (0.299*float32(px[0]) + 0.587*float32(px[1]) + 0.114*float32(px[2])) / 255
			}
			picture[c*w*h+i] = v
			src[c*w*h+i] = m.in[c][0]*v + m.in[c][1]
		}
	}
	if err := u.Run(ctx, dst, src, h, w, upscale.Window{W: w, H: h, ImageW: w, ImageH: h}); err != nil {
		return 0, 0, err
	}
	const edge = 2 // pixels at the border that padding may disturb
	sum, n := 0.0, 0
	correlation = 1
	for c := range f.Channels {
		var a, b, aa, bb, ab, k float64 // sums of results and pixels
		for y := edge; y < h-edge; y++ {
			for x := edge; x < w-edge; x++ {
				mean := float32(0)
				for i := range s * s {
					mean += dst[(c*h*s+y*s+i/s)*w*s+x*s+i%s]
				}
				p, q := float64(m.out[c][0]*mean/float32(s*s)+m.out[c][1]), float64(picture[(c*h+y)*w+x])
				sum, n = sum+(p-q)*(p-q), n+1
				a, b, aa, bb, ab, k = a+p, b+q, aa+p*p, bb+q*q, ab+p*q, k+1
			}
		}
		correlation = min(correlation, (k*ab-a*b)/math.Sqrt(max(1e-12, (k*aa-a*a)*(k*bb-b*b))))
	}
	if e = math.Sqrt(sum / float64(n)); math.IsNaN(e) {
		e = math.Inf(1)
	}
	return e, correlation, nil
}

// settle decides on the values of a network: those that are stated unless the picture clearly says otherwise and they are only assumed. It
// returns what to write into the metadata, nil to leave it, and what to say.
func settle(results []probed, stated map[string]string, assumed bool) (keys map[string]string, say string) {
	if len(stated) == 0 {
		return settleUnknown(results)
	}
	best := results[0]
	was := best
	for _, r := range results {
		if text(r.keys) == text(stated) {
			was = r
		}
	}
	switch {
	case was.error <= fitting || best.error > matching || was.error < clearly*best.error:
		return nil, fmt.Sprintf("values: %s; a test picture deviates by %.3f", text(stated), was.error)
	case !assumed:
		return nil, fmt.Sprintf("values: %s, as the file says, but a test picture deviates by %.3f, and with %s by %.3f: --range gives others", text(stated), was.error, text(best.keys), best.error)
	}
	return best.keys, fmt.Sprintf("values: %s, measured: a test picture deviates by %.3f, and with %s by %.3f", text(best.keys), best.error, text(stated), was.error)
}

// settleUnknown is settle for a file that says nothing.
func settleUnknown(results []probed) (keys map[string]string, say string) {
	best := results[0]
	for _, r := range results {
		if text(r.keys) == text(candidates[0]) && r.error <= fitting {
			return r.keys, fmt.Sprintf("values: %s, measured: a test picture deviates by %.3f", text(r.keys), r.error)
		}
	}
	next := math.Inf(1)
	if len(results) > 1 {
		next = results[1].error
	}
	switch {
	case best.error > matching:
		return nil, fmt.Sprintf("values: not known, as a test picture deviates by %.3f at best; 0,1 is assumed: --range says otherwise", best.error)
	case next < clearly*best.error:
		return nil, fmt.Sprintf("values: not clear, as a test picture deviates by %.3f with %s and by %.3f with %s; 0,1 is assumed: --range says otherwise",
			best.error, text(best.keys), next, text(results[1].keys))
	}
	return best.keys, fmt.Sprintf("values: %s, measured: a test picture deviates by %.3f, and by %.3f with %s", text(best.keys), best.error, next, text(results[1].keys))
}
