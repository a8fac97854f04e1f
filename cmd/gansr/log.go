package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strconv"
	"strings"
	"sync"
)

// hintKey is the attribute that says what to do about an error.
const hintKey = "hint"

// textHandler writes log records as lines for people: information as it is, warnings and errors after "gansr:".
type textHandler struct {
	w     io.Writer
	level slog.Level
	attrs []slog.Attr
}

func (h *textHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= h.level }

func (h *textHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &textHandler{h.w, h.level, append(h.attrs[:len(h.attrs):len(h.attrs)], attrs...)}
}

func (h *textHandler) WithGroup(string) slog.Handler { return h }

func (h *textHandler) Handle(_ context.Context, r slog.Record) error {
	var line strings.Builder
	switch {
	case r.Level >= slog.LevelError:
		line.WriteString("gansr: ")
	case r.Level >= slog.LevelWarn:
		line.WriteString("gansr: warning: ")
	}
	line.WriteString(strings.TrimPrefix(r.Message, "gansr: "))
	hint := ""
	attr := func(a slog.Attr) bool {
		if a.Key == hintKey {
			hint = "\nhint: " + a.Value.String()
		} else {
			v := a.Value.String()
			if strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r == '"' }) || v == "" {
				v = strconv.Quote(v)
			}
			fmt.Fprintf(&line, " %s=%s", a.Key, v)
		}
		return true
	}
	for _, a := range h.attrs {
		attr(a)
	}
	r.Attrs(attr)
	_, err := io.WriteString(h.w, line.String()+hint+"\n")
	return err
}

// switchWriter is a writer whose target can change.
type switchWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *switchWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

// set changes the target and returns the old one.
func (s *switchWriter) set(w io.Writer) io.Writer {
	s.mu.Lock()
	defer s.mu.Unlock()
	w, s.w = s.w, w
	return w
}
