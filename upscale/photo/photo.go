package photo

import (
	"bufio"
	"errors"
	"fmt"
	"image"
	"image/color"
	"io"
	"math"
	"os"
	"strings"
)

// Limits bound what a file may make a decoder allocate. The zero value stands for the defaults.
type Limits struct {
	Pixels int64 // width x height; 0: 2^28, 268 megapixels
	Bytes  int64 // for the decoded image and the decoder's own buffers; 0: 1 GiB
}

// Header is what is known of a photo without decoding its pixels.
type Header struct {
	Format      Format
	Size        image.Point // as shown: after Orientation is applied
	Orientation int         // EXIF orientation of the stored pixels, 1 to 8
	Gray        bool        // the file stores luminance only
	Deep        bool        // more than 8 bits a channel

	alpha  bool // the file has an alpha channel (PNG only; for others the decoded pixels tell)
	stored image.Point
	bytes  int64 // expected for decoding
}

// Photo is a decoded photo, or any image seen as one. It is an image.Image of non-premultiplied 16-bit colours whose
// bounds start at (0, 0), with the EXIF orientation applied.
type Photo struct {
	Header
	Alpha bool // some pixel is not opaque, or a PNG says that it has an alpha channel

	at func(x, y int) color.NRGBA64 // of the stored image, its bounds moved to (0, 0)
}

// Stat reads a file's header. Errors name the file, are one line, and cover everything that Limits forbids.
func Stat(path string, lim Limits) (Header, error) {
	return open(path, func(r io.ReaderAt, size int64) (Header, error) { return ReadHeader(r, size, lim) })
}

// Open decodes a file. Errors name the file and are one line.
func Open(path string, lim Limits) (*Photo, error) {
	return open(path, func(r io.ReaderAt, size int64) (*Photo, error) { return Decode(r, size, lim) })
}

