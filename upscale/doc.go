// Package upscale makes photos larger with a super-resolution generator: it cuts a photo into tiles, runs the generator on
// each, joins the results without seams and writes them while they are made, so that a photo's enlarged pixels are never in
// memory whole.
//
// New pairs a Generator with Options; Upscaler.Paths does files and folders, File one file, Image a picture in memory.
// Reading files lives in upscale/photo. What a network is made of lives elsewhere: this package knows it by the two methods
// of Generator.
//
// # Colours
//
// A network of three channels gets RGB, a grey photo as three equal channels whose results are weighted to
// luminance again. A network of one channel gets luminance, Y of BT.601 in full range as JPEG uses it; the two colour
// differences are enlarged by bicubic interpolation. Alpha is too: networks are trained on photos and invent texture in a
// mask. Fully transparent pixels take the colour of the nearest visible ones before the network sees them. The bicubic kernel is
// Keys' with a = -0.5, Pillow's. Values are treated as stored, without linearisation, as super-resolution networks
// are trained. Results are rounded half up and clamped; a value that is not finite is an error.
package upscale
