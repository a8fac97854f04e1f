package upscale

import (
	"image"
	"strings"
	"testing"

	"github.com/gansr/gansr/upscale/photo"
)

func planOf(t *testing.T, gen Generator, opt Options, w, h int) (Plan, error) {
	t.Helper()
	u, err := New(gen, opt)
	if err != nil {
		t.Fatal(err)
	}
	return u.Plan(photo.Header{Size: image.Pt(w, h)})
}

func mustPlan(t *testing.T, gen Generator, opt Options, w, h int) Plan {
	t.Helper()
	p, err := planOf(t, gen, opt, w, h)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestPlanCovers checks for many sizes that shares cover the photo once, and that tiles lie in the picture, on the grid, and
// see the overlap beyond their shares.
func TestPlanCovers(t *testing.T) {
	for _, multiple := range []int{1, 2, 8, 12} {
		for _, halo := range []int{0, 3, 20} {
			for _, opt := range []Options{{}, {Tile: 1}, {Tile: 50}, {Tile: 50, Overlap: 5}, {Memory: 8 << 20}} {
				gen := nearest(Facts{Scale: 2, Channels: 3, Multiple: multiple, Halo: halo})
				gen.memory = func(h, w int) int64 { return int64(h*w) / 4 }
				for _, size := range []image.Point{{1, 1}, {7, 300}, {64, 64}, {257, 255}, {1030, 519}} {
					p := mustPlan(t, gen, opt, size.X, size.Y)
					for axis, spans := range [][]Span{p.Columns, p.Rows} {
						n, tile, picture := size.X, p.Tile.X, p.Picture.X
						if axis == 1 {
							n, tile, picture = size.Y, p.Tile.Y, p.Picture.Y
						}
						at := 0
						for _, s := range spans {
							if s.Lo != at || s.Hi <= s.Lo || s.Start%multiple != 0 || tile%multiple != 0 ||
								s.Start < 0 || s.Start+tile > picture ||
								s.Start > 0 && s.Lo-s.Start < p.Overlap ||
								s.Start+tile < picture && s.Start+tile-s.Hi < p.Overlap {
								t.Fatalf("multiple %d, halo %d, %+v, %v: %+v in %+v", multiple, halo, opt, size, s, p)
							}
							at = s.Hi
						}
						if at != n || picture < n || picture >= n+multiple {
							t.Fatalf("multiple %d, halo %d, %+v, %v: covers %d of %d, picture %d", multiple, halo, opt, size, at, n, picture)
						}
					}
					if p.Overlap < halo && opt.Overlap == 0 && p.Tiles() > 1 {
						t.Errorf("overlap %d, halo %d", p.Overlap, halo)
					}
				}
			}
		}
	}
}

func TestPlanMemory(t *testing.T) {
	gen := nearest(Facts{Scale: 4, Channels: 3, Halo: 16})
	gen.memory = func(h, w int) int64 { return int64(h) * int64(w) * 1024 }
	roomy := mustPlan(t, gen, Options{}, 6000, 4000)
	tight := mustPlan(t, gen, Options{Memory: 128 << 20}, 6000, 4000)
	if roomy.Tile.X < 256 || roomy.Tile.X > 512 || tight.Tile.X >= roomy.Tile.X {
		t.Errorf("tiles %v, and %v with little memory", roomy.Tile, tight.Tile)
	}
	if roomy.Memory > 1<<30 || tight.Memory > 96<<20 {
		t.Errorf("expected memory %d and %d", roomy.Memory, tight.Memory)
	}
	if _, err := planOf(t, gen, Options{Memory: 4 << 20}, 6000, 4000); err == nil || !strings.Contains(err.Error(), "the memory limit leaves 3.0 MiB") {
		t.Errorf("4 MiB: %v", err)
	}
	// Even shares: 300 pixels are not cut into 256 and 44.
	if p := mustPlan(t, gen, Options{}, 300+2*18, 50); len(p.Columns) != 2 || p.Tile.X != 150+2*p.Overlap {
		t.Errorf("336 columns: %+v", p)
	}
}

func TestPlanHalo(t *testing.T) {
	for _, c := range []struct {
		facts   Facts
		overlap int // for 3 channels and no alpha it would be 2 less
		warning string
	}{
		{Facts{Halo: 40}, 42, ""},
		{Facts{Halo: 348, ReducedHalo: 24}, 26, ""},
		{Facts{Halo: 348}, 66, "receptive radius is 348"},
		{Facts{Halo: 5, Multiple: 16}, 16, ""},
	} {
		c.facts.Scale, c.facts.Channels = 4, 3
		p := mustPlan(t, nearest(c.facts), Options{Tile: 64}, 1000, 1000)
		if p.Overlap != c.overlap || len(p.Warnings) > 0 != (c.warning != "") || c.warning != "" && !strings.Contains(p.Warnings[0], c.warning) {
			t.Errorf("%+v: overlap %d, warnings %q", c.facts, p.Overlap, p.Warnings)
		}
	}
}

func TestPlanWholeImage(t *testing.T) {
	gen := nearest(Facts{Scale: 2, Channels: 3, WholeImage: `node "pool" (GlobalAveragePool) sees the whole image`})
	gen.memory = func(h, w int) int64 { return int64(h) * int64(w) * 1000 }
	if p := mustPlan(t, gen, Options{}, 700, 500); p.Tiles() != 1 || len(p.Warnings) > 0 {
		t.Errorf("with enough memory: %d tiles, warnings %q", p.Tiles(), p.Warnings)
	}
	p := mustPlan(t, gen, Options{Memory: 256 << 20}, 700, 500)
	if p.Tiles() < 2 || len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], "GlobalAveragePool") || p.Overlap < globalHalo {
		t.Errorf("with little memory: %d tiles, overlap %d, warnings %q", p.Tiles(), p.Overlap, p.Warnings)
	}
	if p := mustPlan(t, gen, Options{Tile: 100}, 700, 500); len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], "tile size was given") {
		t.Errorf("with a tile size: warnings %q", p.Warnings)
	}
}