func open[T any](path string, read func(io.ReaderAt, int64) (T, error)) (v T, err error) {
	// A pipe would block in os.Open.
	if info, err := os.Stat(path); err != nil {
		return v, err
	} else if !info.Mode().IsRegular() {
		return v, fmt.Errorf("%s: not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return v, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return v, err
	}
	if v, err = read(f, info.Size()); err != nil {
		return v, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

// ReadHeader reads the header of a file of the given size in bytes and checks it against lim and against what a file
// of that size can hold.
func ReadHeader(r io.ReaderAt, size int64, lim Limits) (Header, error) {
	start := make([]byte, sniffLen)
	n, err := r.ReadAt(start, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return Header{}, err
	}
	start = start[:n]
	h := Header{Format: Sniff(start)}
	switch name := unreadable(start); {
	case n == 0:
		return h, errors.New("the file is empty")
	case name != "":
		return h, fmt.Errorf("%s file: only PNG, JPEG, WebP, TIFF and BMP can be read", name)
	case h.Format == "":
		return h, errors.New("not a PNG, JPEG, WebP, TIFF or BMP file")
	}
	cfg, err := guard(h.Format, codecOf(h.Format).config, r, size)
	if err != nil {
		return h, err
	}
	if cfg.Width <= 0 || cfg.Height <= 0 {
		return h, fmt.Errorf("%s: %dx%d pixels are no image", h.Format, cfg.Width, cfg.Height)
	}
	h.stored = image.Pt(cfg.Width, cfg.Height)
	h.Orientation = orientation(r, size, h.Format)
	h.Size = h.stored
	if h.Orientation >= 5 {
		h.Size = image.Pt(cfg.Height, cfg.Width)
	}
	h.describe(cfg.ColorModel)
	rawBits := int64(8 * bytesPerPixel(cfg.ColorModel))
	if h.Format == PNG {
		if b := bytesAt(r, 24, 2); b != nil {
			h.Gray = h.Gray || b[1]&3 == 0 // colour types 0 and 4
			h.alpha = b[1]&4 != 0
			rawBits = int64(b[0]) * map[byte]int64{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[b[1]]
		}
	}
	return h, h.check(r, size, lim, bytesPerPixel(cfg.ColorModel), rawBits)
}

// describe fills in what the colour model says.
func (h *Header) describe(m color.Model) {
	h.Gray, h.Deep = false, false
	switch m {
	case color.GrayModel:
		h.Gray = true
	case color.Gray16Model:
		h.Gray, h.Deep = true, true
	case color.RGBA64Model, color.NRGBA64Model, color.Alpha16Model:
		h.Deep = true
	default:
		if p, ok := m.(color.Palette); ok && len(p) > 0 {
			h.Gray = true
			for _, c := range p {
				r, g, b, _ := c.RGBA()
				h.Gray = h.Gray && r == g && g == b
			}
		}
	}
}

// check compares the header with the limits. decoded is in bytes a pixel, raw in bits a pixel as the file stores them
// before compression.
func (h *Header) check(r io.ReaderAt, size int64, lim Limits, decoded int, raw int64) error {
	if lim.Pixels == 0 {
		lim.Pixels = 1 << 28
	}
	if lim.Bytes == 0 {
		lim.Bytes = 1 << 30
	}
	w, ht := int64(h.stored.X), int64(h.stored.Y)
	if w > lim.Pixels/ht {
		return fmt.Errorf("%s of %dx%d pixels: the limit is %d megapixels", h.Format, w, ht, lim.Pixels/1e6)
	}
	pixels := w * ht
	// Decoders and what follows keep up to one more copy.
	h.bytes = 2 * pixels * int64(decoded)
	if h.Format == JPEG && progressive(r, size) {
		h.bytes += 4 * pixels * int64(decoded)
	}
	if h.bytes > lim.Bytes {
		return fmt.Errorf("%s of %dx%d pixels: decoding takes %.3g MiB, the limit is %.3g MiB",
			h.Format, w, ht, float64(h.bytes)/(1<<20), float64(lim.Bytes)/(1<<20))
	}
	most := int64(math.MaxInt64)
	switch h.Format {
	case PNG: // deflate makes at most 1032 bytes of one
		most = 1032 * 8 * size / max(raw, 1)
	case JPEG: // at least one bit for a block of 64 pixels, with a factor of two for odd sampling
		most = 1024 * size
	case BMP:
		most = 8 * size // at least one bit a pixel
	}
	if pixels > most {
		return fmt.Errorf("%s claims %dx%d pixels, more than its %d bytes can hold", h.Format, w, ht, size)
	}
	return nil
}

// Decode decodes the photo that r holds in its first size bytes.
func Decode(r io.ReaderAt, size int64, lim Limits) (*Photo, error) {
	h, err := ReadHeader(r, size, lim)
	if err != nil {
		return nil, err
	}
	img, err := guard(h.Format, codecOf(h.Format).decode, r, size)
	if err != nil {
		return nil, err
	}
	if got := img.Bounds().Size(); got != h.stored {
		return nil, fmt.Errorf("%s: the header says %v pixels and the data %v", h.Format, h.stored, got)
	}
	p := &Photo{Header: h, at: pixels(img, h.Format == WebP)}
	p.Alpha = h.alpha || !opaque(img)
	return p, nil
}

// New shows an image that is in memory as a Photo, upright as it is. It reads img when its own pixels are read.
func New(img image.Image) *Photo {
	size := img.Bounds().Size()
	h := Header{Size: size, stored: size, Orientation: 1}
	h.describe(img.ColorModel())
	return &Photo{Header: h, Alpha: !opaque(img), at: pixels(img, false)}
}

func opaque(img image.Image) bool {
	o, ok := img.(interface{ Opaque() bool })
	return ok && o.Opaque()
}

// guard runs a decoder of another package: reads are buffered except where it can seek, a panic becomes an error, and
// errors are one line.
func guard[T any](f Format, decode func(io.Reader) (T, error), r io.ReaderAt, size int64) (v T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%s: broken data stopped the decoder: %s", f, oneLine(fmt.Sprint(p)))
		}
	}()
	var in io.Reader = io.NewSectionReader(r, 0, size)
	if f != TIFF {
		in = bufio.NewReaderSize(in, 1<<16)
	}
	v, err = decode(in)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return v, fmt.Errorf("%s: the file is cut short (%w)", f, err)
	case err != nil && strings.HasPrefix(err.Error(), string(f)):
		return v, err
	case err != nil:
		return v, fmt.Errorf("%s: %w", f, err)
	}
	return v, nil
}

func oneLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

func bytesPerPixel(m color.Model) int {
	switch m {
	case color.GrayModel, color.AlphaModel:
		return 1
	case color.Gray16Model, color.Alpha16Model:
		return 2
	case color.YCbCrModel:
		return 3
	case color.RGBA64Model, color.NRGBA64Model:
		return 8
	}
	if _, ok := m.(color.Palette); ok {
		return 1
	}
	return 4
}

// Memory returns the bytes that decoding the photo is expected to take.
func (h Header) Memory() int64 { return h.bytes }
