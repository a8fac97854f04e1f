package main

import (
	"os"
	"strings"
	"testing"
)

func TestBytesFlag(t *testing.T) {
	for text, want := range map[string]int64{
		"2GiB": 2 << 30, "1.5g": 3 << 29, "500MB": 5e8, "512 mib": 512 << 20, "4096": 4096, "7b": 7, "3kB": 3000,
		"": 0, "GiB": 0, "-1GB": 0, "0": 0, "1e300": 0, "inf": 0, "2TB": 0, "1 2": 0,
	} {
		var b bytesFlag
		if err := b.Set(text); (err != nil) != (want == 0) || int64(b) != want {
			t.Errorf("%q: got %d, %v; want %d", text, int64(b), err, want)
		}
	}
	for b, want := range map[bytesFlag]string{2 << 30: "2GiB", 512 << 20: "512MiB"} {
		if got := b.String(); got != want {
			t.Errorf("%d: got %q, want %q", int64(b), got, want)
		}
	}
}

// What --set takes is what the documentation of metadata has.
func TestFactKeys(t *testing.T) {
	doc, err := os.ReadFile("../../docs/model-metadata.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(doc)) {
		if key, ok := strings.CutPrefix(line, "| `gansr."); ok {
			key, _, _ = strings.Cut(key, "`")
			value, ok := map[string]string{"range": "0,255", "output_range": "-1,1", "channels": "y"}[key]
			if !ok {
				value = "1"
			}
			err := (&factsFlag{}).Set(key + "=" + value)
			if text := key == "architecture" || key == "params"; text == (err == nil) {
				t.Errorf("--set %s=%s: %v", key, value, err)
			}
			n++
		}
	}
	if n < len(factKeys) {
		t.Errorf("the documentation has %d keys, --set takes %d", n, len(factKeys))
	}
}