func TestPlanFixed(t *testing.T) {
	gen := nearest(Facts{Scale: 2, Channels: 3, FixedW: 64, FixedH: 48, Halo: 20})
	p := mustPlan(t, gen, Options{}, 500, 30)
	if p.Tile != image.Pt(64, 48) || p.Overlap != 12 || len(p.Warnings) != 1 || !strings.Contains(p.Warnings[0], "allows an overlap of 12") {
		t.Errorf("%+v", p)
	}
	if _, err := New(gen, Options{Tile: 32}); err == nil {
		t.Error("a tile size for a fixed model: no error")
	}
}

func TestNewErrors(t *testing.T) {
	good := Facts{Scale: 4, Channels: 3}
	for _, c := range []struct {
		change func(*Facts)
		opt    Options
		want   string
	}{
		{func(f *Facts) { f.Scale = 0 }, Options{}, "scale 0"},
		{func(f *Facts) { f.Channels = 4 }, Options{}, "4 channels"},
		{func(f *Facts) { f.Range = Range{1, 1} }, Options{}, "range from 1 to 1 is empty"},
		{func(f *Facts) { f.FixedH = 8 }, Options{}, "fixed size 0x8"},
		{func(*Facts) {}, Options{Scale: 8}, "scale 8 is not possible with a model that enlarges by 4"},
		{func(*Facts) {}, Options{Tile: -2}, "tile size -2"},
		{func(*Facts) {}, Options{Overlap: -2}, "overlap -2"},
		{func(*Facts) {}, Options{Quality: 101}, "quality 101"},
	} {
		f := good
		c.change(&f)
		if _, err := New(nearest(f), c.opt); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
}

func TestFactsFromMetadata(t *testing.T) {
	base := Facts{Scale: 2, Channels: 1, Halo: 348, Multiple: 4}
	got, err := FactsFromMetadata(base, map[string]string{
		"gansr.scale": "4", "gansr.channels": "RGB", "gansr.range": "0, 255", "gansr.output_range": "-1,1",
		"gansr.mean": "0.485,0.456,0.406", "gansr.std": "0.5", "gansr.halo": "24", "gansr.architecture": "rrdb",
		"gansr.colour": "ignored", "other": "ignored",
	})
	want := Facts{Scale: 4, Channels: 3, Halo: 24, ReducedHalo: 24, Multiple: 4, Range: Range{0, 255}, OutRange: Range{-1, 1},
		Mean: [3]float32{0.485, 0.456, 0.406}, Std: [3]float32{0.5, 0.5, 0.5}, Architecture: "rrdb"}
	if err != nil || got != want {
		t.Errorf("%+v, %v\nwant %+v", got, err, want)
	}
	for key, bad := range map[string][]string{
		"gansr.scale": {"", "0", "x4", "4.5", "1000000"}, "gansr.channels": {"bgr", ""}, "gansr.range": {"255", "1,0", "0,nan", "a,b"},
		"gansr.output_range": {"0,0", "0,1,2"}, "gansr.mean": {"1,2", "inf"}, "gansr.std": {"0", "1,-1,1"}, "gansr.multiple": {"-8"}, "gansr.halo": {"-1", "9e9"},
	} {
		for _, v := range bad {
			if f, err := FactsFromMetadata(base, map[string]string{key: v}); err == nil || !strings.Contains(err.Error(), key) || f != base {
				t.Errorf("%s = %q: %+v, %v", key, v, f, err)
			}
		}
	}
}
