package doccheck

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/gansr/gansr"

// external says which packages alone may import some others, or what lies below those.
var external = map[string][]string{
	"google.golang.org/protobuf": {"onnxio", "onnxio/internal/onnxpb"},
	"golang.org/x/sys":           {"internal/kernel", "graph"},
	"gorgonia.org":               {"graph", "finetune", "onnxio/backend"},
	"github.com/owulveryck":      {"onnxio", "onnxio/backend"},
	"image":                      {"upscale", "upscale/photo", "upscale/internal/encode", "finetune/data", "finetune/eval", "finetune/tune", "finetune/internal/watch"},
	"golang.org/x/image":         {"upscale", "upscale/photo", "upscale/internal/encode"},
	"github.com/spf13":           {"cmd/gansr"},
	"unsafe":                     {"graph", "internal/kernel", "onnxio/internal/onnxpb"},
	"testing":                    {"internal/shared"},
}

// TestArchitecture compares the imports of every package with the map.
func TestArchitecture(t *testing.T) {
	allowed := readMap(t)
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "./...")
	cmd.Dir = "../.."
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimPrefix(p.ImportPath, module+"/")
		seen[name] = true
		may, ok := allowed[name]
		if !ok {
			t.Errorf("docs/architecture.md does not list %s", name)
		}
		for _, im := range p.Imports {
			if own, ok := strings.CutPrefix(im, module+"/"); ok && !slices.Contains(may, own) {
				t.Errorf("%s imports %s, which docs/architecture.md does not allow", name, own)
			}
			for path, users := range external {
				if (im == path || strings.HasPrefix(im, path+"/")) && !slices.Contains(users, name) {
					t.Errorf("%s imports %s, which only %v should", name, im, users)
				}
			}
		}
	}
	for name, may := range allowed {
		for _, p := range append(may, name) {
			if !seen[p] {
				t.Errorf("docs/architecture.md names %s, which does not exist", p)
			}
		}
	}
}

// readMap returns the packages of the table in docs/architecture.md with those that each may import.
func readMap(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile("(?m)^\\| `([^`]+)` \\|[^|]*\\|([^|]*)\\|$")
	name := regexp.MustCompile("`([^`]+)`")
	m := map[string][]string{}
	for _, r := range row.FindAllStringSubmatch(string(text), -1) {
		m[r[1]] = nil
		for _, n := range name.FindAllStringSubmatch(r[2], -1) {
			m[r[1]] = append(m[r[1]], n[1])
		}
	}
	if len(m) < 10 {
		t.Fatalf("the table of packages has %d rows", len(m))
	}
	return m
}
