package models

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/gansr/gansr/onnxio"
)

//go:embed embedded/*.onnx
var embedded embed.FS

// Info describes a model that is built into the program.
type Info struct {
	Name     string            // what Open takes
	Bytes    int               // of its file
	Metadata map[string]string // of its file
}

// Embedded returns the models that are built into the program by name.
func Embedded() ([]Info, error) {
	var infos []Info
	for _, name := range names() {
		data, m, err := load(name)
		if err != nil {
			return nil, err
		}
		infos = append(infos, Info{name, len(data), m.Metadata()})
	}
	return infos, nil
}

// Open returns the embedded model of a name, or else opens a file.
func Open(nameOrPath string) (*onnxio.Model, error) {
	if slices.Contains(names(), nameOrPath) {
		_, m, err := load(nameOrPath)
		return m, err
	}
	m, err := onnxio.Open(nameOrPath)
	if errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(nameOrPath, `./\`) {
		return nil, fmt.Errorf("models: %q is neither a file nor one of the embedded models: %s", nameOrPath, strings.Join(names(), " "))
	}
	return m, err
}

func names() []string {
	files, _ := fs.Glob(embedded, "embedded/*.onnx") // fails for a malformed pattern only
	for i, f := range files {
		files[i] = strings.TrimSuffix(path.Base(f), ".onnx")
	}
	return files
}

func load(name string) ([]byte, *onnxio.Model, error) {
	data, err := embedded.ReadFile("embedded/" + name + ".onnx")
	if err != nil {
		return nil, nil, fmt.Errorf("models: %w", err)
	}
	m, err := onnxio.Decode(data)
	if err != nil {
		return nil, nil, fmt.Errorf("models: %s: %w", name, err)
	}
	return data, m, nil
}
