package upscale

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

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
	err = create(out, func(w io.Writer) error {
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

// create writes a file under a temporary name beside path and renames it when it is complete and on disk. It makes
// path's folder if need be.
func create(path string, write func(io.Writer) error) (err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	f, err := temporary(dir)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err := write(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// temporary creates a file that is hidden and has the permissions of any new file, where os.CreateTemp's would stay private.
func temporary(dir string) (*os.File, error) {
	for range 100 {
		name := filepath.Join(dir, fmt.Sprintf(".gansr-%016x.tmp", rand.Uint64()))
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if !errors.Is(err, fs.ErrExist) {
			return f, err
		}
	}
	return nil, fmt.Errorf("%s: no free name for a temporary file", dir)
}
