// Package quality measures how near a picture is to another. Files and networks do not live here.
package quality

import (
	"fmt"
	"math"
)

// Picture is planes of H x W values from 0 (black) to 255 (white), one after the other.
type Picture struct {
	Pix    []float64
	Planes int
	H, W   int
}

// Luminance returns the Y of an RGB picture as ITU-R BT.601 has it in studio range, 16 to 235, unrounded: what the field's figures are of.
func (p Picture) Luminance() Picture {
	n := p.H * p.W
	y := Picture{Pix: make([]float64, n), Planes: 1, H: p.H, W: p.W}
	for i := range y.Pix {
		y.Pix[i] = 16 + (65.481*p.Pix[i]+128.553*p.Pix[n+i]+24.966*p.Pix[2*n+i])/255
	}
	return y
}

// Shaved returns the picture without so many pixels at each edge.
func (p Picture) Shaved(border int) (Picture, error) {
	h, w := p.H-2*border, p.W-2*border
	if border < 0 || h < 1 || w < 1 {
		return Picture{}, fmt.Errorf("quality: nothing is left of %dx%d pixels without a border of %d", p.W, p.H, border)
	}
	s := Picture{Pix: make([]float64, 0, p.Planes*h*w), Planes: p.Planes, H: h, W: w}
	for c := range p.Planes {
		for y := border; y < border+h; y++ {
			row := (c*p.H+y)*p.W + border
			s.Pix = append(s.Pix, p.Pix[row:row+w]...)
		}
	}
	return s, nil
}

func (p Picture) like(q Picture) error {
	if p.H != q.H || p.W != q.W || p.Planes != q.Planes || len(p.Pix) != len(q.Pix) || len(p.Pix) == 0 {
		return fmt.Errorf("quality: pictures of %d planes of %dx%d and %d of %dx%d pixels cannot be compared", p.Planes, p.W, p.H, q.Planes, q.W, q.H)
	}
	return nil
}

// PSNR returns the peak signal-to-noise ratio in dB for a peak of 255, of the mean squared error over all planes; +Inf for equal pictures.
func PSNR(a, b Picture) (float64, error) {
	if err := a.like(b); err != nil {
		return 0, err
	}
	var sum float64
	for i, v := range a.Pix {
		d := v - b.Pix[i]
		sum += d * d
	}
	return 10 * math.Log10(255*255*float64(len(a.Pix))/sum), nil
}

const (
	window = 11 // of SSIM
	band   = 64 // rows of its windows at a time, for less memory
)

// SSIM returns the structural similarity of Wang et al. (IEEE Transactions on Image Processing 13, 2004): a Gaussian window of 11x11 pixels with a
// standard deviation of 1.5, constants 0.01 and 0.03, windows inside the picture alone, the mean over them and over planes.
func SSIM(a, b Picture) (float64, error) {
	if err := a.like(b); err != nil {
		return 0, err
	}
	if min(a.H, a.W) < window {
		return 0, fmt.Errorf("quality: SSIM needs pictures of %d pixels a side, not %dx%d", window, a.W, a.H)
	}
	const c1, c2 = 0.01 * 255 * 0.01 * 255, 0.03 * 255 * 0.03 * 255
	n := a.H * a.W
	var sum float64
	var count int
	for p := range a.Planes {
		for top := 0; top+window <= a.H; top += band {
			h := min(band, a.H-window+1-top) + window - 1
			at := p*n + top*a.W
			x, y := a.Pix[at:][:h*a.W], b.Pix[at:][:h*a.W]
			xx, yy, xy := make([]float64, len(x)), make([]float64, len(x)), make([]float64, len(x))
			for i := range x {
				xx[i], yy[i], xy[i] = x[i]*x[i], y[i]*y[i], x[i]*y[i]
			}
			mx, my := blur(x, h, a.W), blur(y, h, a.W)
			xx, yy, xy = blur(xx, h, a.W), blur(yy, h, a.W), blur(xy, h, a.W)
			for i := range mx {
				m := mx[i] * my[i]
				m2 := mx[i]*mx[i] + my[i]*my[i]
				sum += (2*m + c1) * (2*(xy[i]-m) + c2) / ((m2 + c1) * (xx[i] + yy[i] - m2 + c2))
			}
			count += len(mx)
		}
	}
	return sum / float64(count), nil
}

// blur returns the means of x under SSIM's window where it lies inside.
func blur(x []float64, h, w int) []float64 {
	var g [window]float64
	var total float64
	for i := range g {
		d := float64(i - window/2)
		g[i] = math.Exp(-d * d / (2 * 1.5 * 1.5))
		total += g[i]
	}
	for i := range g {
		g[i] /= total
	}
	nh, nw := h-window+1, w-window+1
	rows := make([]float64, h*nw)
	for y := range h {
		for i := range nw {
			for k, v := range g {
				rows[y*nw+i] += v * x[y*w+i+k]
			}
		}
	}
	out := make([]float64, nh*nw)
	for y := range nh {
		for k, v := range g {
			for i := range nw {
				out[y*nw+i] += v * rows[(y+k)*nw+i]
			}
		}
	}
	return out
}
