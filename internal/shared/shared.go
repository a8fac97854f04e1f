// Package shared finds the reference data that some tests compare with. It is not part of the
// repository, so those tests are skipped without it.
package shared

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Path returns the path of a file or folder of the reference data, which is the folder that the
// environment variable GANSR_SHARED names, or else the folder "shared" beside the repository. It skips the
// test if there is none.
func Path(t testing.TB, elem ...string) string {
	t.Helper()
	dir := os.Getenv("GANSR_SHARED")
	if dir == "" {
		_, file, _, _ := runtime.Caller(0)
		dir = filepath.Join(filepath.Dir(file), "..", "..", "..", "shared")
	}
	p := filepath.Join(append([]string{dir}, elem...)...)
	if _, err := os.Stat(p); err != nil {
		t.Skipf("reference data is not here: %v (set GANSR_SHARED to its folder)", err)
	}
	return p
}
