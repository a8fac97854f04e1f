package watch

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/gansr/gansr/internal/atomicfile"
)

// Log is a file of one JSON object a line: {"step": 12, "time": "2006-01-02T15:04:05.123Z", "critic/loss": 0.5, ...}. Figures
// that are no finite numbers are null.
type Log struct{ f *os.File }

// OpenLog opens the log at path to add to it, or creates it. Lines of steps after the given one, which a run that goes on
// from there makes again, are dropped, and so is a last line that is cut short.
func OpenLog(path string, step int64) (*Log, error) {
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	var kept bytes.Buffer
	for line := range bytes.Lines(text) {
		var head struct{ Step *int64 }
		if json.Unmarshal(line, &head) == nil && head.Step != nil && *head.Step <= step && line[len(line)-1] == '\n' {
			kept.Write(line)
		}
	}
	if !bytes.Equal(kept.Bytes(), text) {
		err := atomicfile.Write(path, func(f *os.File) error {
			_, err := f.Write(kept.Bytes())
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("shorten %s to step %d: %w", path, step, err)
		}
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return nil, err
	}
	return &Log{f}, nil
}

// Write adds a line. It is in the file, if not on disk, when Write returns.
func (l *Log) Write(r Record) error {
	line := fmt.Appendf(nil, `{"step":%d,"time":%q`, r.Step, r.Time.UTC().Format(timeLayout))
	for _, s := range r.Scalars {
		name, err := json.Marshal(s.Name)
		if err != nil {
			return err
		}
		line = append(append(append(line, ','), name...), ':')
		if !finite(s.Value) {
			line = append(line, "null"...)
			continue
		}
		value, err := json.Marshal(s.Value)
		if err != nil {
			return err
		}
		line = append(line, value...)
	}
	_, err := l.f.Write(append(line, "}\n"...))
	return err
}

const timeLayout = "2006-01-02T15:04:05.000Z"

// Close closes the file.
func (l *Log) Close() error { return l.f.Close() }

// ReadLog returns the records of a log, in the order of the file and of the names in each line; null figures are left out.
func ReadLog(path string) ([]Record, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var records []Record
	in := bufio.NewReader(f)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return records, nil // what follows the last newline is cut short
		} else if err != nil {
			return nil, err
		}
		r, err := parseRecord(line)
		if err != nil {
			return nil, fmt.Errorf("%s, line %d: %w", path, n, err)
		}
		records = append(records, r)
	}
}

// parseRecord keeps the order of the figures, which a map would lose.
func parseRecord(line []byte) (r Record, err error) {
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return r, errors.New("no JSON object")
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return r, err
		}
		value, err := d.Token()
		if err != nil {
			return r, err
		}
		name := key.(string) // JSON has no other keys
		switch v := value.(type) {
		case json.Number:
			if name == "step" {
				r.Step, err = v.Int64()
			} else {
				s := Scalar{Name: name}
				s.Value, err = v.Float64()
				r.Scalars = append(r.Scalars, s)
			}
		case string:
			if name == "time" {
				r.Time, err = time.Parse(timeLayout, v)
			}
		case json.Delim:
			return r, fmt.Errorf("%s is neither a number nor null", name)
		}
		if err != nil {
			return r, err
		}
	}
	_, err = d.Token()
	return r, err
}
