// Command _generate writes ../licenses.txt: the licences of the Go modules of which "go list -deps" says that they are
// linked into gansr on any of its platforms, and Go's own.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

var platforms = []string{"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64"}

// pkg is what "go list -json" says of a package.
type pkg struct {
	Dir      string
	Standard bool
	Module   *struct {
		Path, Version, Dir string
		Main               bool
	}
}

// legal are the files that belong to a licence.
var legal = regexp.MustCompile(`(?i)^(licen[cs]e|unlicense|copying|notice|patents|copyright)([.-].*)?$`)

func main() {
	log.SetFlags(0)
	files := map[string]map[string]bool{} // paths of files by module
	for _, platform := range platforms {
		pkgs, err := list(platform)
		if err != nil {
			log.Fatal(err)
		}
		for _, p := range pkgs {
			if p.Standard || p.Module == nil || p.Module.Main {
				continue
			}
			name := p.Module.Path + " " + p.Module.Version
			if files[name] == nil {
				files[name] = map[string]bool{}
			}
			// A package may have terms of its own, in its folder or one above.
			for dir := p.Dir; len(dir) >= len(p.Module.Dir); dir = filepath.Dir(dir) {
				if err := add(files[name], dir); err != nil {
					log.Fatal(err)
				}
			}
		}
	}
	goFiles := map[string]bool{}
	if err := add(goFiles, goroot()); err != nil {
		log.Fatal(err)
	}
	files["the Go programming language"] = goFiles

	var out bytes.Buffer
	fmt.Fprintln(&out, "gansr is under the MIT licence. It contains the following software by others, under the terms below each.")
	for _, module := range slices.Sorted(maps.Keys(files)) {
		if len(files[module]) == 0 {
			log.Fatalf("%s has no licence file", module)
		}
		fmt.Fprintf(&out, "\n%s\n%s\n", strings.Repeat("=", 80), module)
		for _, file := range slices.Sorted(maps.Keys(files[module])) {
			text, err := os.ReadFile(file)
			if err != nil {
				log.Fatal(err)
			}
			text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
			fmt.Fprintf(&out, "%s\n\n%s\n", strings.Repeat("-", 80), bytes.Trim(text, "\n"))
		}
	}
	if err := os.WriteFile("../licenses.txt", out.Bytes(), 0o666); err != nil {
		log.Fatal(err)
	}
}

func list(platform string) ([]pkg, error) {
	goos, goarch, _ := strings.Cut(platform, "/")
	cmd := exec.Command("go", "list", "-deps", "-json=Dir,Standard,Module", ".")
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
	cmd.Stderr = os.Stderr
	text, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list for %s: %w", platform, err)
	}
	var pkgs []pkg
	for d := json.NewDecoder(bytes.NewReader(text)); ; {
		var p pkg
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return pkgs, nil
		} else if err != nil {
			return nil, err
		}
		pkgs = append(pkgs, p)
	}
}

func add(files map[string]bool, dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		if !e.IsDir() && legal.MatchString(e.Name()) && !strings.HasSuffix(e.Name(), ".go") {
			files[filepath.Join(dir, e.Name())] = true
		}
	}
	return err
}

// goroot returns the folder of the Go distribution.
func goroot() string {
	text, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		log.Fatal("go env GOROOT: ", err)
	}
	return strings.TrimSpace(string(text))
}
