package upscale

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/gansr/gansr/upscale/photo"
)

// ErrNoPhotos is what Paths returns when its folders hold no photo.
var ErrNoPhotos = errors.New("upscale: no photos found")

// PathOptions say which files are read and how their results are named.
type PathOptions struct {
	NoRecursive bool         // leave the folders inside folders alone
	Format      photo.Format // of results: photo.PNG or photo.JPEG; "": JPEG for JPEG photos, else PNG
	Suffix      string       // put between a result's name and its extension, such as "_x4"
	DryRun      bool         // read headers and plan, but write nothing
}

// Summary counts the results of a call of Paths.
type Summary struct {
	Done, Skipped, Failed int
	Pixels                int64 // of the results that were done
	Duration              time.Duration
}

// Paths enlarges the named files and the photos in the named folders. out is a file, if it ends in an extension of PNG or JPEG
// and paths is a single file, or else a folder, in which results lie as their photos lie in the folders named. Inside
// folders, files are taken by content or by a picture's extension; hidden ones, symbolic links to folders, and the
// folder out are left alone.
//
// report is called for every input in a fixed order. An input that cannot be read, whose result would
// overwrite an input, or whose result another input claims too, is a failed result; such are reported before any photo is
// enlarged. A result that exists already and is no older than its photo is skipped, since results only ever appear complete;
// if out is a file, it is replaced.
//
// The error tells why there is nothing to report (UsageError, ErrNoPhotos), or that ctx was cancelled: the summary then covers
// the results until there.
func (u *Upscaler) Paths(ctx context.Context, paths []string, out string, o PathOptions, report func(Result)) (Summary, error) {
	began := time.Now()
	var sum Summary
	jobs, err := list(ctx, paths, out, o, u.limits())
	if err != nil {
		return sum, err
	}
	tell := func(r Result) {
		switch {
		case r.Err != nil:
			sum.Failed++
		case r.Skipped:
			sum.Skipped++
		default:
			sum.Done++
			sum.Pixels += int64(r.Out.X) * int64(r.Out.Y)
		}
		sum.Duration = time.Since(began)
		report(r)
	}
	var at Progress
	for _, j := range jobs {
		if j.err != nil {
			tell(Result{Input: j.in, Output: j.out, Err: j.err})
		} else if !j.skip {
			at.Files++
			at.TotalPixels += j.pixels()
		}
	}
	for _, j := range jobs {
		if err := ctx.Err(); err != nil {
			return sum, err
		}
		r := Result{Input: j.in, Output: j.out, In: j.head.Size, Out: j.head.Size.Mul(u.opt.Scale)}
		switch {
		case j.err != nil:
			continue
		case j.skip:
			r.Skipped = true
			tell(r)
			continue
		case o.DryRun:
			plan, err := u.Plan(j.head)
			r.Warnings = plan.Warnings
			if err != nil {
				r.Err = fmt.Errorf("%s: %w", j.in, err)
			}
		default:
			at.File++
			r = u.file(ctx, j.in, j.out, j.format, at)
			at.Pixels += j.pixels()
			if err := ctx.Err(); err != nil && r.Err != nil {
				return sum, err
			}
		}
		tell(r)
	}
	return sum, nil
}

// job is one input and what is planned for it.
type job struct {
	in, out string
	format  photo.Format // of out
	head    photo.Header
	skip    bool
	err     error
}

func (j *job) pixels() int64 { return int64(j.head.Size.X) * int64(j.head.Size.Y) }

