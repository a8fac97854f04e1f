// Package photo reads photos that nobody vouches for: it tells PNG, JPEG, WebP, TIFF and BMP apart by content,
// refuses what would take too much memory before anything is allocated, turns a decoder's panic into an error, and
// shows every file the same way: upright (EXIF orientation applied), with straight (not premultiplied) alpha, as
// 16-bit values. Writing files, colour profiles and other metadata do not live here.
package photo
