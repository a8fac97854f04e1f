package encode

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	stdjpeg "image/jpeg"
	"io"
)

// MaxJPEG is the largest width and height of a JPEG (ITU-T T.81, B.2.2).
const MaxJPEG = 65535

// jpegStrip is the number of rows of a strip: whole rows of blocks for both grey (8) and colour (16) pictures, and few
// enough for the 16 bits that count the blocks between restart markers.
const jpegStrip = 32

// jpeg writes baseline JPEG in which each strip is a restart interval: the data between two restart markers depends on
// nothing before it, so it is what image/jpeg writes for the strip alone.
type jpeg struct {
	cfg Config
}

// JPEG starts a JPEG file on w: YCbCr with chroma at half the size, or grey.
func JPEG(w io.Writer, cfg Config) (*Writer, error) {
	if cfg.Width <= 0 || cfg.Height <= 0 || cfg.Width > MaxJPEG || cfg.Height > MaxJPEG {
		return nil, fmt.Errorf("jpeg: a side has 1 to %d pixels, the picture %dx%d: write PNG instead", MaxJPEG, cfg.Width, cfg.Height)
	}
	if cfg.Deep || cfg.Channels != 1 && cfg.Channels != 3 {
		return nil, errors.New("jpeg: only 8-bit pictures with one or three channels can be written")
	}
	return newWriter(w, cfg, &jpeg{cfg: cfg})
}

func (j *jpeg) stripRows() int { return jpegStrip }

// header writes the tables that image/jpeg writes for every picture of this quality, with the size of the whole.
func (j *jpeg) header(w io.Writer) error {
	var b bytes.Buffer
	if err := j.compress(&b, make([]byte, j.cfg.RowBytes())); err != nil {
		return err
	}
	data := b.Bytes()
	frame, scan := segment(data, 0xc0), segment(data, 0xda)
	if frame < 0 || scan < 0 {
		return errors.New("jpeg: the encoder wrote no baseline frame")
	}
	binary.BigEndian.PutUint16(data[frame+5:], uint16(j.cfg.Height))
	block := 16
	if j.cfg.Channels == 1 {
		block = 8
	}
	blocks := (j.cfg.Width + block - 1) / block * (jpegStrip / block)
	restart := []byte{0xff, 0xdd, 0, 4, byte(blocks >> 8), byte(blocks)}
	for _, part := range [][]byte{data[:scan], restart, data[scan:scanData(data, scan)]} {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

func (j *jpeg) strip(out *bytes.Buffer, _ int, _, rows []byte) error { return j.compress(out, rows) }

// compress writes rows as a JPEG file.
func (j *jpeg) compress(out *bytes.Buffer, rows []byte) error {
	r := image.Rect(0, 0, j.cfg.Width, len(rows)/j.cfg.RowBytes())
	var img image.Image = &image.Gray{Pix: rows, Stride: j.cfg.Width, Rect: r}
	if j.cfg.Channels == 3 {
		m := image.NewRGBA(r)
		for i, o := 0, 0; i < len(rows); i, o = i+3, o+4 {
			m.Pix[o], m.Pix[o+1], m.Pix[o+2], m.Pix[o+3] = rows[i], rows[i+1], rows[i+2], 0xff
		}
		img = m
	}
	return stdjpeg.Encode(out, img, &stdjpeg.Options{Quality: j.cfg.Quality})
}

func (j *jpeg) put(w io.Writer, n int, strip []byte) error {
	if n > 0 {
		if _, err := w.Write([]byte{0xff, 0xd0 + byte((n-1)%8)}); err != nil {
			return err
		}
	}
	scan := segment(strip, 0xda)
	if scan < 0 {
		return errors.New("jpeg: the encoder wrote no scan")
	}
	_, err := w.Write(strip[scanData(strip, scan) : len(strip)-2]) // without the end of image
	return err
}

func (j *jpeg) trailer(w io.Writer) error {
	_, err := w.Write([]byte{0xff, 0xd9})
	return err
}

// segment returns where the first segment with the given marker starts, -1 if there is none before the end.
func segment(data []byte, marker byte) int {
	for at := 2; at+4 <= len(data); at += 2 + int(binary.BigEndian.Uint16(data[at+2:])) {
		if data[at+1] == marker {
			return at
		}
		if data[at+1] == 0xda {
			break
		}
	}
	return -1
}

// scanData returns where the compressed data starts behind the scan header at the given place.
func scanData(data []byte, scan int) int {
	return scan + 2 + int(binary.BigEndian.Uint16(data[scan+2:]))
}
