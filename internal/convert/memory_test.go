package convert

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/gansr/gansr/models"
)

// Converting has a file's weights in memory once, and once more packed for the runs of the range and the certificate.
func TestMemory(t *testing.T) {
	m, err := models.New("RRDBNet", map[string]string{"num_block": "2", "num_feat": "128", "num_grow_ch": "64"}, 1)
	if err != nil {
		t.Fatal(err)
	}
	path, _ := fileOf(t, m)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	m = nil
	for _, check := range []bool{false, true} {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		s, err := Open(path, "", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Convert(context.Background(), s, filepath.Join(t.TempDir(), "out.onnx"), Options{NoCheck: !check}); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		// All that is ever allocated, graphs for a dozen of sizes included.
		const graphs = 25 << 20
		if got, most := int64(after.TotalAlloc-before.TotalAlloc), 2*info.Size()+graphs; got > most {
			t.Errorf("check %v: %d bytes are allocated for a file of %d, want at most %d", check, got, info.Size(), most)
		}
	}
}
