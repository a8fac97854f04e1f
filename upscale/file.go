package upscale

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gansr/gansr/internal/atomicfile"
	"github.com/gansr/gansr/upscale/internal/encode"
	"github.com/gansr/gansr/upscale/photo"
)

// File enlarges the photo in file in and writes file out, PNG or JPEG by its extension, making its folder if need be. out is
// replaced when it is complete and on disk, and is left as it was after an error or a cancellation. The error is Result.Err.
func (u *Upscaler) File(ctx context.Context, in, out string) (Result, error) {
	format, err := formatOf(out)
	if err == nil && place(in) == place(out) {
		err = usage("%s would be overwritten by its own result", in)
	}
	if err != nil {
		return Result{Input: in, Output: out, Err: err}, err
	}
	r := u.file(ctx, in, out, format, Progress{File: 1, Files: 1})
	return r, r.Err
}

// formatOf returns the format that a file's extension asks for.
func formatOf(path string) (photo.Format, error) {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".png":
		return photo.PNG, nil
	case ".jpg", ".jpeg", ".jpe", ".jfif":
		return photo.JPEG, nil
	}
	return "", usage("%s: only .png and .jpg can be written", path)
}

// file does what File does. at is the progress before it.
func (u *Upscaler) file(ctx context.Context, in, out string, format photo.Format, at Progress) (r Result) {
	began := time.Now()
	r = Result{Input: in, Output: out}
	defer func() { r.Duration = time.Since(began) }()
	p, err := photo.Open(in, u.limits())
	if err != nil {
		r.Err = err
		return r
	}
	r.In, r.Out = p.Size, p.Size.Mul(u.opt.Scale)
	at.Input = in
	n := int64(p.Size.X) * int64(p.Size.Y)
	if at.TotalPixels == 0 {
		at.TotalPixels = n
	}
	f := form{gray: p.Gray, alpha: p.Alpha, deep: p.Deep}
	start := encode.PNG
	if format == photo.JPEG {
		if f.alpha {
			r.Warnings = append(r.Warnings, "JPEG has no alpha: shown over white")
		}
		if f.deep {
			r.Warnings = append(r.Warnings, "JPEG has 8 bits a channel: reduced from 16")
		}
		f.alpha, f.deep = false, false
		start = encode.JPEG
	}
	if err := os.MkdirAll(filepath.Dir(out), 0o777); err != nil {
		r.Err = fmt.Errorf("%s: %w", in, err)
		return r
	}
	err = atomicfile.Write(out, func(w *os.File) error {
		enc, err := start(w, encode.Config{Width: r.Out.X, Height: r.Out.Y, Channels: f.channels(), Deep: f.deep,
			Quality: u.opt.Quality, Threads: u.opt.Threads})
		if err != nil {
			return err
		}
		write := func(rows []byte) error {
			_, err := enc.Write(rows)
			return err
		}
		plan, err := u.pixels(ctx, p, f, write, u.meter(at, n))
		r.Warnings = append(r.Warnings, plan.Warnings...)
		if err != nil {
			return err
		}
		return enc.Close()
	})
	if err != nil {
		r.Err = fmt.Errorf("%s: %w", in, err)
	}
	return r
}
