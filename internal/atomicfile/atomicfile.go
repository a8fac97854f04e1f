// Package atomicfile writes files that are never seen half-written.
package atomicfile

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
)

// Write lets write fill a file under a hidden temporary name beside path and renames it to path when it is complete
// and on disk. After an error path is as it was and the temporary file is gone.
func Write(path string, write func(*os.File) error) (err error) {
	tmp := filepath.Join(filepath.Dir(path), ".gansr-"+strings.ToLower(rand.Text()[:16])+".tmp")
	f, err := os.OpenFile(tmp, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o666)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(tmp)
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
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	if dir, err := os.Open(filepath.Dir(path)); err == nil { // the new name too, on systems that can
		_ = dir.Sync()
		dir.Close()
	}
	return nil
}
