package graph

import (
	"fmt"
	"math"
	"slices"
)

// RoiAlign samples regions of images (He et al., arXiv:1703.06870), as ONNX's operator of opset 16 defines it. Operands: x (N x C x H x W), regions (R x
// 4: left, top, right, bottom), the sample of each (int64, R). The result is R x C x Height x Width. It has no gradient.
type RoiAlign struct {
	Height, Width int
	Samples       int // points along each axis of a cell of the result; 0: as many as a cell has pixels
	Scale         float64
	Max           bool // the largest part of a point instead of the mean of points
	HalfPixel     bool // the middle of the first pixel is at 0.5, and regions may be smaller than a pixel
}

func (RoiAlign) Name() string { return "RoiAlign" }

func (r RoiAlign) Infer(in []Type) ([]Type, error) {
	if err := wantOperands("RoiAlign", in, 3, 3); err != nil {
		return nil, err
	}
	x, rois, at := in[0], in[1], in[2]
	if x.Rank() != 4 || !x.DType.IsFloat() || rois.DType != x.DType || rois.Rank() != 2 || rois.Shape[1] != 4 || at.DType != Int64 || !slices.Equal(at.Shape, rois.Shape[:1]) {
		return nil, fmt.Errorf("RoiAlign of %v with regions %v of samples %v: they should be N x C x H x W, R x 4 and int64 R", x, rois, at)
	}
	if r.Height < 1 || r.Width < 1 || r.Samples < 0 {
		return nil, fmt.Errorf("RoiAlign to %d x %d with %d samples is not defined", r.Height, r.Width, r.Samples)
	}
	return []Type{{x.DType, []int{rois.Shape[0], x.Shape[1], r.Height, r.Width}}}, nil
}

// roiTap is a pixel and its weight.
type roiTap struct {
	at int
	w  float64
}

// maxRoiSamples bounds the points along an axis of a cell, whose number comes from data.
const maxRoiSamples = 1 << 12

func (r RoiAlign) Eval(x *Exec, out, in []*Tensor) error {
	shape := in[0].shape
	n, channels, h, w := shape[0], shape[1], shape[2], shape[3]
	img, rois := Data[float64](in[0].Converted(Float64)), Data[float64](in[1].Converted(Float64))
	res := NewTensor(Float64, out[0].shape...)
	dst := Data[float64](res)
	for i, sample := range Data[int64](in[2]) {
		b, err := position(int(sample), n)
		if err != nil {
			return fmt.Errorf("sample of region %d: %w", i, err)
		}
		offset := 0.0
		if r.HalfPixel {
			offset = 0.5
		}
		left, top := rois[i*4]*r.Scale-offset, rois[i*4+1]*r.Scale-offset
		rw, rh := rois[i*4+2]*r.Scale-offset-left, rois[i*4+3]*r.Scale-offset-top
		if !r.HalfPixel {
			rw, rh = max(rw, 1), max(rh, 1)
		}
		cw, ch := rw/float64(r.Width), rh/float64(r.Height)
		nx, ny := r.Samples, r.Samples
		if r.Samples == 0 {
			nx, ny = int(math.Ceil(min(cw, maxRoiSamples+1))), int(math.Ceil(min(ch, maxRoiSamples+1)))
		}
		if nx > maxRoiSamples || ny > maxRoiSamples || math.IsNaN(rw+rh+left+top) {
			return fmt.Errorf("region %d is too large, or no number", i)
		}
		x.parallel(r.Height*r.Width, max(1, grain/8/max(1, channels)), func(lo, hi int) {
			for cell := lo; cell < hi; cell++ {
				var points [][4]roiTap
				for iy := range ny {
					for ix := range nx {
						py := top + float64(cell/r.Width)*ch + (float64(iy)+0.5)*ch/float64(ny)
						px := left + float64(cell%r.Width)*cw + (float64(ix)+0.5)*cw/float64(nx)
						points = append(points, bilinearTaps(py, px, h, w))
					}
				}
				for c := range channels {
					dst[(i*channels+c)*r.Height*r.Width+cell] = r.pool(img[(b*channels+c)*h*w:], points)
				}
			}
		})
	}
	convert(out[0], res)
	return nil
}

func (r RoiAlign) pool(plane []float64, points [][4]roiTap) float64 {
	sum, largest := 0.0, math.Inf(-1)
	for _, p := range points {
		for _, t := range p {
			v := 0.0
			if t.w != 0 {
				v = t.w * plane[t.at]
			}
			sum, largest = sum+v, max(largest, v)
		}
	}
	switch {
	case len(points) == 0:
		return 0
	case r.Max:
		return largest
	}
	return sum / float64(len(points))
}

// bilinearTaps returns the four pixels around a point; points more than a pixel outside have none.
func bilinearTaps(y, x float64, h, w int) (taps [4]roiTap) {
	if y < -1 || y > float64(h) || x < -1 || x > float64(w) {
		return taps
	}
	axis := func(p float64, n int) (lo, hi int, f float64) {
		p = min(max(p, 0), float64(n-1))
		lo = int(p)
		return lo, min(lo+1, n-1), p - float64(lo)
	}
	y0, y1, fy := axis(y, h)
	x0, x1, fx := axis(x, w)
	return [4]roiTap{{y0*w + x0, (1 - fy) * (1 - fx)}, {y0*w + x1, (1 - fy) * fx}, {y1*w + x0, fy * (1 - fx)}, {y1*w + x1, fy * fx}}
}
