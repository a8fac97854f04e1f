package upscale

import (
	"context"
	"fmt"
	"image"

	"github.com/gansr/gansr/upscale/photo"
)

// form is how finished pixels are laid out: 1 to 4 channels, 8 bits or 16 bits big endian.
type form struct {
	gray, alpha, deep bool
}

func (f form) channels() int {
	n := 3
	if f.gray {
		n = 1
	}
	if f.alpha {
		n++
	}
	return n
}

// bytes returns the size of a pixel.
func (f form) bytes() int {
	if f.deep {
		return 2 * f.channels()
	}
	return f.channels()
}

// tiler upscales the tiles of one photo.
type tiler struct {
	gen     Generator
	facts   Facts
	scale   int // of the result; at most the network's
	photo   *photo.Photo
	picture image.Point // see Plan
	tile    image.Point
	form    form

	in, out []float32
	planes  [4]plane // of the tile: red, green, blue, alpha; grey photos use red only
}

func newTiler(gen Generator, facts Facts, scale int, p *photo.Photo, f form, plan *Plan) *tiler {
	t := &tiler{gen: gen, facts: facts, scale: scale, photo: p, picture: plan.Picture, tile: plan.Tile, form: f}
	n := plan.Tile.X * plan.Tile.Y
	t.in = make([]float32, facts.Channels*n)
	t.out = make([]float32, facts.Channels*n*facts.Scale*facts.Scale)
	for i := range t.planes {
		if i == 0 || i == 3 && p.Alpha || i < 3 && !p.Gray {
			t.planes[i].pix = make([]float32, n)
		}
	}
	return t
}

// tilerBytes returns about what a tiler allocates for a tile of the given size.
func tilerBytes(f *Facts, tile image.Point) int64 {
	s := int64(f.Scale * f.Scale)
	return 4 * int64(tile.X) * int64(tile.Y) * (int64(f.Channels)*(1+s) + 4 + 3*s)
}

// run upscales the tile that starts at start and returns the planes of the result in core, both in input pixels: luminance
// for grey photos, else red, green and blue; then alpha if the photo has it. Values are from 0 to 1 where the
// network keeps to its range. The planes are good until the next call.
func (t *tiler) run(ctx context.Context, start image.Point, core image.Rectangle) ([]plane, error) {
	rect := image.Rectangle{start, start.Add(t.tile)}
	t.read(rect)
	t.enter()
	w := Window{X: start.X, Y: start.Y, W: t.tile.X, H: t.tile.Y, ImageW: t.picture.X, ImageH: t.picture.Y}
	if err := t.gen.Run(ctx, t.out, t.in, t.tile.Y, t.tile.X, w); err != nil {
		return nil, err
	}
	result, err := t.leave(rect)
	if err != nil {
		return nil, err
	}
	to := scaled(core, t.scale)
	if t.scale != t.facts.Scale {
		inside := scaled(rect.Intersect(t.photo.Bounds()), t.facts.Scale)
		for i, p := range result {
			result[i] = newPlane(to)
			resample(result[i], p, t.scale, t.facts.Scale, inside)
		}
	}
	enlarge := func(p plane) plane {
		dst := newPlane(to)
		resample(dst, p, t.scale, 1, rect.Intersect(t.photo.Bounds()))
		return dst
	}
	switch {
	case t.photo.Gray && t.facts.Channels == 3:
		result = []plane{luminance(to, result[0], result[1], result[2])}
	case !t.photo.Gray && t.facts.Channels == 1:
		cb, cr := differences(t.planes)
		result = fromYCbCr(to, result[0], enlarge(cb), enlarge(cr))
	}
	if t.photo.Alpha {
		result = append(result, enlarge(t.planes[3]))
	}
	return result, nil
}

// read fills t.planes with the photo's pixels in rect, from 0 to 1. Outside the photo it is reflected.
func (t *tiler) read(rect image.Rectangle) {
	for i := range t.planes {
		t.planes[i].rect = rect
	}
	size := t.photo.Size
	xs := make([]int, rect.Dx())
	for i := range xs {
		xs[i] = reflect(rect.Min.X+i, size.X)
	}
	r, g, b, a := t.planes[0].pix, t.planes[1].pix, t.planes[2].pix, t.planes[3].pix
	i := 0
	for y := rect.Min.Y; y < rect.Max.Y; y++ {
		sy := reflect(y, size.Y)
		for _, sx := range xs {
			c := t.photo.NRGBA64At(sx, sy)
			r[i] = float32(c.R) / 0xffff
			if g != nil {
				g[i] = float32(c.G) / 0xffff
				b[i] = float32(c.B) / 0xffff
			}
			if a != nil {
				a[i] = float32(c.A) / 0xffff
			}
			i++
		}
	}
}

// reflect maps v to [0, n), mirrored at the first and last sample without repeating them.
func reflect(v, n int) int {
	if v >= 0 && v < n {
		return v
	}
	if n == 1 {
		return 0
	}
	period := 2 * (n - 1)
	v = ((v % period) + period) % period
	return min(v, period-v)
}

