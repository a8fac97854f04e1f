package photo

import (
	"image"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

// Format names a file format.
type Format string

// The formats that Decode reads.
const (
	PNG  Format = "png"
	JPEG Format = "jpeg"
	WebP Format = "webp"
	TIFF Format = "tiff"
	BMP  Format = "bmp"
)

// sniffLen is how many bytes Sniff needs at most.
const sniffLen = 16

// Sniff returns the format of a file that starts with b (16 bytes are enough), or "" if it is none that Decode reads.
func Sniff(b []byte) Format {
	has := func(at int, magic string) bool {
		return len(b) >= at+len(magic) && string(b[at:at+len(magic)]) == magic
	}
	switch {
	case has(0, "\x89PNG\r\n\x1a\n"):
		return PNG
	case has(0, "\xff\xd8\xff"):
		return JPEG
	case has(0, "RIFF") && has(8, "WEBPVP8"):
		return WebP
	case has(0, "II*\x00"), has(0, "MM\x00*"):
		return TIFF
	case has(0, "BM"):
		return BMP
	}
	return ""
}

// unreadable names well-known formats that Decode does not read, for error messages.
func unreadable(b []byte) string {
	has := func(at int, magic string) bool {
		return len(b) >= at+len(magic) && string(b[at:at+len(magic)]) == magic
	}
	switch {
	case has(0, "GIF8"):
		return "a GIF"
	case has(4, "ftypavif"), has(4, "ftypavis"):
		return "an AVIF"
	case has(4, "ftyphei"), has(4, "ftyphev"), has(4, "ftypmif1"), has(4, "ftypmsf1"):
		return "a HEIC"
	case has(0, "\xff\x0a"), has(4, "JXL "):
		return "a JPEG XL"
	case has(4, "jP  "):
		return "a JPEG 2000"
	case has(0, "8BPS"):
		return "a Photoshop"
	}
	return ""
}

type codec struct {
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
}

func codecOf(f Format) codec {
	switch f {
	case PNG:
		return codec{png.DecodeConfig, png.Decode}
	case JPEG:
		return codec{jpeg.DecodeConfig, jpeg.Decode}
	case WebP:
		return codec{webp.DecodeConfig, webp.Decode}
	case TIFF:
		return codec{tiff.DecodeConfig, tiff.Decode}
	default:
		return codec{bmp.DecodeConfig, bmp.Decode}
	}
}
