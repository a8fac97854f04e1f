package encode

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"fmt"
	"hash/adler32"
	"hash/crc32"
	"io"
	"math"
)

// pngLevel is the compress/flate level: on enlarged photos level 6 takes three times as long for files 5 % smaller.
const pngLevel = 4

// pngStrip is the size in bytes that strips have at least: large against the 32 KiB window that a strip starts without.
const pngStrip = 1 << 20

// png writes the format of the W3C's PNG specification, third edition: each strip is an IDAT chunk, a run of deflate
// blocks that ends on a byte boundary.
type png struct {
	cfg   Config
	slots []*pngSlot
	sum   uint32 // Adler-32 of the filtered rows so far
}

type pngSlot struct {
	deflate  *flate.Writer
	filtered []byte    // of the whole strip: its Adler-32 is taken in order
	trial    [5][]byte // one row in every filter
}

// PNG starts a PNG file on w.
func PNG(w io.Writer, cfg Config) (*Writer, error) {
	if cfg.Width <= 0 || cfg.Height <= 0 || cfg.Width > math.MaxInt32 || cfg.Height > math.MaxInt32 {
		return nil, fmt.Errorf("png: a picture of %dx%d pixels cannot be written", cfg.Width, cfg.Height)
	}
	if cfg.Channels < 1 || cfg.Channels > 4 {
		return nil, fmt.Errorf("png: %d channels cannot be written", cfg.Channels)
	}
	p := &png{cfg: cfg, sum: 1, slots: make([]*pngSlot, 2*cfg.threads())}
	for i := range p.slots {
		d, err := flate.NewWriter(nil, pngLevel)
		if err != nil {
			return nil, err
		}
		p.slots[i] = &pngSlot{deflate: d}
	}
	return newWriter(w, cfg, p)
}

func (p *png) stripRows() int { return pngStrip/(p.cfg.RowBytes()+1) + 1 }

func (p *png) header(w io.Writer) error {
	if _, err := io.WriteString(w, "\x89PNG\r\n\x1a\n"); err != nil {
		return err
	}
	ihdr := binary.BigEndian.AppendUint32(nil, uint32(p.cfg.Width))
	ihdr = binary.BigEndian.AppendUint32(ihdr, uint32(p.cfg.Height))
	depth := byte(8)
	if p.cfg.Deep {
		depth = 16
	}
	ihdr = append(ihdr, depth, [5]byte{1: 0, 2: 4, 3: 2, 4: 6}[p.cfg.Channels], 0, 0, 0)
	if err := chunk(w, "IHDR", ihdr); err != nil {
		return err
	}
	return chunk(w, "IDAT", []byte{0x78, 0x5e}) // zlib: deflate, 32 KiB window, fast algorithm
}

// strip filters and compresses rows. out gets the Adler-32 of the filtered rows, their number of bytes, and the blocks.
func (p *png) strip(out *bytes.Buffer, slot int, above, rows []byte) error {
	s, n := p.slots[slot], p.cfg.RowBytes()
	bpp := n / p.cfg.Width
	if above == nil {
		above = make([]byte, n)
	}
	s.filtered = s.filtered[:0]
	for at := 0; at < len(rows); at += n {
		row := rows[at : at+n]
		f := s.filter(row, above, bpp)
		s.filtered = append(append(s.filtered, byte(f)), s.trial[f]...)
		above = row
	}
	var head [8]byte
	binary.BigEndian.PutUint32(head[:], adler32.Checksum(s.filtered))
	binary.BigEndian.PutUint32(head[4:], uint32(len(s.filtered)))
	out.Write(head[:])
	s.deflate.Reset(out)
	if _, err := s.deflate.Write(s.filtered); err != nil {
		return err
	}
	return s.deflate.Flush()
}

func (p *png) put(w io.Writer, _ int, strip []byte) error {
	sum, n := binary.BigEndian.Uint32(strip), binary.BigEndian.Uint32(strip[4:])
	p.sum = adlerJoin(p.sum, sum, n)
	return chunk(w, "IDAT", strip[8:])
}

func (p *png) trailer(w io.Writer) error {
	// An empty last block with fixed codes, then the checksum.
	if err := chunk(w, "IDAT", binary.BigEndian.AppendUint32([]byte{3, 0}, p.sum)); err != nil {
		return err
	}
	return chunk(w, "IEND", nil)
}

// adlerJoin returns the Adler-32 (RFC 1950) of two runs of bytes from theirs and the length of the second.
func adlerJoin(a, b, n uint32) uint32 {
	const mod = 65521
	// The low half is 1 + the sum of bytes; the high half sums the low half's values, and the second run began at 1
	// instead of at the first one's low half.
	low := (a&0xffff + b&0xffff + mod - 1) % mod
	high := (uint64(a>>16) + uint64(b>>16) + uint64(n%mod)*uint64(a&0xffff+mod-1)) % mod
	return uint32(high)<<16 | low
}

func chunk(w io.Writer, kind string, data []byte) error {
	var b [8]byte
	binary.BigEndian.PutUint32(b[:], uint32(len(data)))
	copy(b[4:], kind)
	sum := crc32.Update(crc32.ChecksumIEEE(b[4:]), crc32.IEEETable, data)
	for _, part := range [][]byte{b[:], data, binary.BigEndian.AppendUint32(nil, sum)} {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return nil
}

// filter fills s.trial with row in each of PNG's filters and returns the one whose values, taken as signed, have the
// least sum of magnitudes, the heuristic of the PNG specification (12.7).
func (s *pngSlot) filter(row, above []byte, bpp int) int {
	n := len(row)
	if len(s.trial[0]) != n {
		for f := range s.trial {
			s.trial[f] = make([]byte, n)
		}
	}
	none, sub, up, average, paeth := s.trial[0][:n], s.trial[1][:n], s.trial[2][:n], s.trial[3][:n], s.trial[4][:n]
	above = above[:n]
	copy(none, row)
	var sums [5]int
	for i, v := range row {
		var left, corner byte
		if i >= bpp {
			left, corner = row[i-bpp], above[i-bpp]
		}
		b := above[i]
		sub[i] = v - left
		up[i] = v - b
		average[i] = v - byte((int(left)+int(b))/2)
		paeth[i] = v - predict(int(left), int(b), int(corner))
		sums[0] += magnitude(v)
		sums[1] += magnitude(sub[i])
		sums[2] += magnitude(up[i])
		sums[3] += magnitude(average[i])
		sums[4] += magnitude(paeth[i])
	}
	best := 0
	for f, sum := range sums {
		if sum < sums[best] {
			best = f
		}
	}
	return best
}

func magnitude(b byte) int {
	v := int(int8(b))
	return max(v, -v)
}

// predict is the Paeth predictor: the one of left a, above b and corner c that is nearest to a + b - c.
func predict(a, b, c int) byte {
	pa, pb := b-c, a-c
	pc := pa + pb
	pa, pb, pc = max(pa, -pa), max(pb, -pb), max(pc, -pc)
	switch {
	case pa <= pb && pa <= pc:
		return byte(a)
	case pb <= pc:
		return byte(b)
	}
	return byte(c)
}
