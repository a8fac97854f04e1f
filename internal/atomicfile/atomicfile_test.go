package atomicfile

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	put := func(text string, fail error) error {
		return Write(path, func(f *os.File) error {
			if _, err := f.WriteString(text); err != nil {
				t.Fatal(err)
			}
			return fail
		})
	}
	check := func(want string) {
		t.Helper()
		got, err := os.ReadFile(path)
		if err != nil || string(got) != want {
			t.Fatalf("the file holds %q, %v; want %q", got, err, want)
		}
		if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
			t.Fatalf("the folder holds %v, %v; want the file alone", entries, err)
		}
	}
	if err := put("one", nil); err != nil {
		t.Fatal(err)
	}
	check("one")
	if err := put("two", nil); err != nil {
		t.Fatal(err)
	}
	check("two")
	full := errors.New("disk full")
	if err := put("three", full); !errors.Is(err, full) {
		t.Fatal(err)
	}
	check("two")
	if err := Write(filepath.Join(dir, "none", "file"), nil); err == nil {
		t.Fatal("a missing folder is no error")
	}
}
