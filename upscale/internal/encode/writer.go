package encode

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
)

// Config describes the picture.
type Config struct {
	Width, Height int
	Channels      int  // 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and straight alpha; JPEG: 1 or 3
	Deep          bool // 16 bits a channel, big endian, instead of 8; PNG only
	Quality       int  // 1 to 100; JPEG only
	Threads       int  // strips compressed at once; 0: one for each processor
}

// RowBytes returns the size of one row of pixels, its channels interleaved.
func (c Config) RowBytes() int {
	n := c.Width * c.Channels
	if c.Deep {
		n *= 2
	}
	return n
}

// codec is a format. Strips have stripRows rows, the last one may have fewer.
type codec interface {
	stripRows() int
	header(w io.Writer) error
	// strip compresses rows into out. above is the row before them, nil for the first strip. slot tells apart the
	// strips that run at once, for buffers.
	strip(out *bytes.Buffer, slot int, above, rows []byte) error
	// put writes compressed strip number n; calls come in order.
	put(w io.Writer, n int, strip []byte) error
	trailer(w io.Writer) error
}

// Writer encodes one picture. It is not for use by several goroutines.
type Writer struct {
	w       io.Writer
	cfg     Config
	codec   codec
	rows    int            // received
	strips  int            // written
	pending []byte         // rows that fill no strip yet
	above   []byte         // the last row of the last strip
	out     []bytes.Buffer // one for each slot
	err     error
}

func newWriter(w io.Writer, cfg Config, c codec) (*Writer, error) {
	if err := c.header(w); err != nil {
		return nil, err
	}
	// Twice as many slots as threads, so that one slow strip does not leave a processor idle.
	return &Writer{w: w, cfg: cfg, codec: c, out: make([]bytes.Buffer, 2*cfg.threads())}, nil
}

func (c Config) threads() int {
	if c.Threads > 0 {
		return c.Threads
	}
	return runtime.GOMAXPROCS(0)
}

// Write takes the next rows: whole rows of Config.RowBytes bytes, as many as there are. The slice may be reused afterwards.
func (w *Writer) Write(rows []byte) (int, error) {
	n := len(rows)
	row := w.cfg.RowBytes()
	w.rows += n / row
	if w.err == nil && (n%row != 0 || w.rows > w.cfg.Height) {
		w.err = fmt.Errorf("encode: %d bytes after row %d of %d are not whole rows of the picture", n, w.rows-n/row, w.cfg.Height)
	}
	size := w.codec.stripRows() * row
	var strips [][]byte
	if len(w.pending) > 0 {
		k := min(size-len(w.pending), len(rows))
		w.pending, rows = append(w.pending, rows[:k]...), rows[k:]
		if len(w.pending) == size {
			strips = append(strips, w.pending)
		}
	}
	for len(rows) >= size {
		strips, rows = append(strips, rows[:size]), rows[size:]
	}
	w.encode(strips)
	if len(strips) > 0 {
		w.pending = w.pending[:0]
	}
	w.pending = append(w.pending, rows...)
	return n, w.err
}

// Close writes what is left. It does not close the underlying writer.
func (w *Writer) Close() error {
	if w.err == nil && w.rows != w.cfg.Height {
		w.err = fmt.Errorf("encode: %d rows of %d were written", w.rows, w.cfg.Height)
	}
	if len(w.pending) > 0 {
		w.encode([][]byte{w.pending})
	}
	if w.err == nil {
		w.err = w.codec.trailer(w.w)
	}
	return w.err
}

func (w *Writer) encode(strips [][]byte) {
	row := w.cfg.RowBytes()
	for len(strips) > 0 && w.err == nil {
		batch := strips[:min(len(w.out), len(strips))]
		strips = strips[len(batch):]
		errs := make([]error, len(batch))
		limit := make(chan struct{}, w.cfg.threads())
		var wg sync.WaitGroup
		above := w.above
		for i, rows := range batch {
			limit <- struct{}{}
			wg.Add(1)
			go func(above []byte) {
				defer wg.Done()
				w.out[i].Reset()
				errs[i] = w.codec.strip(&w.out[i], i, above, rows)
				<-limit
			}(above)
			above = rows[len(rows)-row:]
		}
		wg.Wait()
		w.above = append(w.above[:0], above...)
		w.err = errors.Join(errs...)
		for i := range batch {
			if w.err == nil {
				w.err = w.codec.put(w.w, w.strips, w.out[i].Bytes())
				w.strips++
			}
		}
	}
}
