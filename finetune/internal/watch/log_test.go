package watch

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.jsonl")
	at := time.Date(2024, 2, 3, 4, 5, 6, 7e6, time.UTC)
	entry := func(step int64) Record {
		return Record{step, at, []Scalar{{"z/loss", 1.0 / 3}, {`a "name"`, float64(step)}}}
	}
	add := func(after int64, steps ...int64) {
		t.Helper()
		l, err := OpenLog(path, after)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range steps {
			if err := l.Write(entry(s)); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	add(0, 1, 2, 3, 4)
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"step":2,"cut`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if got, err := ReadLog(path); err != nil || len(got) != 4 {
		t.Errorf("beside a line cut short: %d records, %v", len(got), err)
	}
	add(2, 3, 4, 5)
	got, err := ReadLog(path)
	if err != nil {
		t.Fatal(err)
	}
	want := []Record{entry(1), entry(2), entry(3), entry(4), entry(5)}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil || m["time"] != "2024-02-03T04:05:06.007Z" {
			t.Errorf("%s: %v", line, err)
		}
	}
	add(0) // a run from the beginning
	if got, err := ReadLog(path); err != nil || len(got) != 0 {
		t.Errorf("%d records, %v", len(got), err)
	}
}

func TestLogNonFinite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log.jsonl")
	l, err := OpenLog(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Write(Record{1, time.Unix(0, 0), []Scalar{{"a", math.NaN()}, {"b", math.Inf(1)}, {"c", 2}}}); err != nil {
		t.Fatal(err)
	}
	got, err := ReadLog(path)
	if err != nil || len(got) != 1 || len(got[0].Scalars) != 1 || got[0].Scalars[0] != (Scalar{"c", 2}) {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"[]\n", "{\"step\":\"x\",\n", "{\"a\":{}}\n", "{\"step\":1e99}\n"} {
		if err := os.WriteFile(path, []byte(bad), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadLog(path); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
