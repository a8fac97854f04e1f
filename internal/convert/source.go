package convert

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gansr/gansr/models"
	"github.com/gansr/gansr/onnxio"
	"github.com/gansr/gansr/onnxio/torch"
)

// Source is a file of a network.
type Source struct {
	Path  string
	Model *onnxio.Model // of the file, or built from it
	// File and Match are what a file of PyTorch's holds and what was made of it, nil for ONNX files.
	File  *torch.File
	Match *models.Match
	// Said is what a person should know: what was chosen, assumed and left out.
	Said []string
}

// Open reads an ONNX file, or one of PyTorch's, whose architecture is recognised unless arch names it. values are hyper-parameters that
// count more than what is recognised. The error for an unknown architecture wraps models.ErrUnknown; tensors lists what the file holds.
func Open(path, arch string, values map[string]string) (*Source, error) {
	isTorch, err := isTorch(path)
	if err != nil {
		return nil, fmt.Errorf("convert: %s: %w", path, err)
	}
	if !isTorch {
		if arch != "" || len(values) > 0 {
			return nil, fmt.Errorf("convert: %s: an ONNX file says its architecture itself: --arch and --set are for files of PyTorch's", path)
		}
		m, err := models.Open(path)
		if err != nil {
			return nil, err
		}
		return &Source{Path: path, Model: m}, nil
	}
	f, err := torch.Open(path)
	if err != nil {
		return nil, err
	}
	m, match, err := models.FromState(f.Tensors, arch, values)
	switch {
	case errors.Is(err, models.ErrUnknown):
		return nil, &UnknownError{path, f, err}
	case err != nil:
		return nil, fmt.Errorf("convert: %s: %w", path, err)
	}
	for key, value := range f.Stated() {
		m.SetMetadata(key, value)
	}
	s := &Source{Path: path, Model: m, File: f, Match: match}
	s.describe()
	return s, nil
}

// UnknownError reports a state dictionary that no architecture fits.
type UnknownError struct {
	Path string
	File *torch.File
	err  error
}

func (e *UnknownError) Error() string { return fmt.Sprintf("convert: %s: %v", e.Path, e.err) }

// Unwrap returns the error of models.FromState.
func (e *UnknownError) Unwrap() error { return e.err }

// Tensors lists what the file holds, a line for each tensor.
func (e *UnknownError) Tensors() []string {
	var lines []string
	for _, name := range e.File.Names {
		lines = append(lines, fmt.Sprintf("%s %v", name, e.File.Tensors[name].Type()))
	}
	return lines
}

func (s *Source) say(format string, args ...any) {
	s.Said = append(s.Said, fmt.Sprintf(format, args...))
}

// describe says what a file of PyTorch's was taken for.
func (s *Source) describe() {
	f, m := s.File, s.Match
	types := map[string]int{}
	for _, t := range f.Tensors {
		types[t.DType().String()]++
	}
	s.say("%s, %d tensors of %s", f.Format, len(f.Names), strings.Join(slices.Sorted(maps.Keys(types)), ", "))
	if f.Chosen != "" {
		s.say("weights: %s", f.Chosen)
	}
	if len(f.Others) > 0 {
		s.say("passed over: %s", strings.Join(f.Others, ", "))
	}
	if f.Prefix != "" {
		s.say("prefix of names: %s", f.Prefix)
	}
	if len(f.Left) > 0 {
		s.say("tensors of other networks left out: %s", strings.Join(f.Left, ", "))
	}
	s.Said = append(s.Said, f.Notes...)
	stated := f.Stated()
	for _, key := range slices.Sorted(maps.Keys(stated)) {
		s.say("the file says %s=%.200q", key, stated[key])
	}
	s.say("architecture: %s", m.Architecture)
	var known, assumed []string
	for _, key := range slices.Sorted(maps.Keys(m.Params)) {
		kv := key + "=" + m.Params[key]
		if slices.Contains(m.Moot, key) {
			continue
		}
		if slices.Contains(m.Assumed, key) {
			assumed = append(assumed, kv)
		} else {
			known = append(known, kv)
		}
	}
	if len(known) > 0 {
		s.say("recognised: %s", strings.Join(known, " "))
	}
	if len(assumed) > 0 {
		s.say("assumed, as the tensors do not tell (--set changes it): %s", strings.Join(assumed, " "))
	}
	if n := len(m.Unused); n > 0 {
		s.say("%d tensors take no part in inference: %s", n, shortList(m.Unused, 3))
	}
}

func shortList(list []string, most int) string {
	if len(list) > most {
		return strings.Join(list[:most], ", ") + ", …"
	}
	return strings.Join(list, ", ")
}

// hash returns what gansr.source says: the file's name and the SHA-256 of its bytes. That of an embedded model is its name.
func (s *Source) hash() (string, error) {
	f, err := os.Open(s.Path)
	if err != nil {
		if os.IsNotExist(err) {
			return s.Path, nil
		}
		return "", fmt.Errorf("convert: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("convert: %w", err)
	}
	return filepath.Base(s.Path) + " sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}
