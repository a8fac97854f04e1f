package main

import (
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/gansr/gansr/upscale"
)

// sayEvery is how often a line of progress is written where there is no terminal.
const sayEvery = 10 * time.Second

// meter shows how far upscaling has come: a bar on a terminal, a line now and then elsewhere.
type meter struct {
	log   *switchWriter
	tty   io.Writer // nil if there is no terminal
	lines bool
	bars  *mpb.Progress
	bar   *mpb.Bar

	mu          sync.Mutex
	began, said time.Time
	at          upscale.Progress
	when        time.Time // of at
}

func (a *app) meter() *meter {
	now := time.Now()
	m := &meter{log: a.log, lines: !a.quiet, began: now, said: now}
	if f, ok := a.log.w.(*os.File); ok && !a.quiet && a.logFormat == "text" && term.IsTerminal(int(f.Fd())) {
		m.tty, m.lines = f, false
	}
	return m
}

// show takes the state of the work, after every tile.
func (m *meter) show(p upscale.Progress) {
	now := time.Now()
	m.mu.Lock()
	m.at, m.when = p, now
	due := m.lines && now.Sub(m.said) >= sayEvery
	if due {
		m.said = now
	}
	m.mu.Unlock()
	if due {
		slog.Info(m.file() + ", " + m.rate())
	}
	if m.tty == nil {
		return
	}
	if m.bar == nil {
		m.bars = mpb.New(mpb.WithOutput(m.tty), mpb.WithWidth(40))
		m.log.set(m.bars)
		m.bar = m.bars.AddBar(0, // a bar with a total ends by itself, and lines written later are lost
			mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return m.file() })),
			mpb.AppendDecorators(decor.Any(func(decor.Statistics) string { return m.rate() })))
		m.bar.SetTotal(p.TotalPixels, false)
	}
	m.bar.SetCurrent(p.Pixels)
}

// stop takes the bar away. Log lines go to the terminal again.
func (m *meter) stop() {
	if m.bar != nil {
		m.bar.Abort(true)
		m.bars.Wait()
		m.log.set(m.tty)
	}
}

func (m *meter) file() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return fmt.Sprintf("%d/%d %s", m.at.File, m.at.Files, filepath.Base(m.at.Input))
}

// rate returns how much is done, how fast and how long the rest will take.
func (m *meter) rate() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	p, took := m.at, m.when.Sub(m.began)
	left := time.Duration(float64(took)*float64(p.TotalPixels-p.Pixels)/float64(max(p.Pixels, 1))) - time.Since(m.when)
	return fmt.Sprintf("%d%%, %.3f megapixels/s, %v left", 100*p.Pixels/max(p.TotalPixels, 1),
		float64(p.Pixels)/1e6/took.Seconds(), max(left, 0).Round(time.Second))
}
