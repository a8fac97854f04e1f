// Package encode writes PNG and JPEG from rows of pixels that arrive from top to bottom, so that a picture never has to
// be in memory whole. The encoders of the standard library read a complete image.Image, one pixel at a time unless its type is
// one of theirs, on one processor; here rows are cut into strips that are compressed side by side. What compresses a strip is
// the standard library (compress/flate, image/jpeg).
package encode
