package inspect

import (
	"maps"
	"slices"
	"strings"

	"github.com/gansr/gansr/onnxio"
)

// About is what a file says of where it comes from. What it does not say is empty.
type About struct {
	Title       string `json:"title,omitempty"`
	Author      string `json:"author,omitempty"`
	Licence     string `json:"licence,omitempty"`
	Source      string `json:"source,omitempty"` // where it was published
	Description string `json:"description,omitempty"`
}

// about reads the metadata and the documentation of m. The names of keys are those of ONNX (model_license), of the ModelSpec of safetensors
// files (modelspec.license), and those that people use, in any case.
func about(m *onnxio.Model) About {
	plain, md := map[string]string{}, m.Metadata()
	for _, key := range slices.Backward(slices.Sorted(maps.Keys(md))) { // of two keys for one thing the first counts
		name := strings.ToLower(key)
		for _, prefix := range []string{"modelspec.", "model_", "model."} {
			name = strings.TrimPrefix(name, prefix)
		}
		if value := strings.TrimSpace(md[key]); value != "" {
			plain[name] = value
		}
	}
	first := func(names ...string) string {
		for _, name := range names {
			if v := plain[name]; v != "" {
				return v
			}
		}
		return ""
	}
	a := About{Title: first("title", "name"), Author: first("author", "authors", "creator"), Licence: first("license", "licence", "licenses"),
		Source:      first("source", "source_url", "url", "homepage", "repository", "repo"),
		Description: first("description")}
	if a.Description == "" {
		a.Description = strings.TrimSpace(m.Doc())
	}
	return a
}
