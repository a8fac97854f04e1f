package upscale

import (
	"context"
)

// MeasureHalo returns the smallest of a few overlaps whose tiles differ from the whole image by less than half an 8-bit
// step on a test picture, for networks whose receptive field is too large to overlap by. The picture has edges, gradients
// and noise.
func (g *Model) MeasureHalo(ctx context.Context) (int, error) {
	const largest = 64
	m := g.facts.Multiple
	core := roundUp(16, m)
	n := core + 2*roundUp(largest, m)
	picture := testPicture(g.facts, n)
	whole, err := g.crop(ctx, picture, n, 0, n)
	if err != nil {
		return 0, err
	}
	for _, halo := range []int{8, 12, 16, 24, 32, 48} {
		halo = roundUp(halo, m)
		size := core + 2*halo
		at := (n - size) / 2 / m * m
		tile, err := g.crop(ctx, picture, n, at, size)
		if err != nil {
			return 0, err
		}
		if g.difference(whole, tile, n, at, size, halo) < haloStep {
			return halo, nil
		}
	}
	return roundUp(largest, m), nil
}

// crop runs the network on a square of the picture, of the given size from at on.
func (g *Model) crop(ctx context.Context, picture []float32, n, at, size int) ([]float32, error) {
	c, s := g.facts.Channels, g.facts.Scale
	src, dst := make([]float32, c*size*size), make([]float32, c*size*s*size*s)
	for k := range c {
		for y := range size {
			copy(src[(k*size+y)*size:][:size], picture[(k*n+at+y)*n+at:])
		}
	}
	err := g.Run(ctx, dst, src, size, size, Window{X: at, Y: at, W: size, H: size, ImageW: n, ImageH: n})
	return dst, err
}

// difference returns the largest difference, in pixel units, where the tile is at least halo from its borders.
func (g *Model) difference(whole, tile []float32, n, at, size, halo int) float64 {
	s := g.facts.Scale
	worst := float32(0)
	for k := range g.facts.Channels {
		a, _ := g.facts.decode(k)
		for y := halo * s; y < (size-halo)*s; y++ {
			for x := halo * s; x < (size-halo)*s; x++ {
				d := a * (whole[(k*n*s+at*s+y)*n*s+at*s+x] - tile[(k*size*s+y)*size*s+x])
				worst = max(worst, d, -d)
			}
		}
	}
	return float64(worst)
}

// testPicture returns planes of n x n pixels in the network's range: a gradient, bars of several widths, discs and noise.
func testPicture(f Facts, n int) []float32 {
	p := make([]float32, f.Channels*n*n)
	seed := uint32(1)
	for k := range f.Channels {
		a, b := f.encode(k)
		for y := range n {
			for x := range n {
				seed = seed*1664525 + 1013904223
				v := float32(x+y) / float32(2*n)
				if (x/(2+y/16))%2 == 0 {
					v = 1 - v
				}
				if dx, dy := x%48-24, y%48-24; dx*dx+dy*dy < 200 {
					v = float32(k+1) / 4
				}
				v += (float32(seed>>8)/(1<<24) - 0.5) * 0.2
				p[(k*n+y)*n+x] = a*min(max(v, 0), 1) + b
			}
		}
	}
	return p
}