// list finds the inputs, in the order of paths and by name inside folders.
func list(ctx context.Context, paths []string, out string, o PathOptions, lim photo.Limits) ([]job, error) {
	l := lister{ctx: ctx, o: o, lim: lim}
	if err := l.target(paths, out); err != nil {
		return nil, err
	}
	for _, path := range paths {
		switch info, err := os.Stat(path); {
		case err != nil:
			l.jobs = append(l.jobs, job{in: path, err: err})
		case info.IsDir():
			l.folder(path, "")
		default:
			l.add(path, filepath.Base(path))
		}
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(l.jobs) == 0 {
		return nil, fmt.Errorf("%w in %s", ErrNoPhotos, strings.Join(paths, ", "))
	}
	l.compare()
	return l.jobs, nil
}

type lister struct {
	ctx  context.Context
	o    PathOptions
	lim  photo.Limits
	out  string      // folder or file
	info os.FileInfo // of the folder out, if it exists
	file bool        // out is a file
	jobs []job
}

// target decides whether out is a file or a folder.
func (l *lister) target(paths []string, out string) error {
	o := &l.o
	switch {
	case len(paths) == 0:
		return usage("no photos were named")
	case out == "":
		return usage("no place for the results was named")
	case o.Format != "" && o.Format != photo.PNG && o.Format != photo.JPEG:
		return usage("format %q cannot be written: only png and jpeg", o.Format)
	case strings.ContainsAny(o.Suffix, `/\`) || strings.ContainsRune(o.Suffix, 0):
		return usage("suffix %q cannot be part of a name", o.Suffix)
	}
	l.out = out
	info, err := os.Stat(out)
	switch {
	case err == nil && info.IsDir():
		l.info = info
		return nil
	case os.IsPathSeparator(out[len(out)-1]):
		return nil
	}
	format, noFormat := formatOf(out)
	if noFormat != nil {
		if err == nil {
			return usage("%s exists and is no folder", out)
		}
		if ext := filepath.Ext(out); pictureExtension(ext) {
			return noFormat
		}
		return nil
	}
	if len(paths) > 1 {
		return usage("several inputs need a folder to be written to, and %s names a file", out)
	}
	if info, err := os.Stat(paths[0]); err == nil && info.IsDir() {
		return usage("the photos of folder %s need a folder to be written to, and %s names a file", paths[0], out)
	}
	if o.Format != "" && o.Format != format {
		return usage("%s does not end like a file of format %s", out, o.Format)
	}
	l.file, o.Format = true, format
	return nil
}

// folder adds what is in the folder path, whose place below the folder that was named is rel.
func (l *lister) folder(path, rel string) {
	entries, err := os.ReadDir(path)
	if err != nil {
		l.jobs = append(l.jobs, job{in: path, err: err})
	}
	for _, e := range entries {
		p, r := filepath.Join(path, e.Name()), filepath.Join(rel, e.Name())
		if strings.HasPrefix(e.Name(), ".") || l.ctx.Err() != nil {
			continue
		}
		if e.IsDir() {
			if info, err := e.Info(); l.o.NoRecursive || err == nil && l.info != nil && os.SameFile(info, l.info) {
				continue
			}
			l.folder(p, r)
			continue
		}
		info, err := os.Stat(p) // through symbolic links
		if pictureExtension(filepath.Ext(p)) && (err != nil || !info.IsDir()) || err == nil && info.Mode().IsRegular() && sniff(p) != "" {
			l.add(p, r)
		}
	}
}

// add adds a file, whose place below the folder that was named is rel.
func (l *lister) add(path, rel string) {
	j := job{in: path, format: l.o.Format}
	defer func() { l.jobs = append(l.jobs, j) }()
	if j.head, j.err = photo.Stat(path, l.lim); j.err != nil {
		return
	}
	if j.format == "" {
		j.format = photo.PNG
		if j.head.Format == photo.JPEG {
			j.format = photo.JPEG
		}
	}
	if l.file {
		j.out = l.out
		return
	}
	ext := filepath.Ext(rel)
	if !pictureExtension(ext) {
		ext = ""
	}
	stem := strings.TrimSuffix(rel, ext)
	if f, err := formatOf(rel); err != nil || f != j.format {
		ext = map[photo.Format]string{photo.PNG: ".png", photo.JPEG: ".jpg"}[j.format]
	}
	j.out = filepath.Join(l.out, stem+l.o.Suffix+ext)
	result, err := os.Stat(j.out)
	if err != nil {
		return
	}
	source, err := os.Stat(path)
	j.skip = err == nil && result.Mode().IsRegular() && !result.ModTime().Before(source.ModTime())
	if result.IsDir() {
		j.err = fmt.Errorf("%s: its result %s is a folder", path, j.out)
	}
}

// compare drops inputs that were named twice and results of an earlier run, and finds results that would overwrite something.
func (l *lister) compare() {
	inputs := map[string]int{}  // place of each input: its index
	outputs := map[string]int{} // place of each result: the first index
	for i, j := range l.jobs {
		in := place(j.in)
		if _, twice := inputs[in]; !twice {
			inputs[in] = i
		}
	}
	drop := make([]bool, len(l.jobs))
	for i := range l.jobs {
		j := &l.jobs[i]
		if inputs[place(j.in)] != i {
			drop[i] = true
			continue
		}
		if j.out == "" {
			continue
		}
		out := place(j.out)
		if k, ok := inputs[out]; ok {
			// With a suffix, results beside their photos are found again by the next run.
			if k != i && l.o.Suffix != "" && !l.file {
				drop[k] = true
			} else {
				j.err = fmt.Errorf("%s: its result would overwrite the input %s", j.in, l.jobs[k].in)
				continue
			}
		}
		if k, ok := outputs[out]; ok {
			clash := func(a, b *job) error {
				return fmt.Errorf("%s: its result %s is the result of %s, too", a.in, a.out, b.in)
			}
			first := &l.jobs[k]
			j.err, first.err = clash(j, first), clash(first, j)
		} else {
			outputs[out] = i
		}
	}
	kept := l.jobs[:0]
	for i, j := range l.jobs {
		if !drop[i] {
			kept = append(kept, j)
		}
	}
	l.jobs = kept
}

// place returns a name that is the same for every path to a file, which need not exist: symbolic links of its folder are
// resolved, and where systems do not tell capitals apart, neither does it.
func place(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	dir, rest := filepath.Dir(path), filepath.Base(path)
	for {
		real, err := filepath.EvalSymlinks(dir)
		if err == nil {
			path = filepath.Join(real, rest)
			break
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			break
		}
		dir, rest = parent, filepath.Join(filepath.Base(dir), rest)
	}
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" {
		path = strings.ToLower(path)
	}
	return path
}

// pictureExtension reports whether files with that extension are taken for photos whatever they hold, so that broken ones and
// formats that cannot be read are reported.
func pictureExtension(ext string) bool {
	switch strings.ToLower(ext) {
	case ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".tif", ".tiff", ".bmp",
		".gif", ".heic", ".heif", ".avif", ".jxl", ".jp2":
		return true
	}
	return false
}

// sniff returns the format of a file by its first bytes.
func sniff(path string) photo.Format {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	var b [16]byte
	n, _ := f.Read(b[:])
	return photo.Sniff(b[:n])
}