// enter fills the network's input.
func (t *tiler) enter() {
	n := t.tile.X * t.tile.Y
	for c := range t.facts.Channels {
		a, b := t.facts.encode(c)
		dst := t.in[c*n : (c+1)*n]
		switch {
		case t.photo.Gray:
			for i, v := range t.planes[0].pix {
				dst[i] = a*v + b
			}
		case t.facts.Channels == 3:
			for i, v := range t.planes[c].pix {
				dst[i] = a*v + b
			}
		default:
			red, green, blue := t.planes[0].pix, t.planes[1].pix, t.planes[2].pix
			for i := range dst {
				dst[i] = a*luma(red[i], green[i], blue[i]) + b
			}
		}
	}
}

// leave returns the network's output for the tile at rect as planes from 0 to 1.
func (t *tiler) leave(rect image.Rectangle) ([]plane, error) {
	rect = scaled(rect, t.facts.Scale)
	n := rect.Dx() * rect.Dy()
	result := make([]plane, t.facts.Channels)
	for c := range result {
		a, b := t.facts.decode(c)
		p := plane{t.out[c*n : (c+1)*n], rect}
		for i, v := range p.pix {
			v = a*v + b
			if v-v != 0 { // NaN or infinite
				return nil, fmt.Errorf("model output %q has %g in channel %d at column %d, row %d of the result",
					t.facts.Output, v, c, rect.Min.X+i%rect.Dx(), rect.Min.Y+i/rect.Dx())
			}
			p.pix[i] = v
		}
		result[c] = p
	}
	return result, nil
}

// Luminance and colour differences of ITU-R BT.601 in full range, as in JPEG (JFIF 1.02).

func luma(r, g, b float32) float32 { return 0.299*r + 0.587*g + 0.114*b }

func luminance(rect image.Rectangle, r, g, b plane) plane {
	dst := newPlane(rect)
	for y := rect.Min.Y; y < rect.Max.Y; y++ {
		out := dst.row(y, rect.Min.X, rect.Max.X)
		r, g, b := r.row(y, rect.Min.X, rect.Max.X), g.row(y, rect.Min.X, rect.Max.X), b.row(y, rect.Min.X, rect.Max.X)
		for i := range out {
			out[i] = luma(r[i], g[i], b[i])
		}
	}
	return dst
}

func differences(rgb [4]plane) (cb, cr plane) {
	cb, cr = newPlane(rgb[0].rect), newPlane(rgb[0].rect)
	for i, r := range rgb[0].pix {
		b := rgb[2].pix[i]
		y := luma(r, rgb[1].pix[i], b)
		cb.pix[i], cr.pix[i] = (b-y)/1.772, (r-y)/1.402
	}
	return cb, cr
}

func fromYCbCr(rect image.Rectangle, luma, cb, cr plane) []plane {
	r, g, b := newPlane(rect), newPlane(rect), newPlane(rect)
	i := 0
	for y := rect.Min.Y; y < rect.Max.Y; y++ {
		for _, v := range luma.row(y, rect.Min.X, rect.Max.X) {
			u, w := cb.pix[i], cr.pix[i]
			r.pix[i] = v + 1.402*w
			g.pix[i] = v - 0.344136*u - 0.714136*w
			b.pix[i] = v + 1.772*u
			i++
		}
	}
	return []plane{r, g, b}
}

// pack writes the part rect of the planes into band, rows of pixels of the given width that start at row top of the result.
func (t *tiler) pack(band []byte, width, top int, rect image.Rectangle, planes []plane) {
	size := t.form.bytes()
	colours := t.form.channels()
	if t.form.alpha {
		colours--
	}
	for y := rect.Min.Y; y < rect.Max.Y; y++ {
		var alpha []float32
		if t.photo.Alpha {
			alpha = planes[colours].row(y, rect.Min.X, rect.Max.X)
		}
		out := band[((y-top)*width+rect.Min.X)*size:]
		for c := range t.form.channels() {
			row := planes[c].row(y, rect.Min.X, rect.Max.X)
			switch {
			case alpha != nil && !t.form.alpha: // over white
				for i, v := range row {
					a := clamp(alpha[i])
					out[i*size+c] = uint8(clamp(v*a+1-a)*0xff + 0.5)
				}
			case t.form.deep:
				for i, v := range row {
					q := uint16(clamp(v)*0xffff + 0.5)
					out[i*size+2*c], out[i*size+2*c+1] = byte(q>>8), byte(q)
				}
			default:
				for i, v := range row {
					out[i*size+c] = uint8(clamp(v)*0xff + 0.5)
				}
			}
		}
	}
}

func clamp(v float32) float32 { return max(0, min(v, 1)) }

// rows upscales the photo and hands finished rows of pixels to write, from top to bottom. The slice given to write is
// reused. done is told after every tile.
func (t *tiler) rows(ctx context.Context, plan *Plan, write func([]byte) error, done func(tiles int)) error {
	width := t.photo.Size.X * t.scale
	row := width * t.form.bytes()
	var band []byte
	tiles := 0
	for _, r := range plan.Rows {
		if n := (r.Hi - r.Lo) * t.scale * row; n > cap(band) {
			band = make([]byte, n)
		} else {
			band = band[:n]
		}
		for _, c := range plan.Columns {
			if err := ctx.Err(); err != nil {
				return err
			}
			core := image.Rect(c.Lo, r.Lo, c.Hi, r.Hi)
			planes, err := t.run(ctx, image.Pt(c.Start, r.Start), core)
			if err != nil {
				return err
			}
			t.pack(band, width, r.Lo*t.scale, scaled(core, t.scale), planes)
			tiles++
			done(tiles)
		}
		if err := write(band); err != nil {
			return err
		}
	}
	return nil
}
