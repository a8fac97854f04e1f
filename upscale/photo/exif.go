package photo

import (
	"encoding/binary"
	"io"
)

// Bounds on the walks below: real files stay far under them, and a hostile one cannot keep the reader busy.
const (
	maxSegments = 1 << 10 // JPEG segments before the first scan
	maxChunks   = 1 << 20 // PNG and WebP chunks
)

// orientation returns the EXIF orientation (1 to 8) that the file of the given format and size in bytes asks for; 1 if it
// says nothing or what it says makes no sense, as viewers do.
func orientation(r io.ReaderAt, size int64, f Format) int {
	switch f {
	case JPEG:
		o := 1
		walkJPEG(r, size, func(marker byte, at, n int64) bool {
			if marker != 0xe1 || n < 6 || string(bytesAt(r, at, 6)) != "Exif\x00\x00" {
				return true
			}
			o = tiffOrientation(io.NewSectionReader(r, at+6, n-6))
			return false
		})
		return o
	case PNG:
		// A chunk: length, type, data, checksum.
		at := int64(8)
		for range maxChunks {
			b := bytesAt(r, at, 8)
			if b == nil || string(b[4:]) == "IEND" {
				break
			}
			n := int64(binary.BigEndian.Uint32(b))
			if string(b[4:]) == "eXIf" {
				return tiffOrientation(io.NewSectionReader(r, at+8, n))
			}
			at += 12 + n
		}
	case WebP:
		// A RIFF chunk: type, length, data padded to an even length.
		at := int64(12)
		for range maxChunks {
			b := bytesAt(r, at, 8)
			if b == nil {
				break
			}
			n := int64(binary.LittleEndian.Uint32(b[4:]))
			if string(b[:4]) == "EXIF" {
				at += 8
				if string(bytesAt(r, at, 6)) == "Exif\x00\x00" { // some writers keep JPEG's prefix
					at, n = at+6, n-6
				}
				return tiffOrientation(io.NewSectionReader(r, at, n))
			}
			at += 8 + n + n&1
		}
	case TIFF:
		return tiffOrientation(io.NewSectionReader(r, 0, size))
	}
	return 1
}

// tiffOrientation reads the orientation tag from the first directory of a TIFF structure, the form that EXIF has in
// every format (EXIF 2.32, 4.6.2 and 4.6.4).
func tiffOrientation(r io.ReaderAt) int {
	head := bytesAt(r, 0, 8)
	var order binary.ByteOrder
	switch {
	case head == nil:
		return 1
	case string(head[:4]) == "II*\x00":
		order = binary.LittleEndian
	case string(head[:4]) == "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	at := int64(order.Uint32(head[4:]))
	count := bytesAt(r, at, 2)
	if count == nil {
		return 1
	}
	for i := range int64(order.Uint16(count)) {
		entry := bytesAt(r, at+2+12*i, 12)
		if entry == nil {
			return 1
		}
		if order.Uint16(entry) != 0x0112 {
			continue
		}
		v := uint32(order.Uint16(entry[8:]))
		if order.Uint16(entry[2:]) == 4 { // LONG where the standard says SHORT
			v = order.Uint32(entry[8:])
		}
		if v >= 1 && v <= 8 {
			return int(v)
		}
		return 1
	}
	return 1
}

// progressive reports whether a JPEG's first frame is progressive: its decoder keeps every coefficient.
func progressive(r io.ReaderAt, size int64) bool {
	found := false
	walkJPEG(r, size, func(marker byte, _, _ int64) bool {
		found = marker == 0xc2
		return !found
	})
	return found
}

// walkJPEG calls visit with the marker, place and length of the content of each segment before the first scan, until
// visit returns false.
func walkJPEG(r io.ReaderAt, size int64, visit func(marker byte, at, n int64) bool) {
	at := int64(2)
	for range maxSegments {
		b := bytesAt(r, at, 4)
		switch {
		case b == nil || b[0] != 0xff || at > size:
			return
		case b[1] == 0xff: // fill byte
			at++
			continue
		case b[1] == 0xda || b[1] == 0xd9: // start of scan, end of image
			return
		}
		n := int64(binary.BigEndian.Uint16(b[2:]))
		if n < 2 || !visit(b[1], at+4, n-2) {
			return
		}
		at += 2 + n
	}
}

// bytesAt returns n bytes at the given offset, nil if they are not all there.
func bytesAt(r io.ReaderAt, at, n int64) []byte {
	b := make([]byte, n)
	if got, _ := r.ReadAt(b, at); got < len(b) {
		return nil
	}
	return b
}
