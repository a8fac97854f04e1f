package watch

import (
	"bytes"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"image"
	"image/png"
	"io"
)

// Report is a page on a run, complete in one file: it opens without a network.
type Report struct {
	Title    string
	Summary  []string // sentences at the top: what came of the run
	Warnings []string
	Charts   []Chart
	Pictures []Comparison
	Tables   []Table // the validation before and after
	Settings []Setting
}

// Setting is one line of the settings; Value may have several lines.
type Setting struct{ Name, Value string }

// Comparison is pictures of one place, side by side, such as LR, before, after, HR.
type Comparison struct {
	Caption string
	Panels  []Panel
}

// Panel is one picture of a comparison.
type Panel struct {
	Label string
	Image image.Image
}

// Table is rows of text below a row of headings. Every row has as many cells as Head.
type Table struct {
	Caption string
	Head    []string
	Rows    [][]string
	Note    string
}

//go:embed report.html
var page string

// Write writes the page as HTML.
func (r *Report) Write(w io.Writer) error {
	for _, t := range r.Tables {
		for i, row := range t.Rows {
			if len(row) != len(t.Head) {
				return fmt.Errorf("report: table %q: row %d has %d cells, the head has %d", t.Caption, i+1, len(row), len(t.Head))
			}
		}
	}
	t, err := template.New("report").Parse(page)
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	var out bytes.Buffer // an error leaves w untouched
	if err := t.Execute(&out, r); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	_, err = w.Write(out.Bytes())
	return err
}

// Width is of the picture as it is shown: small ones are enlarged by whole factors, so that their pixels can be seen.
func (p Panel) Width() int {
	size := p.Image.Bounds().Size()
	return size.X * max(1, 256/max(size.X, size.Y, 1))
}

// URI is the picture as PNG in a data URI.
func (p Panel) URI() (template.URL, error) {
	var file bytes.Buffer
	if err := png.Encode(&file, p.Image); err != nil {
		return "", fmt.Errorf("picture %q: %w", p.Label, err)
	}
	return template.URL("data:image/png;base64," + base64.StdEncoding.EncodeToString(file.Bytes())), nil
}
